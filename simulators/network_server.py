"""A LoRaWAN network server as ChirpStack v4 shows itself: joins, uplinks and device status, over MQTT or by HTTP push.

Rules: an uplink that several gateways hear is one event with one deduplication id; the frame counter goes on with every
uplink and begins again with a join; an HTTP integration posts the same JSON to ``URL?event=up`` (``join``, ``status``),
tries again where the other side fails, and gives up what it cannot bring.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import httpx
import msgspec

from protocols.mqtt import chirpstack
from simulators.faults_sensor import INFO_BATTERY
from simulators.meter import VirtualMeter
from simulators.meter_lorawan import APPLICATION, PORT, device_eui
from simulators.mqtt_publisher import Message
from simulators.randomness import uniform_hash

STATUS_EVERY = timedelta(days=1)
FULL_BATTERY, LOW_BATTERY = 92.0, 8.0
FIRST_GATEWAY = 0x0016C001F153A140
COUNTERS = 1 << 16
TRIES = 3


@dataclass(frozen=True, slots=True)
class Event:
    """What the server tells: `kind` up, join or status; `body` its JSON."""

    kind: str
    device: str
    body: bytes

    @property
    def message(self) -> Message:
        """As MQTT topic and payload."""
        return f"application/{APPLICATION}/device/{self.device}/event/{self.kind}", self.body


@dataclass(slots=True)
class LorawanDevice:
    """A meter's module at the server. Use: `events(at)` at each of its transmissions, in order."""

    meter: VirtualMeter
    counter: int = -1
    told: datetime | None = None
    _joined: bool = field(default=False)

    def events(self, at: datetime) -> list[Event]:
        """A join before the first uplink, the uplink, once a day the device's status; nothing where it is silent."""
        payload = self.meter.telegram_bytes(at)
        if not payload:
            return []
        found = [] if self._joined else [self._event("join", at, {"devAddr": self._address})]
        self._joined = True
        self.counter = (self.counter + 1) % COUNTERS
        found.append(self._uplink(payload, at))
        if self.told is None or at - self.told >= STATUS_EVERY:
            self.told = at
            found.append(self._event("status", at, {"margin": 12, "batteryLevel": self._battery(at)}))
        return found

    def rejoin(self) -> None:
        """The module starts again: joins anew and counts from zero."""
        self._joined, self.counter = False, -1

    @property
    def device(self) -> str:
        """devEui."""
        return device_eui(self.meter.id.serial)

    @property
    def _address(self) -> str:
        return f"{int(uniform_hash(self.meter.seed, 3) * (1 << 25)):08x}"

    def _battery(self, at: datetime) -> float:
        info = self.meter.readout(at).info
        return LOW_BATTERY if info & INFO_BATTERY else FULL_BATTERY

    def _uplink(self, payload: bytes, at: datetime) -> Event:
        key = str(uuid5(NAMESPACE_OID, f"{self.device}/{self._address}/{self.counter}/{at.isoformat()}"))
        _, body = chirpstack.encode(
            self.device, payload, port=PORT, counter=self.counter, deduplication_id=key, time=at.isoformat(),
            application=APPLICATION,
        )  # fmt: skip
        event = msgspec.json.decode(body)
        event["devAddr"], event["rxInfo"] = self._address, self._heard_by(at)
        return Event("up", self.device, msgspec.json.encode(event))

    def _heard_by(self, at: datetime) -> list[dict[str, Any]]:
        """One to three gateways, the nearest first."""
        second = int(at.timestamp())
        count = 1 + int(uniform_hash(self.meter.seed, second) * 3)
        return [
            {"gatewayId": f"{FIRST_GATEWAY + number:016x}", "rssi": -78 - 9 * number, "snr": 9.5 - 3 * number,
             "crcStatus": "CRC_OK"}
            for number in range(count)
        ]  # fmt: skip

    def _event(self, kind: str, at: datetime, facts: dict[str, Any]) -> Event:
        about = {"tenantName": "heat", "applicationId": APPLICATION, "devEui": self.device, "deviceName": self.device}
        key = str(uuid5(NAMESPACE_OID, f"{self.device}/{kind}/{at.isoformat()}"))
        body = {"deduplicationId": key, "time": at.isoformat(), "deviceInfo": about, **facts}
        return Event(kind, self.device, msgspec.json.encode(body))


class HttpIntegration:
    """Posts events as ChirpStack's HTTP integration does: ``POST URL?event=up`` with the JSON as body.

    Parameters
    ----------
    url : str
    headers : mapping, optional
        What the integration was told to send along, such as an API key.
    """

    def __init__(self, url: str, *, headers: dict[str, str] | None = None, timeout_s: float = 5.0) -> None:
        self.url, self.timeout_s = url, timeout_s
        self.headers = {"Content-Type": "application/json", **(headers or {})}
        self.brought = self.lost = 0

    async def push(self, events: Iterable[Event]) -> None:
        """Bring events in their order; what fails three times is counted as lost."""
        async with httpx.AsyncClient(timeout=self.timeout_s, headers=self.headers) as client:
            for event in events:
                if await self._bring(client, event):
                    self.brought += 1
                else:
                    self.lost += 1

    async def _bring(self, client: httpx.AsyncClient, event: Event) -> bool:
        for attempt in range(TRIES):
            try:
                answer = await client.post(self.url, params={"event": event.kind}, content=event.body)
            except httpx.TransportError:
                await asyncio.sleep(0.05 * 2**attempt)
                continue
            if answer.status_code < 500:
                return answer.is_success
        return False


def devices_of(meters: Sequence[VirtualMeter]) -> list[LorawanDevice]:
    """The modules among meters."""
    return [LorawanDevice(meter) for meter in meters if meter.protocol == "lorawan"]
