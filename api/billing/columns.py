"""A period's quantities as columns: the fast way from the database to every bulk format.

The database hands over prepared lines as two runs of bytes; numpy and Arrow turn them into columns, and nothing in
Python touches a single value. While one chunk is worked on, the database makes the next.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from psycopg import AsyncConnection

from ingest.store import feed

CHUNK: Final = 4_096
_NULL: Final = -(2**63)
# The line as 0014_billing_lines.sql writes it. Decimals are whole counts of their last digit; shares and days are
# millionths.
NUMBERS: Final = (
    "quantity_id",
    "point_id",
    "service",
    "version",
    "energy_j",
    "energy_kwh",
    "energy_gj",
    "volume_ml",
    "volume_m3",
    "previous_id",
    "created_at",
    "heated_area_m2",
    "share_measured",
    "share_estimated",
    "share_edited",
    "days_in_service",
    "days_suspended",
    "degree_days",
)
TEXTS: Final = ("point", "account", "area", "state", "quality", "reason", "cause")
_LINE: Final = np.dtype([("numbers", ">i8", (len(NUMBERS),)), ("lengths", ">i4", (len(TEXTS),))])
_MILLION: Final = 1_000_000.0
SCHEMA: Final = pa.schema(
    [
        ("quantity_id", pa.int64()),
        ("period", pa.string()),
        ("point", pa.string()),
        ("account", pa.string()),
        ("area", pa.string()),
        ("service", pa.int8()),
        ("version", pa.int32()),
        ("state", pa.string()),
        ("energy_j", pa.int64()),
        ("energy_kwh", pa.decimal128(18, 3)),
        ("energy_mwh", pa.decimal128(18, 6)),
        ("energy_gj", pa.decimal128(18, 6)),
        ("volume_ml", pa.int64()),
        ("volume_m3", pa.decimal128(18, 3)),
        ("share_measured", pa.float64()),
        ("share_estimated", pa.float64()),
        ("share_edited", pa.float64()),
        ("quality", pa.string()),
        ("reason", pa.string()),
        ("days_in_service", pa.float64()),
        ("days_suspended", pa.float64()),
        ("heated_area_m2", pa.decimal128(14, 2)),
        ("degree_days", pa.float64()),
        ("previous_id", pa.int64()),
        ("cause", pa.string()),
        ("created_at", pa.timestamp("us", tz="UTC")),
    ]
)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which quantities: the newest version of each of a period, in areas and states."""

    period_id: int
    period: str
    areas: list[int] | None = None
    states: list[str] | None = None


async def batches(connection: AsyncConnection[Any], choice: Choice) -> AsyncIterator[pa.RecordBatch]:
    """Record batches of SCHEMA in order of point and service, at most CHUNK rows each; memory stays that of two."""

    def ask(after: tuple[int, int]) -> asyncio.Task[tuple[bytes, bytes]]:
        rows = feed.lines(
            connection, choice.period_id, after=after, limit=CHUNK, areas=choice.areas, states=choice.states
        )
        return asyncio.create_task(rows, name="chunk of billing lines")

    asked: asyncio.Task[tuple[bytes, bytes]] | None = ask((0, -1))
    try:
        while asked is not None:
            numbers, texts = await asked
            lines = np.frombuffer(numbers, _LINE)
            if len(lines) == CHUNK:
                last = lines["numbers"][-1]
                asked = ask((int(last[NUMBERS.index("point_id")]), int(last[NUMBERS.index("service")])))
                await asyncio.sleep(0)  # the next question leaves before this answer is worked on
            else:
                asked = None
            if len(lines):
                yield _batch(lines, texts, choice.period)
    finally:
        if asked is not None:
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)


def _batch(lines: NDArray[Any], texts: bytes, period: str) -> pa.RecordBatch:
    # One pass turns rows of big-endian numbers into columns of native ones.
    columns = lines["numbers"].T.astype(np.int64, order="C")
    numbers = dict(zip(NUMBERS, columns, strict=True))
    numbers["energy_mwh"] = numbers["energy_kwh"]  # a thousandth of a kWh and a millionth of an MWh are one count
    words = dict(zip(TEXTS, _texts(lines["lengths"].astype(np.int32).ravel(), texts), strict=True))
    words["period"] = pa.DictionaryArray.from_arrays(np.zeros(len(lines), np.int8), [period]).cast(pa.string())
    arrays = [words[item.name] if item.name in words else _column(numbers[item.name], item.type) for item in SCHEMA]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def _texts(lengths: NDArray[np.int32], data: bytes) -> list[pa.Array]:
    # All texts of all rows are one Arrow array; every seventh of it is a column.
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(np.maximum(lengths, 0), out=offsets[1:])
    buffers = [_validity(lengths >= 0), pa.py_buffer(offsets), pa.py_buffer(data)]
    everything = pa.Array.from_buffers(pa.string(), len(lengths), buffers)
    firsts = np.arange(0, len(lengths), len(TEXTS))
    return [everything.take(pa.array(firsts + position)) for position in range(len(TEXTS))]


def _column(values: NDArray[np.int64], kind: pa.DataType) -> pa.Array:
    known = values != _NULL
    plain: NDArray[Any] = values  # under a NULL stands whatever the sentinel becomes
    if pa.types.is_decimal(kind):
        plain = np.empty((len(values), 2), np.int64)  # 128 bits, little-endian: the count and its sign
        plain[:, 0] = values
        np.right_shift(values, 63, out=plain[:, 1])
    elif pa.types.is_floating(kind):
        plain = values / _MILLION
    elif pa.types.is_integer(kind):
        plain = values.astype(kind.to_pandas_dtype(), copy=False)
    # From buffers: pa.array would look for pandas first, and copy.
    return pa.Array.from_buffers(kind, len(values), [_validity(known), pa.py_buffer(plain)])


def _validity(known: NDArray[np.bool_]) -> pa.Buffer | None:
    return None if known.all() else pa.py_buffer(np.packbits(known, bitorder="little"))
