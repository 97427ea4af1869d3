"""What becomes of deliveries between the queue and the store: items, their decoding and resolution, each done once."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import structlog

from ingest.model import Decoded, Delivery, Outcome, Rejected, Resolved
from ingest.pipeline.writing import BatchWriter
from ingest.resolving import DeliveryResolver

log = structlog.get_logger(__name__)

_Key = tuple[str, datetime, bytes, str]


class Receipt:
    """What callers wait on: the outcomes of deliveries that were handed in together, once all of them are safe."""

    __slots__ = ("_left", "_outcomes", "future")

    def __init__(self, deliveries: int) -> None:
        self.future: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        self._outcomes: list[Outcome | None] = [None] * deliveries
        self._left = deliveries

    def settle(self, place: int, outcome: Outcome) -> None:
        """The delivery at `place` is safe."""
        if self._outcomes[place] is None:
            self._outcomes[place] = outcome
            self._left -= 1
            if not self._left and not self.future.done():
                self.future.set_result(cast("list[Outcome]", self._outcomes))

    def refuse(self, error: BaseException) -> None:
        """One of them is not safe, and nobody will make it so."""
        if not self.future.done():
            self.future.set_exception(error)
            self.future.exception()  # a caller that no longer listens is no error


class SingleReceipt:
    """What the caller of a single delivery waits on: its outcome."""

    __slots__ = ("future",)

    def __init__(self) -> None:
        self.future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def settle(self, _place: int, outcome: Outcome) -> None:
        """It is safe."""
        if not self.future.done():
            self.future.set_result(outcome)

    def refuse(self, error: BaseException) -> None:
        """It is not safe, and nobody will make it so."""
        if not self.future.done():
            self.future.set_exception(error)
            self.future.exception()  # a caller that no longer listens is no error


@dataclass(slots=True)
class Item:
    """A delivery on its way, and its place on a receipt; `decoded` is None until it was looked at (not at all while the
    database is away).
    """

    delivery: Delivery
    receipt: Receipt | SingleReceipt | None = None
    place: int = 0
    decoded: list[Decoded] | Rejected | None = None
    made: Resolved | Rejected | None = None


class ItemMaker:
    """Decodes and resolves items; remembers what was made of those that go to the spool.

    Parameters
    ----------
    resolver : DeliveryResolver
        Decoding and resolution.
    writer : BatchWriter
        Tells an absent database from bad data while registers are created.
    remembered : int
        Bound on what is remembered.
    """

    def __init__(self, resolver: DeliveryResolver, writer: BatchWriter, remembered: int) -> None:
        self.resolver, self._writer = resolver, writer
        self._bound = remembered
        self._made_before: dict[_Key, list[Decoded] | Rejected] = {}

    def make(self, item: Item) -> int:
        """Decode and resolve; the number of rows that came of it."""
        if item.decoded is None:
            recalled = self.resolver.recalled(item.delivery)
            if isinstance(recalled, Resolved):
                item.made = recalled
                return max(1, len(recalled.values))
            if recalled is not None:
                return 1
            known = self._made_before.pop(_key(item.delivery), None) if self._made_before else None
            item.decoded = known if known is not None else self.resolver.decoded(item.delivery)
        if isinstance(item.decoded, Rejected):
            item.made = item.decoded
            return 1
        try:
            item.made = self.resolver.resolved(item.delivery, item.decoded)
        except Exception as error:
            log.exception("resolving failed", channel=item.delivery.channel)
            item.made = Rejected(f"internal.{type(error).__name__.lower()}", f"resolving failed: {error}"[:500])
        return max(1, len(item.made.values)) if isinstance(item.made, Resolved) else 1

    async def pairs(self, batch: Sequence[Item]) -> list[tuple[Delivery, Resolved | Rejected]]:
        """What the store is to keep of a batch; creates missing registers. Raises DatabaseAwayError."""
        for item in batch:
            if item.made is None and item.decoded is None:
                self.make(item)
        if any(item.made is None for item in batch):
            with self._writer.judging():
                await self.resolver.prepare()
            for item in batch:
                if item.made is None:
                    self.make(item)
        unready = Rejected("internal.registers", "the registers of this meter could not be created")
        return [(item.delivery, item.made or unready) for item in batch]

    def remember(self, batch: Sequence[Item]) -> None:
        """Decoding twice is not the same (rising counters, half frames): keep what was made for the way out."""
        for item in batch:
            if item.decoded is not None and len(self._made_before) < self._bound:
                self._made_before[_key(item.delivery)] = item.decoded


def _key(delivery: Delivery) -> _Key:
    return delivery.channel, delivery.read_at, delivery.payload, delivery.idempotency
