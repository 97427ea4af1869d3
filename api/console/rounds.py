"""Rounds: an area's route and a season's campaign, point after point."""

from datetime import date, timedelta
from typing import Any
from urllib.parse import quote

from nicegui import ui

from api.console.dialogs import dialog
from api.console.frame import Html, card, empty, figure, frame, grid, heading, item_row, link, pill, tabs
from api.console.refusals import warn
from api.console.session import Visitor
from api.console.texts import marked
from api.console.words import word
from api.field import campaigns, service
from ingest.errors import IngestError
from ingest.store import areas as area_store

MOST, SHOWN = 500, 100
# How a campaign calls what it heard -> how the report's columns call it.
_COMMS = {"weak": "comms_weak", "silent": "comms_silent", "no_meter": "no_meter"}
_TONES = {"ok": "good", "repaired": "good", "fault": "critical", "unreachable": "warning", "open": "info"}
_KINDS = {"pre_season": marked("before the season"), "post_season": marked("after the season")}


def start_dialog(visitor: Visitor) -> None:
    """A check of the whole stock before or after the season, over every area that the lead sees."""
    texts, today = visitor.texts, visitor.parts.clock.now().astimezone(visitor.texts.zone).date()

    async def done() -> None:
        first, last = date.fromisoformat(start.value or ""), date.fromisoformat(end.value or "")
        chosen = (code.value or "").strip()
        async with visitor.connection() as connection:
            await campaigns.start(
                connection, visitor.actor, chosen, str(kind.value), first, last,
                now=visitor.parts.clock.now(), name=name.value or "",
            )  # fmt: skip
        ui.navigate.to(f"/field/campaigns/{quote(chosen)}")

    with dialog(texts, texts("Start a campaign"), done, confirm=texts("Start")):
        name = ui.input(texts("Name")).classes("w-full")
        code = ui.input(texts("Code"), value=f"{today:%Y-%m}").classes("w-full")
        kinds = {one: texts(text) for one, text in _KINDS.items()}
        kind = ui.select(kinds, label=texts("Kind"), value="pre_season").classes("w-full")
        start = ui.input(texts("From"), value=today.isoformat()).props("type=date").classes("w-full")
        end = ui.input(texts("To"), value=(today + timedelta(days=60)).isoformat()).props("type=date").classes("w-full")


_ROUTE_TABS = (("", marked("all")), ("unread", marked("not read today")), ("check", marked("field check ordered")))


async def route_page(visitor: Visitor, area: str, *, only: str = "") -> None:
    """An area's points in walking order; `only`: "unread" or "check" for what is to be visited."""
    texts, now = visitor.texts, visitor.parts.clock.now()
    async with visitor.connection() as connection:
        rows = await service.route(connection, visitor.actor, area, since=now - timedelta(days=1))
        known = await area_store.areas(connection)
    name = next((one.name for one in known if one.code == area), area)
    left_out = {"unread": "is_read", "check": "is_unchecked"}.get(only)
    shown = [row for row in rows if left_out is None or not {**row, "is_unchecked": not row["field_check"]}[left_out]]
    base = f"/field/routes/{quote(area)}"
    with frame(visitor, texts("Routes"), current="/field"):
        heading(texts("Route of {area}", area=name), texts("{n} points", n=texts.number(len(shown))))
        with ui.element("div").classes("hb-tools"):
            tabs(
                [(f"{base}?only={key}", texts(text)) for key, text in _ROUTE_TABS],
                f"{base}?only={only}",
                texts("Routes"),
            )
            ui.html(link(texts("Map"), f"/map?area={quote(area)}&mode=comms"), sanitize=False)
        if not shown:
            empty(texts("This area has no points yet.") if not rows else texts("Nothing is left to visit here."))
            return
        with card():
            grid(
                [
                    (texts("Point"), "text"), (texts("Address"), "text"), (texts("Meter"), "text"),
                    (texts("Field check"), "text"), (texts("Read today"), "text"),
                ],
                [
                    (
                        Html(link(row["code"], f"/points/{row['code']}")),
                        row.get("address") or "–",
                        Html(link(row["serial"], f"/field/entry?serial={row['serial']}")) if row.get("serial") else "–",
                        Html(pill(texts("ordered"), "critical")) if row["field_check"] else "–",
                        Html(pill(texts("yes"), "good") if row["is_read"] else pill(texts("no"), "warning")),
                    )
                    for row in shown[:MOST]
                ],
                caption=texts("Routes"),
            )  # fmt: skip
        if len(shown) > MOST:
            ui.label(texts("The first {n} are shown.", n=MOST)).classes("hb-muted")


