"""What came in and did not become readings: discovered meters to adopt, quarantined deliveries to replay or dismiss."""

from typing import Any

from nicegui import ui

from api.console.code_words import MEDIA, QUARANTINE
from api.console.dialogs import dialog
from api.console.frame import card, empty, figure, frame, grid, heading, item_row, tabs
from api.console.refusals import warn
from api.console.session import Visitor
from api.console.words import REGISTERS, word
from api.deliveries import service
from ingest.errors import IngestError
from ingest.store import discovered, quarantine

SHOWN = 50
NEWEST = 20
# A replay of more than this belongs to `heatbook replay`, which shows progress.
MOST_AT_ONCE = 5_000


async def intake_page(visitor: Visitor, *, code: str | None = None) -> None:
    """Both lists; `code` narrows the quarantine to one reason."""
    texts = visitor.texts
    async with visitor.connection() as connection:
        meters = await discovered.discovered(connection, limit=SHOWN)
        counts = await quarantine.counts(connection)
        entries = await quarantine.entries(connection, code=code, limit=NEWEST)
    with frame(visitor, texts("Intake"), current="/intake"):
        heading(texts("Intake"), texts("meters nobody registered, deliveries nobody could use; nothing is thrown away"))
        with ui.element("div").classes("hb-figures"):
            figure(texts("Discovered meters"), texts.number(len(meters)) + ("+" if len(meters) == SHOWN else ""))
            figure(texts("In quarantine"), texts.number(sum(counts.values())))
        with card(texts("Discovered meters")):
            if not meters:
                empty(texts("No unknown meter was heard. Push a telegram or search a bus, and it appears here."))
            for meter in meters:
                _meter(visitor, meter)
        with card(texts("Quarantine by reason")):
            if not counts:
                empty(texts("Every delivery became readings."))
                return
            entries_by_reason = [
                (f"/intake?code={reason}", f"{word(texts, reason, QUARANTINE)} · {texts.number(number)}")
                for reason, number in counts.items()
            ]
            every = ("/intake", f"{texts('all')} · {texts.number(sum(counts.values()))}")
            current = f"/intake?code={code}" if code else "/intake"
            tabs([every, *entries_by_reason], current, texts("Quarantine by reason"))
        named = f" · {word(texts, code, QUARANTINE)} ({code})" if code else ""
        with card(texts("Newest entries") + named):
            if code:
                ui.button(
                    texts("Replay all of this reason"), icon="replay", on_click=lambda: _replay_all(visitor, code)
                ).props("no-caps outline")
            for entry in entries:
                _entry(visitor, entry)


def _meter(visitor: Visitor, meter: discovered.DiscoveredMeter) -> None:
    texts = visitor.texts
    with item_row():
        with ui.element("div"):
            medium = word(texts, meter.medium, MEDIA) if meter.medium else "?"
            ui.label(f"{meter.manufacturer} {meter.serial} · {medium} · {meter.protocol}").classes("font-semibold")
            ui.label(
                texts("{n} telegrams, last {moment}", n=meter.deliveries, moment=texts.moment(meter.last_seen_at))
                + f" · {meter.channel}"
            ).classes("hb-muted text-sm")
        with ui.row().classes("gap-1"):
            ui.button(texts("Adopt…"), on_click=lambda: _adopt_dialog(visitor, meter)).props("no-caps unelevated dense")
            ui.button(texts("Not ours"), on_click=lambda: _dismiss(visitor, meter.discovered_id)).props(
                "no-caps flat dense"
            )


def _adopt_dialog(visitor: Visitor, meter: discovered.DiscoveredMeter) -> None:
    texts = visitor.texts

    async def adopt() -> None:
        async with visitor.connection() as connection:
            meter_id = await service.adopt(
                connection, visitor.actor, meter.discovered_id, point=(point.value or "").strip() or None
            )
        made = await service.replay_adopted(
            visitor.parts.pool, visitor.parts.pipeline, visitor.parts.directory, visitor.actor, meter_id
        )
        ui.notify(texts("Adopted; {n} readings recovered", n=made["readings"]), type="positive")
        ui.navigate.to("/intake")

    with dialog(texts, texts("Adopt {serial}", serial=meter.serial), adopt, confirm=texts("Adopt")):
        if meter.last_values:
            rows = [
                (
                    word(texts, str(value.get("register", "")), REGISTERS),
                    f"{value.get('value')} {value.get('unit', '')}",
                )
                for value in meter.last_values[:6]
            ]
            grid([(texts("Register"), "text"), (texts("Value"), "number")], rows, caption=texts("Registers"))
        point = ui.input(texts("Point code (may stay empty)")).classes("w-full")


async def _dismiss(visitor: Visitor, discovered_id: int) -> None:
    try:
        async with visitor.connection() as connection:
            await service.dismiss_discovered(connection, visitor.actor, discovered_id)
    except IngestError as error:
        warn(visitor.texts, error)
        return
    ui.navigate.reload()


def _entry(visitor: Visitor, entry: quarantine.QuarantineEntry) -> None:
    texts = visitor.texts
    where = f" · {texts('byte')} {entry.byte_offset}" if entry.byte_offset is not None else ""
    title = f"{texts.moment(entry.arrived_at)} · {entry.protocol} · {word(texts, entry.code, QUARANTINE)}{where}"
    with ui.expansion(title).classes("w-full").props("dense") as box:
        ui.label(entry.message)
        ui.label(f"{entry.channel} · {entry.manufacturer} {entry.serial}").classes("hb-muted text-sm")
        shown = ui.label("").classes("hb-hex w-full")
        with ui.row().classes("gap-1"):
            ui.button(texts("Replay"), on_click=lambda: _replay(visitor, [entry.delivery_id])).props(
                "no-caps outline dense"
            )
            ui.button(texts("Dismiss"), on_click=lambda: _dismiss_entry(visitor, entry.quarantine_id)).props(
                "no-caps flat dense"
            )

    async def show_bytes() -> None:
        if box.value and not shown.text:
            async with visitor.connection() as connection:
                delivery = await service.get(connection, visitor.actor, entry.delivery_id, None)
            shown.set_text(str(delivery["hex"]).upper()[:2_000])

    box.on_value_change(show_bytes)


async def _replay_all(visitor: Visitor, code: str) -> None:
    async with visitor.connection() as connection:
        entries = await quarantine.entries(connection, code=code, limit=MOST_AT_ONCE)
    await _replay(visitor, [entry.delivery_id for entry in entries])


async def _replay(visitor: Visitor, delivery_ids: list[int]) -> None:
    texts = visitor.texts
    try:
        async with visitor.connection() as connection:
            outcomes: list[Any] = await service.replay(connection, visitor.parts.pipeline, visitor.actor, delivery_ids)
    except IngestError as error:
        warn(visitor.texts, error)
        return
    made = sum(1 for outcome in outcomes if outcome.state == "stored")
    ui.notify(
        texts("{made} of {all} became readings", made=made, all=len(outcomes)), type="positive" if made else "warning"
    )
    ui.navigate.to("/intake")


async def _dismiss_entry(visitor: Visitor, quarantine_id: int) -> None:
    try:
        async with visitor.connection() as connection:
            await service.dismiss(connection, visitor.actor, quarantine_id)
    except IngestError as error:
        warn(visitor.texts, error)
        return
    ui.navigate.reload()
