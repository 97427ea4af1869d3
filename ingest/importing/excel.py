"""Excel workbooks as columns of texts: the first sheet, a piece at a time.

Rules: a formula counts as what the spreadsheet last made of it. Memory holds the texts that cells share and some pieces
of the sheet, whatever its size; `ingest.importing.workbook` says what is refused before it is opened.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from ingest.importing.sheet_table import Numbers, Refuse, SheetTable
from ingest.importing.sheet_xml import CellReader, Cells, fragments
from ingest.importing.workbook import Workbook, opened

_BATCH_BYTES: Final = 64_000_000
_NAMELESS: Final = "the first row is empty, and it should name the columns"
_DIMENSION = re.compile(rb'dimension ref="[A-Z]+\d+:[A-Z]+(\d{1,7})"')


def excel_row_count(path: Path) -> int:
    """Rows of the first sheet without its header as the file itself says; 0 where it does not."""
    try:
        with opened(path) as book:
            found = _DIMENSION.search(next(book.sheet(), b""))
    except (ValueError, OSError):
        return 0  # reading it will say what is wrong
    return max(0, int(found[1]) - 1) if found else 0


def excel_columns(path: Path, rows: int, refuse: Refuse) -> Iterator[tuple[Numbers, Any]]:
    """The first sheet as (row numbers, texts by column) of about `rows` rows; what can't be taken goes to `refuse`.

    Raises
    ------
    ValueError
        The first row is empty, or the workbook is damaged or would not fit into memory.
    """
    with opened(path) as book:
        table: SheetTable | None = None
        held: list[tuple[Numbers, Any]] = []
        reader = CellReader(book.sheet_bytes)
        for fragment in fragments(book.sheet(), b"sheetData", b"row"):
            cells = reader.cells(fragment)
            if table is None:
                if not len(cells.row):
                    continue
                table, cells = _begun(book, cells, refuse)
            held.append(table.rows(cells))
            if sum(len(numbers) for numbers, _ in held) >= rows or sum(one.nbytes for _, one in held) >= _BATCH_BYTES:
                yield _joined(held)
                held = []
        if table is None:
            raise ValueError(_NAMELESS)
        if held:
            yield _joined(held)


def _begun(book: Workbook, cells: Cells, refuse: Refuse) -> tuple[SheetTable, Cells]:
    """The table that the first row begins, and the cells behind that row."""
    header = cells.row == cells.row[0]
    table = SheetTable(cells.part(header), book.texts(), book.styles(), refuse)
    if cells.row[0] != 1 or table.is_empty:
        raise ValueError(_NAMELESS)
    return table, cells.part(~header)


def _joined(held: list[tuple[Numbers, Any]]) -> tuple[Numbers, Any]:
    return np.concatenate([numbers for numbers, _ in held]), pa.concat_batches([one for _, one in held])
