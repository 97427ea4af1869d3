"""A telegram that comes again under another instant never counts as a reading (V20); a value that stays does."""

import base64
import json
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
from protocols.mbus.wireless import format_a_from_frame, wireless_frame_from_bytes
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


def line(frame: bytes, level: int) -> bytes:
    """As rtl-wmbus prints a telegram: with the instant and the level of this receiver."""
    return b"T1;1;1;2026-01-01 12:00:00.000;%d;148;00000001;0x%b" % (level, frame.hex().encode())


def over_mqtt(payload: bytes, minutes: float, *, topic: str = "roof/raw", family: str | None = None) -> Delivery:
    at = START + timedelta(minutes=minutes)
    intake = MqttIntake(MqttSettings("broker", family=family), None)
    (delivery,) = intake.deliveries(topic, payload, at, at).deliveries
    return delivery


def values(minutes: float, kwh: float, **more: object) -> Delivery:
    """A message that carries values only, with what the receiver adds."""
    told = {"id": "00000001", "energy_kwh": kwh, **more}
    return over_mqtt(json.dumps(told).encode(), minutes, topic="house/00000001")


async def test_receivers_that_add_their_level_bring_one_reading(said) -> None:
    frame = radio(1)
    with_crcs = format_a_from_frame(wireless_frame_from_bytes(frame))
    ways = (line(frame, 97), line(frame, 55), frame.hex().encode(), base64.b64encode(frame), frame, with_crcs,
            line(with_crcs, 40))  # fmt: skip
    again = [over_mqtt(payload, 0.1 * place, topic=f"roof/{place}") for place, payload in enumerate(ways)]
    told = await said(*again, over_mqtt(line(radio(2), 60), 15))
    assert told == [*((0, place == 0) for place in range(4)), (0, False), (0, False), (1, False), (15, True)]


async def test_a_telegram_within_json_is_known_by_its_bytes(said) -> None:
    told = await said(
        *(
            over_mqtt(json.dumps({"rssi": level, "telegram": frame.hex()}).encode(), at, family="wmbus_raw")
            for frame, level, at in ((radio(1), -70, 0), (radio(1), -90, 2), (radio(2), -70, 15))
        )
    )
    assert told == [(0, True), (2, False), (15, True)]


async def test_radio_telegrams_with_a_level_are_known_after_a_restart(said) -> None:
    await said(over_mqtt(line(radio(1), 97), 0))
    assert await said(over_mqtt(line(radio(1), 30), 3)) == [(0, True), (3, False)]


async def test_values_that_two_receivers_forward_are_one_reading(said) -> None:
    told = await said(
        values(0, 12, rssi=-70), values(0.05, 12, rssi=-90), values(0.1, 12, snr=4, battery=3.1),
        values(15, 12, rssi=-71), values(30, 13, rssi=-70), values(30.1, 13, rssi=-95),
    )  # fmt: skip
    # The battery is the receiver's or the radio's; it has a register of its own.
    assert told == [(0, True), *[(0, False)] * 3, (15, True), (30, True), (30, False)]


async def test_values_that_are_sent_often_count_once_a_minute_and_whenever_they_change(said) -> None:
    told = await said(*(values(at / 4, 12, rssi=at) for at in range(9)), values(2.1, 13), values(2.2, 14))
    assert told == [
        (0, True), *((round(at / 4), at % 4 == 0) for at in range(1, 9)), (2, True), (2, True)
    ]  # fmt: skip


async def test_a_momentary_value_that_returns_is_a_value(said) -> None:
    told_kw = ((5, -70), (6, -71), (5, -72))
    payloads = (json.dumps({"id": "00000001", "power_kw": kw, "rssi": rssi}) for kw, rssi in told_kw)
    told = await said(*(over_mqtt(payload.encode(), 0.2 * place) for place, payload in enumerate(payloads)))
    assert told == [(0, True)] * 3


async def test_an_older_message_that_comes_late_takes_no_index_back(said) -> None:
    told = await said(
        values(0, 12, rssi=-70), values(15, 13, rssi=-70), values(16, 12, rssi=-90), values(30, 14), values(45, 12)
    )
    # After half an hour it is a fall that the rules have to judge: a meter may have been reset.
    assert told == [(0, True), (15, True), (16, False), (30, True), (45, True)]


async def test_messages_that_receivers_dated_a_second_apart_are_one_reading(said) -> None:
    def dated(seconds: int, level: int) -> Delivery:
        at = (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
        told = {
            "media": "heat",
            "id": "00000001",
            "total_energy_consumption_kwh": 12,
            "rssi_dbm": level,
            "timestamp": at,
        }
        return over_mqtt(json.dumps(told).encode(), 1 + seconds / 60, topic="wmbusmeters/one")

    assert await said(dated(0, -70), dated(1, -90), dated(900, -70)) == [(0, True), (0, False), (15, True)]
