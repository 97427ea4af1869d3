"""The monthly or quarterly report as a page; the same figures as its XLSX and PDF."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any, Final

from nicegui import ui

from api.console.code_words import ENTRY_CODES
from api.console.frame import Html, card, empty, figure, frame, grid, heading, link
from api.console.names import kind_text
from api.console.session import Visitor
from api.console.texts import Texts, marked
from api.console.words import word
from api.reports import service

Row = dict[str, Any]
Cell = Callable[[Texts, Row], Any]
_EMPTY: Final = marked("Nothing in this span.")


def _plain(name: str) -> Cell:
    return lambda texts, row: row[name] if row[name] not in (None, "") else "–"


def _count(name: str) -> Cell:
    return lambda texts, row: texts.number(row[name])


def _share(name: str) -> Cell:
    return lambda texts, row: texts.percent(row[name])


# key of the report: (title, [(column, kind, cell)])
_TABLES: Final[dict[str, tuple[str, tuple[tuple[str, str, Cell], ...]]]] = {
    "areas": (
        marked("Reading areas"),
        (
            (marked("Area"), "text", _plain("area_name")),
            (marked("Team"), "text", _plain("team")),
            (marked("Points"), "number", _count("points")),
            (marked("Reading rate"), "number", _share("reading_rate")),
            (marked("Estimated, by time"), "number", _share("estimated_share_time")),
            (marked("Estimated, by energy"), "number", _share("estimated_share_energy")),
            (marked("Energy"), "number", lambda texts, row: texts.energy(row["energy_kwh"], 0)),
        ),
    ),
    "anomalies": (
        marked("Anomalies"),
        (
            (marked("Kind"), "text", lambda texts, row: kind_text(texts, row["kind"])),
            (marked("Found"), "number", _count("opened")),
            (marked("Confirmed"), "number", _count("confirmed")),
            (marked("Refuted"), "number", _count("refuted")),
            (marked("Standing"), "number", _count("standing")),
        ),
    ),
    "exchanges": (
        marked("Meter exchanges"),
        (
            (marked("Point"), "text", lambda texts, row: Html(link(row["point"], f"/points/{row['point']}"))),
            (marked("When"), "text", lambda texts, row: texts.moment(row["at"])),
            (marked("Old meter"), "text", _plain("old_serial")),
            (marked("New meter"), "text", _plain("new_serial")),
            (marked("Reason"), "text", lambda texts, row: word(texts, row["reason"] or "")),
        ),
    ),
    "operators": (
        marked("Hand entries per operator"),
        (
            (marked("Who"), "text", _plain("operator")),
            (marked("Entries"), "number", _count("entries")),
            (marked("Warned"), "number", _count("warned")),
            (marked("Refused"), "number", _count("blocked")),
            (marked("Why"), "text", lambda texts, row: entry_codes_text(texts, row["codes"])),
        ),
    ),
    "samples": (
        marked("Weekly audit sample"),
        (
            (marked("Area"), "text", _plain("area_name")),
            (marked("Week"), "text", lambda texts, row: texts.date(row["week"])),
            (marked("Points"), "number", _count("points")),
            (marked("Checked"), "number", _count("checked")),
            (marked("Wrong"), "number", _count("wrong")),
        ),
    ),
}


def entry_codes_text(texts: Texts, codes: dict[str, int]) -> str:
    """What spoke against an operator's entries, with how often."""
    told = (f"{word(texts, code, ENTRY_CODES)} ({count})" for code, count in sorted(codes.items()))
    return ", ".join(told) or "–"


async def report_page(visitor: Visitor, kind: str, day: date) -> None:
    """The report of the month or quarter that `day` lies in."""
    texts, now = visitor.texts, visitor.parts.clock.now()
    async with visitor.connection() as connection:
        made = await service.report(connection, visitor.actor, kind, day, now=now)
    title = texts("Monthly report") if kind == "month" else texts("Quarterly report")
    with frame(visitor, title, current="/reports"):
        heading(f"{title} {_span_text(made)}", _subtitle(visitor, made, now))
        _files(visitor, kind, day)
        _headline(visitor, made)
        for key, (name, columns) in _TABLES.items():
            with card(texts(name)):
                if not made[key]:
                    empty(texts(_EMPTY))
                    continue
                grid(
                    [(texts(column), side) for column, side, _ in columns],
                    [tuple(cell(texts, row) for _, _, cell in columns) for row in made[key]],
                    caption=texts(name),
                )


def _span_text(made: Row) -> str:
    first: date = made["from"]
    return f"{first:%Y-%m}" if made["kind"] == "month" else f"{first.year} Q{(first.month + 2) // 3}"


def _subtitle(visitor: Visitor, made: Row, now: datetime) -> str:
    texts = visitor.texts
    state = texts("complete") if made["complete"] else texts("up to {moment}", moment=texts.moment(now))
    return f"{texts.date(made['from'])} – {texts.date(made['to'])} · {state}"


def _files(visitor: Visitor, kind: str, day: date) -> None:
    texts = visitor.texts
    address = f"/api/v1/reports/{kind}?day={day}&language={texts.language}&format="
    with ui.element("div").classes("hb-tools hb-no-print"):
        ui.html(" · ".join(link(form.upper(), address + form) for form in ("xlsx", "pdf")), sanitize=False)
        ui.button(texts("Print"), icon="print", on_click=lambda: ui.run_javascript("window.print()")).props(
            "no-caps flat dense"
        )


def _headline(visitor: Visitor, made: Row) -> None:
    texts = visitor.texts
    days = sum(row["point_days"] for row in made["areas"])
    read = sum(row["days_read"] for row in made["areas"])
    estimated = sum(row["days_estimated"] for row in made["areas"])
    with ui.element("div").classes("hb-figures"):
        figure(texts("Reading rate"), texts.percent(read / days if days else None))
        figure(texts("Estimated, by time"), texts.percent(estimated / days if days else None))
        figure(texts("Anomalies"), texts.number(sum(row["opened"] for row in made["anomalies"])))
        figure(texts("Confirmed"), texts.number(sum(row["confirmed"] for row in made["anomalies"])))
        figure(texts("Meter exchanges"), texts.number(len(made["exchanges"])))
