"""What a reviewer does with one alert or many: the buttons, and the dialogs that ask what an action needs.

A dialog closes only when its decision was taken; a refusal leaves what was typed.
"""

from collections.abc import Awaitable, Callable, Collection
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from nicegui import ui

from api.alerts.service import Decision
from api.console.dialogs import dialog
from api.console.names import CAUSE_TEXTS
from api.console.session import Visitor
from api.console.texts import marked
from ingest.alerting import CAUSES, AlertAction
from ingest.store import people

# Carries a decision out; True where it was taken.
Decide = Callable[[Decision], Awaitable[bool]]
# action: button text, icon, style, days proposed where the action needs a day
_BUTTONS: Final[tuple[tuple[AlertAction, str, str, str, int], ...]] = (
    (AlertAction.ACKNOWLEDGE, marked("Acknowledge"), "done", "unelevated", 0),
    (AlertAction.RESOLVE, marked("Resolve…"), "task_alt", "unelevated color=positive", 0),
    (AlertAction.FIELD_CHECK, marked("Order a field check…"), "handyman", "outline", 7),
    (AlertAction.ASSIGN, marked("Assign…"), "person_add", "outline", 0),
    (AlertAction.SNOOZE, marked("Snooze…"), "snooze", "outline", 3),
    (AlertAction.SUPPRESS, marked("Suppress…"), "notifications_off", "outline", 30),
    (AlertAction.REOPEN, marked("Open again"), "undo", "outline", 0),
    (AlertAction.COMMENT, marked("Comment…"), "chat", "flat", 0),
)
_AT_ONCE: Final = (AlertAction.ACKNOWLEDGE, AlertAction.REOPEN)
_DAY_LABEL: Final = {
    AlertAction.FIELD_CHECK: marked("Due on"),
    AlertAction.SNOOZE: marked("Until"),
    AlertAction.SUPPRESS: marked("Until"),
}


def decision_buttons(visitor: Visitor, allowed: Collection[str], decide: Decide) -> None:
    """Buttons of the allowed actions; each asks for what it needs."""
    texts = visitor.texts
    with ui.element("div").classes("hb-tools hb-no-print"):
        for action, title, icon, style, days in _BUTTONS:
            if action not in allowed:
                continue

            async def act(action: AlertAction = action, title: str = title, days: int = days) -> None:
                if action in _AT_ONCE:
                    await decide(Decision(action))
                else:
                    await _ask(visitor, action, texts(title).rstrip("…"), days, decide)

            ui.button(texts(title), icon=icon, on_click=act).props(f"no-caps {style}")


async def _ask(visitor: Visitor, action: AlertAction, title: str, days: int, decide: Decide) -> None:
    texts, fields = visitor.texts, dict[str, Any]()
    names = await _assignees(visitor) if action in (AlertAction.ASSIGN, AlertAction.FIELD_CHECK) else {}

    async def done() -> bool:
        return await decide(_decision(visitor, action, {name: one.value for name, one in fields.items()}))

    with dialog(texts, title, done, confirm=title, danger=action == AlertAction.SUPPRESS):
        if action == AlertAction.RESOLVE:
            fields["cause"] = ui.select(
                {code: texts(CAUSE_TEXTS.get(code, code)) for code in CAUSES},
                label=texts("Cause"),
                value="meter_defect",
            ).classes("w-full")
        if names:
            fields["assignee"] = ui.select(names, label=texts("Assignee"), value="", with_input=True).classes("w-full")
        if days:
            day = visitor.parts.clock.now().astimezone(texts.zone).date() + timedelta(days=days)
            label = texts(_DAY_LABEL[action])
            fields["day"] = ui.input(label, value=day.isoformat()).props("type=date").classes("w-full")
        label = texts("Reason") if action == AlertAction.SUPPRESS else texts("Comment")
        fields["comment"] = ui.textarea(label).props("autogrow").classes("w-full")


async def _assignees(visitor: Visitor) -> dict[str, str]:
    async with visitor.connection() as connection:
        everyone = await people.people(connection)
    names = [row["name"] for row in everyone if row["disabled_at"] is None and row["role"] != "billing"]
    return {"": "–", **{name: name for name in sorted(names)}}


def _decision(visitor: Visitor, action: AlertAction, values: dict[str, Any]) -> Decision:
    until = None
    if values.get("day"):
        # The whole chosen day in the reader's zone.
        until = datetime.combine(date.fromisoformat(values["day"]), time(23, 59), visitor.texts.zone)
    due = action == AlertAction.FIELD_CHECK
    return Decision(
        action,
        comment=values.get("comment") or "",
        cause=values.get("cause"),
        assignee=values.get("assignee") or None,
        until=None if due else until,
        due_at=until if due else None,
    )
