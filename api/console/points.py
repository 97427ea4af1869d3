"""One metering point with its index, consumption, temperatures and telegrams."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from nicegui import ui

from api.console.evidence_parts import ESTIMATED
from api.console.evidence_view import HOURS, EvidenceView, Subject, loaded
from api.console.frame import Html, card, empty, figure, frame, grid, heading, link, severity_text, tabs
from api.console.names import flag_texts, kind_text, service_text, state_text
from api.console.photos import photo_strip
from api.console.point_state import state_form
from api.console.session import Visitor
from api.console.telegrams import device_card, telegrams_card
from api.console.texts import marked
from api.console.words import word
from ingest.store import evidence

_SPANS = ((3, marked("3 days")), (7, marked("7 days")), (30, marked("30 days")), (365, marked("1 year")))


async def point_page(
    visitor: Visitor, code: str, *, days: int = 30, service: int | None = None, hourly: bool = False
) -> None:
    """Everything about one point over the last `days` days; `hourly` shows hours where days would be shown."""
    texts, now = visitor.texts, visitor.parts.clock.now()
    days = min(max(days, 1), 800)
    async with visitor.connection() as connection:
        point = await evidence.point_facts(connection, code)
        if point is not None:
            visitor.actor.require_area(point["area_id"], "point")
            services: list[int] = sorted({row["service"] for row in point["installations"]}) or [1]
            chosen = service if service is not None and service in services else services[0]
            subject = Subject(
                point["point_id"], point["area_id"], chosen, now - timedelta(days=days), now, hourly=hourly
            )
            data = await loaded(connection, subject, subject.start, now)
            deliveries = await _deliveries(connection, point)
    if point is None:
        with frame(visitor, texts("Points"), current="/points"):
            heading(texts("Points"), code)
            empty(texts("There is no point {code}. Search for it under Points.", code=code))
            ui.html(link(texts("Points"), "/points"), sanitize=False)
        return
    with frame(visitor, code, current="/points"):
        heading(f"{code} · {point['address'] or point['building'] or point['area_name']}", _subtitle(visitor, point))
        _ways_to_look(visitor, code, days, services, chosen, hourly=hourly)
        with ui.element("div").classes("hb-figures"):
            _figures(visitor, point, data.consumption, now)
        with card(texts("Consumption")):
            if data.consumption["start_at"] or data.indexes:
                EvidenceView(visitor, subject, data).build(
                    texts("Consumption, index, temperatures and flags over time")
                )
            else:
                empty(texts("No consumption yet: it appears after the next assessment of this point's readings."))
        _installations(visitor, point)
        _alerts(visitor, point)
        device_card(visitor, data.spans)
        _monthly_detail(visitor, code)
        if visitor.actor.may("technician"):
            state_form(visitor, code, str(point["state"] or "active"))
        _intervals(visitor, data.consumption)
        if deliveries is not None:
            telegrams_card(
                visitor, deliveries, texts("Latest telegrams"),
                none=texts("This meter has not been heard yet: look at its line under Lines."),
            )  # fmt: skip


async def _deliveries(connection: Any, point: dict[str, Any]) -> list[dict[str, Any]] | None:
    current = next((row for row in point["installations"] if row["to_ts"] is None), None)
    if current is None:
        return None
    return await evidence.latest_deliveries(connection, meter_id=current["meter_id"], limit=5)


def _subtitle(visitor: Visitor, point: dict[str, Any]) -> str:
    texts = visitor.texts
    parts = [point["area_name"], word(texts, point["kind"]), state_text(texts, point["state"] or "active")]
    if point["heated_area_m2"]:
        parts.append(f"{texts.number(point['heated_area_m2'], 1)} m²")
    return " · ".join(parts)


def _ways_to_look(visitor: Visitor, code: str, days: int, services: list[int], chosen: int, *, hourly: bool) -> None:
    texts = visitor.texts

    def address(span: int = days, service: int = chosen, hours: bool = hourly) -> str:
        return f"/points/{quote(code, safe='')}?days={span}&service={service}" + ("&hourly=true" if hours else "")

    with ui.element("div").classes("hb-tools hb-no-print"):
        tabs([(address(span), texts(name)) for span, name in _SPANS], address(), texts("Span"))
        if days > HOURS.days:
            tabs(
                [(address(hours=False), texts("by the day")), (address(hours=True), texts("by the hour"))],
                address(), texts("Interval"),
            )  # fmt: skip
        if len(services) > 1:
            tabs([(address(service=one), service_text(texts, one)) for one in services], address(), texts("Service"))


def _figures(visitor: Visitor, point: dict[str, Any], columns: Mapping[str, Sequence[Any]], now: datetime) -> None:
    texts = visitor.texts
    energies = [value for value in columns["energy_kwh"] if value is not None]
    volumes = [value for value in columns["volume_m3"] if value is not None]
    shares = [bool(flags & ESTIMATED) for flags in columns["flags"]]
    figure(texts("Heat in this span"), texts.energy(sum(energies)) if energies else "–")
    figure(texts("Volume in this span"), f"{texts.number(sum(volumes), 2)} m³" if volumes else "–")
    figure(texts("Estimated intervals"), texts.percent(sum(shares) / len(shares) if shares else None))
    newest = max((row["last_reading_at"] for row in point["installations"] if row["last_reading_at"]), default=None)
    figure(texts("Last reading"), texts.age(newest, now), note=texts.moment(newest))
    open_alerts = sum(1 for row in point["alerts"] if row["state"] != "resolved")
    figure(texts("Open alerts"), texts.number(open_alerts), tone="bad" if open_alerts else "")


def _installations(visitor: Visitor, point: dict[str, Any]) -> None:
    texts = visitor.texts
    with card(texts("Meters at this point")):
        if not point["installations"]:
            empty(texts("No meter is installed here: adopt one under Intake or exchange one under Field work."))
            return
        rows = []
        for row in point["installations"]:
            scale = row["energy_scale"]
            initial = "–"
            if row["initial_index"] is not None and scale is not None:
                initial = f"{texts.number(row['initial_index'] * 10.0**scale, max(0, -scale))} {row['energy_unit']}"
            rows.append(
                (
                    row["serial"],
                    " ".join(part for part in (row["manufacturer"], row["model"] or row["profile"]) if part),
                    service_text(texts, row["service"]),
                    texts.day(row["from_ts"]),
                    texts.day(row["to_ts"]) if row["to_ts"] else texts("now"),
                    initial,
                    " / ".join(part for part in (row["gateway"], row["link_address"]) if part) or "–",
                    photo_strip(texts, row["photos"]),
                )
            )
        grid(
            [
                (texts("Serial"), "text"),
                (texts("Model"), "text"),
                (texts("Service"), "text"),
                (texts("From"), "text"),
                (texts("To"), "text"),
                (texts("Initial index"), "number"),
                (texts("Line"), "text"),
                (texts("Photos"), "text"),
            ],
            rows,
            caption=texts("Meters at this point"),
        )


def _alerts(visitor: Visitor, point: dict[str, Any]) -> None:
    texts = visitor.texts
    if not point["alerts"]:
        return
    with card(texts("Alerts of this point")):
        grid(
            [
                (texts("Kind"), "text"),
                (texts("Severity"), "text"),
                (texts("State"), "text"),
                (texts("From"), "text"),
                (texts("At stake"), "number"),
            ],
            [
                (
                    Html(link(kind_text(texts, row["kind"]), f"/alerts/{row['alert_id']}")),
                    severity_text(texts, row["severity"]),
                    state_text(texts, row["state"]),
                    texts.moment(row["from_ts"]),
                    texts.at_stake(row["energy_at_stake_kwh"]),
                )
                for row in point["alerts"]
            ],
            caption=texts("Alerts of this point"),
        )


def _intervals(visitor: Visitor, columns: Mapping[str, Sequence[Any]]) -> None:
    texts = visitor.texts
    newest = list(zip(*(columns[name] for name in columns), strict=True))[-14:][::-1]
    if not newest:
        return
    names = list(columns)
    with card(texts("Latest intervals")):
        rows = []
        for values in newest:
            row = dict(zip(names, values, strict=True))
            rows.append(
                (
                    texts.moment(row["start_at"]),
                    texts.energy(row["energy_kwh"], 2),
                    f"{texts.number(row['volume_m3'], 3)} m³",
                    flag_texts(texts, row["flags"]) or texts("valid"),
                    str(row["version"]),
                )
            )
        grid(
            [
                (texts("Start"), "text"),
                (texts("Energy"), "number"),
                (texts("Volume"), "number"),
                (texts("Quality"), "text"),
                (texts("Version"), "number"),
            ],
            rows,
            caption=texts("Latest intervals"),
        )


def _monthly_detail(visitor: Visitor, code: str) -> None:
    """The monthly detail (用热明细) of this and the last two months, as files for the customer."""
    texts = visitor.texts
    day = visitor.parts.clock.now().astimezone(texts.zone).date()
    rows = []
    for _ in range(3):
        day = day.replace(day=1)
        address = f"/api/v1/reports/points/{quote(code, safe='')}/month?day={day}&language={texts.language}&format="
        files = " · ".join(link(form.upper(), address + form) for form in ("xlsx", "pdf"))
        rows.append((f"{day:%Y-%m}", Html(files)))
        day -= timedelta(days=1)
    with card(texts("Monthly detail for the customer")):
        grid([(texts("Month"), "text"), (texts("Files"), "text")], rows, caption=texts("Monthly detail"))
