"""The one way into the store: bounded, batched, and a caller hears of its delivery after the commit.

Rules: `submit` answers when the delivery is committed, or fsynced in the spool while the database is away. A full queue
makes callers wait; nothing is dropped. One batch is being written while the next is decoded. A delivery that the store
cannot take is found by halving the batch and goes to quarantine under ``internal.*``; it never stops the others. What a
lost connection leaves in doubt is written again: the delivery keys make that harmless.
"""

import asyncio
import functools
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import structlog

from ingest.config import Settings
from ingest.decoding.state import DecodingState
from ingest.directory import Directory
from ingest.errors import UnavailableError
from ingest.model import Delivery, Outcome, Rejected, Resolved
from ingest.pipeline.counters import PipelineCounters
from ingest.pipeline.door import Door
from ingest.pipeline.gathering import DECODE_S, BatchGatherer, PipelineLimits
from ingest.pipeline.items import Item, ItemMaker
from ingest.pipeline.writing import BatchWriter, DatabaseAwayError
from ingest.resolving import DeliveryResolver, ResolvingLimits
from ingest.sources.backoff import Backoff
from ingest.spool import Spool, SpoolFullError, open_spool
from ingest.store.database import Pool
from ingest.store.habit import new_habits
from ingest.store.writes import write_batch

log = structlog.get_logger(__name__)

SPOOL_CHUNK = 1_000


