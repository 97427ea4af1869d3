"""Rule sets on screen: versions of each group, what verdicts propose, and trials on history with their progress."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from nicegui import ui

from api.console.frame import Html, card, empty, frame, grid, heading, link, pill
from api.console.names import kind_text
from api.console.session import Visitor
from api.console.texts import marked
from api.console.words import word
from api.rules import service
from ingest.errors import IngestError, InvalidInputError

SPAN = timedelta(days=365)
STATES = {
    "draft": marked("draft"),
    "active": marked("in force"),
    "retired": marked("retired"),
    "waiting": marked("waiting"),
    "running": marked("running"),
    "done": marked("done"),
    "failed": marked("failed"),
}
TONES = {"active": "good", "done": "good", "failed": "critical", "draft": "warning"}


async def rules_page(visitor: Visitor, *, group: str = "default") -> None:
    """A group's versions, proposals and the newest trials."""
    texts, actor, now = visitor.texts, visitor.actor, visitor.parts.clock.now()
    since = (
        now.replace(year=now.year - 1) if (now.month, now.day) != (2, 29) else now.replace(year=now.year - 1, day=28)
    )
    async with visitor.connection() as connection:
        groups = await service.groups(connection, actor)
        versions = await service.versions(connection, actor, group)
        proposals = await service.proposals(connection, actor, group, since=since)
        trials = await service.trials(connection, actor)
    with frame(visitor, texts("Rules"), current="/rules"):
        heading(texts("Rules"), texts("thresholds of the checks, by group of meters"))
        with card(texts("Groups of meters")):
            grid(
                [(texts("Group"), "text"), (texts("Points"), "number"), (texts("Version in force"), "number")],
                [
                    (
                        Html(link(row["name"], f"/rules?group={row['code']}")),
                        texts.number(row["points"]),
                        row["version"],
                    )
                    for row in groups
                ],
                caption=texts("Groups of meters"),
            )  # fmt: skip
        with card(texts("Versions of {group}", group=group)):
            for row in versions:
                _version(visitor, row)
        with card(texts("What verdicts propose")):
            _proposals(visitor, group, proposals)
        _form(visitor, group)
        with card(texts("Trials on history")):
            _trials(visitor, trials)


def _state(visitor: Visitor, state: str) -> str:
    return pill(visitor.texts(STATES[state]), TONES.get(state, "info"))


def _version(visitor: Visitor, row: dict[str, Any]) -> None:
    texts, actor = visitor.texts, visitor.actor

    async def switch_on() -> None:
        await _carried_out(visitor, "activate", row["rule_set_id"], now=visitor.parts.clock.now())

    with ui.row().classes("w-full items-center justify-between").style("border-bottom:1px solid #eaeff3"):
        ui.html(f"{texts('Version')} {row['version']} {_state(visitor, row['state'])}", sanitize=False)
        ui.label(f"{_changes(row['settings']) or texts('the defaults')} · {row['created_by']} {row['note']}")
        if row["state"] != "active" and actor.may("approver") and row["created_by"] != actor.name:
            ui.button(texts("Switch on"), on_click=switch_on).props("no-caps outline dense")


def _changes(settings: dict[str, Any]) -> str:
    return ", ".join(f"{rule}.{name} = {value:g}" for rule, found in settings.items() for name, value in found.items())


def _proposals(visitor: Visitor, group: str, rows: list[dict[str, Any]]) -> None:
    texts = visitor.texts
    if not rows:
        empty(texts("The verdicts of the last year speak for no change."))
        return
    grid(
        [
            (texts("Kind"), "text"), (texts("Threshold"), "text"), (texts("Now"), "number"),
            (texts("Proposed"), "number"), (texts("Right / wrong now"), "text"), (texts("Would remain"), "text"),
            (texts("Precision"), "text"),
        ],
        [
            (
                kind_text(texts, row["kind"]), row["threshold"], f"{row['current']:g}", f"{row['proposed']:g}",
                f"{row['right']} / {row['wrong']}", f"{row['right_kept']} / {row['wrong_kept']}",
                f"{texts.percent(row['precision_before'])} → {texts.percent(row['precision_after'])}",
            )
            for row in rows
        ],
        caption=texts("What verdicts propose"),
    )  # fmt: skip
    ui.label(texts("Nothing is applied by itself: try a change below, then propose it.")).classes("hb-muted text-sm")
    for row in rows:
        ui.button(
            texts("Try {threshold} = {value}", threshold=row["threshold"], value=f"{row['proposed']:g}"),
            on_click=lambda row=row: _start(visitor, group, row["settings"], None, None),
        ).props("no-caps outline dense")


def _form(visitor: Visitor, group: str) -> None:
    texts = visitor.texts
    with card(texts("Try or propose thresholds")):
        field = ui.textarea(texts("Thresholds as JSON"), value='{"zero_use": {"warn_h": 36}}').classes("w-full")
        with ui.row().classes("gap-2"):
            first = ui.input(texts("From (date)"), placeholder="2026-01-01")
            last = ui.input(texts("To (date)"), placeholder="2026-02-01")
            note = ui.input(texts("Why"))

        async def try_it() -> None:
            try:
                settings, span = _parsed(field.value), (_day(first.value), _day(last.value))
            except InvalidInputError as error:
                ui.notify(error.message, type="negative")
                return
            await _start(visitor, group, settings, *span)

        async def propose_it() -> None:
            try:
                settings = _parsed(field.value)
            except InvalidInputError as error:
                ui.notify(error.message, type="negative")
                return
            await _carried_out(visitor, "add_version", group, settings, note.value or "", now=visitor.parts.clock.now())

        with ui.row().classes("gap-2"):
            ui.button(texts("Try on history"), on_click=try_it).props("no-caps unelevated")
            if visitor.actor.may("approver"):
                ui.button(texts("Propose as a version"), on_click=propose_it).props("no-caps outline")
        with ui.expansion(texts("Every threshold and its default")).classes("w-full"):
            grid(
                [(texts("Rule"), "text"), (texts("Threshold"), "text"), (texts("Default"), "number")],
                [
                    (row["rule"], name, f"{value:g}")
                    for row in service.catalogue()
                    for name, value in row["thresholds"].items()
                ],
                caption=texts("Every threshold and its default"),
            )


