"""One metering point with its index, consumption, temperatures and telegrams."""

from datetime import datetime, timedelta
from html import escape
from typing import Any

from nicegui import ui

from api.console.charts import consumption_chart, index_chart, temperature_chart
from api.console.frame import Html, card, empty, figure, frame, grid, heading, link, severity_text
from api.console.names import flag_texts, kind_text, service_text, state_text
from api.console.point_state import state_form
from api.console.session import Visitor
from api.console.texts import marked
from api.console.words import word
from compute.quality import Quality
from ingest.store import evidence

ESTIMATED = int(Quality.ESTIMATED | Quality.INTERPOLATED)
MOMENTARY = ("supply_temperature", "return_temperature", "temperature_difference", "flow")
_SPANS = ((3, marked("3 days")), (7, marked("7 days")), (30, marked("30 days")), (365, marked("1 year")))
_ENERGY = {1: "heat_energy", 2: "cooling_energy", 5: "electric_energy"}


async def point_page(
    visitor: Visitor, code: str, *, days: int = 30, service: int | None = None, hourly: bool = False
) -> None:
    """Everything about one point over the last `days` days; `hourly` shows hours where days would be shown."""
    texts, now = visitor.texts, visitor.parts.clock.now()
    days = min(max(days, 1), 800)
    start = now - timedelta(days=days)
    async with visitor.connection() as connection:
        point = await evidence.point_facts(connection, code)
        if point is not None:
            visitor.actor.require_area(point["area_id"], "point")
            services: list[int] = sorted({row["service"] for row in point["installations"]}) or [1]
            chosen = service if service is not None and service in services else services[0]
            resolution = evidence.HOUR if days <= 7 or hourly else evidence.DAY
            data = await _series(connection, point, start, now, resolution, chosen)
    if point is None:
        with frame(visitor, texts("Points"), current="/points"):
            empty(texts("There is no point {code}. Search for it under Points.", code=code))
        return
    with frame(visitor, code, current="/points"):
        heading(f"{code} · {point['address'] or point['building'] or point['area_name']}", _subtitle(visitor, point))
        _span_links(visitor, code, days, services, chosen)
        with ui.element("div").classes("hb-figures"):
            _figures(visitor, point, data["consumption"], now)
        with card(texts("Consumption")):
            if data["consumption"]["start_at"]:
                chart = consumption_chart(
                    texts,
                    data["consumption"],
                    estimated_mask=ESTIMATED,
                    neighbours=data["neighbours"],
                    outside=data["outside"],
                )
                ui.echart(chart).classes("hb-chart tall")
            else:
                empty(texts("No consumption yet: it appears after the next assessment of this point's readings."))
        with ui.element("div").classes("hb-halves"):
            with card(texts("Index")):
                if data["indexes"]:
                    ui.echart(index_chart(texts, data["indexes"])).classes("hb-chart")
                else:
                    empty(texts("No readings in this span."))
            with card(texts("Temperatures and flow")):
                if data["momentary"]:
                    ui.echart(temperature_chart(texts, data["momentary"])).classes("hb-chart")
                else:
                    empty(texts("This meter gives no temperatures."))
        _installations(visitor, point)
        if visitor.actor.may("technician"):
            state_form(visitor, code, str(point["state"] or "active"))
        _alerts(visitor, point)
        _intervals(visitor, data["consumption"])
        await _telegrams(visitor, point)


async def _series(
    connection: Any, point: dict[str, Any], start: datetime, end: datetime, resolution: int, service: int
) -> dict[str, Any]:
    span = {"point_id": point["point_id"], "start": start, "end": end}
    counted = (_ENERGY.get(service, "volume"), "volume") if service in _ENERGY else ("volume",)
    return {
        "consumption": await evidence.consumption_columns(connection, **span, resolution=resolution, service=service),
        "neighbours": await evidence.neighbour_band(connection, **span)
        if resolution == evidence.DAY and service == 1
        else None,
        "outside": await evidence.weather_columns(connection, area_id=point["area_id"], start=start, end=end),
        "indexes": await evidence.register_series(connection, **span, quantities=counted),
        "momentary": await evidence.register_series(connection, **span, quantities=MOMENTARY),
    }


def _subtitle(visitor: Visitor, point: dict[str, Any]) -> str:
    texts = visitor.texts
    parts = [point["area_name"], word(texts, point["kind"]), state_text(texts, point["state"] or "active")]
    if point["heated_area_m2"]:
        parts.append(f"{texts.number(point['heated_area_m2'], 1)} m²")
    return " · ".join(parts)


def _span_links(visitor: Visitor, code: str, days: int, services: list[int], chosen: int) -> None:
    texts = visitor.texts
    with ui.row().classes("gap-3 items-center hb-no-print"):
        for span, name in _SPANS:
            text = f"<strong>{escape(texts(name))}</strong>" if span == days else escape(texts(name))
            ui.html(
                f'<a class="hb-link" href="/points/{escape(code)}?days={span}&service={chosen}">{text}</a>',
                sanitize=False,
            )
        ui.html(link(texts("by the hour"), f"/points/{code}?days={days}&service={chosen}&hourly=true"), sanitize=False)
        for one in services if len(services) > 1 else []:
            name = service_text(texts, one)
            ui.html(link(name, f"/points/{code}?days={days}&service={one}"), sanitize=False)


def _figures(visitor: Visitor, point: dict[str, Any], columns: dict[str, list[Any]], now: datetime) -> None:
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
                    texts.energy(row["energy_at_stake_kwh"], 0),
                )
                for row in point["alerts"]
            ],
            caption=texts("Alerts of this point"),
        )


def _intervals(visitor: Visitor, columns: dict[str, list[Any]]) -> None:
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


async def _telegrams(visitor: Visitor, point: dict[str, Any]) -> None:
    texts = visitor.texts
    current = next((row for row in point["installations"] if row["to_ts"] is None), None)
    if current is None:
        return
    async with visitor.connection() as connection:
        deliveries = await evidence.latest_deliveries(connection, meter_id=current["meter_id"], limit=5)
    with card(texts("Latest telegrams")):
        if not deliveries:
            empty(texts("This meter has not been heard yet: look at its line under Lines."))
        for row in deliveries:
            with ui.element("div").style("margin-bottom:.7rem"):
                title = f"{texts.moment(row['ts'])} · {row['protocol']} · {row['channel']} · #{row['delivery_id']}"
                ui.label(title).classes("hb-muted text-sm")
                ui.label(bytes(row["payload"]).hex(" ").upper()[:1200]).classes("hb-hex")
