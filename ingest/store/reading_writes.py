"""Readings into the store, each value of a register at an instant once, however often it is delivered.

Rules: readings come as columns and stay columns; the natural key is (register, instant): an equal value is dropped, another
value is kept beside the first as the next version with the flag CONFLICT. What exists is asked first and the rest is copied
straight in; if another writer was faster the server refuses the copy, and the question is asked again.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg import AsyncConnection

from compute.quality import Quality
from ingest.errors import UnavailableError
from ingest.store.packing import Int2Array, Int4Array, Int8Array, TimestampArray, copy_rows

Int64 = npt.NDArray[np.int64]
_TYPES = ("timestamptz", "int8", "int8", "int4", "int2", "int2")
_COLUMNS = "ts, value, delivery_id, register_id, version, flags"
_ATTEMPTS = 5
_SQL_ROWS = 500


@dataclass(frozen=True, slots=True)
class ReadingColumns:
    """Readings as columns, each (n,) int64; `ts_us` in epoch microseconds, `version` 0 until the store decides."""

    ts_us: Int64
    value: Int64
    delivery_id: Int64
    register_id: Int64
    flags: Int64

    def __len__(self) -> int:
        return len(self.ts_us)

    def take(self, rows: npt.NDArray[Any]) -> "ReadingColumns":
        """The rows that an index or mask array selects."""
        return ReadingColumns(
            self.ts_us[rows], self.value[rows], self.delivery_id[rows], self.register_id[rows], self.flags[rows]
        )


async def insert(connection: AsyncConnection[Any], readings: ReadingColumns, *, copy: bool = True) -> ReadingColumns:
    """Write what is not there yet; the readings that were written, in the order of (ts, register)."""
    order = np.lexsort((readings.delivery_id, readings.register_id, readings.ts_us))
    ordered = readings.take(order)
    for _ in range(_ATTEMPTS):
        fresh, version = await _unknown(connection, ordered)
        if len(fresh) == 0:
            return fresh
        try:
            async with connection.transaction():
                await (_copy if copy else _insert_rows)(connection, fresh, version)
        except psycopg.errors.UniqueViolation:
            continue
        return fresh
    raise UnavailableError("other writers kept storing the same readings first")


async def _unknown(connection: AsyncConnection[Any], readings: ReadingColumns) -> tuple[ReadingColumns, Int64]:
    """Readings (sorted by ts, register) that are neither stored nor said twice here, with their versions."""
    cursor = await connection.execute(
        "SELECT (extract(epoch FROM r.ts) * 1000000)::int8, r.register_id, r.value, r.version::int4 FROM reading r"
        " JOIN unnest(%b::timestamptz[], %b::int[]) AS item (ts, register_id) USING (ts, register_id)",
        (TimestampArray(readings.ts_us), Int4Array(readings.register_id)),
        binary=True,
    )
    stored = await cursor.fetchall()
    same_key = np.zeros(len(readings), dtype=bool)
    same_key[1:] = (np.diff(readings.ts_us) == 0) & (np.diff(readings.register_id) == 0)
    if not stored and not same_key.any():
        return readings, np.zeros(len(readings), dtype=np.int64)
    values: dict[tuple[int, int], list[int]] = {}
    for ts, register, value, _ in sorted(stored, key=lambda row: row[3]):
        known = values.setdefault((ts, register), [])
        if value not in known:
            known.append(value)
    keep, version = [], []
    flags = readings.flags.copy()
    keys = zip(readings.ts_us.tolist(), readings.register_id.tolist(), readings.value.tolist(), strict=True)
    for row, (ts, register, value) in enumerate(keys):
        known = values.setdefault((ts, register), [])
        if value in known:
            continue
        if known:
            flags[row] |= int(Quality.CONFLICT)
        keep.append(row)
        version.append(len(known))
        known.append(value)
    chosen = np.array(keep, dtype=np.int64)
    fresh = ReadingColumns(
        readings.ts_us[chosen], readings.value[chosen], readings.delivery_id[chosen], readings.register_id[chosen],
        flags[chosen],
    )  # fmt: skip
    return fresh, np.array(version, dtype=np.int64)


async def _copy(connection: AsyncConnection[Any], rows: ReadingColumns, version: Int64) -> None:
    columns = (rows.ts_us, rows.value, rows.delivery_id, rows.register_id, version, rows.flags)
    async with connection.cursor().copy(f"COPY reading ({_COLUMNS}) FROM STDIN (FORMAT BINARY)") as stream:
        await stream.write(copy_rows(_TYPES, columns, len(rows)))


async def _insert_rows(connection: AsyncConnection[Any], rows: ReadingColumns, version: Int64) -> None:
    for start in range(0, len(rows), _SQL_ROWS):
        part = slice(start, start + _SQL_ROWS)
        await connection.execute(
            f"INSERT INTO reading ({_COLUMNS}) SELECT * FROM"
            " unnest(%b::timestamptz[], %b::int8[], %b::int8[], %b::int4[], %b::int2[], %b::int2[])",
            (
                TimestampArray(rows.ts_us[part]), Int8Array(rows.value[part]), Int8Array(rows.delivery_id[part]),
                Int4Array(rows.register_id[part]), Int2Array(version[part]), Int2Array(rows.flags[part]),
            ),
        )  # fmt: skip
