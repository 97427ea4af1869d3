"""Quantities of a period, computed area by area from intervals and index readings.

Rules: cut-offs are local midnights of the point's area; a period that has not ended yet counts up to now; one pass
serves all points of an area, so ten thousand points cost some dozens of queries.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from psycopg import AsyncConnection

from api.billing.cut_offs import segments_of
from api.billing.settings import gate_of
from api.billing.tiers import Schedule, schedules, tier_splits
from api.billing.window import Window, local_midnight, window_of
from compute.billing import BillingPeriod, BillingQuantity, Sums, quantity_of
from compute.rounding import energy_units, rounded
from ingest.billing import MAIN_REGISTER
from ingest.billing_breaks import unbroken
from ingest.store import billing_sources

Row = dict[str, Any]
_CHUNK: Final = 2_000
_ML_PER_M3: Final = 1_000_000


async def quantities(
    connection: AsyncConnection[Any],
    period: Row,
    points: Sequence[Row],
    *,
    now: datetime,
    known: datetime | None = None,
) -> list[Row]:
    """Rows for `ingest.store.billing.write`, without version and state, one a point and service."""
    result: list[Row] = []
    run = await billing_sources.last_run(connection)
    areas: dict[tuple[int, str], list[Row]] = {}
    for point in points:
        areas.setdefault((point["area_id"], point["time_zone"]), []).append(point)
    for (area_id, zone), members in areas.items():
        window = window_of(period["start_date"], period["end_date"], zone, now)
        base_c = float(period["settings"].get("base_c", 18.0))
        degree_days = await billing_sources.degree_days(
            connection, area_id, window.start, window.end, zone=zone, base_c=base_c
        )
        for start in range(0, len(members), _CHUNK):
            chunk = members[start : start + _CHUNK]
            for row in await _chunk(connection, period, chunk, window, degree_days, known):
                row["determinants"]["run"] = run
                result.append(row)
    return result


async def _chunk(
    connection: AsyncConnection[Any],
    period: Row,
    points: Sequence[Row],
    window: Window,
    degree_days: float | None,
    known: datetime | None,
) -> list[Row]:
    ids = [point["point_id"] for point in points]
    sums = await billing_sources.sums(connection, ids, window.start, window.end, known)
    rows = await billing_sources.segments(connection, ids, window.start, window.end)
    states = await billing_sources.days_by_state(connection, ids, window.start, window.end)
    tolerance = timedelta(minutes=float(period["settings"].get("tolerance_min", 90)))
    segments = await segments_of(connection, rows, sums, window, tolerance)
    gate = gate_of(period["settings"])
    by_id = {point["point_id"]: point for point in points}
    lists = schedules(period["settings"].get("tiers", []), period["start_date"], period["end_date"])
    later = [
        await billing_sources.energies(connection, ids, *span, known)
        for span in _spans(lists, window, points[0]["time_zone"])
    ]
    result = []
    for point_id, service in sorted(set(segments) | set(sums)):
        total = _sums(sums.get((point_id, service)), service)
        own = segments.get((point_id, service), [])
        asked = BillingPeriod(MAIN_REGISTER[service][1], window.seconds, gate)
        made = quantity_of(asked, own, total)
        if not made.conserved and made.index_difference is not None:
            # An index that broke, or garbage next to a cut-off: the readings that count, piece by piece.
            made = quantity_of(asked, await unbroken(connection, own), total)
        row = _row(period, by_id[point_id], service, made, total, window, states.get(point_id, {}), degree_days)
        if lists:
            dated = [energies.get((point_id, service), 0) for energies in later]
            # The first list takes what the others leave: the steps add up to the quantity to the joule.
            split = None if made.energy_j is None else [made.energy_j - sum(dated), *dated]
            row["determinants"]["tiers"] = tier_splits(lists, split)
        result.append(row)
    return result


def _spans(lists: Sequence[Schedule], window: Window, zone: str) -> list[tuple[datetime, datetime]]:
    """The instants between which each list but the first holds."""
    starts = [local_midnight(each.since, zone) for each in lists if each.since is not None]
    return list(pairwise(min(instant, window.end) for instant in [*starts, window.end]))


def _sums(row: Row | None, service: int) -> Sums:
    if row is None:
        return Sums()
    energy = MAIN_REGISTER[service][1] == "J"
    return Sums(
        total=row["energy_j"] if energy else row["volume_ml"] or 0,
        volume_ml=row["volume_ml"],
        **{
            name: row[name]
            for name in (
                "estimated",
                "edited",
                "beyond",
                "uncertainty",
                "seconds",
                "missing_s",
                "estimated_s",
                "edited_s",
                "intervals",
                "flags",
                "first_at",
                "last_at",
                "run_id",
                "rule_set_id",
            )
        },
    )


def _row(
    period: Row,
    point: Row,
    service: int,
    made: BillingQuantity,
    sums: Sums,
    window: Window,
    states: dict[str, float],
    degree_days: float | None,
) -> Row:
    days = window.seconds / 86_400
    suspended = states.get("suspended", 0.0) + states.get("closed", 0.0)
    energy = {} if made.energy_j is None else {name: str(value) for name, value in energy_units(made.energy_j).items()}
    volume = None if made.volume_ml is None else str(rounded(made.volume_ml, _ML_PER_M3, 3))
    return {
        "period_id": period["period_id"],
        "point_id": point["point_id"],
        "service": service,
        "energy_j": made.energy_j,
        "volume_ml": made.volume_ml,
        "share_measured": made.share_measured,
        "share_estimated": made.share_estimated,
        "share_edited": made.share_edited,
        "quality": made.quality,
        "reason": made.reason,
        "run_id": sums.run_id,
        "rule_set_id": sums.rule_set_id,
        "days_in_service": round(_days_with_meter(made, days) - suspended, 4),
        "days_suspended": round(suspended, 4),
        "heated_area_m2": point["heated_area_m2"],
        "degree_days": degree_days,
        "determinants": {
            **energy,
            "volume_m3": volume,
            "from": window.start.isoformat(),
            "to": window.end.isoformat(),
            "planned_to": window.planned_end.isoformat(),
            "zone": point["time_zone"],
            "segments": made.segments,
            "index_difference": made.index_difference,
            "intervals_sum": sums.total - sums.beyond,
            "beyond_index": sums.beyond,
            "conserved": made.conserved,
            "intervals": sums.intervals,
            "first_interval_at": None if sums.first_at is None else sums.first_at.isoformat(),
            "last_interval_to": None if sums.last_at is None else sums.last_at.isoformat(),
            "share_missing": made.share_missing,
            "time": _time_shares(sums),
            "uncertainty_kwh": str(rounded(sums.uncertainty, 3_600_000, 3)),
            "days_by_state": {state: round(value, 4) for state, value in states.items()},
            "contract": point["contract"],
            "flags": sums.flags,
            "tiers": [],
        },
    }


def _days_with_meter(made: BillingQuantity, days: float) -> float:
    spans = [
        (datetime.fromisoformat(segment["to"]) - datetime.fromisoformat(segment["from"])).total_seconds()
        for segment in made.segments
    ]
    return min(days, sum(spans) / 86_400)


def _time_shares(sums: Sums) -> dict[str, float]:
    if sums.seconds <= 0:
        return {"measured": 0.0, "estimated": 0.0, "edited": 0.0, "missing": 1.0}
    shares = {
        "estimated": sums.estimated_s / sums.seconds,
        "edited": sums.edited_s / sums.seconds,
        "missing": sums.missing_s / sums.seconds,
    }
    return {
        "measured": round(max(0.0, 1.0 - sum(shares.values())), 6),
        **{name: round(share, 6) for name, share in shares.items()},
    }


async def all_points(connection: AsyncConnection[Any], only: Iterable[int] | None = None) -> list[Row]:
    """Every point (or only some) with what billing asks of it."""
    chosen = None if only is None else sorted(set(only))
    result: list[Row] = []
    while True:
        page = await billing_sources.points(connection, after=result[-1]["point_id"] if result else 0, only=chosen)
        if not page:
            return result
        result += page
