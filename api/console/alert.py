"""One alert: what was seen, the evidence in one picture, what people did, and the decision."""

from datetime import datetime, timedelta
from typing import Any

from nicegui import ui

from api.alerts import service
from api.console.charts import consumption_chart, index_chart, temperature_chart
from api.console.frame import card, empty, figure, frame, grid, heading
from api.console.names import CAUSE_TEXTS, kind_text, state_text
from api.console.points import ESTIMATED, MOMENTARY
from api.console.session import Visitor
from api.console.texts import marked
from api.console.words import ACTIONS, FIGURES, word
from ingest.alerting import CAUSES, AlertAction
from ingest.errors import IngestError
from ingest.store import evidence

# How much is shown before and after the span an alert is about.
CONTEXT = timedelta(days=14)
SHORT = timedelta(days=5)
# Codes of `compute.days`: what a point was while it was used.
_POINT_STATES = ("active", "suspended", "vacant", "closed")


async def alert_page(visitor: Visitor, alert_id: int) -> None:
    """Evidence and decision of one alert."""
    texts, now = visitor.texts, visitor.parts.clock.now()
    async with visitor.connection() as connection:
        row = await service.get(connection, visitor.actor, alert_id, now=now)
        start, end = _window(row, now)
        data = await _evidence(connection, row, start, end)
    with frame(visitor, f"#{alert_id}", current="/alerts"):
        heading(
            f"{kind_text(texts, row['kind'])} · {row['point_code']}",
            " · ".join(
                part for part in (row["address"] or row["building"], row["area_name"], row["meter_serial"]) if part
            ),
        )
        _facts(visitor, row)
        _actions(visitor, row)
        _charts(visitor, row, data, now)
        _explanation(visitor, row)
        _history(visitor, row)


def _window(row: dict[str, Any], now: datetime) -> tuple[datetime, datetime]:
    last = row["to_ts"] or now
    return row["from_ts"] - CONTEXT, min(max(last + timedelta(days=3), row["from_ts"] + timedelta(days=4)), now)


async def _evidence(connection: Any, row: dict[str, Any], start: datetime, end: datetime) -> dict[str, Any]:
    span = {"point_id": row["point_id"], "start": start, "end": end}
    resolution = evidence.HOUR if end - start <= SHORT else evidence.DAY
    return {
        "consumption": await evidence.consumption_columns(
            connection, **span, resolution=resolution, service=row["service"]
        ),
        "neighbours": await evidence.neighbour_band(connection, **span) if resolution == evidence.DAY else None,
        "outside": await evidence.weather_columns(connection, area_id=row["area_id"], start=start, end=end),
        "indexes": await evidence.register_series(
            connection, **span, quantities=("heat_energy", "cooling_energy", "electric_energy", "volume")
        ),
        "momentary": await evidence.register_series(connection, **span, quantities=MOMENTARY),
        "deliveries": await evidence.deliveries_around(connection, meter_id=row["meter_id"], at=row["from_ts"], limit=4)
        if row["meter_id"]
        else [],
    }


def _facts(visitor: Visitor, row: dict[str, Any]) -> None:
    texts = visitor.texts
    with ui.element("div").classes("hb-figures"):
        tone = "bad" if row["severity"] == "critical" else ""
        figure(texts("Severity"), word(texts, row["severity"]), tone=tone)
        figure(texts("State"), state_text(texts, row["state"]), note=row["assignee"] or "")
        figure(texts("At stake"), texts.energy(row["energy_at_stake_kwh"], 0))
        figure(texts("Confidence"), texts.percent(row["confidence"], 0))
        figure(
            texts("Since"),
            texts.day(row["from_ts"]),
            note=texts("until {moment}", moment=texts.moment(row["to_ts"])) if row["to_ts"] else texts("still so"),
        )
        figure(texts("Point"), row["point_code"], link=f"/points/{row['point_code']}")


