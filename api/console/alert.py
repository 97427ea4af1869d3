"""One alert: what was seen, the evidence in one picture, what people did, and the decision."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from nicegui import ui

from api.alerts import service
from api.console.decisions import decision_buttons
from api.console.evidence_parts import Expected, Mark
from api.console.evidence_view import EvidenceView, Subject, loaded
from api.console.frame import Html, card, empty, figure, frame, grid, heading, link
from api.console.names import CAUSE_TEXTS, actor_text, kind_text, state_text
from api.console.refusals import told_text, warn
from api.console.session import Visitor
from api.console.telegrams import device_card, telegrams_card
from api.console.words import ACTIONS, FIGURES, word
from ingest.alerting import CAUSES
from ingest.errors import IngestError
from ingest.store import evidence, registry

# How much is shown before and after the span an alert is about.
CONTEXT = timedelta(days=14)
# Codes of `compute.days`: what a point was while it was used.
# Figures that stand in the unit that the explanation names.
_IN_UNIT = ("observed", "expected_low", "expected_high", "house_median")
_POINT_STATES = ("active", "suspended", "vacant", "closed")


async def alert_page(visitor: Visitor, alert_id: int) -> None:
    """Evidence and decision of one alert."""
    texts, now = visitor.texts, visitor.parts.clock.now()
    async with visitor.connection() as connection:
        row = await service.get(connection, visitor.actor, alert_id, now=now)
        point = await registry.get_point(connection, point_id=row["point_id"])
        subject = _subject(visitor, row, float(point.heated_area_m2 or 0), now)
        data = await loaded(connection, subject, subject.start, subject.end)
        earlier = await service.queue(
            connection, visitor.actor, now=now, filters={"point": row["point_code"]}, limit=30
        )
        deliveries = await _deliveries(connection, row)
    with frame(visitor, f"#{alert_id}", current="/alerts"):
        heading(
            f"{kind_text(texts, row['kind'])} · {row['point_code']}",
            " · ".join(
                part for part in (row["address"] or row["building"], row["area_name"], row["meter_serial"]) if part
            ),
        )
        _facts(visitor, row)
        _actions(visitor, row)
        _what_follows(visitor, row)
        with card(texts("Evidence")):
            EvidenceView(visitor, subject, data).build(texts("Consumption, index, temperatures and flags over time"))
            ui.label(texts("Drag the bar below to zoom: hours appear from ten days on.")).classes("hb-muted text-sm")
        _explanation(visitor, row)
        device_card(visitor, data.spans)
        telegrams_card(visitor, deliveries, texts("Raw telegrams at that time"))
        with ui.element("div").classes("hb-halves"):
            _history(visitor, row)
            _occurrences(visitor, [one for one in earlier if one["alert_id"] != alert_id])


def _subject(visitor: Visitor, row: dict[str, Any], area_m2: float, now: datetime) -> Subject:
    last = row["to_ts"] or now
    start = row["from_ts"] - CONTEXT
    end = min(max(last + timedelta(days=3), row["from_ts"] + timedelta(days=4)), now)
    mark = Mark(row["from_ts"], last, kind_text(visitor.texts, row["kind"]))
    return Subject(
        row["point_id"], row["area_id"], row["service"], start, max(end, start + timedelta(days=1)), marks=(mark,),
        expected=tuple(filter(None, (_expected(one, area_m2, last) for one in row["findings"]))),
    )  # fmt: skip


def _expected(finding: dict[str, Any], area_m2: float, last: datetime) -> Expected | None:
    """What a rule expected, as kWh per day, where it judged energy; None where it judged something else."""
    low, high, end = finding["expected_low"], finding["expected_high"], finding["to_ts"] or last
    days = max(1.0, (end - finding["from_ts"]) / timedelta(days=1))
    details = finding["details"] if isinstance(finding["details"], dict) else {}
    factor = {"kWh": 1 / days, "kWh/d": 1.0, "kWh/m2/d": area_m2}.get(str(details.get("unit")), 0.0)
    if low is None or high is None or high <= low or factor <= 0:
        return None
    return Expected(finding["from_ts"], end, low * factor, high * factor)


async def _deliveries(connection: Any, row: dict[str, Any]) -> list[dict[str, Any]]:
    if not row["meter_id"]:
        return []
    return await evidence.deliveries_around(connection, meter_id=row["meter_id"], at=row["from_ts"], limit=4)


def _facts(visitor: Visitor, row: dict[str, Any]) -> None:
    texts = visitor.texts
    with ui.element("div").classes("hb-figures"):
        tone = "bad" if row["severity"] == "critical" else ""
        figure(texts("Severity"), word(texts, row["severity"]), tone=tone)
        figure(texts("State"), state_text(texts, row["state"]), note=row["assignee"] or "")
        figure(texts("At stake"), texts.at_stake(row["energy_at_stake_kwh"]))
        figure(texts("Confidence"), texts.percent(row["confidence"], 0))
        figure(
            texts("Since"),
            texts.day(row["from_ts"]),
            note=texts("until {moment}", moment=texts.moment(row["to_ts"])) if row["to_ts"] else texts("still so"),
        )
        figure(texts("Point"), row["point_code"], link=f"/points/{row['point_code']}")


def _actions(visitor: Visitor, row: dict[str, Any]) -> None:
    if not visitor.actor.may("reviewer"):
        return

    async def decide(decision: service.Decision) -> bool:
        try:
            async with visitor.connection() as connection:
                await service.decide(
                    connection, visitor.actor, row["alert_id"], replace(decision, revision=row["revision"]),
                    now=visitor.parts.clock.now(),
                )  # fmt: skip
        except IngestError as error:
            warn(visitor.texts, error)
            return False
        ui.navigate.reload()
        return True

    decision_buttons(visitor, set(row["actions"]), decide)


def _what_follows(visitor: Visitor, row: dict[str, Any]) -> None:
    """After a cause that spoils values: who enters the edit that a second person approves."""
    texts = visitor.texts
    if row["state"] != "resolved" or not CAUSES.get(row["cause"] or "", (None, False))[1]:
        return
    with card():
        told = texts("After this cause the values usually need an edit; a second person approves it.")
        ui.label(told).classes("hb-sentence")
        if visitor.actor.may("technician") and row["meter_serial"]:
            address = f"/field/entry?serial={quote(row['meter_serial'])}&kind=edit"
            ui.html(link(texts("Enter an edit"), address), sanitize=False)
        ui.html(link(texts("Waiting for approval"), "/approvals"), sanitize=False)


def _explanation(visitor: Visitor, row: dict[str, Any]) -> None:
    texts = visitor.texts
    with ui.element("div").classes("hb-halves"):
        with card(texts("Why this alert")):
            explanation = row["explanation"] if isinstance(row["explanation"], dict) else {"text": row["explanation"]}
            unit = str(explanation.get("unit") or "")
            rows = [
                (word(texts, key, FIGURES), _value_text(visitor, value, key, unit if key in _IN_UNIT else ""))
                for key, value in explanation.items()
                if key != "unit"
            ]
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


def _value_text(visitor: Visitor, value: Any, key: str = "", unit: str = "") -> str:
    if key == "state" and value in range(len(_POINT_STATES)):
        return state_text(visitor.texts, _POINT_STATES[int(value)])
    if isinstance(value, bool) or value is None:
        return "–" if value is None else str(value)
    if isinstance(value, int | float):
        number = visitor.texts.number(value, 0 if float(value).is_integer() else 2)
        return f"{number} {unit}".rstrip()
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
                    actor_text(texts, event["actor"]),
                    word(texts, event["action"], ACTIONS)
                    + (f": {texts(CAUSE_TEXTS.get(event['cause'], event['cause']))}" if event["cause"] else ""),
                    told_text(texts, event["comment"]) or "–",
                )
                for event in row["events"]
            ],
            caption=texts("What was done"),
        )


def _occurrences(visitor: Visitor, rows: list[dict[str, Any]]) -> None:
    texts = visitor.texts
    with card(texts("Earlier alerts of this point")):
        if not rows:
            empty(texts("This is the first alert of this point."))
            return
        grid(
            [(texts("Kind"), "text"), (texts("From"), "text"), (texts("State"), "text"), (texts("Cause"), "text")],
            [
                (
                    Html(link(kind_text(texts, one["kind"]), f"/alerts/{one['alert_id']}")),
                    texts.day(one["from_ts"]),
                    state_text(texts, one["state"]),
                    texts(CAUSE_TEXTS.get(one["cause"], one["cause"])) if one["cause"] else "–",
                )
                for one in rows
            ],
            caption=texts("Earlier alerts of this point"),
        )
