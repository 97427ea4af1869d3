"""Every payload family, published by virtual senders through a real broker, read by the real source and decoded."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from ingest.clock import SystemClock
from ingest.decoding.state import DecodingState
from ingest.decoding.table import decode
from ingest.model import Outcome
from ingest.sources.mqtt import MqttSource
from ingest.sources.mqtt_settings import MqttSettings
from protocols.mbus import record_bytes, wireless_telegram
from protocols.serial_frame import SerialFrame, encoded
from protocols.telegram import MeterId
from simulators.mqtt_publisher import MqttPublisher, Producer
from simulators.mqtt_senders import (
    Dtu,
    GenericJson,
    LobaroBridge,
    NetworkServer,
    RawBridge,
    SparkplugNode,
    ThingsBoardDevice,
    ThingsBoardGateway,
    Wmbusmeters,
)

SERIAL = "68001122"
METER = MeterId(SERIAL, "KAM", 0x1B, "heat")
RECORDS = record_bytes("energy", Decimal("1234E+3"), "Wh") + record_bytes("volume", Decimal("56.78"), "m3")
TELEGRAM = wireless_telegram(METER, RECORDS + record_bytes("power", Decimal("2E+3"), "W") * 6)
UPLINK = b"\x15" + RECORDS
ANSWER = (
    b"\x90\x1f\x01"
    + bytes(4) + b"\x05"  # settlement heat, kWh
    + bytes.fromhex("0034120005")  # heat 1234.00 kWh
    + bytes(4) + b"\x17" + bytes(4) + b"\x35" + bytes(4) + b"\x2c"  # power, flow, volume
    + bytes(9) + bytes.fromhex("30240901082013") + bytes(2)  # temperatures, hours, clock, status
)  # fmt: skip
CJT188 = encoded(SerialFrame("cjt188", bytes.fromhex("11223344001111"), 0x81, ANSWER, 0x20))
VALUES = {"energy": Decimal(1234), "volume": Decimal("56.78"), "supply_temperature": Decimal("61.5")}
DEVICE = "94193a0103000001"
AT = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)

SENDERS = {
    "raw hex": (RawBridge(), TELEGRAM),
    "raw base64": (RawBridge(form="base64"), TELEGRAM),
    "raw binary": (RawBridge(form="binary"), TELEGRAM),
    "wmbusmeters": (Wmbusmeters(SERIAL), b""),
    "thingsboard device": (ThingsBoardDevice(), b""),
    "thingsboard gateway": (ThingsBoardGateway(f"Heat meter {SERIAL}"), b""),
    "generic json": (GenericJson(SERIAL, "plant/x"), b""),
    "chirpstack": (NetworkServer("chirpstack", DEVICE), UPLINK),
    "things stack": (NetworkServer("things_stack", DEVICE), UPLINK),
    "loriot": (NetworkServer("loriot", DEVICE), UPLINK),
    "lobaro": (LobaroBridge(NetworkServer("things_stack", DEVICE), 30), TELEGRAM),
    "dtu": (Dtu("860000000000001", [15, 40]), CJT188),
    "sparkplug": (SparkplugNode("heat", "gw1", SERIAL), b""),
}


@dataclass
class Collector:
    """Takes deliveries and remembers them."""

    def __post_init__(self):
        self.deliveries = []
        self.grown = asyncio.Condition()

    async def offer_all(self, deliveries):
        self.deliveries.extend(deliveries)
        async with self.grown:
            self.grown.notify_all()
        future = asyncio.get_running_loop().create_future()
        future.set_result([Outcome("stored", 1) for _ in deliveries])
        return future

    async def until(self, condition):
        async with asyncio.timeout(20), self.grown:
            await self.grown.wait_for(condition)


def energies(deliveries):
    state = DecodingState()
    found = []
    for delivery in deliveries:
        for decoded in decode(delivery.protocol, delivery.payload, topic=delivery.topic, state=state):
            found += [
                reading.register.canonical_value_of(reading.count)
                for reading in decoded.readings
                if reading.register.name == "energy" and reading.count is not None
            ]
    return found


@pytest.mark.parametrize("name", SENDERS)
async def test_every_family_arrives_as_the_meter_said_it(broker, name):
    sender, data = SENDERS[name]
    collector = Collector()
    source = MqttSource(MqttSettings("127.0.0.1", broker.port, topics=("#",), client_id=f"family {name}"), collector)
    task = asyncio.create_task(source.run())
    try:
        async with asyncio.timeout(20):
            await source.connected.wait()
        url = f"mqtt://127.0.0.1:{broker.port}"
        async with MqttPublisher(url, (), SystemClock(), name=f"publisher {name}") as publisher:
            for number in range(3):
                await publisher.publish(sender(data, VALUES, AT + timedelta(hours=number)))
        await collector.until(lambda: source.counters.received >= publisher.published)
        await collector.until(lambda: len(energies(collector.deliveries)) >= 3)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert energies(collector.deliveries) == [Decimal(1234)] * 3


def test_a_reborn_node_begins_with_its_births():
    node = SparkplugNode("heat", "gw1", SERIAL)
    assert [topic.split("/")[2] for topic, _ in node(b"", VALUES, AT)] == ["NBIRTH", "DBIRTH"]
    assert [topic.split("/")[2] for topic, _ in node(b"", VALUES, AT)] == ["DDATA"]
    node.reborn()
    assert [topic.split("/")[2] for topic, _ in node(b"", VALUES, AT)] == ["NBIRTH", "DBIRTH"]


class SteppedClock:
    """A clock that a test moves."""

    def __init__(self, at):
        self.at = at

    def now(self):
        return self.at

    def wall_seconds(self, virtual_s):
        return 0.0


async def test_producers_speak_at_their_times_and_make_up_for_jumps(broker):
    spoken = asyncio.Queue()

    def produce(at):
        spoken.put_nowait(at)
        return [("times/a", at.isoformat().encode())]

    clock = SteppedClock(AT)
    async with MqttPublisher(f"mqtt://127.0.0.1:{broker.port}", [Producer(produce, 900, 60)], clock, name="times"):
        clock.at = AT + timedelta(hours=1)
        async with asyncio.timeout(20):
            times = [await spoken.get() for _ in range(4)]
    assert times == [AT + timedelta(minutes=minutes) for minutes in (1, 16, 31, 46)]


def test_an_interval_must_be_positive():
    with pytest.raises(ValueError, match="interval"):
        Producer(lambda at: [], 0)
