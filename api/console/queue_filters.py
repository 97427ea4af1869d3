"""What stands above the queue: filters, saved views, and the incidents that explain many alerts at once."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from nicegui import ui

from api.alerts import service, views
from api.console.dialogs import dialog
from api.console.frame import card, item_row, link, pill
from api.console.names import KINDS, incident_text, kind_text, state_text
from api.console.refusals import warn
from api.console.session import Visitor
from api.console.texts import marked
from api.console.words import word
from ingest.alerting import AlertAction, AlertState
from ingest.errors import IngestError
from ingest.store.areas import Area

# One acknowledgement of an incident takes at most so many alerts.
MOST_AT_ONCE = 5_000
OPEN_STATES = ["open", "acknowledged", "field_check"]
SEVERITIES = ("critical", "warning", "info")
_NAMES = ("state", "kind", "severity", "area", "building", "assignee", "incident", "escalated", "text")

_YES_NO = {"true": True, "false": False}


def filters_of(query: Mapping[str, str]) -> dict[str, Any]:
    """Filters of the queue from an address; unknown words are left out."""
    state = query.get("state", "")
    kinds = [kind for kind in query.get("kind", "").split(",") if kind in KINDS]
    number = query.get("incident", "")
    return {
        "states": [state] if state in set(AlertState) else OPEN_STATES if state != "all" else None,
        "kinds": kinds or None,
        "severities": [query["severity"]] if query.get("severity") in SEVERITIES else None,
        "area": query.get("area") or None,
        "building": query.get("building") or None,
        "assignee": query.get("assignee") or None,
        "incident": int(number) if number.isdecimal() and len(number) < 18 else None,
        "escalated": _YES_NO.get(query.get("escalated", "")),
        "text": query.get("text", "")[:200] or None,
    }


def address_of(query: Mapping[str, Any]) -> str:
    """The queue's address with the filters that are set."""
    wanted = {name: str(query[name])[:200] for name in _NAMES if query.get(name)}
    return "/alerts?" + urlencode(wanted) if wanted else "/alerts"


def filter_row(visitor: Visitor, query: dict[str, str], tallies: list[dict[str, Any]], areas: Sequence[Area]) -> None:
    """What narrows the queue; each change is an address of its own, so that Back works."""
    texts = visitor.texts

    def go(**changes: str) -> None:
        ui.navigate.to(address_of({**query, **changes}))

    def choice(name: str, label: str, options: dict[str, str], width: str = "w-40") -> None:
        value = query.get(name, "")
        ui.select(
            options, value=value if value in options else "", label=label,
            on_change=lambda event: go(**{name: event.value}),
        ).props("dense outlined options-dense").classes(width)  # fmt: skip

    kinds = sorted({row["kind"] for row in tallies} | set(filter(None, query.get("kind", "").split(","))))
    every = {"": texts("all")}
    with ui.row().classes("items-end gap-3 w-full hb-filters"):
        states = {str(state): state_text(texts, state) for state in AlertState}
        choice("state", texts("State"), {"": texts("to be decided"), **states, "all": texts("all")}, "w-44")
        choice("kind", texts("Kind"), {**every, **{kind: kind_text(texts, kind) for kind in kinds}}, "w-48")
        choice("severity", texts("Severity"), {**every, **{one: word(texts, one) for one in SEVERITIES}}, "w-32")
        lead = {"true": texts("escalated"), "false": texts("not escalated")}
        choice("escalated", texts("Escalation"), {**every, **lead})
        if len(areas) > 1:
            choice("area", texts("Area"), {**every, **{area.code: area.name for area in areas}})
        mine = {**every, visitor.actor.name: texts("assigned to me")}
        choice(
            "assignee",
            texts("Assignee"),
            {query["assignee"]: query["assignee"], **mine} if query.get("assignee") else mine,
        )
        search = ui.input(texts("Point, address, serial"), value=query.get("text", "")).props(
            "dense outlined clearable"
        )
        search.on("keydown.enter", lambda: go(text=search.value or ""))
        search.on("clear", lambda: go(text=""))
        if any(query.get(name) for name in _NAMES):
            ui.button(texts("Clear filters"), on_click=lambda: ui.navigate.to("/alerts")).props("no-caps flat")
    _told_filters(visitor, query)


