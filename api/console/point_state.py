"""Changing the state of a metering point: in service, suspended (报停), vacant, closed; from a day on."""

from datetime import date, datetime, time

from nicegui import ui

from api.console.frame import card
from api.console.names import state_text
from api.console.refusals import warn
from api.console.session import Visitor
from api.registry import service
from ingest.errors import IngestError

POINT_STATES = ("active", "suspended", "vacant", "closed")


def state_form(visitor: Visitor, code: str, present: str) -> None:
    """State, first day in the reader's zone, remark; kept with the person's name in the audit log."""
    texts = visitor.texts
    with card(texts("State of the point")), ui.row().classes("items-end gap-3 hb-filters w-full"):
        state = (
            ui.select({name: state_text(texts, name) for name in POINT_STATES}, label=texts("State"), value=present)
            .props("dense outlined")
            .classes("w-44")
        )
        today = visitor.parts.clock.now().astimezone(texts.zone).date()
        since = ui.input(texts("From"), value=today.isoformat()).props("dense outlined type=date").classes("w-44")
        note = ui.input(texts("Remark")).props("dense outlined")

        async def change() -> None:
            try:
                first = datetime.combine(date.fromisoformat(since.value or ""), time(), texts.zone)
                async with visitor.connection() as connection:
                    await service.set_state(
                        connection, visitor.actor, code, str(state.value), first, note=note.value or ""
                    )
            except (IngestError, ValueError) as error:
                warn(visitor.texts, error)
                return
            ui.navigate.reload()

        ui.button(texts("Change the state"), on_click=change).props("no-caps unelevated")
