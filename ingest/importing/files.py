"""CSV, Excel and Parquet files as batches of columns, whatever they hold.

Rules: this file knows formats, not what the columns mean. Text stays text, so that a serial keeps its leading zeros
and a value its digits; memory holds one batch at a time. Every row keeps the number that a spreadsheet shows beside it:
empty rows and rows of another width are left out without shifting the others.
"""

import codecs
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from ingest.errors import InvalidInputError
from ingest.importing.excel import Numbers, Refuse, excel_columns, excel_row_count

SUFFIXES = (".csv", ".tsv", ".xlsx", ".parquet")
# What Chinese spreadsheets save when nobody asks for UTF-8 (GBK and GB 2312 are parts of it).
FALLBACK_ENCODING = "gb18030"
_BLOCK_BYTES = 8 * 1024 * 1024
_DELIMITERS = (",", ";", "\t")
# ="00123" keeps zeros in a spreadsheet; an apostrophe keeps =, +, - and @ from being run (our own exports write it).
_WRAPPED = r'^(?:="(.*)"|\'([=+\-@\t\r].*))$'


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of a file. `numbers`: (n,) the number of each as a spreadsheet counts (the header is row 1)."""

    numbers: Numbers
    table: Any  # pyarrow.RecordBatch

    @property
    def first_row(self) -> int:
        """Number of the first row."""
        return int(self.numbers[0])


def row_count(path: Path) -> int:
    """Rows of a file, for a progress bar: exact for Parquet, estimated from the size for text, as a sheet says itself
    for Excel, 0 where nobody knows."""
    if path.suffix == ".parquet":
        return int(pyarrow.parquet.read_metadata(path).num_rows)
    if path.suffix == ".xlsx":
        return excel_row_count(path)
    with path.open("rb") as file:
        sample = file.read(1 << 16)
    lines = sample.count(b"\n")
    return 0 if not lines else round(path.stat().st_size / (len(sample) / lines))


def encoding_of(path: Path) -> str:
    """How the text of a file is encoded: UTF-8, UTF-16 with its mark, or GB 18030 where it is no UTF-8.

    Raises
    ------
    InvalidInputError
        None of them.
    """
    with path.open("rb") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "utf-16"
    for name in ("utf-8", FALLBACK_ENCODING):
        decoder = codecs.getincrementaldecoder(name)()
        try:
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    decoder.decode(block)
                decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            continue
        return name
    raise InvalidInputError(f"{path.name}: the text is neither UTF-8 nor GB 18030", field="file")


def column_names(path: Path) -> list[str]:
    """The columns that a file has, named as in `batches`. Raises as `batches`."""
    for batch in batches(path, required=()):
        return list(batch.table.schema.names)
    return []


def batches(
    path: Path, *, required: Sequence[str], rows: int = 200_000, refuse: Refuse | None = None
) -> Iterator[Batch]:
    """The file in batches of at most `rows` rows.

    Parameters
    ----------
    refuse : callable, optional
        Told of the rows that have more or fewer cells than the header.

    Raises
    ------
    InvalidInputError
        The file is missing, of an unknown kind, unreadable, or lacks a required column; the message names it.
    """
    if not path.is_file():
        raise InvalidInputError(f"{path} is not a file", field="file")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InvalidInputError(f"{path.name}: only {', '.join(SUFFIXES)} can be read", field="file")
    checked = False
    try:
        for numbers, whole in reader(path, rows, refuse or _silently):
            names = [_column_name(name) for name in whole.schema.names]
            # Columns without a name are what spreadsheets leave beside the table.
            table = whole.rename_columns(names).select([at for at, name in enumerate(names) if name])
            if not checked:
                _check_columns(path, table.schema.names, required)
                checked = True
            yield from _slices(numbers, table, rows)
    except (pa.ArrowException, zipfile.BadZipFile, UnicodeError, OSError, ValueError, KeyError) as error:
        raise InvalidInputError(f"{path.name}: {_first_line(error)}", field="file") from error


def _silently(_row: int, _fault: str) -> None:
    return


def _slices(numbers: Numbers, table: Any, rows: int) -> Iterator[Batch]:
    """Batches without the empty rows."""
    blank = np.ones(table.num_rows, dtype=bool)
    for column in table.columns:
        if column.null_count == 0:
            blank = blank[:0]
            break
        blank &= column.is_null().to_numpy(zero_copy_only=False)
    if blank.any():
        table, numbers = table.filter(pa.array(~blank)), numbers[~blank]
    for start in range(0, table.num_rows, rows):
        yield Batch(numbers[start : start + rows], table.slice(start, rows))


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


def _csv(path: Path, _rows: int, refuse: Refuse) -> Iterator[tuple[Numbers, Any]]:
    encoding = encoding_of(path)
    delimiter = _delimiter(path, encoding)
    names = _csv_names(path, encoding, delimiter)
    if not any(names):
        raise ValueError("the first row is empty, and it should name the columns")
    left_out: list[int] = []

    def invalid(row: Any) -> str:
        left_out.append(row.number)
        refuse(row.number, f"{row.actual_columns} cells where the header has {row.expected_columns}")
        return "skip"

    options = pa.csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
    )
    following = 2
    with pa.csv.open_csv(
        path,
        # One thread, so that the rows that are left out come with their numbers.
        read_options=pa.csv.ReadOptions(block_size=_BLOCK_BYTES, encoding=encoding, use_threads=False),
        parse_options=pa.csv.ParseOptions(delimiter=delimiter, ignore_empty_lines=False, invalid_row_handler=invalid),
        convert_options=options,
    ) as reader:
        for batch in reader:
            numbers = _numbers(following, batch.num_rows, left_out)
            following = int(numbers[-1]) + 1 if len(numbers) else following
            yield numbers, _unwrapped(batch)


def _numbers(following: int, count: int, left_out: list[int]) -> Numbers:
    """The next row numbers, without those that were left out."""
    numbers = np.arange(following, following + count + len(left_out))
    return numbers[~np.isin(numbers, left_out)][:count] if left_out else numbers


def _unwrapped(batch: Any) -> Any:
    """Cells as the spreadsheet showed them, not as they were guarded."""
    columns = []
    for column in batch.columns:
        guarded = pc.or_(pc.starts_with(column, '="'), pc.starts_with(column, "'"))
        if pa.types.is_string(column.type) and pc.any(guarded).as_py():
            column = pc.replace_substring_regex(column, _WRAPPED, r"\1\2")
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _csv_names(path: Path, encoding: str, delimiter: str) -> list[str]:
    import csv

    with path.open(encoding=_marked(encoding), newline="") as file:
        return next(csv.reader(file, delimiter=delimiter), [])


def _marked(encoding: str) -> str:
    return "utf-8-sig" if encoding == "utf-8" else encoding


def _delimiter(path: Path, encoding: str) -> str:
    with path.open(encoding=_marked(encoding)) as file:
        header = file.readline()
    return max(_DELIMITERS, key=header.count)


def _parquet(path: Path, rows: int, _refuse: Refuse) -> Iterator[tuple[Numbers, Any]]:
    following = 2
    with pa.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=rows):
            yield np.arange(following, following + batch.num_rows), batch
            following += batch.num_rows


_READERS = {".csv": _csv, ".tsv": _csv, ".xlsx": excel_columns, ".parquet": _parquet}


def text_rows(batch: Batch) -> Iterator[tuple[int, dict[str, str]]]:
    """(row number, column -> stripped text) of small files; empty cells are empty texts."""
    names = batch.table.schema.names
    columns = [batch.table.column(name).cast(pa.string()).to_pylist() for name in names]
    for number, *cells in zip(batch.numbers.tolist(), *columns, strict=True):
        yield number, {name: (cell or "").strip() for name, cell in zip(names, cells, strict=True)}
