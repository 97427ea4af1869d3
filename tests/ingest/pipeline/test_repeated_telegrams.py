"""A telegram that comes again under another instant never counts as a reading (V20); a value that stays does."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from compute.quality import Quality
from ingest.clock import wall_now
from ingest.clock_watch import watch_from_store
from ingest.model import Delivery
from ingest.pipeline.intake import Pipeline
from ingest.sources.mqtt_intake import MqttIntake
from ingest.sources.mqtt_settings import MqttSettings
from protocols.mbus import record_bytes, wireless_telegram
from protocols.mqtt import raw_wmbus
from protocols.telegram import MeterId

METER = MeterId("00000001", "KAM", 0x1B, "heat")
START = wall_now().replace(microsecond=0) - timedelta(hours=5)


def radio(access_number: int, kwh: int = 7) -> bytes:
    return wireless_telegram(METER, record_bytes("energy", Decimal(kwh).scaleb(3), "Wh"), access_number=access_number)


@pytest.fixture
async def said(book, store_pool, directory):
    """Hand deliveries in; the minutes of the readings and whether each counts."""
    await book.meter(METER)
    await directory.refresh()

    async def say(*deliveries: Delivery) -> list[tuple[int, bool]]:
        async with Pipeline(pool=store_pool, directory=directory) as pipeline:
            await watch_from_store(pipeline.resolver.watch, store_pool)
            for delivery in deliveries:
                await pipeline.submit(delivery)
        rows = await book.rows("SELECT ts, flags & %s = 0 FROM reading ORDER BY ts", int(Quality.STALE))
        return [(round((ts - START).total_seconds() / 60), counts) for ts, counts in rows]

    return say


def heard(protocol: str, payload: bytes, minutes: float) -> Delivery:
    at = START + timedelta(minutes=minutes)
    return Delivery(protocol, payload, at, at, "roof", topic="roof/raw" if protocol == "mqtt" else None)


def published(payload: bytes, minutes: float, *, redelivered: bool = False) -> Delivery:
    at: datetime = START + timedelta(minutes=minutes)
    intake = MqttIntake(MqttSettings("broker"), None)
    (delivery,) = intake.deliveries("house/00000001", payload, at, at, redelivered=redelivered).deliveries
    return delivery


@pytest.mark.parametrize("protocol", ["wmbus", "mqtt"])
async def test_a_radio_telegram_that_a_repeater_brings_again_does_not_count(said, protocol) -> None:
    def written(frame: bytes) -> bytes:
        return raw_wmbus.encode(frame) if protocol == "mqtt" else frame

    first, second = written(radio(1)), written(radio(2, 8))
    told = await said(
        *(heard(protocol, payload, at) for payload, at in ((first, 0), (second, 2), (first, 4), (second, 5)))
    )
    assert told == [(0, True), (2, True), (4, False), (5, False)]


async def test_receivers_that_write_a_telegram_differently_bring_one_reading(said) -> None:
    frame = radio(1)
    told = await said(
        heard("wmbus", frame, 0), heard("mqtt", frame.hex().encode(), 1), heard("mqtt", frame.hex().upper().encode(), 2)
    )
    assert told == [(0, True), (1, False), (2, False)]


async def test_an_access_number_that_has_come_round_is_a_new_telegram(said) -> None:
    assert await said(heard("wmbus", radio(1), 0), heard("wmbus", radio(1), 68)) == [(0, True), (68, True)]


async def test_a_value_that_stays_is_read_again_and_again(said) -> None:
    told = await said(heard("wmbus", radio(1), 0), heard("wmbus", radio(2), 15))
    assert told == [(0, True), (15, True)]


async def test_a_radio_telegram_from_before_a_restart_does_not_count(said) -> None:
    await said(heard("wmbus", radio(1), 0), heard("wmbus", radio(2, 8), 2))
    assert await said(heard("wmbus", radio(1), 6)) == [(0, True), (2, True), (6, False)]


async def test_what_the_broker_sends_again_does_not_count(said) -> None:
    payload = b'{"id": "00000001", "energy_kwh": 12}'
    told = await said(published(payload, 0), published(payload, 3, redelivered=True), published(payload, 60))
    assert told == [(0, True), (3, False), (60, True)]


async def test_a_message_with_a_time_of_its_own_is_one_reading_whenever_it_comes(said, book) -> None:
    payload = b'{"id": "00000001", "energy_kwh": 12, "timestamp": "%s"}' % START.isoformat().encode()
    told = await said(published(payload, 10), published(payload, 40), published(payload, 41, redelivered=True))
    assert told == [(0, True)]
    assert await book.value("SELECT count(*) FROM delivery") == 1
