"""What puts a meter's bytes or values on a broker, one sender a payload family: bridges, network servers, DTUs, IoT
gateways.

Rules: a sender takes what the meter says and the instant, and gives (topic, payload) messages as the real thing
words them;
counters and sequence numbers live in the sender.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from protocols.mqtt import chirpstack, dtu, lobaro, loriot, raw_wmbus, things_stack, thingsboard, wmbusmeters
from protocols.mqtt.generic_json import encode as generic_json
from protocols.mqtt.sparkplug import topic_of
from protocols.mqtt.sparkplug_payload import DOUBLE, INT64, Metric, Payload, bytes_from_payload, metrics_of

Message = tuple[str, bytes]
# Values by register name in canonical units: "energy" in kWh, "volume" in m3, "power" in kW, ...
Values = Mapping[str, Decimal]
Sender = Callable[[bytes, Values, datetime], Iterable[Message]]

# Register -> key, as each family words it.
WMBUSMETERS_KEYS = {
    "energy": "total_energy_consumption_kwh",
    "volume": "total_volume_m3",
    "power": "power_kw",
    "flow": "volume_flow_m3h",
    "supply_temperature": "flow_temperature_c",
    "return_temperature": "return_temperature_c",
    "operating_time": "operating_time_h",
}
GENERIC_KEYS = {
    "energy": "energy_kwh",
    "volume": "volume_m3",
    "power": "power_kw",
    "flow": "flow_m3h",
    "supply_temperature": "supply_temp_c",
    "return_temperature": "return_temp_c",
    "operating_time": "operating_time_h",
}


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _named(values: Values, keys: Mapping[str, str]) -> dict[str, Decimal]:
    return {keys[name]: value for name, value in values.items() if name in keys}


@dataclass(slots=True)
class RawBridge:
    """A receiver that publishes wireless telegrams as hex, base64 or binary."""

    topic: str = "wmbus/raw"
    form: str = "hex"

    def __call__(self, telegram: bytes, values: Values, at: datetime) -> Iterable[Message]:
        """The telegram in one message."""
        return [(self.topic, raw_wmbus.encode(telegram, self.form))]


@dataclass(slots=True)
class Wmbusmeters:
    """A wmbusmeters daemon: decoded values, the telegram is gone."""

    serial: str
    name: str = ""

    def __call__(self, telegram: bytes, values: Values, at: datetime) -> Iterable[Message]:
        """Flat JSON with unit suffixes."""
        found = wmbusmeters.encode(self.serial, _named(values, WMBUSMETERS_KEYS), name=self.name, timestamp=_iso(at))
        return [(f"wmbusmeters/{self.name or self.serial}", found)]


@dataclass(slots=True)
class ThingsBoardDevice:
    """A device that reports its own telemetry."""

    def __call__(self, telegram: bytes, values: Values, at: datetime) -> Iterable[Message]:
        """Telemetry with its time."""
        found = thingsboard.encode_device(_named(values, GENERIC_KEYS), _ms(at))
        return [("v1/devices/me/telemetry", found)]


@dataclass(slots=True)
class ThingsBoardGateway:
    """An IoT gateway that reports for its meters by name."""

    device: str

    def __call__(self, telegram: bytes, values: Values, at: datetime) -> Iterable[Message]:
        """Telemetry of one device."""
        found = thingsboard.encode_gateway({self.device: [(_ms(at), _named(values, GENERIC_KEYS))]})
        return [("v1/gateway/telemetry", found)]


@dataclass(slots=True)
class GenericJson:
    """Somebody's own JSON."""

    serial: str
    topic: str

    def __call__(self, telegram: bytes, values: Values, at: datetime) -> Iterable[Message]:
        """Serial, time and values with units in their names."""
        return [(self.topic, generic_json(self.serial, _named(values, GENERIC_KEYS), _iso(at)))]


