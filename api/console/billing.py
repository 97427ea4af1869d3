"""Billing on screen: periods, quantities with the gate's reasons, the freeze, and the explanation of one figure."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from nicegui import ui

from api.billing import explanation, service
from api.console.frame import Html, card, empty, figure, frame, grid, heading, link, pill
from api.console.names import service_text
from api.console.session import Visitor
from api.console.words import METHODS, QUALITY, word
from ingest.errors import IngestError

PAGE = 100
_TONES = {"frozen": "good", "adjustment": "info", "blocked": "critical", "open": "warning"}


async def billing_page(visitor: Visitor) -> None:
    """Every period, newest first, and a form for a new one."""
    texts = visitor.texts
    async with visitor.connection() as connection:
        periods = await service.periods(connection, visitor.actor)
    with frame(visitor, texts("Billing"), current="/billing"):
        heading(texts("Billing periods"), texts("cut-offs are the local midnights of each point"))
        if not periods:
            empty(texts("No billing period yet: make the first one below."))
        else:
            with card():
                grid(
                    [
                        (texts("Period"), "text"), (texts("From"), "text"), (texts("To (excluded)"), "text"),
                        (texts("State"), "text"),
                    ],
                    [
                        (
                            Html(link(row["code"], f"/billing/periods/{row['code']}")),
                            str(row["start_date"]),
                            str(row["end_date"]),
                            Html(pill(word(texts, row["state"]), _TONES.get(row["state"], "info"))),
                        )
                        for row in periods
                    ],
                    caption=texts("Billing periods"),
                )  # fmt: skip
        if visitor.actor.may("settler"):
            _new_period(visitor)


def _new_period(visitor: Visitor) -> None:
    texts, today = visitor.texts, visitor.parts.clock.now().date()
    first = today.replace(day=1)
    with card(texts("New period")), ui.row().classes("items-end gap-3"):
        code = ui.input(texts("Code"), value=f"{first:%Y-%m}").props("dense outlined")
        start = ui.input(texts("From"), value=first.isoformat()).props("dense outlined type=date")
        following = (first + timedelta(days=32)).replace(day=1)
        end = ui.input(texts("To (excluded)"), value=following.isoformat()).props("dense outlined type=date")

        async def create() -> None:
            try:
                async with visitor.connection() as connection:
                    await service.create_period(
                        connection, visitor.actor, code.value.strip(), date.fromisoformat(start.value),
                        date.fromisoformat(end.value),
                    )  # fmt: skip
            except (IngestError, ValueError) as error:
                ui.notify(str(error), type="negative")
                return
            ui.navigate.to(f"/billing/periods/{code.value.strip()}")

        ui.button(texts("Create"), on_click=create).props("no-caps unelevated")


async def period_page(visitor: Visitor, code: str, *, state: str = "", point: str = "") -> None:
    """A period's quantities, one page; freeze and downloads."""
    texts, now = visitor.texts, visitor.parts.clock.now()
    async with visitor.connection() as connection:
        period = await service.period(connection, code)
        rows = await service.page(
            connection, visitor.actor, code, now=now, states=[state] if state in _TONES else None,
            point=point or None, limit=PAGE,
        )  # fmt: skip
    with frame(visitor, code, current="/billing"):
        heading(
            texts("Period {code}", code=code),
            f"{period['start_date']} … {period['end_date']} · {word(texts, period['state'])}",
        )
        _tools(visitor, code, period)
        with ui.row().classes("gap-3 hb-no-print"):
            for name in ("", *_TONES):
                shown, address = word(texts, name or "all"), f"/billing/periods/{code}?state={name}"
                ui.html(
                    f"<strong>{shown}</strong>" if name == state else link(shown, address),
                    sanitize=False,
                )
        with card():
            if not rows:
                empty(texts("No quantities here. They appear after the first assessment of a period's readings."))
                return
            grid(
                [
                    (texts("Point"), "text"), (texts("Service"), "text"), (texts("Energy"), "number"),
                    (texts("Volume"), "number"), (texts("Measured"), "number"), (texts("State"), "text"),
                    (texts("Version"), "number"), (texts("Reason"), "text"),
                ],
                [_quantity_cells(visitor, row) for row in rows],
                caption=texts("Quantities"),
            )  # fmt: skip
        if len(rows) == PAGE:
            ui.label(texts("The first {n} are shown; the download has all of them.", n=PAGE)).classes("hb-muted")


def _quantity_cells(visitor: Visitor, row: dict[str, Any]) -> tuple[Any, ...]:
    texts = visitor.texts
    return (
        Html(link(row["point"], f"/billing/quantities/{row['quantity_id']}")),
        service_text(texts, row["service"]),
        texts.energy(row["energy_kwh"], 2),
        f"{texts.number(row['volume_m3'], 2)} m³" if row["volume_m3"] is not None else "–",
        texts.percent(row["share_measured"]),
        Html(pill(word(texts, row["state"]), _TONES.get(row["state"], "info"))),
        str(row["version"]),
        row.get("reason") or row.get("cause") or "",
    )


def _tools(visitor: Visitor, code: str, period: dict[str, Any]) -> None:
    texts = visitor.texts
    with ui.row().classes("gap-2 hb-no-print"):
        ui.html(
            link(texts("Download CSV"), f"/api/v1/billing/quantities?period={code}&format=csv"), sanitize=False
        ).classes("self-center")
        if not visitor.actor.may("settler"):
            return

        async def freeze(early: bool = False) -> None:
            try:
                async with visitor.connection() as connection:
                    result = await service.freeze(
                        connection, visitor.actor, code, now=visitor.parts.clock.now(), early=early
                    )
            except IngestError as error:
                ui.notify(error.message, type="negative")
                return
            ui.notify(
                texts("{n} frozen, {blocked} held back", n=result["newly_frozen"], blocked=result["blocked"]),
                type="positive",
            )
            ui.navigate.to(f"/billing/periods/{code}")

        ui.button(texts("Freeze"), icon="lock", on_click=freeze).props("no-caps unelevated")


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
            f"{texts('version')} {quantity['version']} · {word(texts, quantity['state'])}",
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
        _sums(visitor, sums)
        _segments(visitor, made["segments"])
        _counts(visitor, made)
        _deliveries(visitor, made["deliveries"])


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
                str(segment[name].get("at", ""))[:16].replace("T", " "),
                str(reading.get("ts", reading.get("time", "")))[:16].replace("T", " "),
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


def _deliveries(visitor: Visitor, deliveries: list[dict[str, Any]]) -> None:
    texts = visitor.texts
    with card(texts("The bytes behind it")):
        if not deliveries:
            empty(texts("No delivery is cited: the raw bytes are older than the retention time."))
        for one in deliveries:
            arrived = str(one["arrived_at"])[:19]
            title = f"#{one['delivery_id']} · {one['protocol']} · {one['channel']} · {arrived}"
            ui.label(title).classes("hb-muted text-sm")
            ui.label(str(one["hex"]).upper()[:1_200]).classes("hb-hex w-full")
