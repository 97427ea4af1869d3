"""Lines of an export as CSV, JSON lines, Parquet or Excel, streamed: memory holds one batch.

Rules: a batch is taken column by column, and what a column says again and again (points, hours, names) is put into
words once. Text that a spreadsheet would run as a formula is defused in CSV and Excel.
"""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.parquet

from ingest.errors import InvalidInputError
from ingest.exporting.tables import TABLES, Batches, Columns, Table

FORMATS = ("csv", "jsonl", "parquet", "xlsx")
# Different values of a column that are remembered.
_MOST = 50_000
# Columns of JSON objects.
_OBJECTS = frozenset({"explanation"})
_JSON = msgspec.json.Encoder()


def write(what: str, lines: Batches, format: str, target: BinaryIO, progress: Callable[[int], None]) -> int:  # noqa: A002
    """Write lines to an open binary file; how many.

    Raises
    ------
    InvalidInputError
        No such format.
    """
    writer = _WRITERS.get(format)
    if writer is None:
        raise InvalidInputError(f"{format!r} is none of {', '.join(FORMATS)}", field="format")
    count = 0

    def counted() -> Batches:
        nonlocal count
        for batch in lines:
            yield batch
            count += len(batch[0])
            progress(count)

    writer(TABLES[what], counted(), target)
    return count


def write_file(what: str, lines: Batches, format: str, path: Path, progress: Callable[[int], None]) -> int:  # noqa: A002
    """Write lines to a file that appears whole or not at all; how many."""
    draft = path.with_name(path.name + ".part")
    try:
        with draft.open("wb") as target:
            count = write(what, lines, format, target, progress)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return count


class _Known(dict[Any, Any]):
    """What a value becomes, made once; only for values of one column, where equal means the same."""

    def __init__(self, made: Callable[[Any], Any]) -> None:
        self._made = made

    def __missing__(self, value: Any) -> Any:
        found = self[value] = self._made(value)
        return found


class _Words:
    """A column's values as words of a format: `unknown` stands for None, `said` words whatever is no number."""

    def __init__(self, field: Any, said: Callable[[Any], str], unknown: str) -> None:
        self._numeric = pa.types.is_floating(field.type)
        self._unknown, self._said = unknown, said
        # Objects cannot be looked up; numbers seldom come again.
        self._known = None if field.name in _OBJECTS else _Known(self._word)

    def of(self, values: Sequence[Any]) -> Iterable[str]:
        """The word of each value."""
        if self._numeric:
            unknown = self._unknown
            return [unknown if value is None else value if type(value) is str else _number(value) for value in values]
        if self._known is None:
            return map(self._word, values)
        if len(self._known) > _MOST:
            self._known.clear()
        return map(self._known.__getitem__, values)

    def _word(self, value: Any) -> str:
        return self._unknown if value is None else self._said(value)


def _number(value: float | Decimal) -> str:
    if not isinstance(value, Decimal):
        return repr(value)
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _instant(value: datetime) -> str:
    at = value.astimezone(UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at.microsecond == 0 else at.isoformat().replace("+00:00", "Z")


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return _instant(value)
    if isinstance(value, tuple):
        return "|".join(value)
    if isinstance(value, dict):
        return _JSON.encode(value).decode()
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") and not _is_number(value):
        # A spreadsheet would run it as a formula.
        return "'" + value
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _csv_word(value: Any) -> str:
    """A cell as CSV has it, quoted where it must be."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow((_cell(value), ""))
    return text.getvalue()[:-1]


def _json_word(value: Any) -> str:
    return _JSON.encode(_instant(value) if isinstance(value, datetime) else value).decode()


def _write_csv(table: Table, batches: Batches, target: BinaryIO) -> None:
    columns = [_Words(field, _csv_word, "") for field in table.schema]
    target.write((",".join(table.names) + "\n").encode())
    for batch in batches:
        _write_lines(target, map(",".join, _worded(columns, batch)))


def _write_jsonl(table: Table, batches: Batches, target: BinaryIO) -> None:
    columns = [_Words(field, _json_word, "null") for field in table.schema]
    # A line of constant keys with places for the values.
    line = "{" + ",".join(f'"{name}":%s' for name in table.names) + "}"
    for batch in batches:
        _write_lines(target, map(line.__mod__, _worded(columns, batch)))


def _worded(columns: Sequence[_Words], batch: Columns) -> Iterable[tuple[str, ...]]:
    return zip(*(words.of(values) for words, values in zip(columns, batch, strict=True)), strict=True)


def _write_lines(target: BinaryIO, lines: Iterable[str]) -> None:
    target.write("\n".join(lines).encode())
    target.write(b"\n")


def _write_parquet(table: Table, batches: Batches, target: BinaryIO) -> None:
    with pa.parquet.ParquetWriter(target, table.schema, compression="zstd") as writer:
        for batch in batches:
            columns = [_arrow(values, field) for values, field in zip(batch, table.schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(columns, schema=table.schema))


def _arrow(values: Sequence[Any], field: Any) -> Any:
    if pa.types.is_floating(field.type):
        return pa.array([None if value is None else float(value) for value in values], type=field.type)
    if field.name in _OBJECTS:
        values = [None if value is None else _JSON.encode(value).decode() for value in values]
    places: dict[Any, int] = {}
    rows = [places.setdefault(value, len(places)) for value in values]
    return pa.array(list(places), type=field.type).take(pa.array(rows, type=pa.int32()))


def _write_xlsx(table: Table, batches: Batches, target: BinaryIO) -> None:
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("heatbook")
    sheet.append(table.names)
    numeric = [pa.types.is_floating(field.type) for field in table.schema]
    for batch in batches:
        for row in zip(*batch, strict=True):
            sheet.append(
                [
                    float(value) if number and value is not None else _cell(value)
                    for number, value in zip(numeric, row, strict=True)
                ]
            )
    book.save(target)


_WRITERS: dict[str, Callable[[Table, Batches, BinaryIO], None]] = {
    "csv": _write_csv,
    "jsonl": _write_jsonl,
    "parquet": _write_parquet,
    "xlsx": _write_xlsx,
}
