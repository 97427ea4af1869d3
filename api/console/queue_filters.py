"""What stands above the queue: filters, saved views, and the incidents that explain many alerts at once."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from nicegui import ui

from api.alerts import views
from api.console.frame import Html, card, grid, link
from api.console.names import KINDS, incident_text, kind_text, state_text
from api.console.session import Visitor
from ingest.alerting import AlertState
from ingest.errors import IngestError

OPEN_STATES = ["open", "acknowledged", "field_check"]
_NAMES = ("state", "kind", "severity", "area", "building", "assignee", "incident", "text")


def filters_of(query: Mapping[str, str]) -> dict[str, Any]:
    """Filters of the queue from an address; unknown words are left out."""
    state = query.get("state", "")
    kinds = [kind for kind in query.get("kind", "").split(",") if kind in KINDS]
    number = query.get("incident", "")
    return {
        "states": [state] if state in set(AlertState) else OPEN_STATES if state != "all" else None,
        "kinds": kinds or None,
        "severities": [query["severity"]] if query.get("severity") in ("critical", "warning", "info") else None,
        "area": query.get("area") or None,
        "building": query.get("building") or None,
        "assignee": query.get("assignee") or None,
        "incident": int(number) if number.isdecimal() and len(number) < 18 else None,
        "text": query.get("text", "")[:200] or None,
    }


def address_of(query: Mapping[str, Any]) -> str:
    """The queue's address with the filters that are set."""
    wanted = {name: str(query[name])[:200] for name in _NAMES if query.get(name)}
    return "/alerts?" + urlencode(wanted) if wanted else "/alerts"


def filter_row(visitor: Visitor, query: dict[str, str], tallies: list[dict[str, Any]]) -> None:
    """State, kind and text; each change is an address of its own, so that Back works."""
    texts = visitor.texts

    def go(**changes: str) -> None:
        ui.navigate.to(address_of({**query, **changes}))

    kinds = sorted({row["kind"] for row in tallies} | set(filter(None, query.get("kind", "").split(","))))
    with ui.row().classes("items-end gap-3 w-full hb-filters"):
        ui.select(
            {"": texts("to be decided"), **{str(s): state_text(texts, s) for s in AlertState}, "all": texts("all")},
            value=query.get("state", "") if query.get("state") in {*AlertState, "all"} else "",
            label=texts("State"),
            on_change=lambda event: go(state=event.value),
        ).props("dense outlined").classes("w-44")
        ui.select(
            {"": texts("all"), **{kind: kind_text(texts, kind) for kind in kinds}},
            value=query.get("kind", "") if query.get("kind", "") in kinds else "",
            label=texts("Kind"),
            on_change=lambda event: go(kind=event.value),
        ).props("dense outlined").classes("w-52")
        search = ui.input(texts("Point, address, serial"), value=query.get("text", "")).props("dense outlined")
        search.on("keydown.enter", lambda: go(text=search.value))
        if any(query.get(name) for name in _NAMES):
            ui.button(texts("Clear filters"), on_click=lambda: ui.navigate.to("/alerts")).props("no-caps flat")


def saved_views(visitor: Visitor, query: dict[str, str], kept: list[dict[str, Any]]) -> None:
    """Links to the views that were kept, and a button that keeps the present one."""
    texts = visitor.texts

    async def drop(view_id: int) -> None:
        try:
            async with visitor.connection() as connection:
                await views.delete(connection, visitor.actor, view_id)
        except IngestError as error:
            ui.notify(error.message, type="negative")
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
    with ui.dialog(value=True) as dialog, ui.card().classes("w-96"):
        ui.label(texts("Keep this view")).classes("text-lg font-semibold")
        name = ui.input(texts("Name")).classes("w-full")
        shared = ui.checkbox(texts("Others may use it"))

        async def done() -> None:
            settings = {key: query[key] for key in _NAMES if query.get(key)}
            try:
                async with visitor.connection() as connection:
                    await views.save(connection, visitor.actor, name.value or "", settings, shared=bool(shared.value))
            except IngestError as error:
                ui.notify(error.message, type="negative")
                return
            dialog.close()
            ui.navigate.reload()

        with ui.row().classes("justify-end w-full"):
            ui.button(texts("Cancel"), on_click=dialog.close).props("no-caps flat")
            ui.button(texts("Save"), on_click=done).props("no-caps unelevated")


def incident_list(visitor: Visitor, rows: list[dict[str, Any]]) -> None:
    """Standing incidents that carry alerts; each leads to its own."""
    texts = visitor.texts
    standing = [row for row in rows if row["alerts"]]
    if not standing:
        return
    with card(texts("One cause, many alerts")):
        grid(
            [
                (texts("Incident"), "text"), (texts("Since"), "text"), (texts("Alerts"), "number"),
                (texts("At stake"), "number"),
            ],
            [
                (
                    Html(
                        link(
                            incident_text(texts, row["kind"], row["scope"]),
                            f"/alerts?incident={row['incident_id']}",
                        )
                    ),
                    texts.moment(row["from_ts"]), texts.number(row["alerts"]),
                    texts.energy(row["energy_at_stake_kwh"], 0),
                )
                for row in standing[:20]
            ],
            caption=texts("One cause, many alerts"),
        )  # fmt: skip
