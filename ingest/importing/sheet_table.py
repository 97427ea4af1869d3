"""Cells of a sheet as columns of text under the names of its first row, as the spreadsheet would show them.

Rules: a number is the shortest decimal that its double stands for (0.1, never 0.1000000000000000055), whole numbers
lose their point, texts keep their zeros, dates are ISO 8601. Columns without a name are not looked at. A row with a
formula that no spreadsheet has calculated is left out. A sheet that repeats long texts can't fill the memory.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ingest.importing.sheet_xml import NUMBER, TEXT_AT, TRUTH, UNCALCULATED, Cells
from ingest.importing.workbook import Styles, Texts

# Called with the number and the fault of a row that is left out.
Refuse = Callable[[int, str], None]
Numbers = npt.NDArray[np.int64]

# Of texts that the cells of one piece refer to; those of a meter list have a hundredth of it.
_MOST_TEXTS: Final = 64_000_000
_UNCALCULATED: Final = "a formula that was never calculated: open the file in a spreadsheet and save it"
_WHOLE: Final = r"^-?(?:0|[1-9][0-9]*)$"
_DAY_MS: Final = 86_400_000
# The first and the last day that a sheet can show; before the first there are only times of the day.
_FIRST_DAY, _AFTER_LAST_DAY = 1.0, 2_958_466.0
# The calendar of 1900 has a 29th of February, which nobody else knows.
_NO_SUCH_DAY: Final = 60.0
_TRUTH_SHOWN: Final = {"1": "True", "0": "False"}


class SheetTable:
    """Makes columns of cells.

    Parameters
    ----------
    header : Cells
        The first row.
    texts, styles : Texts, Styles
        What cells refer to.
    refuse : Refuse
        Told of rows that are left out.
    """

    def __init__(self, header: Cells, texts: Texts, styles: Styles, refuse: Refuse) -> None:
        self._texts, self._styles, self._refuse = texts, styles, refuse
        self._taken = 0
        self._names = [str(at) for at in range(len(header.column))]
        self._columns = header.column
        _, shown = self.rows(header)
        named = [(at, column[0].as_py()) for at, column in enumerate(shown.columns) if shown.num_rows]
        self._names = [name for _, name in named if name]
        self._columns = header.column[[at for at, name in named if name]]

    @property
    def is_empty(self) -> bool:
        """Whether no column has a name."""
        return not self._names

    def rows(self, cells: Cells) -> tuple[Numbers, Any]:
        """(numbers, RecordBatch of strings) of the rows that cells make up, those left out not among them.

        Raises
        ------
        ValueError
            A cell refers to a text that is not there, or all of them to more text than memory should hold.
        """
        begins = np.ones(len(cells.row), dtype=bool)
        begins[1:] = cells.row[1:] != cells.row[:-1]
        row, numbers = np.cumsum(begins) - 1, cells.row[begins]
        sound = np.ones(len(numbers), dtype=bool)
        self._taken = 0
        columns = []
        for column in self._columns.tolist():
            these = np.flatnonzero(cells.column == column)
            sound[row[these[cells.kind[these] >= UNCALCULATED]]] = False
            columns.append(_placed(self._shown(cells, these), row[these], len(numbers)))
        table = pa.RecordBatch.from_arrays(columns, names=self._names)
        if sound.all():
            return numbers, table
        for number in numbers[~sound].tolist():
            self._refuse(number, _UNCALCULATED)
        return numbers[sound], table.filter(pa.array(sound))

    def _shown(self, cells: Cells, these: Numbers) -> Any:
        """Contents of a column's cells as shown, empty ones null."""
        told = cells.contents.take(pa.array(these))
        look = cells.kind[these] % UNCALCULATED + UNCALCULATED * cells.style[these].astype(np.int64)
        parts, order = [], []
        for one in np.unique(look).tolist():
            alike = np.flatnonzero(look == one)
            part = told if len(alike) == len(told) else told.take(pa.array(alike))
            parts.append(self._of_kind(part, one % UNCALCULATED, one // UNCALCULATED))
            order.append(alike)
        if not parts:
            return told
        shown = parts[0]
        if len(parts) > 1:
            shown = pa.concat_arrays(parts).take(pa.array(np.argsort(np.concatenate(order))))
        return _without_empty(shown)

    def _of_kind(self, told: Any, kind: int, style: int) -> Any:
        if kind == TEXT_AT:
            return self._shared(_without_empty(told))
        if kind == TRUTH:
            return pa.array([_TRUTH_SHOWN.get(text, text) for text in told.to_pylist()], pa.string())
        if kind != NUMBER:
            return pc.utf8_trim_whitespace(told)
        if style in self._styles.dates:
            return _dates(_without_empty(told), self._styles.days_s)
        if style in self._styles.spans:
            return _spans(_without_empty(told))
        return _decimals(_without_empty(told))

    def _shared(self, told: Any) -> Any:
        """Texts by their numbers."""
        at = told.cast(pa.int64())
        known = at.drop_null().to_numpy(zero_copy_only=False)
        if len(known) and not 0 <= known.min() <= known.max() < len(self._texts.sizes):
            raise ValueError(f"a cell refers to text {known.max()} where the workbook has {len(self._texts.sizes)}")
        self._taken += int(self._texts.sizes[known].sum())
        if self._taken > _MOST_TEXTS:
            raise ValueError("its cells hold longer texts than any list of meters: save the sheet as CSV")
        return self._texts.texts.take(at).cast(pa.string())


def _without_empty(texts: Any) -> Any:
    return pc.if_else(pc.equal(pc.binary_length(texts), 0), pa.scalar(None, texts.type), texts)


def _placed(shown: Any, row: Numbers, rows: int) -> Any:
    """A column of as many rows, null where it has no cell."""
    if len(row) == rows and np.array_equal(row, np.arange(rows)):
        return shown
    place = np.full(rows, -1)
    place[row] = np.arange(len(row))
    return shown.take(pa.array(place, mask=place < 0))


def _doubles(told: Any) -> Any:
    """Numbers of texts, null for what is none."""
    try:
        return told.cast(pa.float64())
    except pa.ArrowInvalid:
        return pa.array([_double(text) for text in told.to_pylist()], pa.float64())


def _double(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _decimals(told: Any) -> Any:
    whole = pc.match_substring_regex(told, _WHOLE)
    if pc.all(whole).as_py() is not False:
        return told
    doubles = _doubles(pc.if_else(whole, pa.scalar(None, pa.string()), told))
    # What is no number stays as it is: who reads the column knows what to say of it.
    return pc.coalesce(pc.if_else(whole, told, doubles.cast(pa.string())), told)


def _dates(told: Any, days_s: int) -> Any:
    """Days as ISO 8601, to the millisecond; before the first day times, and numbers where there is no such day."""
    days = pc.fill_null(_doubles(told), -1.0).to_numpy(zero_copy_only=False)
    good = (days >= _FIRST_DAY) & (days < _AFTER_LAST_DAY)
    since = np.where(good, days, 0.0)
    if days_s < np.datetime64("1904-01-01", "s").astype(np.int64):
        since += good & (days < _NO_SUCH_DAY)
    ms = np.rint(since * _DAY_MS).astype(np.int64) + days_s * 1000
    if (ms % 1000 == 0).all():
        texts = pa.array(ms // 1000, pa.timestamp("s")).cast(pa.string())
    else:
        texts = pa.array(ms, pa.timestamp("ms")).cast(pa.string())
    if good.all():
        return texts
    times = [_time(day) if 0.0 <= day < _FIRST_DAY else None for day in days.tolist()]
    others = pc.coalesce(pa.array(times, pa.string()), _decimals(told))
    return pc.if_else(pa.array(good), texts, others)


def _time(day: float) -> str | None:
    """A time of the day; None where it rounds to the next."""
    seconds, ms = divmod(round(day * _DAY_MS), 1000)
    if seconds >= _DAY_MS // 1000:
        return None
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{text}.{ms:03d}" if ms else text


def _spans(told: Any) -> Any:
    """Days as a length of time, which is neither a number nor an instant."""
    days = _doubles(told).to_pylist()
    return pa.array([None if day is None else _span(day) for day in days], pa.string())


def _span(day: float) -> str:
    try:
        return str(timedelta(milliseconds=round(day * _DAY_MS)))
    except (OverflowError, ValueError):
        return str(day)
