"""Publishes messages at their times to a broker: any producer of (topic, payload), at its own interval, at the clock
given.

Rules: QoS 1 and a bounded window of messages under way, so that a slow broker slows the publisher instead of filling
memory;
a producer that has nothing to say returns nothing; leaving waits until the broker has what was published.
"""

import asyncio
import contextlib
import heapq
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion

from simulators.line import Clock

Message = tuple[str, bytes]
Produce = Callable[[datetime], Iterable[Message]]

_LOOK_S = 0.05
_DRAIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Producer:
    """Says something every `interval_s` seconds, `offset_s` after the full interval (Unix time modulo the interval)."""

    produce: Produce
    interval_s: int
    offset_s: int = 0

    def __post_init__(self) -> None:
        if self.interval_s < 1:
            raise ValueError(f"an interval of {self.interval_s} s")

    def next_after(self, at: datetime) -> datetime:
        """The first transmission later than `at` (aware); UTC."""
        passed = (int(at.timestamp()) - self.offset_s) // self.interval_s + 1
        return datetime.fromtimestamp(passed * self.interval_s + self.offset_s, UTC)


class MqttPublisher:
    """`async with MqttPublisher(url, producers, clock) as publisher:` publishes until left.

    Parameters
    ----------
    url : str
        ``mqtt://user:password@host:port``.
    producers : sequence of Producer
    clock : Clock
        Decides when something is due; transmissions that a jump of the clock passes over are all made up for.
    window : int
        Messages under way at most.
    """

    def __init__(
        self, url: str, producers: Sequence[Producer], clock: Clock, *, name: str = "virtual-meters", window: int = 500
    ) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 1883)
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=name)
        if parts.username is not None:
            self._client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        self._producers, self._clock, self._window = list(producers), clock, window
        self._under_way: list[MQTTMessageInfo] = []
        self._task: asyncio.Task[None] | None = None
        self.published = 0

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._client.connect, *self._address)
        self._client.loop_start()
        self._task = asyncio.create_task(self._run(self._clock.now()), name="mqtt publisher")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await asyncio.to_thread(self._let_go)

    def _let_go(self) -> None:
        for info in self._under_way:
            with contextlib.suppress(RuntimeError, ValueError):
                info.wait_for_publish(_DRAIN_S)
        self._client.disconnect()
        self._client.loop_stop()

    async def _run(self, start: datetime) -> None:
        numbers = itertools.count()
        due = [(producer.next_after(start), next(numbers), producer) for producer in self._producers]
        heapq.heapify(due)
        while due:
            at, number, producer = due[0]
            if self._clock.now() < at:
                # A clock that catches up changes its pace: look again soon instead of reckoning one long wait.
                await asyncio.sleep(_LOOK_S)
                continue
            await self.publish(producer.produce(at))
            heapq.heapreplace(due, (producer.next_after(at), number, producer))
            await asyncio.sleep(0)

    async def publish(self, messages: Iterable[Message]) -> None:
        """Publish at once, waiting while the window is full."""
        for topic, payload in messages:
            while len(self._under_way) >= self._window:
                self._under_way = [info for info in self._under_way if not info.is_published()]
                await asyncio.sleep(0.002)
            self._under_way.append(self._client.publish(topic, payload, qos=1))
            self.published += 1
