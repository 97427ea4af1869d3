"""Which deliveries make a batch: all that waits, within sizes, and under load what comes in a moment.

Rules: a calm stream is written at once; a busy one waits up to `batch_wait_s` for company, but not while the writer has
nothing to do and the batch is worth its transaction, nor through a lull: a sender that waits for our answer (an MQTT
window) sends no more before it. Decoding happens here, in short turns of the event loop.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from ingest.config import Settings
from ingest.pipeline.items import Item, ItemMaker

# Decoding is pure Python: so long a turn of the event loop, then sockets and the batch that is being written get theirs
# (the server waits for us between two statements: with 2 ms a full stream took a third longer).
DECODE_S = 0.0005
# A batch of this many deliveries is worth its transaction: it does not wait for more while the writer is idle.
WORTHWHILE = 400
# A stream that brings fewer than this in the waiting time is calm: its deliveries are written at once.
CALM_DELIVERIES = 16
# A busy stream that pauses this long has nothing more on its way: writing beats waiting.
LULL_S = 0.01


@dataclass(frozen=True, slots=True)
class PipelineLimits:
    """Sizes: rows (readings) and deliveries a batch, seconds a busy batch waits, deliveries queued, stop deadline."""

    batch_rows: int = 60_000
    batch_deliveries: int = 10_000
    batch_wait_s: float = 0.25
    queue_deliveries: int = 20_000
    drain_s: float = 5.0

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The sizes that the settings name."""
        return cls(
            batch_rows=settings.batch_rows,
            batch_wait_s=settings.batch_wait_s,
            queue_deliveries=settings.queue_deliveries,
        )


class BatchGatherer:
    """Takes items off a queue, batch by batch.

    Parameters
    ----------
    queue : asyncio.Queue of Item
    maker : ItemMaker
        Decodes and resolves each item.
    limits : PipelineLimits
    wanted : callable
        Whether a batch could be handed on at once (none waits before it).
    idle : callable
        Whether the writer has nothing to do.
    """

    def __init__(
        self,
        queue: asyncio.Queue[Item],
        maker: ItemMaker,
        limits: PipelineLimits,
        wanted: Callable[[], bool],
        idle: Callable[[], bool],
    ) -> None:
        self._queue, self._maker, self._limits = queue, maker, limits
        self._wanted, self._idle = wanted, idle
        self._rate, self._last_batch, self._busy = 0.0, 0.0, False

    async def batch(self, undecoded: bool) -> list[Item]:
        """The next batch; `undecoded` leaves the items as they are (for the spool, on whose way out they are made)."""
        loop = asyncio.get_running_loop()
        batch = [await self._queue.get()]
        began = turn = loop.time()
        end = began + self._limits.batch_wait_s * self._busy
        rows = 1 if undecoded else self._maker.make(batch[0])
        try:
            while rows < self._limits.batch_rows and len(batch) < self._limits.batch_deliveries:
                worthwhile = len(batch) >= WORTHWHILE and self._idle()
                if not self._queue.empty() and not (worthwhile and self._wanted()):
                    batch.append(self._queue.get_nowait())
                elif self._wanted() and (worthwhile or loop.time() >= end):
                    break
                else:
                    async with asyncio.timeout_at(min(max(end, loop.time() + 0.01), loop.time() + LULL_S)):
                        batch.append(await self._queue.get())
                rows += 1 if undecoded else self._maker.make(batch[-1])
                if loop.time() - turn > DECODE_S:
                    await asyncio.sleep(0)
                    turn = loop.time()
        except TimeoutError:
            pass
        self._measure(len(batch), began)
        return batch

    def _measure(self, count: int, now: float) -> None:
        """Whether the stream is busy: its rate over the last second or so would fill a batch while one waits."""
        self._rate = (self._rate + count) * math.exp(self._last_batch - now)
        self._last_batch = now
        self._busy = self._rate * self._limits.batch_wait_s >= CALM_DELIVERIES