@dataclass(slots=True)
class NetworkServer:
    """A LoRaWAN network server. `kind`: "chirpstack", "things_stack" or "loriot"; `device` is the devEui in lower
    case.
    """

    kind: str
    device: str
    port: int = 2
    counter: int = 0

    def __call__(self, telegram: bytes, values: Values, at: datetime) -> Iterable[Message]:
        """The uplink as the server words it; the frame counter goes on."""
        message = self._message(telegram, self.port, at)
        self.counter += 1
        return [message]

    def _message(self, data: bytes, port: int, at: datetime) -> Message:
        if self.kind == "chirpstack":
            key = f"{self.device}-{self.counter}"
            return chirpstack.encode(
                self.device, data, port=port, counter=self.counter, deduplication_id=key, time=_iso(at)
            )
        if self.kind == "things_stack":
            return things_stack.encode(self.device, data, port=port, counter=self.counter, time=_iso(at))
        if self.kind == "loriot":
            return "loriot/uplink", loriot.encode(self.device, data, port=port, counter=self.counter, ts_ms=_ms(at))
        raise ValueError(f"no network server is called {self.kind!r}")


@dataclass(slots=True)
class LobaroBridge:
    """A wireless M-Bus receiver that speaks LoRaWAN: long telegrams go in parts."""

    server: NetworkServer
    largest: int = 51

    def __call__(self, telegram: bytes, values: Values, at: datetime) -> Iterable[Message]:
        """One message a part."""
        messages: list[Message] = []
        for port, part in lobaro.parts_from_telegram(telegram, self.largest):
            self.server.port = port
            messages.extend(self.server(part, values, at))
        return messages


@dataclass(slots=True)
class Dtu:
    """A DTU that passes serial bytes through, cut where its buffer was full; a heartbeat before every answer."""

    identity: str
    cuts: list[int] = field(default_factory=list)
    heartbeat: bytes = b"www.usr.cn"

    def __call__(self, telegram: bytes, values: Values, at: datetime) -> Iterable[Message]:
        """The frame in as many messages as the cuts make of it."""
        topic = f"dtu/{self.identity}/up"
        pieces = dtu.encode([telegram], self.cuts)
        return [(topic, piece) for piece in ([self.heartbeat, *pieces] if self.heartbeat else pieces)]


@dataclass(slots=True)
class SparkplugNode:
    """An edge node with one device: births first, then data by alias. `reborn` makes it begin again."""

    group: str
    node: str
    device: str
    seq: int = 0
    births: int = 0
    units: Mapping[str, str] = field(
        default_factory=lambda: {
            "energy": "kWh", "volume": "m3", "power": "kW", "flow": "m3/h", "supply_temperature": "°C",
            "return_temperature": "°C", "operating_time": "h",
        }
    )  # fmt: skip
    _aliases: dict[str, int] = field(default_factory=dict)

    def reborn(self) -> None:
        """What a rebirth command does: the next transmission is a birth."""
        self._aliases.clear()

    def __call__(self, telegram: bytes, values: Values, at: datetime) -> Iterable[Message]:
        """Births where needed, else one data message."""
        if set(values) <= set(self._aliases):
            metrics = tuple(
                Metric(alias=self._aliases[name], datatype=DOUBLE, value=value) for name, value in values.items()
            )
            return [self._numbered("DDATA", metrics, at)]
        self.seq = 0
        birth_number = Metric("bdSeq", None, INT64, self.births)
        self.births += 1
        born = metrics_of([(name, value, self.units.get(name, "")) for name, value in values.items()])
        self._aliases = {metric.name: metric.alias for metric in born if metric.alias is not None}
        node = (topic_of(self.group, "NBIRTH", self.node), bytes_from_payload(Payload((birth_number,), _ms(at), 0)))
        self.seq = 1
        return [node, self._numbered("DBIRTH", born, at)]

    def _numbered(self, kind: str, metrics: tuple[Metric, ...], at: datetime) -> Message:
        payload = bytes_from_payload(Payload(metrics, _ms(at), self.seq))
        self.seq = (self.seq + 1) % 256
        return topic_of(self.group, kind, self.node, self.device), payload
