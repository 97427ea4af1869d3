"""Rounds: an area's route and a season's campaign, point after point."""

from datetime import date, timedelta

from nicegui import ui

from api.console.frame import Html, card, empty, frame, grid, heading, link, pill
from api.console.session import Visitor
from api.console.texts import marked
from api.console.words import word
from api.field import campaigns, service
from ingest.errors import IngestError

_TONES = {"ok": "good", "repaired": "good", "fault": "critical", "unreachable": "warning", "open": "info"}
_KINDS = {"pre_season": marked("before the season"), "post_season": marked("after the season")}


def start_dialog(visitor: Visitor) -> None:
    """A check of the whole stock before or after the season, over every area that the lead sees."""
    texts, today = visitor.texts, visitor.parts.clock.now().date()
    with ui.dialog(value=True) as dialog, ui.card().classes("w-96"):
        ui.label(texts("Start a campaign")).classes("text-lg font-semibold")
        code = ui.input(texts("Code"), value=f"{today:%Y-%m}").classes("w-full")
        kind = ui.select(
            {name: texts(text) for name, text in _KINDS.items()}, label=texts("Kind"), value="pre_season"
        ).classes("w-full")
        name = ui.input(texts("Name")).classes("w-full")
        start = ui.input(texts("From"), value=today.isoformat()).props("type=date").classes("w-full")
        end = ui.input(texts("To"), value=(today + timedelta(days=60)).isoformat()).props("type=date").classes("w-full")

        async def done() -> None:
            try:
                first, last = date.fromisoformat(start.value or ""), date.fromisoformat(end.value or "")
                async with visitor.connection() as connection:
                    await campaigns.start(
                        connection, visitor.actor, (code.value or "").strip(), str(kind.value), first, last,
                        now=visitor.parts.clock.now(), name=name.value or "",
                    )  # fmt: skip
            except (IngestError, ValueError) as error:
                ui.notify(str(error), type="negative")
                return
            ui.navigate.to("/field")

        with ui.row().classes("justify-end w-full"):
            ui.button(texts("Cancel"), on_click=dialog.close).props("no-caps flat")
            ui.button(texts("Save"), on_click=done).props("no-caps unelevated")


async def route_page(visitor: Visitor, area: str) -> None:
    """An area's points in walking order, the unread ones to visit."""
    texts, now = visitor.texts, visitor.parts.clock.now()
    async with visitor.connection() as connection:
        rows = await service.route(connection, visitor.actor, area, since=now - timedelta(days=1))
    with frame(visitor, texts("Routes"), current="/field"):
        heading(texts("Route of {area}", area=area), texts("{n} points", n=len(rows)))
        if not rows:
            empty(texts("This area has no points yet."))
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
                        Html(pill(texts("ordered"), "critical")) if row["field_check"] else "",
                        Html(pill(texts("yes"), "good") if row["is_read"] else pill(texts("no"), "warning")),
                    )
                    for row in rows[:500]
                ],
                caption=texts("Routes"),
            )  # fmt: skip


async def campaign_page(visitor: Visitor, code: str) -> None:
    """A campaign's report and its points, what is still to be looked at first."""
    texts = visitor.texts
    async with visitor.connection() as connection:
        report = await campaigns.report(connection, visitor.actor, code)
        rows = await campaigns.points(connection, visitor.actor, code)
    with frame(visitor, code, current="/field"):
        heading(report["name"] or code, f"{report['start_date']} … {report['end_date']}")
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
        with card(texts("Points")):
            grid(
                [(texts("Point"), "text"), (texts("State"), "text"), (texts("Note"), "text")],
                [
                    (
                        Html(link(row["point"], f"/points/{row['point']}")),
                        Html(pill(word(texts, row["state"]), _TONES.get(row["state"], "info"))),
                        row.get("note") or "",
                    )
                    for row in rows[:500]
                ],
                caption=texts("Points"),
            )
