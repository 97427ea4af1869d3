"""Readings into the store, each value of a register at an instant once, however often it is delivered.

Rules: readings come as columns and stay columns; the natural key is (register, instant): an equal value is dropped,
another value is kept beside the first as the next version with the flag CONFLICT. What may exist is asked for, the
rest is copied straight in; where the server refuses the copy (another writer was faster, a value came again)
everything is asked for.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg import AsyncConnection

from compute.quality import Quality
from ingest.errors import UnavailableError
from ingest.store.habit import Habit
from ingest.store.packing import (
    Int2Array,
    Int4Array,
    Int8Array,
    TimestampArray,
    copy_rows,
    instant_of,
    int_array_from_binary,
)

Int64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
TYPES = ("timestamptz", "int8", "int8", "int4", "int2", "int2")
COLUMNS = "ts, value, delivery_id, register_id, version, flags"
_ATTEMPTS = 5
# A server without COPY takes messages of 64 KiB at most.
_SQL_ROWS = 500
# One row back, whatever was asked: positions, values and versions of what is stored. The span of time spares
# TimescaleDB the other chunks; OFFSET keeps a planner that knows nothing of the table yet from reading its whole key.
_STORED = (
    "SELECT array_agg(item.n), array_agg(r.value), array_agg(r.version::int8)"
    " FROM unnest(%b::int4[], %b::timestamptz[]) WITH ORDINALITY AS item (register_id, ts, n)"
    " CROSS JOIN LATERAL (SELECT value, version FROM reading WHERE register_id = item.register_id AND ts = item.ts"
    " AND ts >= %b::timestamptz AND ts <= %b::timestamptz OFFSET 0) r"
)


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


async def insert(
    connection: AsyncConnection[Any],
    readings: ReadingColumns,
    habit: Habit,
    *,
    history: Mask | None = None,
    copy: bool = True,
) -> ReadingColumns:
    """Write what is not there yet.

    Parameters
    ----------
    readings : ReadingColumns
        (n,) in the order of arrival: of several values for one instant the first is version 0.
    habit : Habit
        Whether stored readings are expected.
    history : (n,) bool, optional
        Readings that are likely to be stored (months that a meter repeats in every telegram): always asked for.

    Returns
    -------
    The readings that were written, by register and instant.

    Raises
    ------
    UnavailableError
        Other writers stored the same readings first, again and again.
    """
    order = np.lexsort((readings.ts_us, readings.register_id))
    ordered = readings.take(order)
    everything = np.ones(len(order), dtype=bool)
    asked = everything if habit.expects_known or history is None else history[order]
    for _ in range(_ATTEMPTS):
        known = await _stored(connection, ordered, asked)
        if asked.all():
            habit.saw(len(known[0]))
        fresh, version = _unknown(ordered, *known)
        if len(fresh) == 0:
            return fresh
        try:
            async with connection.transaction():
                await (_copy if copy else _insert_rows)(connection, fresh, version)
        except psycopg.errors.UniqueViolation:
            habit.saw(1)
            asked = everything
            continue
        return fresh
    raise UnavailableError("other writers kept storing the same readings first")


async def _stored(
    connection: AsyncConnection[Any], readings: ReadingColumns, asked: Mask
) -> tuple[Int64, Int64, Int64]:
    """What the store has under the keys of the rows in `asked`: (k,) row numbers, values, versions."""
    rows = np.flatnonzero(asked)
    found: list[list[Int64]] = [[], [], []]
    for start in range(0, len(rows), 1_000_000):
        part = rows[start : start + 1_000_000]
        ts_us = readings.ts_us[part]
        asked_for = (Int4Array(readings.register_id[part]), TimestampArray(ts_us))
        span = (instant_of(ts_us.min()), instant_of(ts_us.max()))
        cursor = await connection.execute(_STORED, (*asked_for, *span), binary=True)
        position, value, version = (_raw_column(cursor, column) for column in range(3))
        found[0].append(part[position - 1])
        found[1].append(value)
        found[2].append(version)
    empty = [np.empty(0, dtype=np.int64)]
    row, value, version = (np.concatenate(column or empty) for column in found)
    return row, value, version


def _raw_column(cursor: psycopg.AsyncCursor[Any], column: int) -> Int64:
    result = cursor.pgresult
    raw = None if result is None else result.get_value(0, column)
    return int_array_from_binary(raw)


def _unknown(
    readings: ReadingColumns, stored_row: Int64, stored_value: Int64, stored_version: Int64
) -> tuple[ReadingColumns, Int64]:
    """Readings (by register and instant) that are neither stored nor said twice here, with their versions."""
    count = len(readings)
    same = np.zeros(count, dtype=bool)
    same[1:] = (np.diff(readings.register_id) == 0) & (np.diff(readings.ts_us) == 0)
    if not len(stored_row) and not same.any():
        return readings, np.zeros(count, dtype=np.int64)
    keep = np.ones(count, dtype=bool)
    version = np.zeros(count, dtype=np.int64)
    keep[stored_row[stored_value == readings.value[stored_row]]] = False
    np.maximum.at(version, stored_row, stored_version + 1)
    if same.any():
        _count_versions(readings, same, stored_row, stored_value, keep, version)
    flags = np.where(version > 0, readings.flags | int(Quality.CONFLICT), readings.flags)
    whole = ReadingColumns(readings.ts_us, readings.value, readings.delivery_id, readings.register_id, flags)
    return whole.take(keep), version[keep]


def _count_versions(
    readings: ReadingColumns, same: Mask, stored_row: Int64, stored_value: Int64, keep: Mask, version: Int64
) -> None:
    """Where several rows here share a key: in their order, equal values once, others as further versions."""
    stored: dict[int, set[int]] = {}
    for row, value in zip(stored_row.tolist(), stored_value.tolist(), strict=True):
        stored.setdefault(row, set()).add(value)
    starts = np.flatnonzero(same & ~np.append(False, same[:-1])) - 1
    for start in starts.tolist():
        said: set[int] = set(stored.get(start, ()))
        next_version = int(version[start])
        row = start
        while row == start or (row < len(same) and same[row]):
            value = int(readings.value[row])
            keep[row] = value not in said
            if keep[row]:
                version[row] = next_version
                next_version += 1
                said.add(value)
            row += 1


async def _copy(connection: AsyncConnection[Any], rows: ReadingColumns, version: Int64) -> None:
    columns = (rows.ts_us, rows.value, rows.delivery_id, rows.register_id, version, rows.flags)
    async with connection.cursor().copy(f"COPY reading ({COLUMNS}) FROM STDIN (FORMAT BINARY)") as stream:
        await stream.write(copy_rows(TYPES, columns, len(rows)))


async def _insert_rows(connection: AsyncConnection[Any], rows: ReadingColumns, version: Int64) -> None:
    for start in range(0, len(rows), _SQL_ROWS):
        part = slice(start, start + _SQL_ROWS)
        await connection.execute(
            f"INSERT INTO reading ({COLUMNS}) SELECT * FROM"
            " unnest(%b::timestamptz[], %b::int8[], %b::int8[], %b::int4[], %b::int2[], %b::int2[])",
            (
                TimestampArray(rows.ts_us[part]),
                Int8Array(rows.value[part]),
                Int8Array(rows.delivery_id[part]),
                Int4Array(rows.register_id[part]),
                Int2Array(version[part]),
                Int2Array(rows.flags[part]),
            ),
        )
