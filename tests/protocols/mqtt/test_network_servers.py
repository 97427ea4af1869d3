"""ChirpStack, The Things Stack, LORIOT and the Lobaro bridge: bytes first, the decoded object only as fall-back."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from protocols.errors import ContentError
from protocols.mbus.encoding import Coding, record_bytes
from protocols.mqtt import FamilyState, chirpstack, lobaro, loriot, messages_from_publish, things_stack
from protocols.mqtt.encode import json_bytes

DEVICE = "94193a0103000001"
TIME = "2026-01-15T09:34:15Z"
DATA = (
    bytes((0x15,))
    + record_bytes("energy", Decimal("5E+3"), "Wh")
    + record_bytes("fabrication_number", Decimal(70001234), coding=Coding.BCD8)
)


def encoders():
    yield "chirpstack", chirpstack.encode(DEVICE, DATA, port=2, counter=7, deduplication_id="3ac7", time=TIME)
    yield "things_stack", things_stack.encode(DEVICE, DATA, port=2, counter=7, time=TIME)
    yield "loriot", ("any/topic", loriot.encode(DEVICE, DATA, port=2, counter=7, ts_ms=1768469655000))


@pytest.mark.parametrize(("family", "publish"), list(encoders()))
def test_every_server_hands_over_the_same_bytes(family, publish):
    (message,) = messages_from_publish(*publish)
    assert (message.family, message.protocol, message.payload, message.port) == (family, "lorawan", DATA, 2)
    assert message.meter.serial == DEVICE
    assert message.time == datetime(2026, 1, 15, 9, 34, 15, tzinfo=UTC)
    assert message.idempotency


def test_the_first_uplink_of_a_session_has_no_counter_field():
    topic, payload = things_stack.encode(DEVICE, DATA, port=2, counter=0, time=TIME)
    assert b"f_cnt" not in payload
    (message,) = messages_from_publish(topic, payload)
    assert message.idempotency.endswith("/0")


@pytest.mark.parametrize("data", ['""', "null"])
def test_a_frame_without_payload_is_no_reading_and_no_error(data):
    payload = f'{{"deduplicationId": "x", "deviceInfo": {{"devEui": "{DEVICE}"}}, "fCnt": 0, "data": {data}}}'
    assert messages_from_publish("application/a/device/b/event/up", payload.encode()) == ()


def test_the_decoded_object_is_kept_as_fall_back():
    event = {"deviceInfo": {"devEui": DEVICE}, "fCnt": 1, "fPort": 9, "data": "AQID", "object": {"energy_kwh": 12.5}}
    (message,) = messages_from_publish("application/a/device/b/event/up", json_bytes(event))
    assert message.payload == b"\x01\x02\x03"
    assert message.telegram.records[0].value == Decimal("12.5")


def test_a_decoded_object_without_bytes_counts():
    event = {
        "deviceInfo": {"devEui": DEVICE},
        "fCnt": 1,
        "object": {"data": {"energy": {"value": 3, "unit": "kWh"}}, "volume_m3": 2},
    }
    (message,) = messages_from_publish("application/a/device/b/event/up", json_bytes(event))
    assert message.protocol == "mqtt"


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ('{"end_device_ids": {"device_id": "d"}, "uplink_message": {"frm_payload": "***"}}', "lorawan.base64"),
        ('{"end_device_ids": {"device_id": "d"}, "uplink_message": {"frm_payload": 7}}', "json.type"),
        ('{"end_device_ids": {"device_id": "d"}, "uplink_message": {"f_port": "x"}}', "json.type"),
        (
            '{"end_device_ids": {"device_id": "d"}, "uplink_message": {"frm_payload": "AA==", "frm_payload": "AQ=="}}',
            "json.duplicate",
        ),
        (
            '{"end_device_ids": {"device_id": "d"}, "uplink_message": {"frm_payload": "' + "A" * 3000 + '"}}',
            "lorawan.too_long",
        ),
        ('{"uplink_message": {"f_port": 2}, "x": ' + "[" * 5000, "json.depth"),
    ],
)
def test_hostile_uplinks_are_refused_with_a_code(payload, code):
    with pytest.raises(ContentError) as caught:
        messages_from_publish("v3/a@ttn/devices/d/up", payload.encode())
    assert caught.value.code == code


def test_other_events_of_the_things_stack_give_nothing():
    assert (
        messages_from_publish("v3/a@ttn/devices/d/up", b'{"end_device_ids": {"device_id": "d"}, "join_accept": {}}')
        == ()
    )


TELEGRAM = bytes((0x45, 0x44)) + bytes(range(68))


def parts(state, counters, telegram=TELEGRAM, largest=25):
    found = []
    for (port, data), counter in zip(lobaro.parts_from_telegram(telegram, largest), counters, strict=True):
        topic, payload = things_stack.encode(DEVICE, data, port=port, counter=counter, time=TIME)
        found.append(messages_from_publish(topic, payload, state=state))
    return found


def test_split_telegrams_are_joined_in_counter_order():
    first, second, third = parts(FamilyState(), (10, 11, 12))
    assert [message.event for message in (*first, *second)] == ["fragment", "fragment"]
    assert (third[0].protocol, third[0].payload) == ("wmbus", TELEGRAM)


def test_a_lost_part_is_an_error_and_never_half_a_telegram():
    with pytest.raises(ContentError) as caught:
        parts(FamilyState(), (10, 12, 13))
    assert caught.value.code == "lobaro.part_missing"


def test_an_unsplit_telegram_passes_at_once():
    ((message,),) = parts(FamilyState(), (10,), largest=100)
    assert message.payload == TELEGRAM


def test_devices_that_never_finish_do_not_fill_memory():
    state = FamilyState()
    for number in range(10_050):
        lobaro.joined(f"device-{number}", 12, 1, b"x", state)
    assert len(state.slots["lobaro"]) == 10_000
