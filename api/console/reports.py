"""What an area lead looks at: precision of the rules, the weekly audit sample, entry errors per operator."""

from datetime import timedelta
from typing import Any

from nicegui import ui

from api.alerts import samples, service
from api.console.dialogs import dialog
from api.console.frame import Html, card, empty, frame, grid, heading, item_row, link, pill
from api.console.names import kind_text
from api.console.refusals import warn
from api.console.report_page import entry_codes_text
from api.console.session import Visitor
from api.console.words import word
from api.field import readings as hand_readings
from ingest.errors import IngestError
from ingest.store import areas as area_store

SPAN = timedelta(days=90)


async def reports_page(visitor: Visitor) -> None:
    """The last three months."""
    texts, now = visitor.texts, visitor.parts.clock.now()
    async with visitor.connection() as connection:
        rules = await service.precision(connection, visitor.actor, since=now - SPAN)
        drawn = await samples.listed(connection, visitor.actor)
        operators = await hand_readings.operators(connection, visitor.actor, now - SPAN, now + timedelta(days=1))
        areas = await area_store.areas(connection)
    visible = [area for area in areas if visitor.actor.sees(area.area_id)]
    with frame(visitor, texts("Reports"), current="/reports"):
        heading(texts("Reports"), texts("the last 90 days"))
        _downloads(visitor)
        with card(texts("Weekly audit sample")):
            if drawn:
                grid(
                    [
                        (texts("Week"), "text"), (texts("Area"), "text"), (texts("Points"), "number"),
                        (texts("Checked"), "number"), (texts("Wrong"), "number"),
                    ],
                    [
                        (
                            Html(link(texts.date(row["week"]), f"/reports/samples/{row['sample_id']}")),
                            row["area_name"],
                            texts.number(row["points"]), texts.number(row["checked"]), texts.number(row["wrong"]),
                        )
                        for row in drawn
                    ],
                    caption=texts("Weekly audit sample"),
                )  # fmt: skip
            else:
                empty(texts("No sample has been drawn yet: draw one below; it holds 10 % of the area's points."))
            with ui.element("div").classes("hb-tools"):
                for area in visible:
                    ui.button(
                        texts("Draw this week's sample of {area}", area=area.name),
                        icon="casino",
                        on_click=lambda area=area: _draw(visitor, area.code),
                    ).props("no-caps outline dense")
        with card(texts("Precision of the rules, from verdicts")):
            _precision(visitor, rules)
        with card(texts("Hand entries per operator")):
            _operators(visitor, operators)


