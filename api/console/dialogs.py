"""A dialog that asks for something: a title, fields, Cancel and the one thing it does."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from nicegui import ui

from api.console.refusals import warn
from api.console.texts import Texts
from ingest.errors import IngestError


@contextmanager
def dialog(
    texts: Texts, title: str, done: Callable[[], Awaitable[bool | None]], *, confirm: str, danger: bool = False
) -> Iterator[ui.dialog]:
    """Open a dialog; the block adds its fields. `done` carries it out; a refusal or False leaves the dialog open."""
    with ui.dialog(value=True) as box, ui.card().classes("hb-dialog"):
        box.props["aria-label"] = title
        ui.label(title).classes("text-lg font-semibold")
        yield box

        async def carry_out() -> None:
            try:
                kept = await done() is False
            except (IngestError, ValueError) as error:
                warn(texts, error)
                return
            if not kept:
                box.close()

        with ui.row().classes("justify-end w-full gap-2"):
            ui.button(texts("Cancel"), on_click=box.close).props("no-caps flat")
            ui.button(confirm, on_click=carry_out).props(
                f"no-caps unelevated color={'negative' if danger else 'primary'}"
            )
