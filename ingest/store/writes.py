"""One batch of deliveries into the store: keys, bytes, readings, status, touched meters, quarantine, discovered meters.

Rules: the caller owns the transaction, so a batch is there whole or not at all; whatever is delivered again, in
whatever order, by however many writers, is stored once.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import psycopg
from psycopg import AsyncConnection

from ingest.model import Delivery, MeterStatus, Outcome, Rejected, Resolved
from ingest.store import deliveries, discovered, keys, quarantine, reading_writes, statuses, touched
from ingest.store.copying import Copies, copies_on
from ingest.store.habit import WriterHabits, new_habits
from ingest.store.keys import digests_of
from ingest.store.packing import all_microseconds, microseconds
from ingest.store.reading_columns import Int64, Mask, ReadingColumns
from ingest.store.reading_writes import Written

Item = tuple[Delivery, Resolved | Rejected]
# The store's number of a delivery, the instant it was read at (epoch microseconds), and what it holds.
Stored = tuple[int, int, Delivery, Resolved | Rejected]
Made = tuple[int, int, Resolved]


async def write_batch(
    connection: AsyncConnection[Any],
    items: Sequence[Item],
    *,
    copy: bool = True,
    habits: WriterHabits | None = None,
) -> list[Outcome]:
    """Store deliveries and what was made of them, inside the caller's transaction.

    Parameters
    ----------
    items : sequence of (delivery, resolved readings or the reason why there are none)
    copy : bool
        False goes by INSERT only, for servers without COPY.
    habits : WriterHabits, optional
        What this writer met in this database before; who writes once has met nothing.

    Returns
    -------
    (n,) outcomes in the order of `items`.

    Raises
    ------
    psycopg.Error
        The database refused or went away: nothing of the batch is stored once the caller's transaction rolls back.
    """
    if not items:
        return []
    habits = habits or new_habits()
    read_us: list[int] = all_microseconds([delivery.read_at for delivery, _ in items]).tolist()
    if copy and not habits.deliveries.expects_known:
        try:
            async with connection.transaction(), Copies(connection) as copies:
                return await _write_unguarded(connection, items, read_us, habits, copies)
        except psycopg.errors.UniqueViolation as error:
            # Chunks of TimescaleDB have names of their own; keys are in an ordinary table.
            (habits.deliveries if error.diag.table_name == keys.TABLE else habits.readings).saw(1)
    digests = digests_of((delivery for delivery, _ in items), read_us)
    fresh, known = await keys.claim(connection, list(dict.fromkeys(digests)), habits.deliveries, copy=copy)
    numbers = known | fresh
    result = [Outcome("duplicate", numbers[digest]) for digest in digests]
    positions, stored = [], []
    for position, (digest, us, item) in enumerate(zip(digests, read_us, items, strict=True)):
        number = fresh.pop(digest, None)
        if number is not None:
            positions.append(position)
            stored.append((number, us, *item))
    async with copies_on(connection, copy) as copies:
        await deliveries.insert(connection, _rows(stored), copies)
    outcomes = await _write_made(connection, stored, habits, copy=copy)
    for position, outcome in zip(positions, outcomes, strict=True):
        result[position] = outcome
    return result


def _rows(stored: Sequence[Stored]) -> list[deliveries.Row]:
    return [(number, _only_meter(made), delivery) for number, _, delivery, made in stored]


async def _write_unguarded(
    connection: AsyncConnection[Any],
    items: Sequence[Item],
    read_us: Sequence[int],
    habits: WriterHabits,
    copies: Copies,
) -> list[Outcome]:
    """A batch of which nothing is expected to be stored: each COPY goes on while the next one is packed.

    Raises
    ------
    psycopg.errors.UniqueViolation
        Something was, or two deliveries of the batch are the same: the caller's savepoint takes everything back.
    """
    numbers = await keys.new_numbers(connection, len(items))
    stored = [(number, us, *item) for number, us, item in zip(numbers, read_us, items, strict=True)]
    await deliveries.insert(connection, _rows(stored), copies)
    digests = digests_of((delivery for delivery, _ in items), read_us)
    await copies.send(keys.COPY, [keys.packed(digests, numbers)])
    resolved = _resolved(stored)
    written = None
    if resolved:
        columns, history = _columns(resolved)
        written = await reading_writes.insert_unguarded(connection, columns, habits, copies, history=history)
        await statuses.insert(connection, _statuses(resolved), copies)
        await touched.by_rows(connection, written.rows, copies)
    return await _outcomes(connection, stored, written, copies)


async def write_replayed(
    connection: AsyncConnection[Any],
    items: Sequence[tuple[int, Delivery, Resolved | Rejected]],
    *,
    copy: bool = True,
    habits: WriterHabits | None = None,
) -> list[Outcome]:
    """Store what a second decoding made of deliveries that are kept already: (delivery id, delivery, made of it)."""
    stored = [(number, microseconds(delivery.read_at), delivery, made) for number, delivery, made in items]
    return await _write_made(connection, stored, habits or new_habits(), copy=copy, again=True)


async def _write_made(
    connection: AsyncConnection[Any],
    stored: Sequence[Stored],
    habits: WriterHabits,
    *,
    copy: bool,
    again: bool = False,
) -> list[Outcome]:
    resolved = _resolved(stored)
    written = None
    if resolved:
        columns, history = _columns(resolved)
        written = await reading_writes.insert(connection, columns, habits, history=history, copy=copy)
        said = _statuses(resolved)
        said = await statuses.unsaid(connection, said) if again else said
        async with copies_on(connection, copy) as copies:
            await statuses.insert(connection, said, copies)
            await touched.by_rows(connection, written.rows, copies)
    return await _outcomes(connection, stored, written)


def _resolved(stored: Sequence[Stored]) -> list[Made]:
    return [(number, us, made) for number, us, _, made in stored if isinstance(made, Resolved)]


async def _outcomes(
    connection: AsyncConnection[Any],
    stored: Sequence[Stored],
    written: Written | None,
    copies: Copies | None = None,
) -> list[Outcome]:
    """What became of each; what was refused goes to quarantine."""
    refused = [
        (number, delivery, reason)
        for number, _, delivery, made in stored
        if (reason := made if isinstance(made, Rejected) else made.rejected) is not None
    ]
    entries: dict[int, int] = {}
    if refused:
        if copies is not None:
            await copies.settle()
        entries = await quarantine.insert(connection, refused)
        unknown = [(delivery, reason) for _, delivery, reason in refused if reason.code == "meter.unknown"]
        await discovered.upsert(connection, unknown)
    counts = {} if written is None else _counts(written.readings)
    return [_outcome(number, made, counts.get(number, 0), entries) for number, _, _, made in stored]


def _counts(readings: ReadingColumns) -> dict[int, int]:
    """Readings of each delivery."""
    numbers, count = np.unique(readings.delivery_id, return_counts=True)
    return dict(zip(numbers.tolist(), count.tolist(), strict=True))


def _outcome(number: int, made: Resolved | Rejected, readings: int, entries: dict[int, int]) -> Outcome:
    if isinstance(made, Rejected):
        return Outcome("quarantined", number, 0, (), made.code, made.message, entries.get(number))
    reason = made.rejected
    if reason is None:
        return Outcome("stored", number, readings, made.meter_ids)
    return Outcome("stored", number, readings, made.meter_ids, reason.code, reason.message, entries.get(number))


def _only_meter(made: Resolved | Rejected) -> int | None:
    return made.meter_ids[0] if isinstance(made, Resolved) and len(made.meter_ids) == 1 else None


def _columns(resolved: Sequence[Made]) -> tuple[ReadingColumns, Mask]:
    """The readings of all deliveries, and which of them are of another instant than their delivery's."""
    made_of = [made for _, _, made in resolved]
    lengths = np.array([len(made.register_ids) for made in made_of])
    total = int(lengths.sum())

    def flat(parts: Iterable[tuple[int, ...]]) -> Int64:
        return np.fromiter(chain.from_iterable(parts), dtype=np.int64, count=total)

    columns = ReadingColumns(
        ts_us=flat([made.ts_us for made in made_of]),
        value=flat([made.values for made in made_of]),
        delivery_id=np.repeat(np.array([number for number, _, _ in resolved], dtype=np.int64), lengths),
        register_id=flat([made.register_ids for made in made_of]),
        flags=flat([made.flags for made in made_of]),
    )
    return columns, columns.ts_us != np.repeat(np.array([us for _, us, _ in resolved], dtype=np.int64), lengths)


def _statuses(resolved: Sequence[Made]) -> list[tuple[int, MeterStatus]]:
    """One a meter and delivery, said or not: it was heard."""
    rows: list[tuple[int, MeterStatus]] = []
    for number, read_us, made in resolved:
        given, meters = made.statuses, made.meter_ids
        if len(given) == 1 == len(meters) and given[0].meter_id == meters[0]:
            rows.append((number, given[0]))
            continue
        rows += [(number, status) for status in given]
        if len(given) < len(meters):
            said = {status.meter_id for status in given}
            rows += [(number, MeterStatus(meter, read_us)) for meter in meters if meter not in said]
    return rows
