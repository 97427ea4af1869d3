"""Excel workbooks as columns of texts: the first sheet, a piece at a time.

Rules: a formula counts as what the spreadsheet last made of it, and one never calculated is refused by row. A workbook
is packed, and keeps the texts of all cells in one part that has to be held in memory: what would unpack to more than a
machine should give for it is refused before it is opened.
"""

import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

# Called with the number and the fault of a row that is left out.
Refuse = Callable[[int, str], None]
Numbers = npt.NDArray[np.int64]

_ROWS = 20_000
# Python needs about eight times as much for them, and they are read for values and for formulas.
_MOST_TEXTS_MB = 64
# A full sheet of a million rows has some hundred megabytes; more is no spreadsheet but a trap.
_MOST_SHEET_MB = 4_096
# Dates and times of East Asian workbooks, which name no format for them (ECMA-376-1, 18.8.30).
_EAST_ASIAN_DATES = frozenset((*range(27, 37), *range(50, 59)))
_FORMULA = re.compile(rb"<(?:\w{1,4}:)?f[ />]")
_DIMENSION = re.compile(rb'<dimension ref="[A-Z]+\d+:[A-Z]+(\d+)"')


def excel_row_count(path: Path) -> int:
    """Rows of the first sheet without its header as the file itself says; 0 where it does not."""
    try:
        with zipfile.ZipFile(path) as book:
            sheets = sorted(name for name in book.namelist() if name.startswith("xl/worksheets/sheet"))
            with book.open(sheets[0]) as sheet:
                found = _DIMENSION.search(sheet.read(4096))
    except (zipfile.BadZipFile, OSError, IndexError):
        return 0  # reading it will say what is wrong
    return max(0, int(found[1]) - 1) if found else 0


def _check_size(path: Path) -> None:
    with zipfile.ZipFile(path) as book:
        for part in book.infolist():
            most = _MOST_TEXTS_MB if part.filename.endswith("sharedStrings.xml") else _MOST_SHEET_MB
            if part.file_size > most * 1_000_000:
                raise ValueError(
                    f"the part {part.filename} of this workbook has {part.file_size / 1e6:,.0f} MB unpacked where"
                    f" {most:,} are allowed: save the sheet as CSV, which may be of any size"
                )


def excel_columns(path: Path, _rows: int, refuse: Refuse) -> Iterator[tuple[Numbers, Any]]:
    """The first sheet as (row numbers, texts by column) in pieces; rows that can't be taken go to `refuse`.

    Raises
    ------
    ValueError
        The first row is empty, or the workbook would not fit into memory.
    """
    import openpyxl

    _check_size(path)
    # Reading the formulas too takes as long again.
    kinds = (True, False) if _has_formulas(path) else (True,)
    books = [openpyxl.load_workbook(path, read_only=True, data_only=values) for values in kinds]
    for book in books:
        # The library knows the dates of Western workbooks only.
        book._date_formats |= {at for at, style in enumerate(book._cell_styles) if style.numFmtId in _EAST_ASIAN_DATES}
    try:
        sheets = [book.worksheets[0].iter_rows(values_only=True) for book in books]
        lines = zip(*sheets, strict=False) if len(sheets) > 1 else ((line, ()) for line in sheets[0])
        header, _ = next(lines, ((), ()))
        names = ["" if cell is None else str(cell).strip() for cell in header]
        if not any(names):
            raise ValueError("the first row is empty, and it should name the columns")
        following = 2
        while chunk := list(islice(lines, _ROWS)):
            numbers = np.arange(following, following + len(chunk))
            following += len(chunk)
            sound = np.array([not _uncalculated(*line) for line in chunk])
            for number in numbers[~sound].tolist():
                refuse(number, "a formula that was never calculated: open the file in a spreadsheet and save it")
            kept = [line for (line, _), good in zip(chunk, sound.tolist(), strict=True) if good]
            columns = [[_excel_text(line[n] if n < len(line) else None) for line in kept] for n in range(len(names))]
            arrays = [pa.array(column, pa.string()) for column in columns]
            yield numbers[sound], pa.RecordBatch.from_arrays(arrays, names=names)
    finally:
        for book in books:
            book.close()


def _has_formulas(path: Path) -> bool:
    """Whether any sheet has one; no cell of the others needs to be looked at twice."""
    with zipfile.ZipFile(path) as book:
        for name in book.namelist():
            if not name.startswith("xl/worksheets/"):
                continue
            with book.open(name) as sheet:
                rest = b""
                while block := sheet.read(1 << 20):
                    if _FORMULA.search(rest + block):
                        return True
                    rest = block[-8:]
    return False


def _uncalculated(shown: Sequence[Any], said: Sequence[Any]) -> bool:
    return any(
        value is None and isinstance(formula, str) and formula.startswith("=")
        for value, formula in zip(shown, said, strict=False)
    )


def _excel_text(cell: Any) -> str | None:
    if cell is None or cell == "":
        return None
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if hasattr(cell, "isoformat"):
        return str(cell.isoformat())
    return str(cell).strip()
