"""The door of the pipeline: deliveries come in through a bounded queue, and their callers hear when they are safe.

Rules: a full queue makes callers wait; every delivery that was taken is known here until it is settled or refused, in
the order of arrival, so that a stop forgets none.
"""

import asyncio
from collections.abc import Sequence

from ingest.errors import UnavailableError
from ingest.model import Delivery, Outcome
from ingest.pipeline.counters import PipelineCounters
from ingest.pipeline.items import Item, Receipt, SingleReceipt


class Door:
    """What was taken and is not safe yet.

    Parameters
    ----------
    size : int
        Deliveries that may wait to be decoded.
    counters : PipelineCounters
        What was offered, and how much is in hand.
    """

    def __init__(self, size: int, counters: PipelineCounters) -> None:
        self.queue: asyncio.Queue[Item] = asyncio.Queue(size)
        self.closing = False
        self._counters = counters
        self._open: dict[int, Item] = {}
        self._settled = asyncio.Event()

    @property
    def depth(self) -> int:
        """Deliveries that were offered and are not settled yet."""
        return len(self._open)

    @property
    def rest(self) -> list[Item]:
        """Deliveries that are not settled yet, in order of arrival."""
        return list(self._open.values())

    async def take_one(self, delivery: Delivery) -> "asyncio.Future[Outcome]":
        """Take one delivery; waits while the queue is full. Raises UnavailableError while closing."""
        receipt = SingleReceipt()
        await self._take([Item(delivery, receipt)])
        self._counters.took(delivery.protocol)
        return receipt.future

    async def take(self, deliveries: Sequence[Delivery]) -> "asyncio.Future[list[Outcome]]":
        """Take what belongs together; waits while the queue is full. Raises UnavailableError while closing."""
        receipt = Receipt(len(deliveries))
        await self._take([Item(delivery, receipt, place) for place, delivery in enumerate(deliveries)])
        for delivery in deliveries:
            self._counters.took(delivery.protocol)
        return receipt.future

    async def _take(self, items: Sequence[Item]) -> None:
        if self.closing:
            raise UnavailableError("the pipeline is closing", code="pipeline.closing")
        for item in items:
            self._open[id(item)] = item
        queue = self.queue
        put = 0
        try:
            for item in items:
                if queue.full():
                    await queue.put(item)
                else:
                    queue.put_nowait(item)
                put += 1
        except BaseException:
            for item in items[put:]:
                self._open.pop(id(item), None)
            raise

    def settle(self, items: Sequence[Item], outcomes: Sequence[Outcome]) -> None:
        """These are safe: tell their callers."""
        for item, outcome in zip(items, outcomes, strict=True):
            self._open.pop(id(item), None)
            if item.receipt is not None:
                item.receipt.settle(item.place, outcome)
        self._counters.depth.set(len(self._open))
        self._settled.set()

    def refuse(self, items: Sequence[Item], error: UnavailableError) -> None:
        """These are not safe, and nobody here will make them so."""
        for item in items:
            self._open.pop(id(item), None)
            if item.receipt is not None:
                item.receipt.refuse(error)
        self._settled.set()

    async def next_settled(self) -> None:
        """Wait until something is settled or refused."""
        self._settled.clear()
        await self._settled.wait()
