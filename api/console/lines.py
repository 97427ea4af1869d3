"""The comms board: gateways, buses and meters with last success, rate, latency, kinds of error; read one now."""

from contextlib import aclosing
from html import escape
from typing import Any

from nicegui import ui

from api.console.code_words import GATEWAYS, line_error_text
from api.console.frame import Html, card, empty, figure, frame, grid, heading, item_row, link, pill
from api.console.refusals import told
from api.console.session import Visitor
from api.console.telegrams import registers_table
from api.console.words import word
from api.deliveries import service as deliveries
from api.field import service as field
from ingest.errors import IngestError
from ingest.on_demand import read_now
from ingest.store import comms

# As the comms board counts it: a meter that failed so often in a row is silent.
SILENT_AFTER = 3


async def lines_page(visitor: Visitor) -> None:
    """Every gateway, the silent ones first."""
    texts, now = visitor.texts, visitor.parts.clock.now()
    async with visitor.connection() as connection:
        rows = await field.comms_board(connection, visitor.actor, now=now)
        silent = await comms.silent_meters(connection, now=now, areas=visitor.actor.area_list, limit=50)
    with frame(visitor, texts("Lines"), current="/lines"):
        heading(texts("Lines to the meters"), texts("gateway → bus → meter"))
        if not rows:
            empty(texts("No gateway yet: add one over the HTTP interface (POST /api/v1/gateways) or run the demo."))
            return
        with ui.element("div").classes("hb-figures"):
            figure(texts("Gateways"), texts.number(len(rows)))
            down = sum(1 for row in rows if _is_down(row))
            figure(texts("Gateways silent"), texts.number(down), tone="bad" if down else "good")
            figure(texts("Meters silent for a day"), texts.number(len(silent)), tone="warn" if silent else "good")
        with card(texts("Gateways")):
            grid(
                [
                    (texts("Gateway"), "text"), (texts("Kind"), "text"), (texts("State"), "text"),
                    (texts("Meters"), "number"), (texts("Last success"), "text"), (texts("Success rate"), "number"),
                    (texts("Latency"), "number"), (texts("Time-outs / checksums / collisions"), "number"),
                    (texts("Worker"), "text"),
                ],
                [_gateway_cells(visitor, row) for row in rows],
                caption=texts("Gateways"),
            )  # fmt: skip
        with card(texts("Meters silent for a day")):
            if not silent:
                empty(texts("Every registered meter was heard within the last day."))
                return
            grid(
                [
                    (texts("Serial"), "text"), (texts("Point"), "text"), (texts("Gateway"), "text"),
                    (texts("Last reading"), "text"), (texts("Last error"), "text"),
                ],
                [
                    (
                        row["serial"],
                        Html(link(row["point"], f"/points/{row['point']}")) if row["point"] else "–",
                        Html(link(row["gateway"], f"/lines/{row['gateway']}")) if row["gateway"] else "–",
                        texts.age(row["last_reading_at"], now),
                        line_error_text(texts, row["last_error"]) or "–",
                    )
                    for row in silent
                ],
                caption=texts("Meters silent for a day"),
            )  # fmt: skip


def _is_down(row: dict[str, Any]) -> bool:
    """Nothing behind the gateway answers; a few silent meters do not make a silent gateway."""
    return row["kind"] != "mqtt" and not row["connected"] and row["meters_failing"] >= row["meters"]


def _gateway_cells(visitor: Visitor, row: dict[str, Any]) -> tuple[Any, ...]:
    texts, now = visitor.texts, visitor.parts.clock.now()
    if row["kind"] == "mqtt":
        state = pill(texts("listening"), "good") if row["connected"] else pill(texts("not connected"), "critical")
    elif row["meters"] and row["meters_failing"] and row["meters_failing"] < row["meters"]:
        state = pill(texts("{n} meters silent", n=texts.number(row["meters_failing"])), "warning")
    elif row["connected"]:
        state = pill(texts("answers"), "good")
    elif row["last_attempt_at"] is None:
        state = pill(texts("not asked yet"), "info")
    else:
        state = pill(texts("silent"), "critical")
    return (
        Html(link(row["code"], f"/lines/{row['code']}")),
        word(texts, row["kind"], GATEWAYS),
        Html(state),
        texts.number(row["meters"]),
        texts.age(row["last_success_at"], now),
        texts.percent(row["success_rate"]),
        f"{texts.number(row['latency_ms'], 0)} ms" if row["latency_ms"] is not None else "–",
        f"{row['timeouts']} / {row['checksum_errors']} / {row['collisions']}",
        row["worker"] or "–",
    )


