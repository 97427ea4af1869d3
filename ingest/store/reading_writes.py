"""Readings into the store, each value of a register at an instant once, however often it is delivered.

Rules: readings come as columns and stay columns; what one delivery says of a meter's instant is one row. The natural
key is (register, instant): an equal value is dropped, another value is kept beside the first as the next version with
the flag CONFLICT. What may exist is asked for, row by row; a row that nobody said before is copied straight in, and
only the readings of the others are looked at one by one. Where the server refuses the copy (another writer was faster,
a value came again) everything is asked for.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from psycopg import AsyncConnection

from compute.quality import Quality
from ingest.errors import UnavailableError
from ingest.store import reading_columns, reading_rows
from ingest.store.copying import Copies
from ingest.store.habit import WriterHabits
from ingest.store.packing import Int2Array, Int4Array, TimestampArray, instant_of, int_array_from_binary
from ingest.store.reading_columns import Int64, Mask, ReadingColumns
from ingest.store.reading_rows import ABSENT, VALUES, ReadingRows
from ingest.store.reading_versions import new_of
from ingest.store.register_slots import BANK

_ATTEMPTS = 5
_ASKED_ROWS = 1_000_000
# One row back, whatever was asked: positions and what is stored there. The span of time spares TimescaleDB the other
# chunks; OFFSET keeps a planner that knows nothing of the table yet from reading its whole key.
_STORED = (
    "SELECT array_agg(item.n), array_agg(r.part::int8), array_agg(r.version::int8),"
    f" {', '.join(f'array_agg(coalesce(r.{name}, {ABSENT}))' for name in VALUES)}"
    " FROM unnest(%b::int4[], %b::int2[], %b::timestamptz[]) WITH ORDINALITY AS item (meter_id, bank, ts, n)"
    f" CROSS JOIN LATERAL (SELECT part, version, {', '.join(VALUES)} FROM meter_reading"
    " WHERE meter_id = item.meter_id AND bank = item.bank AND ts = item.ts"
    " AND ts >= %b::timestamptz AND ts <= %b::timestamptz OFFSET 0) r"
)


@dataclass(frozen=True, slots=True)
class _Said:
    """Readings with their places (n,), and the rows that they make when nothing of them is stored."""

    readings: ReadingColumns
    meter: Int64
    slot: Int64
    row_of: Int64
    rows: ReadingRows
    # Rows that share meter, bank and instant with another one here, or say a register twice.
    shared: Mask


@dataclass(frozen=True, slots=True)
class _Stored:
    """What the store has: the row here that it stands beside (k,) in order, its part, version and values (k, 8)."""

    row: Int64
    part: Int64
    version: Int64
    values: Int64


@dataclass(frozen=True, slots=True)
class Written:
    """Readings that were not stored before, and the rows that they became."""

    readings: ReadingColumns
    rows: ReadingRows


async def insert_unguarded(
    connection: AsyncConnection[Any],
    readings: ReadingColumns,
    habits: WriterHabits,
    copies: Copies,
    *,
    history: Mask,
) -> Written:
    """`insert` by a writer that expects nothing of it to be stored, history apart.

    Raises
    ------
    psycopg.errors.UniqueViolation
        Something was stored after all: now, or when `copies` goes on. The caller's savepoint takes everything back.
    """
    said = _said(readings, *await habits.slots.of(connection, readings.register_id, copies))
    asked = _asked(said, habits, history)
    if asked.any():
        await copies.settle()
    stored = await _stored(connection, said.rows, asked)
    if asked.all():
        habits.readings.saw(len(stored.row))
    written = _new(said, stored)
    if len(written.rows):
        await copies.send(reading_rows.COPY, [reading_rows.packed(_in_order(written.rows))])
    return written


async def insert(
    connection: AsyncConnection[Any],
    readings: ReadingColumns,
    habits: WriterHabits,
    *,
    history: Mask | None = None,
    copy: bool = True,
) -> Written:
    """Write what is not there yet.

    Parameters
    ----------
    readings : ReadingColumns
        (n,) in the order of arrival: of several values for one instant the first is version 0.
    habits : WriterHabits
        Whether stored readings are expected, and where registers stand in this database.
    history : (n,) bool, optional
        Readings that are likely to be stored (months that a meter repeats in every telegram): always asked for.
    copy : bool
        False goes by INSERT only, for servers without COPY.

    Raises
    ------
    NotFoundError
        A register that does not exist.
    OverflowError
        A value, flag or delivery that its column cannot hold.
    UnavailableError
        Other writers stored the same readings first, again and again.
    """
    habit = habits.readings
    said = _said(readings, *await habits.slots.of(connection, readings.register_id))
    asked = _asked(said, habits, history)
    for _ in range(_ATTEMPTS):
        stored = await _stored(connection, said.rows, asked)
        if asked.all():
            habit.saw(len(stored.row))
        written = _new(said, stored)
        if not len(written.rows):
            return written
        try:
            async with connection.transaction():
                await _write(connection, _in_order(written.rows), copy=copy)
        except psycopg.errors.UniqueViolation:
            habit.saw(1)
            asked = np.ones(len(said.rows), dtype=bool)
            continue
        return written
    raise UnavailableError("other writers kept storing the same readings first")


def _asked(said: _Said, habits: WriterHabits, history: Mask | None) -> Mask:
    """Rows to be asked for: all, or those of history with whatever shares their instants."""
    if history is None or habits.readings.expects_known:
        return np.ones(len(said.rows), dtype=bool)
    asked = np.bincount(said.row_of[history], minlength=len(said.rows)) > 0
    return asked | said.shared if asked.any() else asked


def _said(readings: ReadingColumns, meter: Int64, slot: Int64) -> _Said:
    """Neighbours of one delivery, meter, bank, instant and flags are one row."""
    if (readings.value == ABSENT).any():
        raise OverflowError(f"{ABSENT} is no count of a display")
    bank = slot // BANK
    begins = np.ones(len(readings), dtype=bool)
    begins[1:] = False
    for column in (readings.delivery_id, meter, bank, readings.ts_us, readings.flags):
        begins[1:] |= column[1:] != column[:-1]
    first = np.flatnonzero(begins)
    row_of = np.cumsum(begins) - 1
    rows = _rows(readings, meter, slot, first, row_of, np.zeros(len(readings), dtype=np.int64))
    shared = (rows.values != ABSENT).sum(axis=1) != np.diff(np.append(first, len(readings)))
    place = _place(rows)
    order = np.lexsort((rows.ts_us, place))
    again = np.flatnonzero((np.diff(place[order]) == 0) & (np.diff(rows.ts_us[order]) == 0))
    shared[order[again]] = shared[order[again + 1]] = True
    return _Said(readings, meter, slot, row_of, rows, shared)


def _rows(
    readings: ReadingColumns, meter: Int64, slot: Int64, first: Int64, row_of: Int64, version: Int64
) -> ReadingRows:
    """Rows from the first reading of each and the row of every reading; part 0."""
    values = np.full((len(first), BANK), ABSENT, dtype=np.int64)
    values[row_of, slot % BANK] = readings.value
    return ReadingRows(
        ts_us=readings.ts_us[first],
        delivery_id=readings.delivery_id[first],
        meter_id=meter[first],
        bank=slot[first] // BANK,
        part=np.zeros(len(first), dtype=np.int64),
        version=version[first],
        flags=readings.flags[first],
        values=values,
    )


async def _stored(connection: AsyncConnection[Any], rows: ReadingRows, asked: Mask) -> _Stored:
    """What the store has of the meters, banks and instants of the rows in `asked`."""
    numbers = np.flatnonzero(asked)
    found: list[list[Int64]] = [[np.empty(0, dtype=np.int64)] for _ in range(3 + BANK)]
    for start in range(0, len(numbers), _ASKED_ROWS):
        part = rows.take(numbers[start : start + _ASKED_ROWS])
        places = (Int4Array(part.meter_id), Int2Array(part.bank), TimestampArray(part.ts_us))
        span = (instant_of(part.ts_us.min()), instant_of(part.ts_us.max()))
        cursor = await connection.execute(_STORED, (*places, *span), binary=True)
        for number, column in enumerate(found):
            raw = None if cursor.pgresult is None else cursor.pgresult.get_value(0, number)
            column.append(int_array_from_binary(raw))
        found[0][-1] = numbers[start + found[0][-1] - 1]
    row, part_number, version, *values = (np.concatenate(column) for column in found)
    order = np.argsort(row, kind="stable")
    return _Stored(row[order], part_number[order], version[order], np.stack(values, axis=1)[order])


def _new(said: _Said, stored: _Stored) -> Written:
    """What is not stored yet: rows as they were said where nothing stands beside them, else reading by reading."""
    beside = said.shared.copy()
    beside[stored.row] = True
    if not beside.any():
        return Written(said.readings, said.rows)
    chosen = np.flatnonzero(beside[said.row_of])
    chosen = chosen[np.lexsort((said.readings.ts_us[chosen], said.readings.register_id[chosen]))]
    readings, row_of, slot = said.readings.take(chosen), said.row_of[chosen], said.slot[chosen]
    keep, version = new_of(readings, *_known(row_of, slot, stored))
    flags = np.where(version > 0, readings.flags | int(Quality.CONFLICT), readings.flags)
    readings = ReadingColumns(readings.ts_us, readings.value, readings.delivery_id, readings.register_id, flags)
    next_part = np.zeros(len(said.rows), dtype=np.int64)
    np.maximum.at(next_part, stored.row, stored.part + 1)
    rows = _further_rows(
        readings.take(keep), said.meter[chosen][keep], slot[keep], version[keep], next_part[row_of[keep]]
    )
    plain = said.readings.take(~beside[said.row_of])
    whole = reading_rows.joined([said.rows.take(~beside), rows])
    return Written(reading_columns.joined(plain, readings.take(keep)), whole)


def _known(row_of: Int64, slot: Int64, stored: _Stored) -> tuple[Int64, Int64, Int64]:
    """What the store has under the registers and instants of readings: (k,) reading, value, version."""
    first, last = np.searchsorted(stored.row, row_of, "left"), np.searchsorted(stored.row, row_of, "right")
    count = last - first
    reading = np.repeat(np.arange(len(row_of)), count)
    at = np.arange(len(reading)) - np.repeat(np.cumsum(count) - count, count) + first[reading]
    value = stored.values[at, slot[reading] % BANK]
    there = value != ABSENT
    return reading[there], value[there], stored.version[at][there]


def _further_rows(readings: ReadingColumns, meter: Int64, slot: Int64, version: Int64, next_part: Int64) -> ReadingRows:
    """Readings beside others of their instant: rows of one version, flags and delivery, with parts of their own."""
    bank = slot // BANK
    order = np.lexsort((readings.delivery_id, readings.flags, version, readings.ts_us, bank, meter))
    readings, meter, slot, bank = readings.take(order), meter[order], slot[order], bank[order]
    version, next_part = version[order], next_part[order]
    moves = np.ones(len(order), dtype=bool)
    moves[1:] = False
    for column in (meter, bank, readings.ts_us):
        moves[1:] |= column[1:] != column[:-1]
    begins = moves.copy()
    for column in (version, readings.flags, readings.delivery_id):
        begins[1:] |= column[1:] != column[:-1]
    first = np.flatnonzero(begins)
    rows = _rows(readings, meter, slot, first, np.cumsum(begins) - 1, version)
    # The how-manieth row of its instant each is, after those that are stored.
    instant = np.cumsum(moves[first]) - 1
    nth = np.arange(len(first)) - np.flatnonzero(moves[first])[instant]
    rows.part[:] = next_part[first] + nth
    return rows


def _place(rows: ReadingRows) -> Int64:
    """A number for meter and bank, in the order of the key."""
    return rows.meter_id << 16 | rows.bank


def _in_order(rows: ReadingRows) -> ReadingRows:
    """By the key: two writers of the same rows never wait for each other in a circle, and neighbours share pages."""
    return rows.take(np.lexsort((rows.ts_us, _place(rows))))


async def _write(connection: AsyncConnection[Any], rows: ReadingRows, *, copy: bool) -> None:
    if copy:
        async with Copies(connection) as copies:
            await copies.send(reading_rows.COPY, [reading_rows.packed(rows)])
        return
    for parameters in reading_rows.statements(rows):
        await connection.execute(reading_rows.INSERT, parameters)
