"""Bulk answers of a period's quantities: streams in flat memory, whatever the number of points.

CSV is written by the database itself (COPY); Arrow, Parquet, JSON lines and XLSX are made from column batches. A
stream is
one statement's view of the data or one repeatable-read transaction's: a freeze in between shows in none of its rows
or all.
"""

import asyncio
import io
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final, LiteralString

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from openpyxl import Workbook
from psycopg import AsyncConnection
from starlette.responses import Response

from api.billing.columns import SCHEMA, Choice, batches
from ingest.store.feed import BULK_FROM

MEDIA: Final[dict[str, str]] = {
    "csv": "text/csv",
    "jsonl": "application/x-ndjson",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
CSV_COLUMNS: Final[LiteralString] = """
q.quantity_id, b.code AS period, p.code AS point, p.account, a.code AS area, q.service, q.version, q.state, q.energy_j,
half_even(q.energy_j, 3600) * 0.001 AS energy_kwh, half_even(q.energy_j, 1000) * 0.000001 AS energy_gj,
q.volume_ml, half_even(q.volume_ml, 1000) * 0.001 AS volume_m3, q.share_measured, q.share_estimated, q.share_edited,
q.quality, q.reason, q.days_in_service, q.days_suspended, q.heated_area_m2, q.degree_days, q.previous_id, q.cause,
q.created_at
"""
_BLOCK: Final = 65_536
_XLSX_ROWS: Final = 1_048_575


def json_response(body: Any, headers: Mapping[str, str] | None = None) -> Response:
    """Body as JSON by msgspec: decimals as strings, instants in ISO 8601."""
    return Response(msgspec.json.encode(body), 200, headers, "application/json")


async def csv_stream(connection: AsyncConnection[Any], choice: Choice) -> AsyncIterator[bytes]:
    """Lines of CSV with a header, in blocks as the database sends them."""
    query: LiteralString = (
        f"COPY (SELECT {CSV_COLUMNS} {BULK_FROM} ORDER BY q.point_id, q.service) TO STDOUT (FORMAT csv, HEADER)"
    )
    values = {"period": choice.period_id, "areas": choice.areas, "states": choice.states, "point": 0, "service": -1}
    block: list[bytes] = []
    size = 0
    async with connection.cursor().copy(query, values) as copy:
        async for data in copy:
            block.append(bytes(data))
            size += len(data)
            if size > _BLOCK:
                yield b"".join(block)
                block, size = [], 0
    if block:
        yield b"".join(block)


class QuantityLine(msgspec.Struct, array_like=False, gc=False):
    """One quantity as bulk JSON gives it; decimals are strings."""

    quantity_id: int
    period: str
    point: str
    account: str | None
    area: str
    service: int
    version: int
    state: str
    energy_j: int | None
    energy_kwh: str | None
    energy_gj: str | None
    volume_ml: int | None
    volume_m3: str | None
    share_measured: float
    share_estimated: float
    share_edited: float
    quality: str
    reason: str
    days_in_service: float
    days_suspended: float
    heated_area_m2: str | None
    degree_days: float | None
    previous_id: int | None
    cause: str | None
    created_at: str


assert tuple(QuantityLine.__struct_fields__) == tuple(SCHEMA.names)


async def jsonl_stream(connection: AsyncConnection[Any], choice: Choice) -> AsyncIterator[bytes]:
    """One JSON object a line."""
    encoder = msgspec.json.Encoder()
    async for batch in batches(connection, choice):
        yield encoder.encode_lines(_lines(batch))


def _lines(batch: pa.RecordBatch) -> list[QuantityLine]:
    columns = []
    for field, column in zip(SCHEMA, batch.columns, strict=True):
        if pa.types.is_decimal(field.type):
            column = column.cast(pa.string())
        elif pa.types.is_timestamp(field.type):
            column = pc.strftime(column, "%Y-%m-%dT%H:%M:%SZ")
        columns.append(column.to_pylist())
    return list(map(QuantityLine, *columns))


async def arrow_stream(connection: AsyncConnection[Any], choice: Choice) -> AsyncIterator[bytes]:
    """An Arrow IPC stream."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, SCHEMA) as writer:
        async for batch in batches(connection, choice):
            writer.write_batch(batch)
            yield sink.getvalue()
            sink.seek(0)
            sink.truncate()
    yield sink.getvalue()


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
    """An Excel workbook; built on disk, because the format's directory comes last."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet(choice.period[:31])
    sheet.append(list(SCHEMA.names))
    written = 0
    async for batch in batches(connection, choice):
        for line in zip(*(column.to_pylist() for column in _plain(batch)), strict=True):
            if written < _XLSX_ROWS:
                sheet.append([_cell(value) for value in line])
                written += 1
        await asyncio.sleep(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "quantities.xlsx"
        await asyncio.to_thread(book.save, path)
        with path.open("rb") as file:
            while data := file.read(_BLOCK):
                yield data


def _plain(batch: pa.RecordBatch) -> list[pa.Array]:
    # Excel knows no zones: instants are UTC without saying so.
    return [
        column.cast(pa.timestamp("us")) if pa.types.is_timestamp(column.type) else column for column in batch.columns
    ]


def _cell(value: Any) -> Any:
    # A text that begins like a formula is a text.
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@"):
        return "'" + value
    return value


STREAMS: Final = {
    "csv": csv_stream,
    "jsonl": jsonl_stream,
    "arrow": arrow_stream,
    "parquet": parquet_stream,
    "xlsx": xlsx_stream,
}
