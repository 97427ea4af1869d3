"""Billing on screen: periods, quantities with the gate's reasons, the freeze, and the explanation of one figure."""

from datetime import date, timedelta
from html import escape
from typing import Any
from urllib.parse import quote

from nicegui import ui

from api.billing import service
from api.console.code_words import ADJUSTMENTS, GATE_REASONS, QUANTITY_STATES
from api.console.frame import Html, card, empty, frame, grid, heading, link, pill, tabs
from api.console.names import service_text
from api.console.refusals import warn
from api.console.session import Visitor
from api.console.words import word
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
                            texts.date(row["start_date"]),
                            texts.date(row["end_date"]),
                            Html(pill(word(texts, row["state"], QUANTITY_STATES), _TONES.get(row["state"], "info"))),
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
                warn(visitor.texts, error)
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
            f"{texts.date(period['start_date'])} – {texts.date(period['end_date'])} · "
            f"{word(texts, period['state'], QUANTITY_STATES)}",
        )
        _tools(visitor, code, period)
        base = f"/billing/periods/{quote(code)}?state="
        tabs(
            [(base + name, word(texts, name or "all", QUANTITY_STATES)) for name in ("", *_TONES)],
            base + state,
            texts("State"),
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
        Html(pill(word(texts, row["state"], QUANTITY_STATES), _TONES.get(row["state"], "info"))),
        str(row["version"]),
        _why(visitor, row),
    )


def _why(visitor: Visitor, row: dict[str, Any]) -> str:
    """Why the gate holds a figure back, why it was adjusted, or what an approver said when releasing it."""
    if row["state"] == "adjustment":
        return word(visitor.texts, row["cause"] or "", ADJUSTMENTS)
    return word(visitor.texts, row.get("reason") or "", GATE_REASONS) or row.get("cause") or ""


def _tools(visitor: Visitor, code: str, period: dict[str, Any]) -> None:
    texts = visitor.texts
    with ui.row().classes("gap-2 hb-no-print"):
        base = f"/api/v1/billing/quantities?period={quote(code)}&format="
        ui.html(
            f"{escape(texts('Download'))}: "
            + " · ".join(link(form.upper(), base + form) for form in ("csv", "xlsx", "parquet")),
            sanitize=False,
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
                warn(visitor.texts, error)
                return
            ui.notify(
                texts("{n} frozen, {blocked} held back", n=result["newly_frozen"], blocked=result["blocked"]),
                type="positive",
            )
            ui.navigate.to(f"/billing/periods/{code}")

        ui.button(texts("Freeze"), icon="lock", on_click=freeze).props("no-caps unelevated")