def _charts(visitor: Visitor, row: dict[str, Any], data: dict[str, Any], now: datetime) -> None:
    texts = visitor.texts
    marks = [(row["from_ts"], row["to_ts"] or now, kind_text(texts, row["kind"]))]
    with card(texts("Consumption")):
        if data["consumption"]["start_at"]:
            chart = consumption_chart(
                texts, data["consumption"], estimated_mask=ESTIMATED, neighbours=data["neighbours"],
                outside=data["outside"], marks=marks,
            )  # fmt: skip
            ui.echart(chart).classes("hb-chart tall")
        else:
            empty(texts("No consumption in this span."))
    with ui.element("div").classes("hb-halves"):
        with card(texts("Index")):
            if data["indexes"]:
                ui.echart(index_chart(texts, data["indexes"], marks)).classes("hb-chart")
            else:
                empty(texts("No readings in this span."))
        with card(texts("Temperatures and flow")):
            if data["momentary"]:
                ui.echart(temperature_chart(texts, data["momentary"], marks)).classes("hb-chart")
            else:
                empty(texts("This meter gives no temperatures."))
    if data["deliveries"]:
        with card(texts("Raw telegrams at that time")):
            for one in data["deliveries"]:
                title = f"{texts.moment(one['ts'])} · {one['protocol']} · {one['channel']} · #{one['delivery_id']}"
                ui.label(title).classes("hb-muted text-sm")
                ui.label(bytes(one["payload"]).hex(" ").upper()[:1200]).classes("hb-hex")


def _explanation(visitor: Visitor, row: dict[str, Any]) -> None:
    texts = visitor.texts
    with ui.element("div").classes("hb-halves"):
        with card(texts("Why this alert")):
            explanation = row["explanation"] if isinstance(row["explanation"], dict) else {"text": row["explanation"]}
            rows = [(word(texts, key, FIGURES), _value_text(visitor, value, key)) for key, value in explanation.items()]
            grid([(texts("Figure"), "text"), (texts("Value"), "number")], rows, caption=texts("Why this alert"))
        with card(texts("What the rules saw")):
            if not row["findings"]:
                empty(texts("No single occurrences are recorded."))
                return
            grid(
                [
                    (texts("Rule"), "text"), (texts("From"), "text"), (texts("To"), "text"),
                    (texts("Observed"), "number"), (texts("Expected"), "number"),
                ],
                [
                    (
                        one["rule"], texts.moment(one["from_ts"]), texts.moment(one["to_ts"]),
                        texts.number(one["observed"], 2),
                        f"{texts.number(one['expected_low'], 2)} … {texts.number(one['expected_high'], 2)}",
                    )
                    for one in row["findings"][-20:]
                ],
                caption=texts("What the rules saw"),
            )  # fmt: skip


def _value_text(visitor: Visitor, value: Any, key: str = "") -> str:
    if key == "state" and value in range(len(_POINT_STATES)):
        return state_text(visitor.texts, _POINT_STATES[int(value)])
    if isinstance(value, bool) or value is None:
        return "–" if value is None else str(value)
    if isinstance(value, int | float):
        return visitor.texts.number(value, 0 if float(value).is_integer() else 2)
    return str(value)


def _history(visitor: Visitor, row: dict[str, Any]) -> None:
    texts = visitor.texts
    with card(texts("What was done")):
        if not row["events"]:
            empty(texts("Nobody has decided on this alert yet."))
            return
        grid(
            [(texts("When"), "text"), (texts("Who"), "text"), (texts("What"), "text"), (texts("Comment"), "text")],
            [
                (
                    texts.moment(event["at"]),
                    event["actor"],
                    word(texts, event["action"], ACTIONS)
                    + (f": {texts(CAUSE_TEXTS.get(event['cause'], event['cause']))}" if event["cause"] else ""),
                    event["comment"] or "–",
                )
                for event in row["events"]
            ],
            caption=texts("What was done"),
        )


