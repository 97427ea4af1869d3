"""Consumption, alerts, readings and the registry as CSV, JSON lines, Parquet or Excel, streamed.

Rules: one line a row, in the order of point and time; instants in UTC; energies in kWh and volumes in m3, exact to
the last printed digit; what is unknown is empty, never zero. `openpyxl` writes Excel row by row, so memory stays flat
there too.
"""

import contextlib
import csv
import io
from collections.abc import Callable, Generator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.parquet
from psycopg import Connection

from compute.quality import Method, Quality
from ingest.errors import InvalidInputError
from ingest.store import exporting as store

FORMATS = ("csv", "jsonl", "parquet", "xlsx")
_TIME = pa.timestamp("us", tz="UTC")
_NAMES = pa.list_(pa.string())
_J_PER_KWH = Decimal(3_600_000)
_NANO = Decimal("0.000000001")

Row = tuple[Any, ...]
Rows = Generator[list[Row], None, None]


class Table:
    """A kind of export: its columns with their Arrow types, and how a stored row becomes a line."""

    def __init__(self, columns: Sequence[tuple[str, Any]], made: Callable[[Row], Row]) -> None:
        self.names = [name for name, _ in columns]
        self.schema = pa.schema(list(columns))
        self.made = made


@lru_cache(4096)
def flag_names(flags: int) -> list[str]:
    """Names of quality flags, as exports and the API spell them."""
    return [(flag.name or "").lower() for flag in Quality if flag and flags & flag]


def _kwh(energy_j: int | None) -> Decimal | None:
    return None if energy_j is None else (Decimal(energy_j) / _J_PER_KWH).quantize(_NANO)


def _m3(volume_ml: int | None) -> Decimal | None:
    return None if volume_ml is None else Decimal(volume_ml).scaleb(-6)


def _consumption_line(row: Row) -> Row:
    point, start, end, energy_j, volume_ml, flags, method, version, service = row
    return (
        point, start, end, _kwh(energy_j), _m3(volume_ml), flag_names(flags), Method(method).name.lower(), version,
        service,
    )  # fmt: skip


def _alert_line(row: Row) -> Row:
    return (*row[:7], row[7], row[8], round(row[9], 4), row[10])


def _reading_line(row: Row) -> Row:
    serial, maker, ts, quantity, count, scale, unit, name, version, flags, delivery = row
    return (serial, maker, ts, quantity, Decimal(count).scaleb(scale), unit, name, version, flag_names(flags), delivery)


TABLES: dict[str, Table] = {
    "consumption": Table(
        (
            ("point", pa.string()), ("start", _TIME), ("end", _TIME), ("energy_kwh", pa.float64()),
            ("volume_m3", pa.float64()), ("flags", _NAMES), ("method", pa.string()), ("version", pa.int32()),
            ("service", pa.int32()),
        ),
        _consumption_line,
    ),
    "alerts": Table(
        (
            ("point", pa.string()), ("serial", pa.string()), ("kind", pa.string()), ("severity", pa.string()),
            ("from", _TIME), ("to", _TIME), ("state", pa.string()), ("explanation", pa.string()),
            ("energy_at_stake_kwh", pa.float64()), ("confidence", pa.float64()), ("incident", pa.int64()),
        ),
        _alert_line,
    ),
    "readings": Table(
        (
            ("serial", pa.string()), ("manufacturer", pa.string()), ("time", _TIME), ("quantity", pa.string()),
            ("value", pa.float64()), ("unit", pa.string()), ("register", pa.string()), ("version", pa.int32()),
            ("flags", _NAMES), ("delivery", pa.int64()),
        ),
        _reading_line,
    ),
    "points": Table(
        (
            ("point", pa.string()), ("area", pa.string()), ("address", pa.string()), ("kind", pa.string()),
            ("state", pa.string()), ("heated_area_m2", pa.float64()), ("design_load_kw", pa.float64()),
            ("building", pa.string()), ("account", pa.string()), ("route", pa.string()), ("latitude", pa.float64()),
            ("longitude", pa.float64()), ("contract", pa.string()), ("parent", pa.string()),
        ),
        lambda row: row,
    ),
    "meters": Table(
        (
            ("serial", pa.string()), ("manufacturer", pa.string()), ("medium", pa.string()), ("model", pa.string()),
            ("point", pa.string()), ("installed_at", _TIME), ("initial_index", pa.float64()),
            ("energy_unit", pa.string()), ("energy_digits", pa.int32()), ("energy_scale", pa.int32()),
            ("qp_m3h", pa.float64()), ("removed_at", _TIME), ("final_index", pa.float64()), ("factor", pa.float64()),
            ("service", pa.int32()),
            ("profile", pa.string()), ("mounting_side", pa.string()), ("version", pa.int32()),
        ),
        lambda row: _meter_line(row),
    ),
}  # fmt: skip


