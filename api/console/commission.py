"""The commissioning checklist of a meter: what the service sees, what a person notes on site."""

from datetime import datetime
from html import escape
from typing import Any

from nicegui import ui

from api.console.code_words import MEDIA
from api.console.dialogs import dialog
from api.console.field import lookup_form, meter_of, scripts
from api.console.frame import card, empty, frame, heading, item_row, pill
from api.console.session import Visitor
from api.console.words import CHECKS, REGISTERS, word
from api.field import service


async def commission_page(visitor: Visitor, serial: str = "") -> None:
    """The checklist of a meter: what the service sees, what a person notes."""
    texts, now = visitor.texts, visitor.parts.clock.now()
    meter, _, problem = await meter_of(visitor, serial)
    items: list[dict[str, Any]] = []
    if meter is not None:
        async with visitor.connection() as connection:
            items = await service.commissioning(connection, visitor.actor, meter.meter_id, now=now)
    with frame(visitor, texts("Commission a meter"), current="/field"):
        scripts(visitor)
        heading(texts("Commission a meter"), serial)
        lookup_form(visitor, "/field/commission", "serial", texts("Meter serial"), serial)
        if problem:
            empty(problem)
        if meter is None:
            return
        with card(f"{meter.serial} · {meter.point or texts('not installed')}"):
            for item in items:
                _check(visitor, meter.meter_id, item)


def _shown(visitor: Visitor, item: dict[str, Any]) -> str:
    """What the service sees of an item, in the reader's words."""
    texts, shown = visitor.texts, str(item["shown"])
    if item["item"] in ("medium", "mounting_side"):
        return word(texts, shown, MEDIA) if shown else ""
    if item["item"] == "unit":
        parts = (part.partition(" ") for part in shown.split(", ") if part)
        return " · ".join(f"{word(texts, name, REGISTERS)} {unit}" for name, _, unit in parts)
    if item["item"] == "first_valid_day" and shown:
        return texts.day(datetime.fromisoformat(shown))
    return shown


def _check(visitor: Visitor, meter_id: int, item: dict[str, Any]) -> None:
    texts = visitor.texts
    tone, verdict = {True: ("good", texts("in order")), False: ("critical", texts("not in order"))}.get(
        item["passed"], ("info", texts("to look at"))
    )
    name = word(texts, item["item"], CHECKS)

    async def note(passed: bool, remark: str = "") -> None:
        async with visitor.connection() as connection:
            await service.note_check(connection, visitor.actor, meter_id, item["item"], passed=passed, note=remark)
        ui.navigate.reload()

    def fault() -> None:
        async def done() -> None:
            await note(False, remark.value or "")

        with dialog(texts, name, done, confirm=texts("Save")):
            remark = ui.input(texts("What is not in order?")).classes("w-full")

    with item_row():
        with ui.element("div"):
            ui.html(f"<strong>{escape(name)}</strong> " + pill(verdict, tone), sanitize=False)
            told = (_shown(visitor, item), item["note"], item["checked_by"] or "")
            ui.label(" · ".join(filter(None, told))).classes("hb-muted text-sm")
        with ui.row().classes("gap-1 no-wrap"):
            ui.button(icon="check", on_click=lambda: note(True)).props(
                f'outline dense color=positive aria-label="{name}: {texts("in order")}"'
            )
            ui.button(icon="close", on_click=fault).props(
                f'outline dense color=negative aria-label="{name}: {texts("not in order")}"'
            )