def _actions(visitor: Visitor, row: dict[str, Any]) -> None:
    texts, allowed = visitor.texts, set(row["actions"])
    if not visitor.actor.may("reviewer"):
        return

    async def decide(**values: Any) -> None:
        decision = service.Decision(revision=row["revision"], **values)
        try:
            async with visitor.connection() as connection:
                await service.decide(
                    connection, visitor.actor, row["alert_id"], decision, now=visitor.parts.clock.now()
                )
        except IngestError as error:
            ui.notify(error.message, type="negative")
            return
        ui.navigate.reload()

    with ui.row().classes("gap-2 items-center hb-no-print"):
        if AlertAction.ACKNOWLEDGE in allowed:
            ui.button(texts("Acknowledge"), icon="done", on_click=lambda: decide(action=AlertAction.ACKNOWLEDGE)).props(
                "no-caps unelevated"
            )
        if AlertAction.RESOLVE in allowed:
            ui.button(texts("Resolve…"), icon="task_alt", on_click=lambda: _resolve_dialog(visitor, decide)).props(
                "no-caps unelevated color=positive"
            )
        for action, title, icon, days in (
            (AlertAction.FIELD_CHECK, marked("Order a field check…"), "handyman", 7),
            (AlertAction.SNOOZE, marked("Snooze…"), "snooze", 3),
            (AlertAction.SUPPRESS, marked("Suppress…"), "notifications_off", 30),
        ):
            if action in allowed:
                ui.button(
                    texts(title),
                    icon=icon,
                    on_click=lambda action=action, title=title, days=days: _until_dialog(
                        visitor, decide, action, texts(title).rstrip("…"), days
                    ),
                ).props("no-caps outline")
        if AlertAction.REOPEN in allowed:
            ui.button(texts("Open again"), on_click=lambda: decide(action=AlertAction.REOPEN)).props("no-caps outline")
        ui.button(texts("Comment…"), icon="chat", on_click=lambda: _comment_dialog(visitor, decide)).props(
            "no-caps flat"
        )


def _resolve_dialog(visitor: Visitor, decide: Any) -> None:
    texts = visitor.texts
    with ui.dialog(value=True) as dialog, ui.card().classes("w-96"):
        ui.label(texts("Resolve")).classes("text-lg font-semibold")
        cause = ui.select(
            {code: texts(CAUSE_TEXTS.get(code, code)) for code in CAUSES}, label=texts("Cause"), value="meter_defect"
        ).classes("w-full")
        comment = ui.textarea(texts("Comment")).classes("w-full")

        async def done() -> None:
            dialog.close()
            await decide(action=AlertAction.RESOLVE, cause=cause.value, comment=comment.value or "")

        with ui.row().classes("justify-end w-full"):
            ui.button(texts("Cancel"), on_click=dialog.close).props("no-caps flat")
            ui.button(texts("Resolve"), on_click=done).props("no-caps unelevated color=positive")


def _until_dialog(visitor: Visitor, decide: Any, action: AlertAction, title: str, days: int) -> None:
    texts = visitor.texts
    with ui.dialog(value=True) as dialog, ui.card().classes("w-96"):
        ui.label(title).classes("text-lg font-semibold")
        length = ui.number(texts("Days"), value=days, min=1, max=400, precision=0).classes("w-full")
        label = texts("Reason") if action == AlertAction.SUPPRESS else texts("Comment")
        comment = ui.textarea(label).classes("w-full")

        async def done() -> None:
            until = visitor.parts.clock.now() + timedelta(days=int(length.value or days))
            name = "due_at" if action == AlertAction.FIELD_CHECK else "until"
            dialog.close()
            await decide(action=action, comment=comment.value or "", **{name: until})

        with ui.row().classes("justify-end w-full"):
            ui.button(texts("Cancel"), on_click=dialog.close).props("no-caps flat")
            ui.button(title, on_click=done).props("no-caps unelevated")


def _comment_dialog(visitor: Visitor, decide: Any) -> None:
    texts = visitor.texts
    with ui.dialog(value=True) as dialog, ui.card().classes("w-96"):
        ui.label(texts("Comment")).classes("text-lg font-semibold")
        comment = ui.textarea(texts("Comment")).classes("w-full")

        async def done() -> None:
            dialog.close()
            await decide(action=AlertAction.COMMENT, comment=comment.value or "")

        with ui.row().classes("justify-end w-full"):
            ui.button(texts("Cancel"), on_click=dialog.close).props("no-caps flat")
            ui.button(texts("Save"), on_click=done).props("no-caps unelevated")
