"""Notification rules on screen: who is told of what by which service, a test message, and what became of messages.

Rules: an address is typed once and never shown again, only its service is; whether a message arrived is told as the
service answered it, never guessed.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import time
from html import escape
from typing import Any, Final

from nicegui import ui

from api import notify
from api.access import ROLES
from api.console.dialogs import dialog
from api.console.frame import Html, card, empty, frame, grid, heading, item_row, link, pill
from api.console.refusals import warn
from api.console.session import Visitor
from api.console.texts import LANGUAGES, Texts, marked
from api.console.words import word
from ingest.errors import IngestError
from ingest.sealing import Sealer, sealer_for
from ingest.store import areas as area_store
from ingest.store.areas import Area

Row = dict[str, Any]
HERE: Final = "/notifications"
PAGE: Final = 100
EVENTS: Final = {"alert.opened": marked("new alerts"), "alert.overdue": marked("overdue alerts")}
SEVERITIES: Final = {
    "info": marked("every severity"),
    "warning": marked("warning and critical"),
    "critical": marked("critical only"),
}
_TEST: Final = marked("test")


async def notifications_page(visitor: Visitor, *, rule: int | None = None) -> None:
    """Rules with their test button and the newest messages, of one rule where `rule` says so."""
    texts = visitor.texts

    @ui.refreshable
    async def lists() -> None:
        async with visitor.connection() as connection:
            areas = [one for one in await area_store.areas(connection) if visitor.actor.sees(one.area_id)]
            rules = await notify.rules(connection, visitor.actor)
            told = await notify.messages(connection, visitor.actor, rule, limit=PAGE)
        with card(texts("Who is told of what")):
            _rules(visitor, areas, rules, lists.refresh)
        _messages(visitor, rules, told, rule)

    with frame(visitor, texts("Notifications"), current=HERE):
        heading(texts("Notifications"), texts("alerts by mail, chat or to a system of yours"))
        await lists()


def _rules(visitor: Visitor, areas: Sequence[Area], rules: list[Row], refresh: Callable[[], Awaitable[Any]]) -> None:
    texts, names = visitor.texts, {area.code: area.name for area in areas}
    if not rules:
        empty(
            texts(
                "Nobody is told of alerts yet. Add a rule: who is told, from which severity on, and the address of a"
                " mailbox or chat. Then send a test."
            )
        )
    for row in rules:
        _rule(visitor, row, names, refresh)
    ui.button(texts("Add a rule…"), icon="add_alert", on_click=lambda: _add(visitor, areas)).props("no-caps unelevated")


def _rule(visitor: Visitor, row: Row, names: dict[str, str], refresh: Callable[[], Awaitable[Any]]) -> None:
    texts, number = visitor.texts, row["rule_id"]

    async def test() -> None:
        button.props("loading")
        await _tested(visitor, number)
        await refresh()

    with item_row():
        place = names.get(row["area"], texts("all areas"))
        refused = ""
        if row["refused"]:
            refused = pill(texts("{n} refused", n=texts.number(row["refused"])), "critical")
        ui.html(
            f"<b>{escape(word(texts, row['role']))}</b> {pill(place, 'info')} {masked(row['service'])}<br>"
            f"{escape(sentence(texts, row))}<br>"
            f"{link(last_told(texts, row), f'{HERE}?rule={number}')} {refused}",
            sanitize=False,
        )
        with ui.row().classes("gap-1"):
            button = ui.button(texts("Send a test"), icon="send", on_click=test).props("no-caps outline dense")
            ui.button(texts("End…"), on_click=lambda: _end(visitor, row)).props("no-caps flat dense")


def masked(service: str) -> Html:
    """An address as far as it may be shown: its service, the rest as dots."""
    return Html(f"<code>{escape(service)}://••••••</code>")


def sentence(texts: Texts, row: Row) -> str:
    """What a rule tells, from which severity on, when it keeps silent and in which language."""
    told = [texts(EVENTS[event]) for event in EVENTS if event in row["events"]]
    quiet = texts("at any hour")
    if row["quiet_from"] is not None and row["quiet_from"] != row["quiet_to"]:
        quiet = texts("silent {begins}–{ends}", begins=f"{row['quiet_from']:%H:%M}", ends=f"{row['quiet_to']:%H:%M}")
    return " · ".join((", ".join(told), texts(SEVERITIES[row["min_severity"]]), quiet, LANGUAGES[row["language"]]))


def last_told(texts: Texts, row: Row) -> str:
    """When a rule's last message arrived."""
    if row["last_told_at"] is None:
        return texts("no message has arrived yet")
    return texts("last message arrived {moment}", moment=texts.moment(row["last_told_at"]))


def _sealer(visitor: Visitor) -> Sealer:
    settings = visitor.parts.settings
    return sealer_for(settings.data, settings.master_key)