def _downloads(visitor: Visitor) -> None:
    """The reports of this and the last month and quarter; the files are made when they are asked for."""
    texts = visitor.texts
    first = visitor.parts.clock.now().astimezone(texts.zone).date().replace(day=1)
    before = (first - timedelta(days=1)).replace(day=1)
    quarter = first.replace(month=(first.month - 1) // 3 * 3 + 1)
    rows = []
    for kind, day, name in (
        ("month", first, f"{first:%Y-%m}"),
        ("month", before, f"{before:%Y-%m}"),
        ("quarter", quarter, f"{quarter.year} Q{(quarter.month + 2) // 3}"),
    ):
        title = texts("Monthly report") if kind == "month" else texts("Quarterly report")
        address = f"/api/v1/reports/{kind}?day={day}&language={texts.language}&format="
        files = " · ".join(link(form.upper(), address + form) for form in ("xlsx", "pdf"))
        rows.append((Html(link(f"{title} {name}", f"/reports/{kind}?day={day}")), Html(files)))
    with card(texts("Reports of a month or quarter")):
        grid([(texts("Report"), "text"), (texts("Files"), "text")], rows, caption=texts("Report"))
        ui.label(texts("A month that still runs is reported up to now.")).classes("hb-muted text-sm")


def _precision(visitor: Visitor, rules: list[dict[str, Any]]) -> None:
    texts = visitor.texts
    if not rules:
        empty(texts("No alert has been resolved with a cause yet: verdicts are counted from there."))
        return
    grid(
        [
            (texts("Rule"), "text"), (texts("Kind"), "text"), (texts("Right"), "number"), (texts("Wrong"), "number"),
            (texts("Undecided"), "number"), (texts("Precision"), "number"),
        ],
        [
            (
                row["rule"], kind_text(texts, row["kind"]), texts.number(row["true"]), texts.number(row["false"]),
                texts.number(row["undecided"]), texts.percent(row["precision"]),
            )
            for row in rules
        ],
        caption=texts("Precision of the rules, from verdicts"),
    )  # fmt: skip


def _operators(visitor: Visitor, rows: list[dict[str, Any]]) -> None:
    texts = visitor.texts
    if not rows:
        empty(texts("Nobody has entered a reading by hand yet."))
        return
    grid(
        [
            (texts("Who"), "text"), (texts("Entries"), "number"), (texts("Warned"), "number"),
            (texts("Refused"), "number"), (texts("Why"), "text"),
        ],
        [
            (
                row["operator"], texts.number(row["entries"]), texts.number(row["warned"]),
                texts.number(row["blocked"]), entry_codes_text(texts, row["codes"]),
            )
            for row in rows
        ],
        caption=texts("Hand entries per operator"),
    )  # fmt: skip


async def _draw(visitor: Visitor, area: str) -> None:
    try:
        async with visitor.connection() as connection:
            row = await samples.draw(connection, visitor.actor, area, visitor.parts.clock.now().date())
    except IngestError as error:
        warn(visitor.texts, error)
        return
    ui.navigate.to(f"/reports/samples/{row['sample_id']}")


async def sample_page(visitor: Visitor, sample_id: int) -> None:
    """A sample's points; each gets a verdict."""
    texts = visitor.texts
    async with visitor.connection() as connection:
        sample = await samples.get(connection, visitor.actor, sample_id)
    with frame(visitor, texts("Weekly audit sample"), current="/reports"):
        heading(
            texts("Audit of {area}", area=sample["area_name"]),
            f"{texts('week of {day}', day=texts.date(sample['week']))} · "
            f"{texts('{done} of {all} checked', done=sample['checked'], all=sample['points'])} · "
            f"{texts('seed')} {sample['seed']}",
        )
        with card():
            for item in sample["items"]:
                _item(visitor, sample_id, item)


def _item(visitor: Visitor, sample_id: int, item: dict[str, Any]) -> None:
    texts, verdict = visitor.texts, item["verdict"]
    code = item["point"]

    async def settle(chosen: str, fault: str = "") -> None:
        try:
            async with visitor.connection() as connection:
                await samples.settle(connection, visitor.actor, sample_id, code, chosen, fault=fault)
        except IngestError as error:
            warn(visitor.texts, error)
            return
        ui.navigate.reload()

    def wrong() -> None:
        async def done() -> None:
            await settle("wrong", fault.value or "")

        with dialog(texts, code, done, confirm=texts("Save")):
            fault = ui.input(texts("What is wrong?")).classes("w-full")

    with item_row():
        tone = {"correct": "good", "wrong": "critical", "unreachable": "warning"}.get(verdict or "", "info")
        with ui.element("div"):
            ui.html(f"{link(code, '/points/' + code)} {pill(word(texts, verdict or 'open'), tone)}", sanitize=False)
            told = (item.get("address") or "", item.get("fault") or "", item.get("checked_by") or "")
            ui.label(" · ".join(filter(None, told))).classes("hb-muted text-sm")
        with ui.row().classes("gap-1"):
            ui.button(texts("Right"), on_click=lambda: settle("correct")).props("no-caps outline dense")
            ui.button(texts("Wrong…"), on_click=wrong).props("no-caps outline dense color=negative")
            ui.button(texts("Nobody there"), on_click=lambda: settle("unreachable")).props("no-caps flat dense")
