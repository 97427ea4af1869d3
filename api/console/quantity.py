"""How one billing figure came about, down to the bytes; made to be printed for a customer."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from nicegui import ui

from api.billing import explanation, service
from api.console.adjustment import adjustment_card, bill_figures, versions_card
from api.console.code_words import GATE_REASONS, QUANTITY_STATES
from api.console.dialogs import dialog
from api.console.frame import card, empty, figure, frame, grid, heading
from api.console.names import service_text
from api.console.photos import photo_strip
from api.console.session import Visitor
from api.console.texts import Texts
from api.console.words import METHODS, QUALITY, REGISTERS, word


async def quantity_page(visitor: Visitor, quantity_id: int) -> None:
    """How one figure came about, down to the bytes; made to be printed for a customer."""
    texts = visitor.texts
    async with visitor.connection() as connection:
        made = await explanation.explain(connection, visitor.actor, quantity_id, visitor.parts.directory)
    quantity, sums = made["quantity"], made["sums"]
    with frame(visitor, quantity["point"], current="/billing"):
        heading(
            texts("How {energy} came about", energy=texts.energy(quantity["energy_kwh"], 3)),
            f"{quantity['point']} · {service_text(texts, quantity['service'])} · "
            f"{texts('version')} {quantity['version']} · {word(texts, quantity['state'], QUANTITY_STATES)}",
        )
        ui.button(texts("Print"), icon="print", on_click=lambda: ui.run_javascript("window.print()")).props(
            "no-caps outline"
        ).classes("hb-no-print self-start")
        with ui.element("div").classes("hb-figures"):
            figure(texts("Energy"), texts.energy(quantity["energy_kwh"], 3))
            volume = quantity["volume_m3"]
            figure(texts("Volume"), f"{texts.number(volume, 3)} m³" if volume is not None else "–")
            figure(texts("Measured"), texts.percent(quantity["share_measured"]))
            figure(texts("Estimated"), texts.percent(quantity["share_estimated"]))
            conserved = sums["conserved"]
            figure(
                texts("Intervals = index difference"),
                texts("to the joule") if conserved else texts("no"),
                tone="good" if conserved else "bad",
            )
        with ui.element("div").classes("hb-figures"):
            bill_figures(visitor, quantity)
        adjustment_card(visitor, quantity)
        _sums(visitor, sums)
        _segments(visitor, made["segments"])
        _release(visitor, quantity)
        _counts(visitor, made)
        versions_card(visitor, quantity, made["versions"])
        _edits(visitor, made["edits"])
        _photos(visitor, made["photos"])
        _deliveries(visitor, made["deliveries"])


def _release(visitor: Visitor, quantity: dict[str, Any]) -> None:
    """A held-back quantity: why, and an approver's way to answer for it."""
    texts = visitor.texts
    if quantity["state"] != "blocked":
        return

    def ask() -> None:
        async def done() -> None:
            async with visitor.connection() as connection:
                await service.release(
                    connection, visitor.actor, quantity["quantity_id"], reason.value or "",
                    now=visitor.parts.clock.now(),
                )  # fmt: skip
            ui.navigate.reload()

        with dialog(texts, texts("Release"), done, confirm=texts("Release")):
            reason = ui.textarea(texts("Reason")).props("autogrow").classes("w-full")

    with card(texts("Held back")):
        ui.label(word(texts, quantity.get("reason") or "", GATE_REASONS)).classes("hb-sentence")
        if visitor.actor.may("approver"):
            ui.button(texts("Release…"), icon="lock_open", on_click=ask).props("no-caps outline")


def _sums(visitor: Visitor, sums: dict[str, Any]) -> None:
    texts = visitor.texts
    unit = "j" if "intervals_j" in sums else "ml"

    def shown(value: int | None) -> str:
        if value is None:
            return "–"
        if unit == "ml":
            return f"{texts.number(Decimal(value) / 1_000_000, 6)} m³ ({texts.number(value)} ml)"
        return f"{texts.energy(Decimal(value) / 3_600_000, 3)} ({texts.number(value)} J)"

    total, beyond = sums[f"intervals_{unit}"], sums[f"beyond_index_{unit}"]
    index, gap = sums[f"index_difference_{unit}"], sums[f"difference_{unit}"]
    with card(texts("The sum")):
        parts = [texts("All intervals of the period together give {total}.", total=shown(total))]
        if index is None:
            parts.append(texts("No index stands at both cut-offs, so there is nothing to compare it with."))
        else:
            parts.append(
                texts("The index of the meter advanced by {index} from cut-off to cut-off.", index=shown(index))
            )
            if beyond:
                parts.append(texts("{beyond} were used outside the readings and are estimated.", beyond=shown(beyond)))
            parts.append(
                texts("Both agree exactly: nothing was added, nothing is missing.")
                if sums["conserved"]
                else texts("They differ by {gap}; the reasons stand below.", gap=shown(gap))
            )
        ui.label(" ".join(parts)).classes("hb-sentence")