async def _tested(visitor: Visitor, number: int) -> None:
    """Send a test message and say whether the service took it."""
    texts = visitor.texts
    try:
        async with visitor.connection() as connection:
            now = visitor.parts.clock.now()
            taken = await notify.send_test(connection, visitor.actor, _sealer(visitor), number, now=now)
    except IngestError as error:
        warn(texts, error)
        return
    if taken:
        ui.notify(texts("The service took the test message: look whether it is there."), type="positive")
    else:
        message = texts("The test message was refused: check the address, end this rule and add it anew.")
        ui.notify(message, type="negative", timeout=0, close_button=texts("Close"), multi_line=True)


def _end(visitor: Visitor, row: Row) -> None:
    texts = visitor.texts

    async def done() -> None:
        async with visitor.connection() as connection:
            await notify.end_rule(connection, visitor.actor, row["rule_id"])
        ui.navigate.to(HERE)

    with dialog(texts, texts("End the rule?"), done, confirm=texts("End"), danger=True):
        ui.label(f"{word(texts, row['role'])} · {sentence(texts, row)}")
        ui.label(texts("Nobody is told by it any more, and its address is forgotten.")).classes("hb-muted text-sm")


def _add(visitor: Visitor, areas: Sequence[Area]) -> None:
    texts = visitor.texts

    async def done() -> bool:
        events = [event for event, box in boxes.items() if box.value]
        if not events:
            ui.notify(texts("Tick at least one thing to be told of."), type="warning")
            return False
        if bool(begins.value) != bool(ends.value):
            ui.notify(texts("Quiet hours have a beginning and an end."), type="warning")
            return False
        quiet = (time.fromisoformat(begins.value), time.fromisoformat(ends.value)) if begins.value else None
        async with visitor.connection() as connection:
            await notify.add_rule(
                connection, visitor.actor, _sealer(visitor), str(role.value), (address.value or "").strip(),
                area_id=area.value or None, events=events, min_severity=str(severity.value), quiet=quiet,
                language=str(language.value),
            )  # fmt: skip
        ui.navigate.to(HERE)
        return True

    with dialog(texts, texts("Add a rule"), done, confirm=texts("Save")):
        roles = {code: word(texts, code) for code in ROLES}
        role = ui.select(roles, label=texts("Who is told"), value="lead").classes("w-full")
        # Who sees some areas tells of these alone.
        every = {0: texts("all areas")} if visitor.actor.areas is None else {}
        places = every | {one.area_id: one.name for one in areas}
        area = ui.select(places, label=texts("Area"), value=next(iter(places), None)).classes("w-full")
        address = ui.input(texts("Address")).props("autocomplete=off maxlength=2000").classes("w-full")
        ui.label(
            texts("Mail: {mail}. Chats: {chats}. A system of yours: {json}. Kept sealed and never shown again.",
                  mail="mailtos://user:password@example.org", chats="wecombot://…, dingtalk://…, feishu://…",
                  json="jsons://host/path")
        ).classes("hb-muted text-sm").style("overflow-wrap:anywhere")  # fmt: skip
        boxes = {event: ui.checkbox(texts(text), value=event == "alert.opened") for event, text in EVENTS.items()}
        grades = {code: texts(text) for code, text in SEVERITIES.items()}
        severity = ui.select(grades, label=texts("Severity"), value="critical").classes("w-full")
        with ui.element("div").classes("hb-form-row w-full"):
            begins = ui.input(texts("Quiet from")).props("type=time stack-label")
            ends = ui.input(texts("Quiet until")).props("type=time stack-label")
        ui.label(texts("In the time of the area. What is new then is told afterwards, nothing is lost.")).classes(
            "hb-muted text-sm"
        )
        language = ui.select(LANGUAGES, label=texts("Language of the messages"), value=texts.language).classes("w-full")


def _messages(visitor: Visitor, rules: list[Row], told: list[Row], rule: int | None) -> None:
    texts = visitor.texts
    with card(texts("Messages of the last 90 days") if rule is None else texts("Messages of this rule")):
        if rule is not None:
            ui.html(link(texts("Messages of all rules"), HERE), sanitize=False)
        if not told and rules:
            empty(texts("No message yet. Send a test to see whether one arrives."))
        elif not told:
            empty(texts("No message yet. Messages appear here once a rule tells something."))
        else:
            grid(
                [
                    (texts("When"), "text"), (texts("Who is told"), "text"), (texts("Address"), "text"),
                    (texts("What"), "text"), (texts("Alerts"), "number"), (texts("Outcome"), "text"),
                ],
                [message_cells(texts, row) for row in told],
                caption=texts("Messages"),
            )  # fmt: skip
        if len(told) == PAGE:
            ui.label(texts("The newest {n} are shown.", n=PAGE)).classes("hb-muted text-sm")


def message_cells(texts: Texts, row: Row) -> tuple[Any, ...]:
    """One message as a line of the list: when, who, by what, of what, how many alerts, and whether it was taken."""
    outcome = pill(texts("taken"), "good") if row["taken"] else pill(texts("refused"), "critical")
    return (
        texts.moment(row["at"]), word(texts, row["role"]), masked(row["service"]),
        texts(EVENTS.get(row["event"], _TEST)), texts.number(row["items"]) if row["items"] else "–", Html(outcome),
    )  # fmt: skip