def _told_filters(visitor: Visitor, query: Mapping[str, str]) -> None:
    """Filters that no field above shows: they came with a link."""
    texts = visitor.texts
    told = [
        texts(text, value=query[name])
        for name, text in (("building", marked("building {value}")), ("incident", marked("incident {value}")))
        if query.get(name)
    ]
    if told:
        ui.label(texts("Only: {filters}", filters=", ".join(told))).classes("hb-muted")


def saved_views(visitor: Visitor, query: dict[str, str], kept: list[dict[str, Any]]) -> None:
    """Links to the views that were kept, and a button that keeps the present one."""
    texts = visitor.texts

    async def drop(view_id: int) -> None:
        try:
            async with visitor.connection() as connection:
                await views.delete(connection, visitor.actor, view_id)
        except IngestError as error:
            warn(visitor.texts, error)
            return
        ui.navigate.reload()

    with ui.row().classes("items-center gap-3 w-full"):
        ui.label(texts("Views")).classes("hb-muted")
        for row in kept:
            settings = row["settings"] if isinstance(row["settings"], dict) else {}
            with ui.row().classes("items-center gap-0 no-wrap"):
                ui.html(link(row["name"], address_of(settings)), sanitize=False)
                if row["owner"] == visitor.actor.name:
                    ui.button(icon="close", on_click=lambda row=row: drop(row["view_id"])).props(
                        "flat dense round size=sm"
                    ).props["aria-label"] = texts("Drop the view {name}", name=row["name"])
        ui.button(texts("Keep this view…"), on_click=lambda: _keep_dialog(visitor, query)).props("no-caps flat dense")


def _keep_dialog(visitor: Visitor, query: dict[str, str]) -> None:
    texts = visitor.texts

    async def done() -> None:
        settings = {key: query[key] for key in _NAMES if query.get(key)}
        async with visitor.connection() as connection:
            await views.save(connection, visitor.actor, name.value or "", settings, shared=bool(shared.value))
        ui.navigate.reload()

    with dialog(texts, texts("Keep this view"), done, confirm=texts("Save")):
        name = ui.input(texts("Name")).classes("w-full")
        shared = ui.checkbox(texts("Others may use it"))


def incident_list(visitor: Visitor, rows: list[dict[str, Any]]) -> None:
    """Standing incidents that carry alerts, the widest first: one decision for all that they explain."""
    texts = visitor.texts
    standing = sorted((row for row in rows if row["alerts"]), key=lambda row: -row["alerts"])
    if not standing:
        return
    with card(texts("One cause, many alerts")):
        for row in standing[:20]:
            _incident(visitor, row)


def _incident(visitor: Visitor, row: dict[str, Any]) -> None:
    texts = visitor.texts

    async def acknowledge() -> None:
        async with visitor.connection() as connection:
            now = visitor.parts.clock.now()
            own = {"states": ["open"], "incident": row["incident_id"]}
            alerts = await service.queue(connection, visitor.actor, now=now, filters=own, limit=MOST_AT_ONCE)
            decision = service.Decision(AlertAction.ACKNOWLEDGE)
            chosen = [one["alert_id"] for one in alerts]
            done = await service.decide_many(connection, visitor.actor, chosen, decision, now=now)
        ui.notify(texts("{n} alerts changed", n=sum("code" not in one for one in done)), type="positive")
        ui.navigate.reload()

    with item_row():
        name = link(incident_text(texts, row["kind"], row["scope"]), f"/alerts?incident={row['incident_id']}")
        count = pill(texts("{n} alerts", n=texts.number(row["alerts"])), "info")
        stake = texts.energy(row["energy_at_stake_kwh"], 0)
        ui.html(
            f"{name} {count} <span class='hb-muted'>{texts.moment(row['from_ts'])} · {stake}</span>", sanitize=False
        )
        ui.button(texts("Acknowledge all"), icon="done_all", on_click=acknowledge).props("no-caps outline dense")