class Pipeline:
    """`async with Pipeline(settings=settings, pool=pool, directory=directory) as pipeline: await
    pipeline.submit(delivery)`.

    Parameters
    ----------
    pool : Pool
        Open pool of the database.
    directory : Directory
        The registry in memory.
    settings : Settings, optional
        Sizes, limits of belief, zone; with it the spool lies in the data folder.
    spool : Spool, optional
        Where deliveries go while the database is away; without one callers wait for the database. Closed by its owner.
    limits, counters, state : optional
        Sizes instead of the settings'; counters of a registry; memory of decoding.
    """

    def __init__(
        self,
        *,
        pool: Pool,
        directory: Directory,
        settings: Settings | None = None,
        spool: Spool | None = None,
        limits: PipelineLimits | None = None,
        counters: PipelineCounters | None = None,
        state: DecodingState | None = None,
    ) -> None:
        self.limits = limits or (PipelineLimits.of(settings) if settings else PipelineLimits())
        self.counters = counters or PipelineCounters()
        self.resolver = DeliveryResolver(directory, ResolvingLimits.of(settings) if settings else None, state=state)
        self.writer = BatchWriter(pool, functools.partial(write_batch, habits=new_habits()))
        self.spool = spool
        self.away = False
        self._spool_root = settings.data / "spool" if settings is not None and spool is None else None
        self._spool_bytes = settings.spool_bytes if settings is not None else 0
        self._door = Door(self.limits.queue_deliveries, self.counters)
        self._batches: asyncio.Queue[list[Item]] = asyncio.Queue(1)
        self._backoff = Backoff(0.2, 5.0)
        self._next_probe = 0.0
        self._idle = True
        self._tasks: list[asyncio.Task[None]] = []
        self._maker = ItemMaker(self.resolver, self.writer, 4 * self.limits.batch_deliveries)
        self._gatherer = BatchGatherer(
            self._door.queue, self._maker, self.limits, self._batches.empty, lambda: self._idle
        )

    async def __aenter__(self) -> Self:
        if self._spool_root is not None:
            self.spool = open_spool(self._spool_root, self._spool_bytes)
        self._tasks = [
            asyncio.create_task(self._decode(), name="pipeline decode"),
            asyncio.create_task(self._write(), name="pipeline write"),
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def depth(self) -> int:
        """Deliveries that were offered and are not settled yet."""
        return self._door.depth

    async def submit(self, delivery: Delivery) -> Outcome:
        """Hand a delivery in and wait until it is safe.

        Returns
        -------
        Outcome
            What became of it; `readings` is -1 where it lies in the spool and will be stored later.

        Raises
        ------
        UnavailableError
            The pipeline is closing, or it closed before the delivery was safe: hand it in again elsewhere.
        """
        return await (await self._door.take_one(delivery))

    async def offer(self, delivery: Delivery) -> "asyncio.Future[Outcome]":
        """Hand a delivery in; waits while the queue is full. The future resolves as `submit` does."""
        return await self._door.take_one(delivery)

    async def offer_all(self, deliveries: Sequence[Delivery]) -> "asyncio.Future[list[Outcome]]":
        """Hand deliveries in together; waits while the queue is full.

        Returns
        -------
        Future
            Resolves with their outcomes, in order, when all of them are safe; with UnavailableError if one is not.

        Raises
        ------
        UnavailableError
            The pipeline is closing.
        """
        return await self._door.take(deliveries)

    async def close(self) -> None:
        """Take nothing more, write what was taken; after the deadline the rest is spooled or refused."""
        if self._door.closing:
            return
        self._door.closing = True
        try:
            async with asyncio.timeout(self.limits.drain_s):
                while self.depth and not any(task.done() for task in self._tasks):
                    await self._door.next_settled()
        except TimeoutError:
            log.warning("pipeline closes with deliveries in hand", deliveries=self.depth)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._leave_rest()
        if self._spool_root is not None and self.spool is not None:
            self.spool.close()

    async def resolve(self, delivery: Delivery) -> Resolved | Rejected:
        """What the store would keep of a delivery, without handing it in (replay). Creates missing registers."""
        item = Item(delivery)
        return (await self._maker.pairs([item]))[0][1]

    async def _decode(self) -> None:
        while True:
            await self._batches.put(await self._gatherer.batch(self.away))

    async def _write(self) -> None:
        while True:
            self._idle = True
            batch = await self._next_batch()
            self._idle = False
            if batch is not None:
                await self._settle_or_refuse(batch)
            await self._drain(max(SPOOL_CHUNK, 2 * len(batch or ())))

    async def _next_batch(self) -> list[Item] | None:
        """The next batch, or None when it is time to drain the spool."""
        if self.spool is None or self.spool.is_empty:
            return await self._batches.get()
        try:
            async with asyncio.timeout_at(self._next_probe):
                return await self._batches.get()
        except TimeoutError:
            return None

    async def _settle_or_refuse(self, batch: list[Item]) -> None:
        try:
            await self._settle(batch)
        except Exception as error:
            log.exception("batch refused", deliveries=len(batch))
            self._door.refuse(batch, UnavailableError(f"the pipeline failed: {error}", code="pipeline.failed"))

    async def _settle(self, batch: list[Item]) -> None:
        """Make a batch safe, wherever; returns only then."""
        while True:
            if self.spool is None or (self.spool.is_empty and not self.away):
                try:
                    outcomes = await self._commit(batch)
                except DatabaseAwayError:
                    if self.spool is None:
                        await asyncio.sleep(self._backoff.next_s())
                    continue
                self._door.settle(batch, outcomes)
                return
            try:
                await self.spool.append([item.delivery for item in batch])
            except SpoolFullError as error:
                await self._wait_for_room(error)
                continue
            self._maker.remember(batch)
            self.counters.spooled.inc(len(batch))
            self._door.settle(batch, [Outcome("stored", 0, readings=-1)] * len(batch))
            return

    async def _wait_for_room(self, error: SpoolFullError) -> None:
        """Callers wait with us: polled sources stop asking, MQTT stops acknowledging."""
        self.counters.spool_refused.inc()
        log.warning("spool full, callers wait", reason=error.message)
        await asyncio.sleep(max(0.05, self._next_probe - asyncio.get_running_loop().time()))
        if self.spool is not None and self.spool.is_empty:
            # Nothing to drain means that only the batch itself can show whether the database is back.
            self.away = False
        await self._drain(SPOOL_CHUNK)

    async def _drain(self, at_most: int) -> None:
        """Commit what lies longest in the spool; on failure wait for the next probe."""
        if self.spool is None or self.spool.is_empty or asyncio.get_running_loop().time() < self._next_probe:
            return
        deliveries = await self.spool.oldest(at_most)
        batch = [Item(delivery) for delivery in deliveries]
        loop = asyncio.get_running_loop()
        turn = loop.time()
        for item in batch:
            self._maker.make(item)
            if loop.time() - turn > DECODE_S:
                await asyncio.sleep(0)
                turn = loop.time()
        try:
            await self._commit(batch)
        except DatabaseAwayError:
            self._maker.remember(batch)
            return
        await self.spool.settle()
        self.counters.drained.inc(len(deliveries))

    async def _commit(self, batch: Sequence[Item]) -> list[Outcome]:
        started = asyncio.get_running_loop().time()
        try:
            outcomes = await self.writer.write(await self._maker.pairs(batch))
        except DatabaseAwayError as error:
            if not self.away:
                log.warning("database away, deliveries go to the spool", reason=str(error))
            self.away = True
            self.counters.away.set(1)
            self._next_probe = asyncio.get_running_loop().time() + self._backoff.next_s()
            raise
        if self.away:
            log.info("database is back")
        self.away = False
        self.counters.away.set(0)
        self._backoff.reset()
        self.counters.committed(outcomes, asyncio.get_running_loop().time() - started)
        return outcomes

    async def _leave_rest(self) -> None:
        rest = self._door.rest
        if rest and self.spool is not None:
            try:
                await self.spool.append([item.delivery for item in rest])
            except SpoolFullError:
                log.exception("deliveries refused at the stop", deliveries=len(rest))
            else:
                self._door.settle(rest, [Outcome("stored", 0, readings=-1)] * len(rest))
                return
        self._door.refuse(rest, UnavailableError("the pipeline closed first", code="pipeline.closing"))
