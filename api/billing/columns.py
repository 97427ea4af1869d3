"""A period's quantities as columns: the fast way from the database to Arrow, Parquet, XLSX and bulk JSON.

The database aggregates each column of a chunk into one array or one run of text; nothing in Python touches a single
value.
Sentinels stand for NULL on the way (arrays of plain width), validity bitmaps in the result.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final, LiteralString

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from psycopg import AsyncConnection

from ingest.store.feed import chunk_query

CHUNK: Final = 20_000
_NULL: Final = -(2**63)
_ARRAY_HEADER: Final = 20

# column -> (SQL, kind). Kinds: i8 integers, f8 floats, text, time (microseconds), kwh/gj/m3 (exact decimals of an i8
# column).
NUMBERS: Final[dict[str, LiteralString]] = {
    "quantity_id": "q.quantity_id",
    "service": "q.service::int8",
    "version": "q.version::int8",
    "energy_j": "q.energy_j",
    "volume_ml": "q.volume_ml",
    "previous_id": "q.previous_id",
    "created_us": "(extract(epoch FROM q.created_at) * 1000000)::int8",
    "point_id": "q.point_id::int8",
    "heated_area_cm": "(q.heated_area_m2 * 100)::int8",
}
FLOATS: Final[dict[str, LiteralString]] = {
    "share_measured": "q.share_measured::float8",
    "share_estimated": "q.share_estimated::float8",
    "share_edited": "q.share_edited::float8",
    "days_in_service": "q.days_in_service::float8",
    "days_suspended": "q.days_suspended::float8",
    "degree_days": "q.degree_days::float8",
}
TEXTS: Final[dict[str, LiteralString]] = {
    "point": "p.code",
    "account": "p.account",
    "area": "a.code",
    "state": "q.state",
    "quality": "q.quality",
    "reason": "q.reason",
    "cause": "q.cause",
}
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
    """Record batches of SCHEMA in order of point and service, CHUNK rows each; memory does not grow with their
    number."""
    query = chunk_query(NUMBERS, FLOATS, TEXTS)
    after = (0, -1)
    while True:
        values = {
            "period": choice.period_id,
            "areas": choice.areas,
            "states": choice.states,
            "point": after[0],
            "service": after[1],
            "limit": CHUNK,
        }
        row = await (await connection.cursor(binary=True).execute(query, values)).fetchone()
        if row is None or row[-2] == 0:
            return
        if row[0] is not None:
            columns = _columns(row)
            batch = _batch(columns, choice.period, len(columns["quantity_id"]))
            order = _order(columns)
            yield batch if order is None else batch.take(order)
        if row[-2] < CHUNK:
            return
        after = (row[-1][0], row[-1][1])


def _columns(row: Any) -> dict[str, Any]:
    result: dict[str, Any] = {}
    at = 0
    for name in NUMBERS:
        result[name] = _array(row[at], ">i8")
        at += 1
    for name in FLOATS:
        result[name] = _array(row[at], ">f8")
        at += 1
    for name in TEXTS:
        result[name] = (_array(row[at], ">i8"), row[at + 1] or b"")
        at += 2
    return result


def _order(columns: dict[str, Any]) -> pa.Array | None:
    """Positions in order of point and service, None where they are in order already (joins nearly always keep it)."""
    keys = columns["point_id"] * 8 + columns["service"]
    return None if (np.diff(keys) > 0).all() else pa.array(np.argsort(keys, kind="stable"))


def _array(data: bytes, kind: str) -> NDArray[Any]:
    # A binary array without NULLs is a 20-byte header and (length, value) pairs of one width.
    pairs = np.frombuffer(data, np.dtype([("length", ">i4"), ("value", kind)]), offset=_ARRAY_HEADER)
    return pairs["value"].astype(kind[1:])


def _batch(columns: dict[str, Any], period: str, count: int) -> pa.RecordBatch:
    energy, volume = columns["energy_j"], columns["volume_ml"]
    arrays = {
        **{
            name: _plain(columns[name], columns[name] != _NULL, pa.int64())
            for name in ("quantity_id", "energy_j", "volume_ml", "previous_id")
        },
        **{name: _plain(columns[name], ~np.isnan(columns[name]), pa.float64()) for name in FLOATS},
        **{name: _strings(*columns[name]) for name in TEXTS},
        "service": _plain(columns["service"].astype(np.int8), None, pa.int8()),
        "version": _plain(columns["version"].astype(np.int32), None, pa.int32()),
        "energy_kwh": _decimals(energy, 3_600, 18, 3),
        "energy_gj": _decimals(energy, 1_000, 18, 6),
        "volume_m3": _decimals(volume, 1_000, 18, 3),
        "heated_area_m2": _decimals(columns["heated_area_cm"], 1, 14, 2),
        "created_at": _plain(columns["created_us"], None, pa.timestamp("us", tz="UTC")),
        "period": _strings(np.full(count, len(period.encode()), np.int64), period.encode() * count),
    }
    return pa.RecordBatch.from_arrays([arrays[name] for name in SCHEMA.names], schema=SCHEMA)


def _plain(values: NDArray[Any], known: NDArray[np.bool_] | None, kind: pa.DataType) -> pa.Array:
    # From buffers: pa.array would look for pandas first, and copy.
    return pa.Array.from_buffers(kind, len(values), [_validity(known), pa.py_buffer(np.ascontiguousarray(values))])


def _validity(known: NDArray[np.bool_] | None) -> pa.Buffer | None:
    return None if known is None or known.all() else pa.py_buffer(np.packbits(known, bitorder="little"))


def _strings(lengths: NDArray[np.int64], data: bytes) -> pa.Array:
    # Lengths of -1 are NULL; the bytes of all others follow each other.
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(np.maximum(lengths, 0), out=offsets[1:])
    known = lengths >= 0
    return pa.Array.from_buffers(
        pa.string(),
        len(lengths),
        [_validity(known), pa.py_buffer(offsets), pa.py_buffer(data)],
        null_count=int((~known).sum()),
    )


def half_even(values: NDArray[np.int64], per: int) -> NDArray[np.int64]:
    """`values` / `per` rounded half to even, in integers. NULL sentinels stay meaningless."""
    whole, rest = np.divmod(values, per)
    twice = 2 * rest
    up = (twice > per) | ((twice == per) & (whole % 2 == 1))
    rounded: NDArray[np.int64] = whole + up
    return rounded


def _decimals(values: NDArray[np.int64], per: int, precision: int, scale: int) -> pa.Array:
    known = values != _NULL
    counts = half_even(np.where(known, values, 0), per)
    words = np.empty((len(counts), 2), np.int64)
    words[:, 0] = counts
    words[:, 1] = counts >> 63
    return pa.Array.from_buffers(
        pa.decimal128(precision, scale),
        len(counts),
        [_validity(known), pa.py_buffer(words)],
        null_count=int((~known).sum()),
    )
