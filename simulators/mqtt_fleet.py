"""The MQTT meters of a fleet: each publishes at its own interval, spread over it by serial number.

Rules: one connection a gateway; QoS 1; what the broker does not take is tried again by the client library.
"""

import asyncio
import contextlib
import heapq
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from simulators.line import Clock
from simulators.meter import VirtualMeter

_LOOK_S = 0.05


class FleetPublisher:
    """`async with FleetPublisher(url, name, meters, clock):` publishes until left."""

    def __init__(self, url: str, name: str, meters: Sequence[VirtualMeter], clock: Clock) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 1883
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=f"virtual-{name}")
        if parts.username:
            self._client.username_pw_set(parts.username, parts.password)
        self._meters, self._clock = list(meters), clock
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._client.connect, self._host, self._port)
        self._client.loop_start()
        self._task = asyncio.create_task(self._run(), name="virtual radio")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    async def _run(self) -> None:
        now = self._clock.now()
        due = [(_next(meter, now), index) for index, meter in enumerate(self._meters)]
        heapq.heapify(due)
        while due:
            at, index = due[0]
            if self._clock.now() < at:
                # A clock that catches up changes its pace: look again soon instead of reckoning one long wait.
                await asyncio.sleep(_LOOK_S)
                continue
            meter = self._meters[index]
            message = meter.mqtt_message(at)
            if message is not None:
                self._client.publish(message[0], message[1], qos=1)
            heapq.heapreplace(due, (_next(meter, at), index))
            await asyncio.sleep(0)


def _next(meter: VirtualMeter, after: datetime) -> datetime:
    """First transmission after an instant: on the meter's interval, shifted by its serial number."""
    interval = meter.model.interval_s
    shift = zlib.crc32(meter.id.serial.encode()) % interval
    passed = (int(after.timestamp()) - shift) // interval + 1
    return datetime.fromtimestamp(passed * interval + shift, UTC)
