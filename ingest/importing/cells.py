"""Cells of registry files as what they should be, each failure a problem with row and column."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, tzinfo
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from ingest.importing.report import ImportReport, Problem

T = TypeVar("T")
# What spreadsheets show: 2025/10/1, 2025.10.01 8:05, 2025年10月1日. With the day first nobody knows which is the month.
_YEAR_FIRST = re.compile(
    r"(?P<year>\d{4})(?:[-/.]|年)(?P<month>\d{1,2})(?:[-/.]|月)(?P<day>\d{1,2})日?"
    r"(?:[ T]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?)?"
)


def _decimal(text: str) -> Decimal:
    if "_" in text:
        raise ValueError(text)
    return Decimal(text)


def instant_from_text(text: str) -> datetime:
    """A date with the year first, or what ISO 8601 allows; without a zone where the text names none.

    Raises
    ------
    ValueError
        It is none.
    """
    found = _YEAR_FIRST.fullmatch(text)
    if found is None:
        return datetime.fromisoformat(text)
    year, month, day, *clock = (int(part or 0) for part in found.groups())
    hour, minute, second = clock
    return datetime.combine(date(year, month, day), time(hour, minute, second))


class Row:
    """One row of a registry file; what cannot be read is reported once and read as None."""

    __slots__ = ("_cells", "_report", "number", "sound")

    def __init__(self, number: int, cells: dict[str, str], report: ImportReport) -> None:
        self.number = number
        self._cells = cells
        self._report = report
        self.sound = True

    def problem(self, column: str, code: str, message: str, *, warning: bool = False) -> None:
        """Report something about a cell; an error makes the row unsound."""
        self._report.add(Problem(self.number, column, code, message, "warning" if warning else "error"))
        self.sound = self.sound and warning

    def text(self, column: str, *, required: bool = False, limit: int = 500) -> str:
        """A text, stripped."""
        value = self._cells.get(column, "")
        if required and not value:
            self.problem(column, "cell.empty", f"{column} is empty")
        if len(value) > limit:
            self.problem(column, "cell.long", f"{column} has {len(value)} characters where {limit} are allowed")
        if "\0" in value:
            self.problem(column, "cell.text", f"{column} holds a character that cannot be stored")
        if value.startswith("="):
            message = f"{column} is the text {value[:40]!r}: a formula instead of its result?"
            self.problem(column, "cell.formula", message, warning=True)
        return value

    def choice(self, column: str, allowed: Sequence[str], default: str) -> str:
        """One of a few words."""
        value = self._cells.get(column, "").lower()
        if not value:
            return default
        if value not in allowed:
            self.problem(column, "cell.choice", f"{value!r} is none of {', '.join(allowed)}")
            return default
        return value

    def decimal(self, column: str, *, low: Decimal | None = None, high: Decimal | None = None) -> Decimal | None:
        """A number with a decimal point; None where the cell is empty."""
        value = self._read(column, _decimal, "a number such as 80.5")
        if value is None:
            return None
        if not value.is_finite():
            self.problem(column, "cell.number", f"{value} is not a number that can be stored")
            return None
        if (low is not None and value < low) or (high is not None and value > high):
            self.problem(column, "cell.range", f"{value} is outside {low} to {high}")
            return None
        return value

    def integer(self, column: str, *, low: int, high: int) -> int | None:
        """A whole number; None where the cell is empty."""
        value = self.decimal(column, low=Decimal(low), high=Decimal(high))
        if value is None:
            return None
        if value != value.to_integral_value():
            self.problem(column, "cell.number", f"{value} is not a whole number")
            return None
        return int(value)

    def instant(self, column: str, zone: tzinfo) -> datetime | None:
        """A date, or date and time, in `zone` where it names none; None where the cell is empty."""
        value = self._read(column, instant_from_text, "a date such as 2025-10-01 or 2025-10-01T08:00:00+08:00")
        if value is None:
            return None
        return (value if value.tzinfo is not None else value.replace(tzinfo=zone)).astimezone(UTC)

    def _read(self, column: str, convert: Callable[[str], T], what: str) -> T | None:
        value = self._cells.get(column, "")
        if not value:
            return None
        try:
            return convert(value)
        except (ValueError, InvalidOperation, OverflowError):
            self.problem(column, "cell.unreadable", f"{value[:40]!r} is not {what}")
            return None
