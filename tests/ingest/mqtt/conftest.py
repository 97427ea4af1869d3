"""A publisher, and an intake that commits on demand: the source's counterpart where no database is needed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any

import paho.mqtt.client as paho
import pytest

from ingest.model import Delivery, Outcome
from ingest.sources.mqtt import MqttSource
from ingest.sources.mqtt_settings import MqttSettings


class GatedIntake:
    """Takes deliveries; they become safe at once, or when the test says so."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.futures: list[asyncio.Future[Outcome]] = []
        self.immediate = True
        self.grown = asyncio.Event()

    async def offer_all(self, deliveries: Sequence[Delivery]) -> "asyncio.Future[list[Outcome]]":
        return asyncio.gather(*map(self._future, deliveries))

    def _future(self, delivery: Delivery) -> "asyncio.Future[Outcome]":
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.deliveries.append(delivery)
        self.futures.append(future)
        if self.immediate:
            future.set_result(Outcome("stored", len(self.deliveries), 1))
        self.grown.set()
        return future

    async def reached(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.deliveries) < count:
                self.grown.clear()
                await self.grown.wait()

    @property
    def payloads(self) -> list[bytes]:
        return [delivery.payload for delivery in self.deliveries]


@pytest.fixture
async def intake() -> GatedIntake:
    return GatedIntake()


@pytest.fixture
def publish() -> Iterator[Callable[[int, list[tuple[str, bytes]]], None]]:
    """Publish messages with QoS 1 and return when the broker has them all."""
    clients: list[paho.Client] = []

    def send(port: int, messages: list[tuple[str, bytes]]) -> None:
        client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        clients.append(client)
        client.connect("127.0.0.1", port)
        client.loop_start()
        for info in [client.publish(topic, payload, qos=1) for topic, payload in messages]:
            info.wait_for_publish(20)
        client.disconnect()
        client.loop_stop()

    yield send
    for client in clients:
        client.loop_stop()


Reached = Callable[[Callable[[], bool]], Awaitable[None]]


@pytest.fixture
def sources() -> list[MqttSource]:
    """The sources that the test started."""
    return []


@pytest.fixture
def reached(sources: list[MqttSource]) -> Reached:
    """Wait until a condition on the sources' counters holds."""

    async def wait(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                for source in sources:
                    source.changed.clear()
                waits = [asyncio.create_task(source.changed.wait()) for source in sources]
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                for task in waits:
                    task.cancel()

    return wait


StartSource = Callable[..., Awaitable[MqttSource]]


@pytest.fixture
async def start_source(intake: GatedIntake, sources: list[MqttSource]) -> AsyncIterator[StartSource]:
    """Run a source against a broker; stopped at the end."""
    tasks: list[asyncio.Task[None]] = []

    async def start(port: int, **settings: Any) -> MqttSource:
        source = MqttSource(MqttSettings("127.0.0.1", port, **settings), intake)
        sources.append(source)
        task = asyncio.create_task(source.run(), name="source under test")
        tasks.append(task)
        source.task = task  # type: ignore[attr-defined]
        async with asyncio.timeout(20):
            await source.connected.wait()
        return source

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
