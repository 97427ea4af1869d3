"""Raw telegrams with their decoding one click away, and what meters said about themselves."""

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from api.console.code_words import device_text
from api.console.frame import card, empty, grid
from api.console.session import Visitor
from api.console.words import REGISTERS, word
from api.deliveries import service as deliveries
from ingest.errors import IngestError

MOST_BYTES = 600


def telegrams_card(visitor: Visitor, rows: Sequence[Mapping[str, Any]], title: str, none: str = "") -> None:
    """A line for each telegram; opened it shows the bytes and what they were decoded to."""
    if not rows and not none:
        return
    with card(title):
        if not rows:
            empty(none)
        for row in rows:
            _telegram(visitor, row)


def _telegram(visitor: Visitor, row: Mapping[str, Any]) -> None:
    texts = visitor.texts
    raw = bytes(row["payload"])
    title = f"{visitor.texts.moment(row['ts'])} · {row['protocol']} · {row['channel']} · #{row['delivery_id']}"
    with ui.expansion(title).classes("w-full").props("dense") as box:
        ui.label(raw[:MOST_BYTES].hex(" ").upper() + (" …" if len(raw) > MOST_BYTES else "")).classes("hb-hex")
        place = ui.element("div").classes("w-full")

    async def decode() -> None:
        if not box.value or place.default_slot.children:
            return
        try:
            async with visitor.connection() as connection:
                known = visitor.parts.directory
                delivery = await deliveries.get(connection, visitor.actor, row["delivery_id"], known)
        except IngestError:
            delivery = {"decoding": {}}
        with place:
            if not registers_table(visitor, delivery):
                ui.label(texts("No registers could be read from it.")).classes("hb-muted text-sm")

    box.on_value_change(decode)


def registers_table(visitor: Visitor, delivery: Mapping[str, Any]) -> bool:
    """The registers of a decoded delivery; False where there are none."""
    texts, shown = visitor.texts, False
    for telegram in delivery["decoding"].get("telegrams", []):
        rows = [
            (
                word(texts, register["register"], REGISTERS),
                f"{register['value'] if register['value'] is not None else '–'} {register['unit']}",
                register["error"] or "",
            )
            for register in telegram.get("registers", [])
        ]
        if rows:
            columns = [(texts("Register"), "text"), (texts("Value"), "number"), (texts("Note"), "text")]
            grid(columns, rows, caption=texts("Registers"))
            shown = True
    return shown


def device_card(visitor: Visitor, spans: Sequence[Mapping[str, Any]]) -> None:
    """What the meters said about themselves in this span; nothing where they said nothing."""
    texts = visitor.texts
    if not spans:
        return
    with card(texts("What the meter says about itself")):
        grid(
            [
                (texts("Message"), "text"), (texts("From"), "text"), (texts("To"), "text"), (texts("Code"), "text"),
                (texts("Telegrams"), "number"),
            ],
            [
                (
                    ", ".join(device_text(texts, flag) for flag in one["flags"]) or texts("info code"),
                    texts.moment(one["from_ts"]), texts.moment(one["to_ts"]),
                    f"{one['info_code']:#x}" if one["info_code"] else "–", texts.number(one["telegrams"]),
                )
                for one in list(spans)[-20:]
            ],
            caption=texts("What the meter says about itself"),
        )  # fmt: skip
