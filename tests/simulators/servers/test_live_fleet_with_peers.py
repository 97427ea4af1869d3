"""A live fleet as products see it that know nothing of us: pyMeterBus, pymodbus, dlt645, paho, an HTTP server."""

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import meterbus
import pytest
from dlt645 import DLT645Protocol
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from pymodbus.client import AsyncModbusTcpClient

from protocols import cjt188, dlt645
from protocols.catalogue import catalogue
from protocols.modbus import blocks_from_image
from simulators.catalogue import fleet_of
from simulators.faults_sensor import INFO_BATTERY
from simulators.fleet import Fleet
from simulators.live import LiveFleet
from simulators.meter import VirtualMeter
from simulators.network_server import HttpIntegration, LorawanDevice, devices_of

JOULES = {"MeasureUnit.WH": 3600, "MeasureUnit.J": 1}
HOUR = timedelta(hours=1)


class HandClock:
    """A clock that a test moves."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


@pytest.fixture
async def live(demo_fleet: Fleet, broker) -> AsyncIterator[LiveFleet]:  # type: ignore[no-untyped-def]
    async with LiveFleet(demo_fleet, HandClock(demo_fleet.origin), broker.url, speed_up=1e4) as running:
        yield running


def behind(fleet: Fleet, gateway: str) -> list[VirtualMeter]:
    return [meter for meter in fleet.meters if meter.link.gateway == gateway]


def joules(meter: VirtualMeter, at: datetime) -> int:
    return int(meter.index.count_size("kWh") * 3_600_000 * meter.readout(at).counts[meter.index.name])


class SerialOverTcp:
    """What pyMeterBus expects of a serial port, over a socket."""

    def __init__(self, address: str) -> None:
        host, port = address.split(":")
        self._socket = socket.create_connection((host, int(port)), timeout=20.0)
        self.read = lambda count: self._socket.recv(count, socket.MSG_WAITALL)
        self.write = lambda data: self._socket.sendall(bytes(data))
        self.close = self._socket.close

    def flush(self) -> None:
        """Nothing is held back."""


async def test_pymeterbus_reads_a_house_of_five_makes(live: LiveFleet) -> None:
    meters = [meter for meter in behind(live.fleet, "MB-DL1") if meter.answers(live.fleet.origin)]

    def session() -> dict[str, list[int]]:
        port = SerialOverTcp(live.addresses["MB-DL1"])
        try:
            found = {}
            for meter in meters:
                meterbus.send_request_frame(port, int(meter.link.address))
                # Its `load` takes a frame of 0x44 bytes for a radio telegram; its class does not guess.
                telegram = meterbus.TelegramLong(meterbus.recv_frame(port, meterbus.FRAME_DATA_LENGTH))
                records = [record.interpreted for record in telegram.records]
                energies = [
                    int(Decimal(record["value"])) * JOULES[record["unit"]]
                    for record in records
                    if record["unit"] in JOULES and record["storage_number"] == 0
                ]
                found[telegram.secondary_address[:8]] = energies[:1]
            return found
        finally:
            port.close()

    found = await asyncio.to_thread(session)
    assert found == {meter.id.serial: [joules(meter, live.fleet.origin)] for meter in meters}
    assert {meter.model.manufacturer for meter in meters} == {"KAM", "LUG", "HYD", "EFE"}


async def test_pymodbus_reads_four_maps(live: LiveFleet) -> None:
    seen, profiles = 0, set()
    for gateway in ("MOD-DL", "MOD-HD"):
        host, port = live.addresses[gateway].split(":")
        client = AsyncModbusTcpClient(host, port=int(port), timeout=20, retries=0, reconnect_delay=0)
        assert await client.connect()
        for meter in behind(live.fleet, gateway):
            profiles.add(meter.profile)
            for block in blocks_from_image(meter.telegram_bytes(live.fleet.origin)):
                read = client.read_holding_registers if block.function == 3 else client.read_input_registers
                answer = await read(block.address, count=len(block.words), device_id=int(meter.link.address))
                assert tuple(answer.registers) == block.words
                seen += 1
        client.close()
    assert len(profiles) == 4
    assert seen >= 24


async def test_pymodbus_makes_the_displayed_energy_of_the_registers(live: LiveFleet) -> None:
    meter = next(m for m in behind(live.fleet, "MOD-DL") if m.profile == "modbus-a")
    map_ = catalogue().get("modbus-a").modbus
    assert map_ is not None
    point = next(point for point in map_.points if point.name == "energy")
    host, port = live.addresses["MOD-DL"].split(":")
    client = AsyncModbusTcpClient(host, port=int(port), timeout=20, retries=0, reconnect_delay=0)
    assert await client.connect()
    answer = await client.read_holding_registers(point.address, count=2, device_id=int(meter.link.address))
    value = client.convert_from_registers(answer.registers, client.DATATYPE.UINT32)
    client.close()
    assert value == meter.readout(live.fleet.origin).counts["energy"]


async def asked(address: str, request: bytes) -> bytes:
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    async with asyncio.timeout(60):
        answer = await reader.read(512)
    writer.close()
    return answer


async def test_dlt645_decodes_the_electricity_meters(live: LiveFleet) -> None:
    meters = behind(live.fleet, "EL-DL")
    for meter in meters:
        frame = DLT645Protocol.deserialize(await asked(live.addresses["EL-DL"], dlt645.read_request(meter.id.serial)))
        assert bytes(frame.addr)[::-1].hex() == meter.id.serial
        shown = meter.readout(live.fleet.origin).counts["energy"] % 10**8
        assert int(bytes(frame.data)[-4:][::-1].hex()) == shown
    assert len(meters) == 6


async def test_cjt188_meters_tell_twelve_months_over_the_socket(live: LiveFleet) -> None:
    meter = behind(live.fleet, "CJ-DL4")[0]
    at, dialect = live.fleet.origin, meter.model.dialect
    told = []
    for number in range(12):
        request = cjt188.read_request(meter.id.serial, 0xD120 + number, ser=number, dialect=dialect)
        telegram = cjt188.telegram_from_frame(await asked(live.addresses["CJ-DL4"], request), dialect)
        (record,) = telegram.records
        assert (record.quantity, record.storage) == ("energy", 2 + number)
        told.append(record.value)
    ends = [meter.index.value_of(count) for _, count in meter.history_counts(at, 12)]
    assert told == ends
    assert ends == sorted(ends, reverse=True)
    assert meter.index.value_of(meter.readout(at).counts["energy"]) >= told[0]


async def test_paho_receives_every_radio_meter(live: LiveFleet, broker) -> None:  # type: ignore[no-untyped-def]
    fleet, clock = live.fleet, live.clock
    assert isinstance(clock, HandClock)
    radio = [m for code in ("RADIO-DL", "IOT-HD") for m in behind(fleet, code)]
    wanted = {m.link.settings["topic"] for m in radio if m.answers(fleet.origin + HOUR)}
    loop, heard, whole = asyncio.get_running_loop(), set(), asyncio.Event()

    def take(_client, _data, message) -> None:  # type: ignore[no-untyped-def]
        heard.add(message.topic)
        if heard >= wanted:
            loop.call_soon_threadsafe(whole.set)

    subscribed = asyncio.Event()
    client = Client(CallbackAPIVersion.VERSION2, client_id="peer")
    client.on_message = take
    client.on_subscribe = lambda *_: loop.call_soon_threadsafe(subscribed.set)
    await asyncio.to_thread(client.connect, "127.0.0.1", broker.port)
    client.loop_start()
    client.subscribe("#", qos=1)
    async with asyncio.timeout(90):
        await subscribed.wait()
        clock.at = fleet.origin + HOUR
        await whole.wait()
    client.disconnect()
    client.loop_stop()
    assert heard >= wanted


@pytest.fixture
def chaos() -> Fleet:
    return fleet_of("chaos", seed=2, meters=60, days=20)


def module(fleet: Fleet, fault: str = "") -> LorawanDevice:
    """A module whose meter has that fault, or none at all."""
    for device in devices_of(fleet.meters):
        names = {item.name for item in device.meter.faults}
        if names == ({fault} if fault else set()):
            return device
    raise LookupError(fault)


def test_a_network_server_tells_joins_uplinks_and_status(chaos: Fleet) -> None:
    device = module(chaos)
    times = [chaos.start + 5 * timedelta(days=1) + number * HOUR for number in range(26)]
    events = [event for at in times for event in device.events(at)]
    assert [event.kind for event in events[:3]] == ["join", "up", "status"]
    assert sum(event.kind == "status" for event in events) == 2
    ups = [json.loads(event.body) for event in events if event.kind == "up"]
    assert [up["fCnt"] for up in ups] == list(range(26))
    assert [base64.b64decode(up["data"]) for up in ups] == [device.meter.telegram_bytes(at) for at in times]
    assert len({up["deduplicationId"] for up in ups}) == 26
    assert {1, 2, 3} == {len(up["rxInfo"]) for up in ups}
    device.rejoin()
    again = [json.loads(event.body) for event in device.events(times[-1] + HOUR) if event.kind == "up"]
    assert again[0]["fCnt"] == 0


def test_a_low_battery_shows_in_the_status_of_the_network_server(estate_of) -> None:  # type: ignore[no-untyped-def]
    def prepare(builder) -> None:  # type: ignore[no-untyped-def]
        builder.fault("low_battery", builder.meter_of("E-101").id.serial, builder.start + timedelta(days=2))

    fleet = estate_of(prepare, models=("elvaco", "elvaco"))
    device = devices_of([fleet.meter_at("E-101")])[0]
    levels = [
        json.loads(event.body)["batteryLevel"]
        for day in (1, 3)
        for event in device.events(fleet.start + timedelta(days=day))
        if event.kind == "status"
    ]
    assert levels[0] > 50 > levels[1]
    assert device.meter.readout(fleet.start + timedelta(days=3)).info == INFO_BATTERY
    assert [label.kind for label in fleet.labels] == ["none"]


class _Door(BaseHTTPRequestHandler):
    """Refuses the first call with 503 and keeps the others."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        calls = self.server.calls  # type: ignore[attr-defined]
        calls.append((self.path, self.headers["Authorization"], body))
        self.send_response(503 if len(calls) == 1 else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


async def test_an_http_integration_pushes_events_and_tries_again(chaos: Fleet) -> None:
    server = HTTPServer(("127.0.0.1", 0), _Door)
    server.calls = []  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever, name="door")
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/chirpstack"
        integration = HttpIntegration(url, headers={"Authorization": "Bearer key"})
        events = module(chaos).events(datetime(2024, 9, 5, tzinfo=UTC))
        await integration.push(events)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    calls = server.calls  # type: ignore[attr-defined]
    assert [path for path, _, _ in calls] == [
        "/chirpstack?event=join", "/chirpstack?event=join", "/chirpstack?event=up", "/chirpstack?event=status",
    ]  # fmt: skip
    assert {key for _, key, _ in calls} == {"Bearer key"}
    assert [body for _, _, body in calls[1:]] == [event.body for event in events]
    assert (integration.brought, integration.lost) == (3, 0)


async def test_what_a_broker_link_does_to_messages(estate_of, broker) -> None:  # type: ignore[no-untyped-def]
    from simulators.mqtt_fleet import RadioMeter

    begin = datetime(2025, 1, 18, 8, tzinfo=UTC)

    def prepare(builder) -> None:  # type: ignore[no-untyped-def]
        builder.fault("duplicates", builder.meter_of("E-101").id.serial, begin, begin + 3 * HOUR)
        builder.fault("backfill", builder.meter_of("E-102").id.serial, begin, begin + 3 * HOUR)

    fleet = estate_of(prepare, models=("json", "json"))
    doubled, held = (RadioMeter(fleet.meter_at(point)) for point in ("E-101", "E-102"))
    times = [begin + number * HOUR for number in range(-1, 5)]
    assert [len(list(doubled(at))) for at in times] == [1, 2, 2, 2, 1, 1]
    brought = [list(held(at)) for at in times]
    assert [len(messages) for messages in brought] == [1, 0, 0, 0, 4, 1]
    stamps = [datetime.fromisoformat(json.loads(payload)["time"]) for _, payload in brought[4]]
    assert stamps == times[1:5]
