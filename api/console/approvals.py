"""What waits for a second person: hand-made values with their warnings and photo, approved or rejected here.

Whoever entered a value sees it here too, without buttons: two persons, never one.
"""

from html import escape
from typing import Any

from nicegui import ui

from api.console.dialogs import dialog
from api.console.frame import card, empty, frame, heading, item_row, pill
from api.console.queue import WAITING, review_tabs
from api.console.refusals import told_text, warn
from api.console.session import Visitor
from api.console.texts import marked
from api.console.words import REGISTERS, word
from api.field import readings as hand_readings
from ingest.errors import IngestError

SHOWN = 100


async def approvals_page(visitor: Visitor) -> None:
    """Hand-made values that wait, newest first."""
    texts = visitor.texts
    async with visitor.connection() as connection:
        rows = await hand_readings.listed(connection, visitor.actor, list(WAITING))
    with frame(visitor, texts("Waiting for approval"), current="/alerts"):
        heading(texts("Waiting for approval"), texts("whoever enters a value is not the one who approves it"))
        review_tabs(visitor, "/approvals", len(rows))
        with card(texts("Hand-made values that wait for a second person")):
            if not rows:
                empty(texts("Nothing waits for approval."))
            for row in rows[:SHOWN]:
                _value(visitor, row)


def _value(visitor: Visitor, row: dict[str, Any]) -> None:
    texts = visitor.texts
    shown = f"{texts.number(row['value'] * 10.0 ** row['scale'], max(0, -row['scale']))} {row['unit']}"
    with item_row():
        with ui.element("div"):
            place = f" · {escape(row['point_code'])}" if row["point_code"] else ""
            third = pill(texts("third person"), "warning") if row["state"] == "second_approval" else ""
            ui.html(
                f"<strong>{escape(shown)}</strong> {pill(word(texts, row['kind']), 'info')} {third}"
                f" <span class='hb-muted'>{escape(row['serial'])}{place} ·"
                f" {escape(word(texts, row['register'], REGISTERS))} · {texts.moment(row['ts'])}</span>",
                sanitize=False,
            )
            told = [texts("entered by {name}", name=row["entered_by"]), row["reason"] or ""]
            told += [told_text(texts, one["message"], one["code"]) for one in row["warnings"] or []]
            ui.label(" · ".join(filter(None, told))).classes("hb-muted text-sm")
            if row["photo_reference"]:
                address = f"/api/v1/field/photos/{row['photo_reference']}"
                ui.html(
                    f'<a class="hb-link" href="{address}" target="_blank">{escape(texts("Photo"))}</a>', sanitize=False
                )
        own = visitor.actor.name in (row["entered_by"], row["approved_by"])
        if own:
            ui.label(texts("another person decides")).classes("hb-muted text-sm")
            return
        with ui.row().classes("gap-1 no-wrap"):
            if visitor.actor.may("approver"):
                ui.button(texts(marked("Approve")), on_click=lambda: _approve(visitor, row["manual_id"])).props(
                    "no-caps unelevated dense"
                )
            if visitor.actor.may("reviewer"):
                ui.button(texts(marked("Reject…")), on_click=lambda: _reject(visitor, row["manual_id"])).props(
                    "no-caps outline dense"
                )


async def _approve(visitor: Visitor, manual_id: int) -> None:
    try:
        async with visitor.connection() as connection:
            await hand_readings.decide(connection, visitor.actor, manual_id, approve=True)
    except IngestError as error:
        warn(visitor.texts, error)
        return
    ui.navigate.reload()


def _reject(visitor: Visitor, manual_id: int) -> None:
    texts = visitor.texts

    async def done() -> None:
        async with visitor.connection() as connection:
            await hand_readings.decide(connection, visitor.actor, manual_id, approve=False, reason=reason.value or "")
        ui.navigate.reload()

    with dialog(texts, texts("Reject"), done, confirm=texts("Reject"), danger=True):
        reason = ui.textarea(texts("Reason")).props("autogrow").classes("w-full")