def _segments(visitor: Visitor, segments: list[dict[str, Any]]) -> None:
    texts = visitor.texts
    with card(texts("Meters and indexes")):
        rows = [
            (
                segment["serial"],
                texts("first index") if name == "first" else texts("last index"),
                _moment(texts, segment[name].get("at")),
                _moment(texts, reading.get("ts", reading.get("time"))),
                f"{reading.get('display', reading.get('count', '–'))} {segment.get('unit', '')}",
                f"#{reading['delivery_id']}" if reading.get("delivery_id") else "–",
            )
            for segment in segments
            for name in ("first", "last")
            for reading in segment[name]["readings"] or [{}]
        ]
        grid(
            [
                (texts("Meter"), "text"), (texts("Which"), "text"), (texts("Cut-off"), "text"),
                (texts("Read at"), "text"), (texts("Index"), "number"), (texts("Delivery"), "text"),
            ],
            rows,
            caption=texts("Meters and indexes"),
        )  # fmt: skip


def _moment(texts: Texts, instant: Any) -> str:
    """An instant of an explanation, which tells some as text."""
    if not instant:
        return "–"
    return texts.moment(datetime.fromisoformat(instant) if isinstance(instant, str) else instant)


def _counts(visitor: Visitor, made: dict[str, Any]) -> None:
    texts = visitor.texts
    with card(texts("Quality of the intervals")):
        rows = [(texts("intervals"), str(len(made["intervals"])))]
        rows += [
            (f"{texts('method')}: {word(texts, name, METHODS)}", str(count))
            for name, count in dict(made["methods"]).items()
        ]
        rows += [
            (f"{texts('flag')}: {word(texts, name, QUALITY)}", str(count))
            for name, count in dict(made["flags"]).items()
        ]
        rows.append((texts("rule set"), ", ".join(map(str, made["rule_sets"])) or "–"))
        rows.append((texts("assessment run"), ", ".join(map(str, made["runs"])) or "–"))
        grid([(texts("Figure"), "text"), (texts("Value"), "number")], rows, caption=texts("Quality of the intervals"))


def _edits(visitor: Visitor, edits: list[dict[str, Any]]) -> None:
    """Hand-made values of the period with who made and who approved them."""
    texts = visitor.texts
    if not edits:
        return
    with card(texts("Edited by hand")):
        grid(
            [
                (texts("Meter"), "text"), (texts("Read at"), "text"), (texts("Kind"), "text"), (texts("State"), "text"),
                (texts("Reason"), "text"), (texts("Entered by"), "text"), (texts("Approved by"), "text"),
            ],
            [
                (
                    f"{row['serial']} · {word(texts, row['register'], REGISTERS)}",
                    texts.moment(row["ts"]),
                    word(texts, row["kind"]),
                    word(texts, row["state"]),
                    row["reason"] or "–",
                    row["entered_by"],
                    ", ".join(filter(None, (row["approved_by"], row["confirmed_by"]))) or "–",
                )
                for row in edits
            ],
            caption=texts("Edited by hand"),
        )  # fmt: skip


def _photos(visitor: Visitor, photos: list[dict[str, Any]]) -> None:
    """What the technician saw at an exchange within the period."""
    texts = visitor.texts
    if not photos:
        return
    with card(texts("Photos of the exchange")):
        ui.label(f"{photos[0]['serial']} · {texts.moment(photos[0]['start'])}").classes("hb-muted text-sm")
        ui.html(photo_strip(texts, photos), sanitize=False)


def _deliveries(visitor: Visitor, deliveries: list[dict[str, Any]]) -> None:
    texts = visitor.texts
    with card(texts("The bytes behind it")):
        if not deliveries:
            empty(texts("No delivery is cited: the raw bytes are older than the retention time."))
        for one in deliveries:
            arrived = _moment(texts, one["arrived_at"])
            title = f"#{one['delivery_id']} · {one['protocol']} · {one['channel']} · {arrived}"
            ui.label(title).classes("hb-muted text-sm")
            ui.label(str(one["hex"]).upper()[:1_200]).classes("hb-hex w-full")
