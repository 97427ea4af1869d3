"""The MQTT meters of a fleet: each publishes at its own interval, spread over it by serial number.

Rules: what a line to the broker does to messages is done here: doubled after a reconnect, held back for a day and then
sent with the times they were made at; all meters share one connection (see `mqtt_publisher`).
"""

import zlib
from collections.abc import Iterable, Sequence
from datetime import datetime

from simulators.faults import Fault
from simulators.meter import VirtualMeter
from simulators.mqtt_publisher import Message, Producer
from simulators.network_server import LorawanDevice


class RadioMeter:
    """What one meter brings to the broker at its times, LoRaWAN by way of its network server."""

    def __init__(self, meter: VirtualMeter) -> None:
        self._meter = meter
        self._module = LorawanDevice(meter) if meter.protocol == "lorawan" else None
        self._held: list[Message] = []

    def __call__(self, at: datetime) -> Iterable[Message]:
        """Messages of an instant, with what was held back before them."""
        fresh = self._fresh(at)
        if self._fault("backfill", at) is not None:
            self._held.extend(fresh)
            return []
        if self._fault("duplicates", at) is not None:
            fresh = fresh * 2
        held, self._held = self._held, []
        return held + fresh

    def _fresh(self, at: datetime) -> list[Message]:
        if self._module is not None:
            return [event.message for event in self._module.events(at)]
        message = self._meter.mqtt_message(at)
        return [] if message is None else [message]

    def _fault(self, name: str, at: datetime) -> Fault | None:
        faults = (fault for fault in self._meter.faults if fault.name == name)
        return next((fault for fault in faults if fault.start <= at < fault.end), None)


def producers_of(meters: Sequence[VirtualMeter]) -> list[Producer]:
    """Each meter at its interval, shifted by its serial number."""
    found = []
    for meter in meters:
        interval = meter.model.interval_s
        found.append(Producer(RadioMeter(meter), interval, zlib.crc32(meter.id.serial.encode()) % interval))
    return found
