"""From the broker to the database: committed before acknowledged, once each, every family's meter found."""

import asyncio
from decimal import Decimal

import pytest

from ingest.pipeline.gathering import PipelineLimits
from ingest.pipeline.intake import Pipeline
from ingest.sources.mqtt import MqttSource
from ingest.sources.mqtt_settings import MqttSettings
from protocols.mbus import record_bytes, wireless_telegram
from protocols.mqtt import raw_wmbus, thingsboard
from protocols.serial_frame import SerialFrame, encoded
from protocols.telegram import MeterId

KEY = bytes(range(16))
CJT188 = encoded(
    SerialFrame(
        "cjt188",
        bytes.fromhex("11223344001111"),
        0x81,
        b"\x90\x1f\x01" + bytes(4) + b"\x05" + bytes.fromhex("0034120005") + bytes(33),
        0x20,
    )
)


def meter(number):
    return MeterId(f"{number:08d}", "KAM", 0x1B, "heat")


def telegram(number, count, key=None):
    return wireless_telegram(meter(number), record_bytes("energy", Decimal(count).scaleb(3), "Wh"), key=key)


@pytest.fixture
async def pipeline(store_pool, directory):
    async with Pipeline(pool=store_pool, directory=directory, limits=PipelineLimits(batch_wait_s=0.05)) as running:
        yield running


@pytest.fixture
async def listen(broker, pipeline, sources):
    """Start a source into the real pipeline."""
    tasks = []

    async def start(name, addresses=None):
        settings = MqttSettings("127.0.0.1", broker.port, topics=(f"{name}/#",), client_id=f"store {name}")
        source = MqttSource(settings, pipeline, addresses=addresses)
        sources.append(source)
        tasks.append(asyncio.create_task(source.run()))
        async with asyncio.timeout(20):
            await source.connected.wait()
        return source

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_is_acknowledged_is_in_the_store(broker, book, directory, listen, publish, reached):
    for number in range(1, 11):
        await book.meter(meter(number))
    await directory.refresh()
    source = await listen("load")
    messages = [("load/raw", raw_wmbus.encode(telegram(number % 10 + 1, number))) for number in range(300)]
    await asyncio.to_thread(publish, broker.port, messages)
    await reached(lambda: source.counters.acknowledged == 300)
    balance = await book.balance()
    assert (balance["deliveries"], balance["quarantined"], balance["twice"]) == (300, 0, 0)


async def test_a_redelivery_is_stored_once(broker, book, directory, listen, publish, reached):
    await book.meter(meter(1))
    await directory.refresh()
    source = await listen("twice")
    payload = thingsboard.encode_gateway({"meter 00000001": [(1763798400000, {"energy": 5})]})
    await asyncio.to_thread(publish, broker.port, [("twice/a", payload), ("twice/a", payload)])
    await reached(lambda: source.counters.acknowledged == 2)
    assert await book.value("SELECT count(*) FROM delivery") == 1


async def test_an_encrypted_telegram_without_a_key_waits_in_quarantine(
    broker, book, directory, listen, publish, reached
):
    await book.meter(meter(1))
    await directory.refresh()
    source = await listen("closed")
    messages = [
        ("closed/raw", raw_wmbus.encode(telegram(1, 5, KEY))),
        ("closed/raw", raw_wmbus.encode(telegram(9, 5, KEY))),
    ]
    await asyncio.to_thread(publish, broker.port, messages)
    await reached(lambda: source.counters.acknowledged == 2)
    rows = await book.rows("SELECT code, serial FROM quarantine ORDER BY serial")
    assert rows == [("key.missing", "00000001"), ("meter.unknown", "00000009")]


async def test_a_frame_in_two_halves_is_booked_once_and_its_pieces_are_kept(
    broker, book, directory, listen, publish, reached
):
    identity = MeterId("11110044332211", "1111", None, "heat")
    await book.meter(identity)
    await directory.refresh()
    source = await listen("dtu")
    await asyncio.to_thread(publish, broker.port, [("dtu/1/up", CJT188[:20]), ("dtu/1/up", CJT188[20:])])
    await reached(lambda: source.counters.acknowledged == 2)
    protocols = await book.rows("SELECT protocol FROM delivery ORDER BY protocol")
    assert [row[0] for row in protocols] == ["cjt188", "fragment", "fragment"]
    assert (
        await book.value("SELECT value FROM reading JOIN register USING (register_id) WHERE name = 'energy'") == 123400
    )
    assert await book.value("SELECT count(*) FROM quarantine") == 0


async def test_a_message_without_a_number_belongs_to_the_meter_linked_to_its_topic(
    broker, book, directory, listen, publish, reached
):
    number = await book.meter(meter(1))
    await directory.refresh()
    source = await listen("link", {"link/cellar/boiler": number})
    await asyncio.to_thread(publish, broker.port, [("link/cellar/boiler", b'{"energy_kwh": 12.5}')])
    await reached(lambda: source.counters.acknowledged == 1)
    assert await book.value("SELECT meter_id FROM delivery") == number
    assert await book.value("SELECT count(*) FROM reading") == 1
