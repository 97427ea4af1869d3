"""Messages of a broker become deliveries, and are acknowledged when those are safe: never before, always in order.

Rules: the session outlives us (clean session off, stable client id), so what comes while we are away waits at the
broker; what we can't take stays there (bounded queue, reading pauses, receive maximum on MQTT 5); whatever goes wrong,
the source reconnects with back-off until it is told to stop; then it waits a moment for what is on its way.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Protocol

import structlog

from ingest.clock import Clock, SystemClock, wall_now
from ingest.model import Delivery, Outcome
from ingest.sources.backoff import Backoff
from ingest.sources.errors import SourceError
from ingest.sources.mqtt_acks import AckLine
from ingest.sources.mqtt_connection import MqttConnection
from ingest.sources.mqtt_intake import MqttIntake
from ingest.sources.mqtt_settings import MqttSettings
from ingest.sources.mqtt_stream import Message

log = structlog.get_logger(__name__)

_TICK_S = 1.0
# Messages that are handed in, and acknowledged, together.
_TOGETHER = 128


class Offering(Protocol):
    """What the source needs of `Pipeline`; the future resolves when all of the deliveries are safe."""

    def offer_all(self, deliveries: Sequence[Delivery]) -> Awaitable["asyncio.Future[list[Outcome]]"]:
        """Waits while the queue is full."""
        ...


@dataclass(slots=True)
class MqttCounters:
    """Since the source was made. `redelivered`: messages the broker sent again; `abandoned`: went unread with their
    connection, unacknowledged, so that the broker sends them again."""

    connects: int = 0
    losses: int = 0
    received: int = 0
    redelivered: int = 0
    retained_skipped: int = 0
    oversized: int = 0
    offered: int = 0
    acknowledged: int = 0
    failed: int = 0
    abandoned: int = 0
    pauses: int = 0
    rebirths: int = 0

    def as_dict(self) -> dict[str, int]:
        """Name -> count."""
        return asdict(self)


class MqttSource:
    """`await MqttSource(settings, pipeline).run()` until cancelled.

    Parameters
    ----------
    settings : MqttSettings
    pipeline : Offering
    clock : Clock
        Stamps `read_at`; `arrived_at` is the wall.
    gateway_id : int, optional
        Of the registry, for deliveries and health.
    addresses : mapping, optional
        Topic, or a level of it such as a devEui -> meter_id, from the registry's links.
    on_health : callable, optional
        (connected, error text) at every change.
    drain_s : float
        How long a stop waits for deliveries on their way.
    """

    def __init__(
        self,
        settings: MqttSettings,
        pipeline: Offering,
        *,
        clock: Clock | None = None,
        gateway_id: int | None = None,
        addresses: Mapping[str, int] | None = None,
        on_health: Callable[[bool, str], None] | None = None,
        backoff: Backoff | None = None,
        drain_s: float = 2.0,
    ) -> None:
        self.settings, self.pipeline, self.drain_s = settings, pipeline, drain_s
        self.clock: Clock = clock or SystemClock()
        self.gateway_id = gateway_id
        self.counters = MqttCounters()
        self.connected = asyncio.Event()
        # Set at every change of the counters; whoever waits for one clears it and looks again.
        self.changed = asyncio.Event()
        self.last_message_at: datetime | None = None
        self._on_health = on_health
        self._backoff = backoff or Backoff(0.2, 30.0)
        self._inbox: deque[Message] = deque()
        self._arrival = asyncio.Event()
        self._intake = MqttIntake(settings, gateway_id, addresses)
        self._connection: MqttConnection | None = None
        self._line: AckLine | None = None

    async def run(self) -> None:
        """Keep the subscription alive until cancelled; ends with nothing acknowledged that is not safe."""
        while True:
            try:
                await self._one_connection()
            except SourceError as error:
                self._health(False, str(error))
                log.warning("mqtt broker not reached", gateway=self.gateway_id, reason=str(error))
            await asyncio.sleep(self._backoff.next_s())

    async def _one_connection(self) -> None:
        connection = MqttConnection(self.settings, self._take)
        line = AckLine(self._acknowledge, self._not_safe)
        self._connection, self._line = connection, line
        pump: asyncio.Task[None] | None = None
        try:
            # Messages of the old session may come before the subscription is granted: the pump runs from the start.
            pump = asyncio.create_task(self._pump(connection, line), name=f"mqtt pump {self.settings.client_id}")
            await connection.open()
            self.counters.connects += 1
            self._backoff.reset()
            self.changed.set()
            self._health(True, "")
            await self._watch(connection, pump)
        except asyncio.CancelledError:
            await self._let_go(connection, pump, line)
            raise
        finally:
            self.connected.clear()
            if pump is not None:
                pump.cancel()
                await asyncio.gather(pump, return_exceptions=True)
            connection.close()
            line.close()
            self._forget_inbox()
            self._intake.connection_lost()

    async def _let_go(self, connection: MqttConnection, pump: "asyncio.Task[None] | None", line: AckLine) -> None:
        """The stop: take nothing more, acknowledge what becomes safe within a short time."""
        connection.pause()
        if pump is not None:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)
        try:
            async with asyncio.timeout(self.drain_s):
                await line.drained()
        except TimeoutError:
            log.warning("mqtt stops with messages unacknowledged", gateway=self.gateway_id, messages=len(line))

    async def _watch(self, connection: MqttConnection, pump: "asyncio.Task[None]") -> None:
        self.connected.set()
        self.changed.set()
        while not connection.lost.done() and not pump.done():
            waiting: set[asyncio.Future[Any]] = {connection.lost, pump}
            await asyncio.wait(waiting, timeout=_TICK_S, return_when=asyncio.FIRST_COMPLETED)
            connection.tick()
        if pump.done() and not pump.cancelled() and pump.exception() is not None:
            log.warning("mqtt messages were not taken", gateway=self.gateway_id, reason=str(pump.exception()))
        reason = connection.lost.result() if connection.lost.done() else "the pipeline takes nothing"
        self.counters.losses += 1
        self.changed.set()
        self._health(False, reason)
        log.warning("mqtt connection lost", gateway=self.gateway_id, reason=reason)

    # -- from the connection

    def _take(self, messages: list[Message]) -> bool:
        """Called with messages as they are read; returns whether there is room for more."""
        self.counters.received += len(messages)
        self.counters.redelivered += sum(message.dup for message in messages)
        self._inbox.extend(messages)
        self._arrival.set()
        if len(self._inbox) < self.settings.queue:
            return True
        self.counters.pauses += 1
        return False

    async def _pump(self, connection: MqttConnection, line: AckLine) -> None:
        inbox = self._inbox
        while True:
            if not inbox:
                self._arrival.clear()
                await self._arrival.wait()
            messages = [inbox.popleft() for _ in range(min(len(inbox), _TOGETHER))]
            deliveries = [delivery for message in messages for delivery in self._taken(message, connection)]
            self.counters.offered += len(deliveries)
            outcome = await self.pipeline.offer_all(deliveries) if deliveries else None
            line.add([(message.mid, message.qos) for message in messages], outcome)
            if len(inbox) <= self.settings.queue // 2:
                connection.resume()

    def _taken(self, message: Message, connection: MqttConnection) -> tuple[Delivery, ...]:
        """What is to be kept of a message; a command that it calls for is published."""
        if message.retain and not self.settings.take_retained:
            # Stale by an unknown time; with a persistent session it was delivered when it was new.
            self.counters.retained_skipped += 1
            return ()
        if len(message.payload) > self.settings.max_payload_bytes:
            self.counters.oversized += 1
        # The moment of handing in: a clock that is the wall gives one instant, which is then stored once.
        read_at = self.clock.now()
        arrived_at = read_at if isinstance(self.clock, SystemClock) else wall_now()
        self.last_message_at = arrived_at
        taken = self._intake.deliveries(message.topic, message.payload, arrived_at, read_at, redelivered=message.dup)
        if taken.command is not None:
            self.counters.rebirths += 1
            connection.publish(*taken.command)
        return taken.deliveries

    # -- from the acknowledgement line

    def _acknowledge(self, messages: list[tuple[int, int]]) -> None:
        if self._connection is not None:
            self._connection.acknowledge(messages)
            self.counters.acknowledged += len(messages)
            self.changed.set()

    def _not_safe(self, failure: BaseException) -> None:
        """Only a new connection makes the broker send it again."""
        self.counters.failed += 1
        if self._connection is not None:
            self._connection.close(f"a delivery was not made safe: {failure}")

    def _forget_inbox(self) -> None:
        self.counters.abandoned += len(self._inbox)
        self._inbox.clear()

    def _health(self, connected: bool, error: str) -> None:
        if self._on_health is not None:
            self._on_health(connected, error)