def _parsed(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InvalidInputError(f"JSON: {error}", field="settings") from error
    if not isinstance(found, dict) or not all(isinstance(value, dict) for value in found.values()):
        raise InvalidInputError('as {"zero_use": {"warn_h": 36}}', field="settings")
    return found


def _day(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidInputError(f"{text}: 2026-01-31", field="from") from error


async def _start(
    visitor: Visitor, group: str, settings: dict[str, Any], start: datetime | None, end: datetime | None
) -> None:
    made = await _carried_out(visitor, "start_trial", group, settings, (start, end), now=visitor.parts.clock.now())
    if made is not None:
        ui.navigate.to(f"/rules/trials/{made['trial_id']}")


async def _carried_out(visitor: Visitor, what: str, *values: Any, **named: Any) -> Any:
    """Call a service of this room in one transaction, tell a refusal, and show the page anew."""
    try:
        async with visitor.connection() as connection:
            result = await getattr(service, what)(connection, visitor.actor, *values, **named)
    except IngestError as error:
        ui.notify(error.message, type="negative")
        return None
    if what != "start_trial":
        ui.navigate.reload()
    return result


def _trials(visitor: Visitor, rows: list[dict[str, Any]]) -> None:
    texts = visitor.texts
    if not rows:
        empty(texts("Nothing has been tried yet: a trial shows what would change in consumption, bills and alerts."))
        return
    grid(
        [
            (texts("Trial"), "text"), (texts("Group"), "text"), (texts("Thresholds"), "text"),
            (texts("Started by"), "text"), (texts("State"), "text"),
        ],
        [
            (
                Html(link(str(row["trial_id"]), f"/rules/trials/{row['trial_id']}")), row["group_code"],
                _changes(row["settings"]), row["created_by"], Html(_state(visitor, row["state"])),
            )
            for row in rows
        ],
        caption=texts("Trials on history"),
    )  # fmt: skip


async def trial_page(visitor: Visitor, trial_id: int) -> None:
    """One trial: how far it is, then what would change."""
    texts = visitor.texts
    async with visitor.connection() as connection:
        row = await service.trial(connection, visitor.actor, trial_id)
    with frame(visitor, texts("Trial on history"), current="/rules"):
        heading(texts("Trial {number}", number=trial_id), _changes(row["settings"]))
        if row["state"] in ("waiting", "running"):
            with card(texts(STATES[row["state"]])):
                share = row["done"] / row["whole"] if row["whole"] else 0.0
                ui.linear_progress(share, show_value=False).props(f'aria-label="{texts("Progress")}"')
                ui.label(f"{row['stage']} {row['done']} / {row['whole']}")
            ui.timer(3.0, lambda: ui.navigate.reload(), once=True)
        elif row["result"] is None:
            empty(row["message"])
        else:
            _result(visitor, row["result"])


def _result(visitor: Visitor, result: dict[str, Any]) -> None:
    texts = visitor.texts
    told, hours, bills = result["alerts"], result["consumption"], result["bills"]
    with card(texts("What would change")):
        grid(
            [(texts("What"), "text"), (texts("Compared"), "number"), (texts("Would change"), "number")],
            [
                (texts("Hours of consumption"), texts.number(hours["hours"]), texts.number(hours["changed"])),
                (texts("Bills"), texts.number(bills["compared"]), texts.number(bills["changed"])),
                (texts("Alerts"), texts.number(sum(told["before"].values())), f"+{told['gained']} / −{told['lost']}"),
            ],
            caption=texts("What would change"),
        )
    with card(texts("Alerts")):
        kinds = sorted({*told["before"], *told["after"]})
        grid(
            [(texts("Kind"), "text"), (texts("Now"), "number"), (texts("On trial"), "number")],
            [(kind_text(texts, kind), told["before"].get(kind, 0), told["after"].get(kind, 0)) for kind in kinds],
            caption=texts("Alerts"),
        )
        grid(
            [
                (texts("Point"), "text"), (texts("Kind"), "text"), (texts("From"), "text"),
                (texts("At stake"), "number"), (texts("Would be"), "text"),
            ],
            [
                (
                    Html(link(row["point"] or "–", f"/points/{row['point']}")), kind_text(texts, row["kind"]),
                    texts.day(datetime.fromisoformat(row["from"])), texts.energy(row["energy_at_stake_kwh"]),
                    texts("found") if row["gained"] else texts("gone"),
                )
                for row in result["alert_changes"][:100]
            ],
            caption=texts("Alerts"),
        )  # fmt: skip
    if result["bill_changes"]:
        with card(texts("Bills")):
            grid(
                [
                    (texts("Point"), "text"), (texts("Period"), "text"), (texts("Now"), "number"),
                    (texts("On trial"), "number"), (texts("Held back"), "text"),
                ],
                [
                    (
                        row["point"] or "–", row["period"], texts.energy(row["before_kwh"]),
                        texts.energy(row["after_kwh"]),
                        f"{word(texts, row['reason_before'] or '–')} → {word(texts, row['reason_after'] or '–')}",
                    )
                    for row in result["bill_changes"][:100]
                ],
                caption=texts("Bills"),
            )  # fmt: skip
