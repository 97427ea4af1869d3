"""Deliveries taken through again: after a key, a profile or the registry was mended, with a preview of what would
change.

Rules: the bytes are the ones that came; nothing stored is overwritten, a value that differs now becomes the next
version; a preview does all of it and rolls back, so it cannot be wrong about the result.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection

from ingest.model import Delivery, Rejected, Resolved
from ingest.resolving import DeliveryResolver
from ingest.store import deliveries, quarantine
from ingest.store.database import Pool
from ingest.store.writes import write_replayed

_BATCH = 500
Pair = tuple[int, Delivery]


@dataclass(frozen=True, slots=True)
class ReplayScope:
    """Which deliveries: open quarantine entries (all, or by code, serial or number), or all that arrived in a span."""

    code: str | None = None
    serial: str | None = None
    delivery_ids: Sequence[int] | None = None
    start: datetime | None = None
    end: datetime | None = None
    protocol: str | None = None
    meter_id: int | None = None


@dataclass(slots=True)
class ReplayReport:
    """What replaying did, or would do (`preview`).

    readings: new ones, of which `differing` stand beside another value of their instant; unchanged: said the same
    again; refused: deliveries by code; registers: names that would be created, with how often they were missing.
    """

    preview: bool = False
    deliveries: int = 0
    settled: int = 0
    readings: int = 0
    differing: int = 0
    unchanged: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    registers: Counter[str] = field(default_factory=Counter)
    meters: set[int] = field(default_factory=set)
    lost: int = 0


class _PreviewDoneError(Exception):
    """Rolls a previewed batch back."""


async def replay(
    pool: Pool,
    resolver: DeliveryResolver,
    scope: ReplayScope,
    *,
    actor: str,
    preview: bool = False,
    progress: Callable[[int], None] = lambda _done: None,
) -> ReplayReport:
    """Take deliveries through decoding and resolving again.

    Parameters
    ----------
    resolver : DeliveryResolver
        With a directory that knows the mended registry.
    actor : str
        Who is written down as having settled the quarantine entries.
    preview : bool
        Change nothing and tell what would change.
    """
    report = ReplayReport(preview=preview)
    async for batch in _batches(pool, scope, report):
        made = [(number, delivery, await _made(resolver, delivery, report)) for number, delivery in batch]
        async with pool.connection() as connection:
            try:
                async with connection.transaction():
                    await _write(connection, [item for item in made if item[2] is not None], report, actor)
                    if preview:
                        raise _PreviewDoneError
            except _PreviewDoneError:
                pass
        report.deliveries += len(batch)
        progress(report.deliveries)
    return report


async def _made(resolver: DeliveryResolver, delivery: Delivery, report: ReplayReport) -> Resolved | Rejected | None:
    telegrams = resolver.decoded(delivery)
    if isinstance(telegrams, Rejected):
        return telegrams
    made = resolver.resolved(delivery, telegrams)
    if made is None and not report.preview:
        await resolver.prepare()
        made = resolver.resolved(delivery, telegrams)
    if made is None:
        # Only in a preview: registers are not made for it, so the readings are counted without being written.
        for telegram in telegrams:
            report.registers.update(reading.register.name for reading in telegram.readings if reading.count is not None)
            report.readings += sum(reading.count is not None for reading in telegram.readings)
        report.settled += 1
    return made


async def _write(connection: AsyncConnection[Any], items: Sequence[Any], report: ReplayReport, actor: str) -> None:
    outcomes = await write_replayed(connection, items)
    stored: list[int] = []
    for (number, _, made), outcome in zip(items, outcomes, strict=True):
        if isinstance(made, Rejected):
            report.refused[made.code] += 1
            continue
        report.readings += outcome.readings
        report.unchanged += len(made.values) - outcome.readings
        report.meters.update(made.meter_ids)
        if made.rejected is None:
            stored.append(number)
        else:
            report.refused[made.rejected.code] += 1
    report.settled += await quarantine.settle(connection, stored, state="replayed", actor=actor)
    report.differing += await deliveries.differing(connection, items)


async def _batches(pool: Pool, scope: ReplayScope, report: ReplayReport) -> AsyncIterator[list[Pair]]:
    if scope.start is not None and scope.end is not None:
        async for batch in _of_span(pool, scope, scope.start, scope.end):
            yield batch
        return
    after = 0
    while True:
        async with pool.connection() as connection:
            entries = await quarantine.open_deliveries(
                connection,
                code=scope.code,
                serial=scope.serial,
                delivery_ids=scope.delivery_ids,
                after=after,
                limit=_BATCH,
            )
            if not entries:
                return
            after = entries[-1][0]
            kept = await deliveries.get_many(connection, [number for _, number in entries])
        report.lost += len(entries) - len(kept)
        yield [(item.delivery_id, item.as_delivery()) for item in kept]


async def _of_span(pool: Pool, scope: ReplayScope, start: datetime, end: datetime) -> AsyncIterator[list[Pair]]:
    after = 0
    while True:
        async with pool.connection() as connection:
            kept = await deliveries.span(
                connection, start, end, protocol=scope.protocol, meter_id=scope.meter_id, after=after, limit=_BATCH
            )
        if not kept:
            return
        after = kept[-1].delivery_id
        yield [(item.delivery_id, item.as_delivery()) for item in kept]