_CAMPAIGN_TABS = ("open", "fault", "repaired", "unreachable", "ok", "")


async def campaign_page(visitor: Visitor, code: str, *, state: str = "open") -> None:
    """A campaign's report and its points, what is still to be looked at first; each gets what was found."""
    texts = visitor.texts
    state = state if state in _CAMPAIGN_TABS else "open"
    async with visitor.connection() as connection:
        report = await campaigns.report(connection, visitor.actor, code)
        rows = await campaigns.points(connection, visitor.actor, code, state or None)
    total = report["total"]
    with frame(visitor, code, current="/field"):
        heading(report["name"] or code, f"{texts.date(report['start_date'])} – {texts.date(report['end_date'])}")
        with ui.element("div").classes("hb-figures"):
            for name in ("points", "checked", "comms_silent", "with_alert", "faults", "repaired"):
                figure(word(texts, name), texts.number(total.get(name, 0)))
        with card(texts("Report")):
            if not report["areas"]:
                empty(texts("This campaign has no points yet."))
            else:
                names = [name for name in report["areas"][0] if name not in ("area", "team")]
                grid(
                    [(word(texts, name), "text" if name == "area_name" else "number") for name in names],
                    [tuple(str(row[name]) for name in names) for row in report["areas"]],
                    caption=texts("Report"),
                )
            with ui.element("div").classes("hb-tools hb-no-print"):
                ui.button(
                    texts("Look at comms and alerts again"), icon="refresh", on_click=lambda: _refresh(visitor, code)
                ).props("no-caps outline dense")
                ui.button(texts("Print"), icon="print", on_click=lambda: ui.run_javascript("window.print()")).props(
                    "no-caps flat dense"
                )
        with card(texts("Points")):
            base = f"/field/campaigns/{quote(code)}"
            entries = [(f"{base}?state={one}", word(texts, one or "all")) for one in _CAMPAIGN_TABS]
            tabs(entries, f"{base}?state={state}", texts("State"))
            if not rows:
                empty(texts("No point is in this state."))
            for row in rows[:SHOWN]:
                _campaign_point(visitor, code, row)
            if len(rows) > SHOWN:
                ui.label(texts("The first {n} are shown.", n=SHOWN)).classes("hb-muted")


def _campaign_point(visitor: Visitor, code: str, row: dict[str, Any]) -> None:
    texts, point = visitor.texts, row["point"]

    async def settle(state: str, note: str = "") -> None:
        try:
            async with visitor.connection() as connection:
                await campaigns.settle(connection, visitor.actor, code, point, state, note)
        except IngestError as error:
            warn(texts, error)
            return
        ui.navigate.reload()

    def ask(state: str) -> None:
        async def done() -> None:
            await settle(state, note.value or "")

        with dialog(texts, f"{point}: {word(texts, state)}", done, confirm=texts("Save")):
            note = ui.input(texts("Remark")).classes("w-full")

    with item_row():
        with ui.element("div"):
            comms = {"ok": "good", "weak": "warning"}.get(row["comms"], "critical")
            marks = [pill(word(texts, row["state"]), _TONES.get(row["state"], "info"))]
            if row["comms"] != "ok":
                marks.append(pill(word(texts, _COMMS.get(row["comms"], row["comms"])), comms))
            if row["plausibility"] == "alert":
                marks.append(pill(texts("with an alert"), "warning"))
            ui.html(f"{link(point, '/points/' + point)} {' '.join(marks)}", sanitize=False)
            ui.label(row.get("note") or "").classes("hb-muted text-sm")
        with ui.row().classes("gap-1"):
            ui.button(texts("In order"), on_click=lambda: settle("ok")).props("no-caps outline dense")
            ui.button(texts("Fault…"), on_click=lambda: ask("fault")).props("no-caps outline dense color=negative")
            ui.button(texts("Repaired…"), on_click=lambda: ask("repaired")).props("no-caps flat dense")
            ui.button(texts("Nobody there"), on_click=lambda: settle("unreachable")).props("no-caps flat dense")


async def _refresh(visitor: Visitor, code: str) -> None:
    async with visitor.connection() as connection:
        await campaigns.refresh(connection, visitor.actor, code, now=visitor.parts.clock.now())
    ui.navigate.reload()