async def line_page(visitor: Visitor, code: str) -> None:
    """One gateway with its meters; each can be read now."""
    texts, now = visitor.texts, visitor.parts.clock.now()
    async with visitor.connection() as connection:
        known = {row["code"]: row["gateway_id"] for row in await field.comms_board(connection, visitor.actor, now=now)}
        gateway = await field.gateway_meters(connection, visitor.actor, known[code], now=now) if code in known else None
    with frame(visitor, code, current="/lines"):
        if gateway is None:
            empty(texts("There is no gateway {code}.", code=code))
            return
        heading(code, f"{word(texts, gateway['kind'], GATEWAYS)} · {gateway['address']}")
        if gateway["kind"].startswith("mbus"):
            ui.button(
                texts("Search this bus…"), icon="search", on_click=lambda: _search_dialog(visitor, known[code], code)
            ).props("no-caps outline").classes("self-start")
        with card(texts("Meters on this line")):
            if not gateway["meters_behind"]:
                empty(texts("No meter is linked to this gateway yet: adopt one under Intake."))
            for row in gateway["meters_behind"]:
                _meter_row(visitor, row, asked=gateway["kind"] != "mqtt")


def _meter_row(visitor: Visitor, row: dict[str, Any], *, asked: bool) -> None:
    texts, now = visitor.texts, visitor.parts.clock.now()
    with item_row():
        with ui.element("div"):
            title = f"{row['serial']} {row['manufacturer']} · {texts('address')} {row['address']}"
            where = f" · {link(row['point_code'], '/points/' + row['point_code'])}" if row["point_code"] else ""
            silent = f" {pill(texts('silent'), 'critical')}" if row["consecutive_failures"] >= SILENT_AFTER else ""
            ui.html(f"<strong>{escape(title)}</strong>{where}{silent}", sanitize=False)
            told = [
                f"{texts('last success')}: {texts.age(row['last_success_at'], now)}",
                texts.percent(row["success_rate"]),
                f"{texts.number(row['latency_ms'])} ms" if row["latency_ms"] is not None else "",
                line_error_text(texts, row["last_error"]),
            ]
            ui.label(" · ".join(filter(None, told))).classes("hb-muted text-sm")
        if asked:
            ui.button(texts("Read now"), on_click=lambda: _read(visitor, row["meter_id"], row["serial"])).props(
                "no-caps outline dense"
            )


async def _read(visitor: Visitor, meter_id: int, serial: str) -> None:
    texts = visitor.texts
    with ui.dialog(value=True) as dialog, ui.card().classes("w-full").style("max-width:720px"):
        ui.label(texts("Reading {serial}", serial=serial)).classes("text-lg font-semibold")
        progress = ui.linear_progress(show_value=False).props("indeterminate")
        result = ui.column().classes("w-full")
        ui.button(texts("Close"), on_click=dialog.close).props("no-caps flat")
    url = visitor.parts.settings.database_url
    assert url is not None
    try:
        answer = await read_now(url, meter_id)
    except IngestError as error:
        progress.set_visibility(False)
        with result:
            ui.label(told(texts, error)).classes("hb-bad")
        return
    progress.set_visibility(False)
    decoded = []
    async with visitor.connection() as connection:
        for outcome in answer.outcomes:
            number = outcome.get("delivery_id")
            if number:
                decoded.append(await deliveries.get(connection, visitor.actor, number, visitor.parts.directory))
    with result:
        ui.label(texts("answered in {n} ms", n=round(answer.latency_s * 1000))).classes("hb-good")
        for frame_hex in answer.frames:
            ui.label(frame_hex.upper()).classes("hb-hex w-full")
        for one in decoded:
            registers_table(visitor, one)


async def _search_dialog(visitor: Visitor, gateway_id: int, code: str) -> None:
    """Probe after probe with progress; what answered stands in the list as it comes."""
    texts, url = visitor.texts, visitor.parts.settings.database_url
    assert url is not None
    with ui.dialog(value=True) as dialog, ui.card().classes("w-full").style("max-width:560px"):
        ui.label(texts("Search on {code}", code=code)).classes("text-lg font-semibold")
        progress = ui.linear_progress(value=0.0, show_value=False).props(f'aria-label="{texts("Progress")}"')
        state = ui.label(texts("Asking by secondary address…")).classes("hb-muted").props('role="status"')
        found = ui.column().classes("w-full gap-1")
        ui.button(texts("Close"), on_click=dialog.close).props("no-caps flat")
    count = 0
    try:
        # An async generator, though its signature tells less.
        found_steps: Any = field.search(url, visitor.actor, gateway_id, "secondary")
        async with aclosing(found_steps) as steps:
            async for step in steps:
                if not dialog.value:
                    return
                progress.set_value(step.progress)
                state.set_text(f"{step.probe} · {texts.percent(step.progress, 0)}")
                if step.address and step.result == "one":
                    count += 1
                    with found:
                        ui.label(step.address).classes("hb-hex")
    except IngestError as error:
        state.set_text(told(texts, error))
        return
    progress.set_value(1.0)
    state.set_text(texts("{n} meters answered. Unknown ones stand under Intake.", n=count))
