"""One batch of deliveries into the store: keys, bytes, readings, status, touched meters, quarantine, discovered meters.

Rules: the caller owns the transaction, so a batch is there whole or not at all; whatever is delivered again, in whatever
order, by however many writers, is stored once.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
from psycopg import AsyncConnection

from ingest.model import Delivery, MeterStatus, Outcome, Rejected, Resolved
from ingest.store import deliveries, discovered, keys, quarantine, reading_writes, statuses, touched
from ingest.store.packing import microseconds
from ingest.store.reading_writes import Int64, ReadingColumns

Item = tuple[Delivery, Resolved | Rejected]


async def write_batch(connection: AsyncConnection[Any], items: Sequence[Item], *, copy: bool = True) -> list[Outcome]:
    """Store deliveries and what was made of them, inside the caller's transaction.

    Parameters
    ----------
    items : sequence of (delivery, resolved readings or the reason why there are none)
    copy : bool
        False goes by INSERT only, for servers without COPY.

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
    digests = [keys.digest_of(delivery) for delivery, _ in items]
    first = {digest: position for position, digest in reversed(list(enumerate(digests)))}
    positions = sorted(first.values())
    numbers, fresh = await keys.claim(
        connection, [digests[i] for i in positions], [microseconds(items[i][0].arrived_at) for i in positions]
    )
    number_of = {digests[position]: number for position, number in zip(positions, numbers, strict=True)}
    new = [position for position, is_new in zip(positions, fresh, strict=True) if is_new]
    stored = [(number_of[digests[i]], *items[i]) for i in new]
    await deliveries.insert(
        connection, [(number, _only_meter(made), delivery) for number, delivery, made in stored], copy=copy
    )
    made = dict(zip(new, await _write_made(connection, stored, copy=copy), strict=True))
    return [
        made[position] if position in made else Outcome("duplicate", number_of[digest])
        for position, digest in enumerate(digests)
    ]


async def write_replayed(
    connection: AsyncConnection[Any], items: Sequence[tuple[int, Delivery, Resolved | Rejected]], *, copy: bool = True
) -> list[Outcome]:
    """Store what a second decoding made of deliveries that are kept already: (delivery id, delivery, made of it)."""
    return await _write_made(connection, items, copy=copy)


async def _write_made(
    connection: AsyncConnection[Any], stored: Sequence[tuple[int, Delivery, Resolved | Rejected]], *, copy: bool
) -> list[Outcome]:
    resolved = [(number, made) for number, _, made in stored if isinstance(made, Resolved)]
    written = await reading_writes.insert(connection, _columns(resolved), copy=copy) if resolved else None
    if written is not None:
        await _write_status(connection, resolved)
        await touched.touch(connection, _earliest(resolved, written))
    refused = [
        (number, delivery, reason) for number, delivery, made in stored if (reason := _refusal(made)) is not None
    ]
    entries = await quarantine.insert(connection, refused)
    await discovered.upsert(
        connection, [(delivery, reason) for _, delivery, reason in refused if reason.code == "meter.unknown"]
    )
    counts = _counts(written)
    return [_outcome(number, made, counts.get(number, 0), entries.get(number)) for number, _, made in stored]


def _outcome(number: int, made: Resolved | Rejected, readings: int, quarantine_id: int | None) -> Outcome:
    if isinstance(made, Rejected):
        return Outcome("quarantined", number, 0, (), made.code, made.message, quarantine_id)
    reason = made.rejected
    if reason is None:
        return Outcome("stored", number, readings, made.meter_ids)
    return Outcome("stored", number, readings, made.meter_ids, reason.code, reason.message, quarantine_id)


def _only_meter(made: Resolved | Rejected) -> int | None:
    return made.meter_ids[0] if isinstance(made, Resolved) and len(made.meter_ids) == 1 else None


def _refusal(made: Resolved | Rejected) -> Rejected | None:
    return made if isinstance(made, Rejected) else made.rejected


def _columns(resolved: Sequence[tuple[int, Resolved]]) -> ReadingColumns:
    lengths = [len(made.register_ids) for _, made in resolved]
    total = sum(lengths)

    def flat(parts: Iterable[tuple[int, ...]]) -> Int64:
        return np.fromiter(chain.from_iterable(parts), dtype=np.int64, count=total)

    return ReadingColumns(
        ts_us=flat(made.ts_us for _, made in resolved),
        value=flat(made.values for _, made in resolved),
        delivery_id=np.repeat(np.array([number for number, _ in resolved], dtype=np.int64), lengths),
        register_id=flat(made.register_ids for _, made in resolved),
        flags=flat(made.flags for _, made in resolved),
    )


def _counts(written: ReadingColumns | None) -> dict[int, int]:
    if written is None:
        return {}
    numbers, counts = np.unique(written.delivery_id, return_counts=True)
    return dict(zip(numbers.tolist(), counts.tolist(), strict=True))


def _earliest(resolved: Sequence[tuple[int, Resolved]], written: ReadingColumns) -> dict[int, int]:
    """Earliest new reading of each meter; of a delivery of several meters, for all of them."""
    # `written` is in the order of time, so the first row of a delivery is its earliest.
    numbers, rows = np.unique(written.delivery_id, return_index=True)
    earliest_of = dict(zip(numbers.tolist(), written.ts_us[rows].tolist(), strict=True))
    result: dict[int, int] = {}
    for number, made in resolved:
        earliest = earliest_of.get(number)
        if earliest is None:
            continue
        for meter_id in made.meter_ids:
            result[meter_id] = min(earliest, result.get(meter_id, earliest))
    return result


async def _write_status(connection: AsyncConnection[Any], resolved: Sequence[tuple[int, Resolved]]) -> None:
    rows: dict[tuple[int, int], tuple[int, MeterStatus]] = {}
    for number, made in resolved:
        for status in made.statuses:
            rows.setdefault((status.ts_us, status.meter_id), (number, status))
    if rows:
        await statuses.insert(connection, [rows[key] for key in sorted(rows)])
