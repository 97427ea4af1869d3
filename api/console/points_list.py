"""Metering points: a list to search, one page at a time."""

from html import escape

from nicegui import ui

from api.console.frame import Html, card, empty, frame, grid, heading, link
from api.console.names import state_text
from api.console.session import Visitor
from ingest.store import evidence

PAGE = 50


async def points_page(visitor: Visitor, *, text: str = "", area_id: int | None = None, page: int = 1) -> None:
    """A searchable list, one page at a time."""
    texts = visitor.texts
    page = max(1, page)
    async with visitor.connection() as connection:
        total, rows = await evidence.find_points(
            connection, text=text, area_id=area_id, areas=visitor.actor.area_list, limit=PAGE, offset=(page - 1) * PAGE
        )
    with frame(visitor, texts("Points"), current="/points"):
        heading(texts("Metering points"), texts("{n} points", n=texts.number(total)))
        _search_form(visitor, text)
        if not rows:
            empty(texts("Nothing found. Search by code, address, account, building or meter serial."))
            return
        with card():
            grid(
                [
                    (texts("Point"), "text"),
                    (texts("Address"), "text"),
                    (texts("Area"), "text"),
                    (texts("Meter"), "text"),
                    (texts("State"), "text"),
                    (texts("Alerts"), "number"),
                ],
                [
                    (
                        Html(link(row["code"], f"/points/{row['code']}")),
                        row["address"] or row["building"] or "–",
                        row["area_name"],
                        row["serials"] or "–",
                        state_text(texts, row["state"] or "active"),
                        texts.number(row["open_alerts"]),
                    )
                    for row in rows
                ],
                caption=texts("Metering points"),
            )
        _pager(visitor, text, area_id, page, total)


def _search_form(visitor: Visitor, text: str) -> None:
    texts = visitor.texts
    ui.html(
        f'<form method="get" action="/points" role="search" class="hb-search">'
        f'<label class="hb-sr" for="q">{escape(texts("Search"))}</label>'
        f'<input id="q" name="text" value="{escape(text)}"'
        f' placeholder="{escape(texts("Code, address, meter serial"))}">'
        f'<button type="submit">{escape(texts("Search"))}</button></form>',
        sanitize=False,
    ).classes("w-full")


def _pager(visitor: Visitor, text: str, area_id: int | None, page: int, total: int) -> None:
    last = max(1, -(-total // PAGE))
    if last == 1:
        return
    base = f"/points?text={escape(text)}" + (f"&area={area_id}" if area_id else "")
    with ui.row().classes("items-center gap-3"):
        if page > 1:
            ui.html(link("← " + visitor.texts("previous"), f"{base}&page={page - 1}"), sanitize=False)
        ui.label(f"{page} / {last}")
        if page < last:
            ui.html(link(visitor.texts("next") + " →", f"{base}&page={page + 1}"), sanitize=False)
