"""Reports as XLSX and PDF: the same tables as the page, with words in 中文 or English.

A PDF with Chinese text needs a font that has it: the first of FONTS that the machine holds is embedded, cut down to the
characters used. Without one a PDF is refused with a coded reason; page and XLSX always work.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from fpdf import FPDF
from openpyxl import Workbook

from api.console.names import kind_text
from api.console.texts import Texts
from api.console.words import QUALITY
from api.console.words import word as word_of
from ingest.errors import UnavailableError

# (file, number within a collection): Debian's fonts-noto-cjk (2: simplified Chinese), WenQuanYi, macOS, Windows.
FONTS: Final = (
    ("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc", 2),
    ("/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc", 2),
    ("/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc", 2),
    ("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc", 0),
    ("/System/Library/Fonts/PingFang.ttc", 0),
    ("C:/Windows/Fonts/msyh.ttc", 0),
)
Table = tuple[str, Sequence[str], Sequence[Sequence[Any]]]

_WORDS: Final[dict[str, tuple[str, str]]] = {
    "month": ("Monthly report", "抄表月报"),
    "quarter": ("Quarterly report", "抄表季报"),
    "detail": ("Consumption detail", "用热明细"),
    "areas": ("Reading areas", "抄表区域"),
    "anomalies": ("Anomalies", "异常"),
    "exchanges": ("Meter exchanges", "换表清单"),
    "operators": ("Entry errors by operator", "录入差错统计"),
    "samples": ("Weekly audit samples", "每周抽查"),
    "days": ("Days", "逐日用量"),
    "area": ("Area", "区域"),
    "team": ("Team", "班组"),
    "points": ("Points", "户数"),
    "reading_rate": ("Reading rate", "抄表率"),
    "estimated_share_time": ("Estimated (time)", "估抄率(时间)"),
    "estimated_share_energy": ("Estimated (energy)", "估抄率(热量)"),
    "energy_kwh": ("Energy kWh", "热量 kWh"),
    "kind": ("Kind", "类型"),
    "opened": ("Found", "发现"),
    "confirmed": ("Confirmed", "确认"),
    "refuted": ("Refuted", "排除"),
    "standing": ("Standing", "未结"),
    "at": ("Time", "时间"),
    "point": ("Point", "用热点"),
    "old_serial": ("Old meter", "旧表号"),
    "new_serial": ("New meter", "新表号"),
    "final_index": ("Final count", "旧表止数"),
    "initial_index": ("Initial count", "新表起数"),
    "reason": ("Reason", "原因"),
    "operator": ("Operator", "操作员"),
    "entries": ("Entries", "录入"),
    "warned": ("Warned", "警告"),
    "blocked": ("Blocked", "拦截"),
    "week": ("Week", "周"),
    "checked": ("Checked", "已查"),
    "wrong": ("Wrong", "差错"),
    "day": ("Day", "日期"),
    "volume_m3": ("Volume m3", "流量 m3"),
    "flags": ("Quality", "数据质量"),
}
_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "areas": ("area", "team", "points", "reading_rate", "estimated_share_time", "estimated_share_energy", "energy_kwh"),
    "anomalies": ("kind", "opened", "confirmed", "refuted", "standing"),
    "exchanges": ("at", "point", "old_serial", "new_serial", "final_index", "initial_index", "reason"),
    "operators": ("operator", "entries", "warned", "blocked"),
    "samples": ("area", "week", "points", "checked", "wrong"),
    "days": ("day", "energy_kwh", "volume_m3", "flags"),
}
# Columns that hold codes, and how a code is called there.
_CODES: Final[dict[str, Callable[[Texts, str], str]]] = {
    "kind": kind_text,
    "reason": word_of,
    "flags": lambda texts, code: word_of(texts, code, QUALITY),
}
_SHARES: Final = ("reading_rate", "estimated_share_time", "estimated_share_energy")


def word(key: str, language: str) -> str:
    """A table's or column's name."""
    english, chinese = _WORDS[key]
    return chinese if language == "zh" else english


def tables_of(report: Mapping[str, Any], language: str) -> list[Table]:
    """Title, header and lines of every table a report holds; codes in the words of the console."""
    texts = Texts(language)
    return [
        (
            word(key, language),
            [word(column, language) for column in columns],
            [[_value(texts, column, row.get(column)) for column in columns] for row in report[key]],
        )
        for key, columns in _COLUMNS.items()
        if key in report
    ]


def _value(texts: Texts, column: str, value: Any) -> Any:
    if column in _CODES:
        codes = value if isinstance(value, list) else [value] if value else []
        return ", ".join(_CODES[column](texts, code) for code in codes)
    if column in _SHARES:
        return None if value is None else round(float(value), 4)
    if isinstance(value, Decimal):
        return round(float(value), 3)
    if isinstance(value, datetime):
        return value.replace(tzinfo=None, microsecond=0)
    return value


def title_of(report: Mapping[str, Any], language: str) -> str:
    """Headline with the span, and the point of a customer's detail."""
    kind = report.get("kind", "detail")
    subject = f" {report['point']} {report['address']}" if kind == "detail" else ""
    return f"{word(kind, language)}{subject} {report['from']} - {report['to']}"


def xlsx(report: Mapping[str, Any], language: str) -> bytes:
    """A workbook, one sheet a table."""
    book = Workbook()
    book.remove(book.active)
    for title, header, lines in tables_of(report, language):
        sheet = book.create_sheet(title[:31])
        sheet.append(list(header))
        for line in lines:
            sheet.append([_cell(value) for value in line])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _cell(value: Any) -> Any:
    # A text that begins like a formula is a text.
    return "'" + value if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value


def pdf(report: Mapping[str, Any], language: str) -> bytes:
    """A printable document, A4 across.

    Raises UnavailableError ``pdf.font`` where text is not Latin and the machine has no font for it.
    """
    tables = tables_of(report, language)
    title = title_of(report, language)
    document = FPDF(orientation="landscape", format="A4")
    document.add_page()
    family = _font(document, title + "".join(str((name, header, lines)) for name, header, lines in tables))
    document.set_font(family, size=16)
    document.cell(text=title, new_x="LMARGIN", new_y="NEXT", h=12)
    for name, header, lines in tables:
        document.set_font(family, size=12)
        document.cell(text=name, new_x="LMARGIN", new_y="NEXT", h=10)
        document.set_font(family, size=9)
        with document.table(first_row_as_headings=False, line_height=6) as table:
            for line in (header, *lines):
                row = table.row()
                for value in line:
                    row.cell(_printed(value))
    return bytes(document.output())


def _font(document: FPDF, text: str) -> str:
    if text.isascii():
        return "Helvetica"
    for file, number in FONTS:
        if Path(file).exists():
            document.add_font("heatbook", fname=file, collection_font_number=number)
            return "heatbook"
    raise UnavailableError("no font with Chinese characters is installed (Debian: fonts-noto-cjk)", code="pdf.font")


def _printed(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1 else f"{value:,.1f}"
    return value.isoformat() if isinstance(value, date) else str(value)