def _meter_line(row: Row) -> Row:
    scale = row[9]
    shown = [None if row[n] is None or scale is None else Decimal(row[n]).scaleb(scale) for n in (6, 12)]
    return (*row[:6], shown[0], *row[7:12], shown[1], *row[13:])


def rows_of(
    connection: Connection[Any],
    what: str,
    *,
    start: datetime,
    end: datetime,
    interval: str = "hour",
    known_at: datetime | None = None,
    points: Sequence[str] | None = None,
) -> Rows:
    """Batches of lines of one kind of export, values as `TABLES` names them.

    Raises
    ------
    InvalidInputError
        No such kind or interval, or `end` is not after `start`.
    """
    if what not in TABLES:
        raise InvalidInputError(f"{what!r} is none of {', '.join(TABLES)}", field="what")
    if interval not in store.INTERVALS:
        raise InvalidInputError(f"{interval!r} is none of {', '.join(store.INTERVALS)}", field="interval")
    if start >= end:
        raise InvalidInputError("the end is not after the start", field="to")
    if what == "consumption":
        known = known_at or datetime.now(UTC)
        stored = store.consumption(connection, start, end, interval=interval, known_at=known, points=points)
    elif what == "alerts":
        stored = store.alerts(connection, start, end, points=points)
    elif what == "readings":
        stored = store.readings(connection, start, end, points=points)
    else:
        stored = store.registry(connection, what)
    return _lines(stored, TABLES[what].made)


def _lines(stored: Rows, made: Callable[[Row], Row]) -> Rows:
    # Closing this one, or leaving it on an error, closes the cursor inside before its connection goes.
    with contextlib.closing(stored):
        for batch in stored:
            yield [made(row) for row in batch]


def write(what: str, rows: Rows, format: str, target: BinaryIO, progress: Callable[[int], None]) -> int:  # noqa: A002
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

    def counted() -> Rows:
        nonlocal count
        for batch in rows:
            yield batch
            count += len(batch)
            progress(count)

    writer(TABLES[what], counted(), target)
    return count


def write_file(what: str, rows: Rows, format: str, path: Path, progress: Callable[[int], None]) -> int:  # noqa: A002
    """Write lines to a file that appears whole or not at all; how many."""
    draft = path.with_name(path.name + ".part")
    try:
        with draft.open("wb") as target:
            count = write(what, rows, format, target, progress)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return count


def _instant(value: datetime) -> str:
    at = value.astimezone(UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at.microsecond == 0 else at.isoformat().replace("+00:00", "Z")


def _number(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return _instant(value)
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, list):
        return "|".join(value)
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
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


def _write_csv(table: Table, rows: Rows, target: BinaryIO) -> None:
    text = io.TextIOWrapper(target, encoding="utf-8", newline="", write_through=True)
    try:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(table.names)
        for batch in rows:
            writer.writerows([_cell(value) for value in row] for row in batch)
    finally:
        text.detach()


def _write_jsonl(table: Table, rows: Rows, target: BinaryIO) -> None:
    encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=str)
    for batch in rows:
        lines = [
            {
                name: _instant(value) if isinstance(value, datetime) else _plain(value)
                for name, value in zip(table.names, row, strict=True)
            }
            for row in batch
        ]
        target.write(encoder.encode_lines(lines))


def _plain(value: Any) -> Any:
    return value.normalize() + 0 if isinstance(value, Decimal) else value


def _write_parquet(table: Table, rows: Rows, target: BinaryIO) -> None:
    with pa.parquet.ParquetWriter(target, table.schema, compression="zstd") as writer:
        for batch in rows:
            columns = [
                pa.array([_arrow(row[n]) for row in batch], type=field.type) for n, field in enumerate(table.schema)
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=table.schema))


def _arrow(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    return msgspec.json.encode(value).decode() if isinstance(value, dict) else value


def _write_xlsx(table: Table, rows: Rows, target: BinaryIO) -> None:
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("heatbook")
    sheet.append(table.names)
    for batch in rows:
        for row in batch:
            sheet.append([float(value) if isinstance(value, Decimal) else _cell(value) for value in row])
    book.save(target)


_WRITERS: dict[str, Callable[[Table, Rows, BinaryIO], None]] = {
    "csv": _write_csv,
    "jsonl": _write_jsonl,
    "parquet": _write_parquet,
    "xlsx": _write_xlsx,
}
