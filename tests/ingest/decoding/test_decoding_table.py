"""The decoding table: every protocol by name, alias or by its bytes, with keys, profiles and memory."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest

from ingest.decoding.state import DecodingState
from ingest.decoding.table import ALIASES, PROTOCOLS, decode, protocol_name
from protocols.errors import ProfileError, ProtocolError, SecurityError, UnsupportedError
from protocols.lorawan_elvaco import payload_from_records
from protocols.mbus import (
    record_bytes,
    records_from_bytes,
    wired_frame,
    wireless_compact_telegram,
    wireless_mode7_telegram,
    wireless_telegram,
)
from protocols.modbus import answer_frame, request_frame
from protocols.modbus.plan import ReadRequest
from protocols.mqtt import chirpstack, raw_wmbus
from protocols.mqtt.encode import json_bytes
from protocols.serial_frame import SerialFrame, encoded
from protocols.telegram import MeterId

METER = MeterId("12345678", "KAM", 0x1B, "heat")
KEY = bytes(range(16))
RECORDS = record_bytes("energy", Decimal("1234E+3"), "Wh") + record_bytes("volume", Decimal("56.78"), "m3")
WIRED = wired_frame(METER, RECORDS)
WIRELESS = wireless_telegram(METER, RECORDS)
CJT188 = encoded(
    SerialFrame("cjt188", bytes.fromhex("11223344001111"), 0x81, bytes.fromhex("901F01") + bytes(43), 0x20)
)
AT = datetime(2026, 1, 1, tzinfo=UTC)


def energy_of(found):
    (decoded,) = found
    return next(reading for reading in decoded.readings if reading.register.name == "energy")


@pytest.mark.parametrize(
    ("frame", "protocol"),
    [
        (WIRED, "mbus"),
        (WIRED.hex().encode(), "mbus"),
        (WIRED.hex(" ").encode(), "mbus"),
        (WIRELESS, "wmbus"),
        (wireless_telegram(METER, RECORDS, form="A"), "wmbus"),
        (wireless_telegram(METER, RECORDS, form="B"), "wmbus"),
        (raw_wmbus.encode(WIRELESS, "base64"), "wmbus"),
        (b"\xfe\xfe\xfe" + CJT188, "cjt188"),
    ],
)
def test_bytes_tell_their_protocol(frame, protocol):
    (found,) = decode(None, frame)
    assert found.telegram.protocol == protocol


def test_a_topic_or_a_port_tells_as_well():
    assert decode(None, b'{"serial": "1", "energy": 5}', topic="a/b")[0].telegram.protocol == "mqtt"
    payload = payload_from_records(0x15, records_from_bytes(RECORDS)[0])
    assert decode(None, payload, port=2)[0].telegram.protocol == "lorawan"


@pytest.mark.parametrize("payload", [b"\x01\x02\x03", b"hello world", b"\x68"])
def test_unknown_bytes_are_a_coded_error(payload):
    with pytest.raises(ProtocolError) as caught:
        decode(None, payload)
    assert caught.value.code


def test_every_alias_leads_to_a_protocol():
    assert {protocol_name(alias) for alias in ALIASES} <= {*PROTOCOLS, "reading"}
    with pytest.raises(UnsupportedError, match="known are"):
        protocol_name("carrier pigeon")


def test_nothing_is_an_error_too():
    with pytest.raises(ProtocolError) as caught:
        decode("mbus", b"")
    assert caught.value.code == "payload.empty"


def test_registers_are_exact_counts():
    reading = energy_of(decode("mbus", WIRED))
    assert (reading.count, reading.register.unit, reading.register.scale) == (1234, "kWh", 0)


def test_a_key_is_looked_up_by_the_meters_address():
    asked = []

    def lookup(meter):
        asked.append(meter.serial)
        return KEY

    assert energy_of(decode("wmbus", wireless_telegram(METER, RECORDS, key=KEY), key=lookup)).count == 1234
    assert asked == ["12345678"]


def test_an_open_telegram_needs_no_key():
    assert energy_of(decode("wmbus", WIRELESS, key=lambda meter: pytest.fail("asked for a key"))).count == 1234


def test_a_missing_key_leaves_the_header_and_a_flag():
    (found,) = decode("wmbus", wireless_telegram(METER, RECORDS, key=KEY), key=lambda meter: None)
    assert found.telegram.meter.serial == "12345678"
    assert (found.readings, found.flags) == ((), ("key.missing",))


def test_a_wrong_key_never_yields_data():
    with pytest.raises(SecurityError) as caught:
        decode("wmbus", wireless_telegram(METER, RECORDS, key=KEY), key=bytes(16))
    assert caught.value.code == "key.wrong"


def test_a_counter_that_does_not_rise_is_refused_also_after_a_restart():
    state = DecodingState()
    first = wireless_mode7_telegram(METER, RECORDS, key=KEY, counter=7)
    assert energy_of(decode("wmbus", first, key=lambda meter: KEY, state=state)).count == 1234
    restored = DecodingState.restore(state.dump())
    with pytest.raises(SecurityError):
        decode("wmbus", first, key=lambda meter: KEY, state=restored)
    later = wireless_mode7_telegram(METER, RECORDS, key=KEY, counter=8)
    assert energy_of(decode("wmbus", later, key=lambda meter: KEY, state=restored)).count == 1234


def test_compact_layouts_survive_a_restart():
    state = DecodingState()
    compact = wireless_compact_telegram(METER, RECORDS)
    with pytest.raises(UnsupportedError):
        decode("wmbus", compact, state=state)
    decode("wmbus", WIRELESS, state=state)
    restored = DecodingState.restore(state.dump())
    assert energy_of(decode("wmbus", compact, state=restored)).count == 1234


def test_embedded_bytes_are_decoded_and_carry_the_senders_time():
    payload = payload_from_records(0x15, records_from_bytes(RECORDS)[0])
    topic, message = chirpstack.encode(
        "94193a0103000001", payload, port=2, counter=1, deduplication_id="d", time="2026-01-15T09:34:15Z"
    )
    (found,) = decode("mqtt", message, topic=topic)
    assert found.telegram.protocol == "lorawan"
    assert found.telegram.meter.serial == "94193a0103000001"
    assert {reading.time for reading in found.readings} == {datetime(2026, 1, 15, 9, 34, 15, tzinfo=UTC)}


def test_the_decoded_object_counts_only_where_the_bytes_say_nothing():
    event = {"deviceInfo": {"devEui": "aa"}, "fCnt": 1, "fPort": 9, "data": "AQID", "object": {"energy_kwh": 12.5}}
    (found,) = decode("mqtt", json_bytes(event), topic="application/a/device/aa/event/up")
    assert found.flags == ("fallback:lorawan.port",)
    assert energy_of([found]).register.canonical_value_of(energy_of([found]).count) == Decimal("12.5")
    payload = payload_from_records(0x15, records_from_bytes(RECORDS)[0])
    good = event | {"fPort": 2, "data": msgspec.to_builtins(payload)}
    (found,) = decode("mqtt", json_bytes(good), topic="application/a/device/aa/event/up")
    assert energy_of([found]).count == 1234


def test_one_bad_telegram_does_not_cost_the_others():
    bad = bytearray(wireless_telegram(METER, RECORDS, form="A"))
    bad[20] ^= 0xFF
    text = bytes(bad).hex().encode() + b"\n" + WIRELESS.hex().encode()
    (found,) = decode("mqtt", text, topic="wmbus/raw")
    assert energy_of([found]).count == 1234
    assert found.flags[0].startswith("rejected:")


def test_a_fragment_is_kept_and_says_nothing():
    assert decode("fragment", b"\x68\x20") == []


def test_an_unknown_profile_is_an_error_that_names_it():
    with pytest.raises(ProfileError) as caught:
        decode("mbus", WIRED, profile="no-such-profile")
    assert caught.value.code == "profile.unknown"
    assert "no-such-profile" in caught.value.message


def test_a_modbus_answer_is_placed_by_the_request_before_it():
    request = request_frame(5, ReadRequest(3, 32, 2))
    answer = answer_frame(5, 3, [0x0000, 0x4234])
    (found,) = decode("modbus_rtu", request + answer, profile="tuf-2000")
    (record,) = found.telegram.records
    assert (record.quantity, record.unit) == ("supply_temperature", "°C")


def test_a_modbus_answer_without_profile_shows_its_registers():
    (found,) = decode("modbus_rtu", answer_frame(5, 3, [1, 2]))
    assert [record.raw for record in found.telegram.records] == ["0001", "0002"]


def test_a_modbus_image_needs_its_map():
    with pytest.raises(ProfileError) as caught:
        decode("modbus", b"\x03\x00\x00\x00\x01\x00\x01")
    assert caught.value.code == "profile.missing"
