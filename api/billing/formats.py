"""Bulk answers of a period's quantities: streams in flat memory, whatever the number of points.

All are made from the same column batches. A stream is one repeatable-read transaction's view of the data: a freeze in
between shows in none of its rows or all.
"""

import asyncio
import io
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from psycopg import AsyncConnection
from starlette.responses import Response

from api.billing.columns import SCHEMA, Choice, batches
from api.billing.lines import csv_header, csv_lines, json_lines

MEDIA: Final[dict[str, str]] = {
    "csv": "text/csv",
    "jsonl": "application/x-ndjson",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_BLOCK: Final = 65_536
# A continuation mark and a message of length 0 (Arrow columnar format, IPC streaming).
_END_OF_STREAM: Final = b"\xff\xff\xff\xff\x00\x00\x00\x00"
_XLSX_ROWS: Final = 1_048_575


# What a stream yields: bytes, or a view of an Arrow buffer that nobody copies.
Block = bytes | memoryview


def json_response(body: Any, headers: Mapping[str, str] | None = None) -> Response:
    """Body as JSON by msgspec: decimals as strings, instants in ISO 8601."""
    return Response(msgspec.json.encode(body), 200, headers, "application/json")


async def csv_stream(connection: AsyncConnection[Any], choice: Choice) -> AsyncIterator[bytes]:
    """Lines of CSV with a header."""
    yield csv_header()
    async for batch in batches(connection, choice):
        yield csv_lines(batch)


async def jsonl_stream(connection: AsyncConnection[Any], choice: Choice) -> AsyncIterator[bytes]:
    """One JSON object a line; decimals are strings."""
    async for batch in batches(connection, choice):
        yield json_lines(batch)


async def arrow_stream(connection: AsyncConnection[Any], choice: Choice) -> AsyncIterator[Block]:
    """An Arrow IPC stream: schema, batches, end."""
    yield memoryview(SCHEMA.serialize())
    async for batch in batches(connection, choice):
        yield memoryview(batch.serialize())
    yield memoryview(_END_OF_STREAM)


async def parquet_stream(connection: AsyncConnection[Any], choice: Choice) -> AsyncIterator[bytes]:
    """A Parquet file, zstd."""
    sink = _Drain()
    with pq.ParquetWriter(pa.PythonFile(sink, "w"), SCHEMA, compression="zstd") as writer:
        async for batch in batches(connection, choice):
            writer.write_batch(batch)
            yield sink.taken()
    yield sink.taken()


class _Drain(io.RawIOBase):
    """A file to write to whose bytes leave as they come: Parquet keeps its directory for the end and never seeks."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        self._at += len(self._parts[-1])
        return len(self._parts[-1])

    def tell(self) -> int:
        return self._at

    def taken(self) -> bytes:
        """What was written since the last time."""
        data, self._parts = b"".join(self._parts), []
        return data


async def xlsx_stream(connection: AsyncConnection[Any], choice: Choice) -> AsyncIterator[bytes]:
    """An Excel workbook; built on disk, because the format's directory comes last. A full sheet begins the next."""
    book = Workbook(write_only=True)
    sheet, room = None, 0
    async for batch in batches(connection, choice):
        for line in zip(*(column.to_pylist() for column in _plain(batch)), strict=True):
            if sheet is None or room == 0:
                sheet, room = _new_sheet(book, choice.period), _XLSX_ROWS
            sheet.append([_cell(value) for value in line])
            room -= 1
        await asyncio.sleep(0)
    if sheet is None:
        _new_sheet(book, choice.period)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "quantities.xlsx"
        await asyncio.to_thread(book.save, path)
        with path.open("rb") as file:
            while data := file.read(_BLOCK):
                yield data


def _new_sheet(book: Workbook, period: str) -> Any:
    sheet = book.create_sheet(f"{period[:25]} {len(book.worksheets) + 1}" if book.worksheets else period[:31])
    sheet.append(list(SCHEMA.names))
    return sheet


def _plain(batch: pa.RecordBatch) -> list[pa.Array]:
    # Excel knows no zones: instants are UTC without saying so.
    return [
        column.cast(pa.timestamp("us")) if pa.types.is_timestamp(column.type) else column for column in batch.columns
    ]


def _cell(value: Any) -> Any:
    # A text that begins like a formula is a text, and a workbook has no control characters.
    if not isinstance(value, str):
        return value
    return ILLEGAL_CHARACTERS_RE.sub("", f"'{value}" if value[:1] in ("=", "+", "-", "@") else value)


STREAMS: Final[dict[str, Callable[[AsyncConnection[Any], Choice], AsyncIterator[Block]]]] = {
    "csv": csv_stream,
    "jsonl": jsonl_stream,
    "arrow": arrow_stream,
    "parquet": parquet_stream,
    "xlsx": xlsx_stream,
}
