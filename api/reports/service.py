"""The monthly and quarterly report, and the monthly detail of one customer; as data that page, XLSX and PDF show
alike."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection

from api.access import Actor
from api.readings import service as readings
from ingest.alerting import CAUSES, Verdict
from ingest.errors import InvalidInputError
from ingest.store import board, campaigns, registry, report_figures

Row = dict[str, Any]
KINDS: Final = {"month": 1, "quarter": 3}


def span_of(kind: str, first: date) -> tuple[date, date]:
    """First day and the day after the last of the month or quarter that a day lies in."""
    months = KINDS[kind]
    month = (first.month - 1) // months * months + 1
    start = first.replace(month=month, day=1)
    following = month + months
    end = start.replace(year=start.year + (following > 12), month=(following - 1) % 12 + 1)
    return start, end


def instants(start: date, end: date, zone: str) -> tuple[datetime, datetime]:
    """Local midnights as instants."""
    first, last = (datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC) for day in (start, end))
    return first, last


async def report(
    connection: AsyncConnection[Any], actor: Actor, kind: str, day: date, *, area: str | None = None, now: datetime
) -> Row:
    """The report of the month or quarter that `day` lies in, over the caller's areas or one of them."""
    actor.require("lead")
    if not 1990 <= day.year <= 2190:
        raise InvalidInputError("the day is outside 1990-2190", field="day")
    known = [row for row in await registry.areas(connection) if actor.sees(row.area_id)]
    chosen = [row for row in known if area is None or row.code == area]
    if area is not None and not chosen:
        raise InvalidInputError(f"there is no area {area!r}", field="area")
    ids = [row.area_id for row in chosen]
    start, end = span_of(kind, day)
    zone = chosen[0].time_zone if chosen else "UTC"
    begins, ends = instants(start, end, zone)
    quality = [_rated(row) for row in await report_figures.quality_by_area(connection, begins, ends, ids)]
    anomalies = [_judged(row) for row in await report_figures.anomalies_by_kind(connection, begins, ends, ids)]
    exchanged = await report_figures.exchanges(connection, begins, ends, ids)
    samples = await campaigns.samples(connection, ids)
    return {
        "kind": kind,
        "from": start,
        "to": end,
        "made_at": now,
        "complete": ends <= now,
        "areas": quality,
        "anomalies": anomalies,
        "exchanges": [{**row, "at": row["at"].astimezone(ZoneInfo(zone))} for row in exchanged],
        "operators": await board.attempts_by_operator(connection, begins, ends, actor.area_list),
        "samples": [row for row in samples if start <= row["week"] < end],
    }


def _rated(row: Row) -> Row:
    days, energy = row["point_days"], row["energy_kwh"]
    return {
        **row,
        "reading_rate": row["days_read"] / days if days else None,
        "estimated_share_time": row["days_estimated"] / days if days else None,
        "estimated_share_energy": float(row["estimated_kwh"] / energy) if energy else None,
    }


def _judged(row: Row) -> Row:
    causes = row["causes"]
    verdicts = dict.fromkeys(Verdict, 0)
    for cause, count in causes.items():
        verdicts[CAUSES.get(cause, (Verdict.UNDECIDED, False))[0]] += count
    return {**row, "confirmed": verdicts[Verdict.TRUE], "refuted": verdicts[Verdict.FALSE]}


async def customer_detail(connection: AsyncConnection[Any], actor: Actor, point: str, day: date) -> Row:
    """The monthly consumption detail of a point (用热明细): day by day, with quality, and the month's sum."""
    if not 1990 <= day.year <= 2190:
        raise InvalidInputError("the day is outside 1990-2190", field="day")
    place = await readings.point(connection, actor, point)
    start, end = span_of("month", day)
    begins, ends = instants(start, end, place.time_zone)
    rows = await readings.consumption(connection, place, start=begins, end=ends, resolution="day")
    zone = ZoneInfo(place.time_zone)
    energy = [row["energy_j"] for row in rows if row["energy_j"] is not None]
    return {
        "point": place.code,
        "address": place.address,
        "account": place.account,
        "heated_area_m2": place.heated_area_m2,
        "from": start,
        "to": end,
        "days": [{**row, "day": (row["start_at"] + timedelta(hours=1)).astimezone(zone).date()} for row in rows],
        "energy_kwh": sum(energy) / 3_600_000 if energy else None,
        "days_missing": (end - start).days - len(energy),
    }
