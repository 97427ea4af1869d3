"""CSV, Excel and Parquet files as batches of columns, whatever they hold.

Rules: this file knows formats, not what the columns mean. Text stays text, so that a serial keeps its leading zeros
and a value its digits; memory holds one batch at a time.
"""

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from ingest.errors import InvalidInputError

SUFFIXES = (".csv", ".tsv", ".xlsx", ".parquet")
_BLOCK_BYTES = 8 * 1024 * 1024
_EXCEL_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of a file. `first_row` is the number of the first one as a spreadsheet counts (the header is row 1)."""

    first_row: int
    table: Any  # pyarrow.RecordBatch


def row_count(path: Path) -> int:
    """Rows of a file, for a progress bar: exact for Parquet, estimated from the size for text, 0 where nobody knows."""
    if path.suffix == ".parquet":
        return int(pyarrow.parquet.read_metadata(path).num_rows)
    if path.suffix == ".xlsx":
        return 0
    with path.open("rb") as file:
        sample = file.read(1 << 16)
    lines = sample.count(b"\n")
    return 0 if not lines else round(path.stat().st_size / (len(sample) / lines))


def batches(path: Path, *, required: Sequence[str], rows: int = 200_000) -> Iterator[Batch]:
    """The file in batches of at most `rows` rows.

    Raises
    ------
    InvalidInputError
        The file is missing, of an unknown kind, unreadable, or lacks a required column; the message names it.
    """
    if not path.is_file():
        raise InvalidInputError(f"{path} is not a file", field="file")
    reader = {".csv": _csv, ".tsv": _csv, ".xlsx": _excel, ".parquet": _parquet}.get(path.suffix.lower())
    if reader is None:
        raise InvalidInputError(f"{path.name}: only {', '.join(SUFFIXES)} can be read", field="file")
    first_row, checked = 2, False
    try:
        for whole in reader(path, rows):
            table = whole.rename_columns([_column_name(name) for name in whole.schema.names])
            if not checked:
                _check_columns(path, table.schema.names, required)
                checked = True
            for start in range(0, table.num_rows, rows):
                part = table.slice(start, rows)
                yield Batch(first_row, part)
                first_row += part.num_rows
    except (pa.ArrowException, zipfile.BadZipFile, UnicodeDecodeError, OSError, ValueError, KeyError) as error:
        raise InvalidInputError(f"{path.name}: {_first_line(error)}", field="file") from error


def _column_name(name: str) -> str:
    return name.strip().lstrip("\ufeff").strip().lower()


def _check_columns(path: Path, names: Sequence[str], required: Sequence[str]) -> None:
    missing = [name for name in required if name not in names]
    if missing:
        raise InvalidInputError(f"{path.name}: the column {', '.join(missing)} is missing", field=missing[0])
    twice = {name for name in names if list(names).count(name) > 1}
    if twice:
        raise InvalidInputError(f"{path.name}: the column {', '.join(sorted(twice))} is there twice", field=min(twice))


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _csv(path: Path, _rows: int) -> Iterator[Any]:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else _delimiter(path)
    names = _csv_names(path, delimiter)
    if not names:
        raise ValueError("there is no header")
    options = pa.csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
    )
    with pa.csv.open_csv(
        path,
        read_options=pa.csv.ReadOptions(block_size=_BLOCK_BYTES),
        parse_options=pa.csv.ParseOptions(delimiter=delimiter),
        convert_options=options,
    ) as reader:
        yield from reader


def _csv_names(path: Path, delimiter: str) -> list[str]:
    import csv

    with path.open(encoding="utf-8-sig", newline="") as file:
        return next(csv.reader(file, delimiter=delimiter), [])


def _delimiter(path: Path) -> str:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        header = file.readline()
    return ";" if header.count(";") > header.count(",") else ","


def _parquet(path: Path, rows: int) -> Iterator[Any]:
    with pa.parquet.ParquetFile(path) as file:
        yield from file.iter_batches(batch_size=rows)


def _excel(path: Path, _rows: int) -> Iterator[Any]:
    import openpyxl

    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    try:
        lines = book.worksheets[0].iter_rows(values_only=True)
        names = [str(cell).strip() for cell in next(lines, ()) if cell is not None]
        while chunk := list(islice(lines, _EXCEL_ROWS)):
            columns = [[_excel_text(line[n] if n < len(line) else None) for line in chunk] for n in range(len(names))]
            yield pa.RecordBatch.from_arrays([pa.array(column, pa.string()) for column in columns], names=names)
    finally:
        book.close()


def _excel_text(cell: Any) -> str | None:
    if cell is None or cell == "":
        return None
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if hasattr(cell, "isoformat"):
        return str(cell.isoformat())
    return str(cell).strip()


def text_rows(batch: Batch) -> Iterator[tuple[int, dict[str, str]]]:
    """(row number, column -> stripped text) of small files; empty cells are empty texts."""
    names = batch.table.schema.names
    columns = [batch.table.column(name).cast(pa.string()).to_pylist() for name in names]
    for offset, cells in enumerate(zip(*columns, strict=True)):
        yield batch.first_row + offset, {n: (cell or "").strip() for n, cell in zip(names, cells, strict=True)}
