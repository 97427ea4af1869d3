"""wmbusmeters, ThingsBoard, generic JSON and mapping profiles."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from protocols.errors import ContentError, ProfileError
from protocols.mqtt import messages_from_publish, thingsboard, wmbusmeters
from protocols.mqtt.generic_json import encode as encode_generic
from protocols.mqtt.mapping import mapping_from_toml, packaged_mappings, topic_matches


def values_of(telegram):
    return {record.quantity: record.value for record in telegram.records}


def test_wmbusmeters_round_trip():
    payload = wmbusmeters.encode("11223344", {"total_kwh": Decimal("1234.5"), "flow_temperature_c": Decimal("61.25")})
    (message,) = messages_from_publish("wmbusmeters/cellar", payload)
    assert message.family == "wmbusmeters"
    assert message.telegram.meter.serial == "11223344"
    assert values_of(message.telegram) == {"energy": Decimal("1234.5"), "supply_temperature": Decimal("61.25")}


def test_wmbusmeters_clock_is_the_meters_not_the_readings():
    payload = wmbusmeters.encode("1", {"total_kwh": 1, "device_date_time": "2026-01-02 03:04"})
    (message,) = messages_from_publish("wmbusmeters/x", payload)
    assert values_of(message.telegram)["datetime"] == "2026-01-02T03:04"
    assert message.time is None


def test_thingsboard_device_samples_carry_their_times():
    payload = thingsboard.encode_device({"energy": Decimal("12.5")}, 1763798400000)
    (message,) = messages_from_publish("v1/devices/me/telemetry", payload)
    assert message.time == datetime(2025, 11, 22, 8, tzinfo=UTC)
    assert values_of(message.telegram) == {"energy": Decimal("12.5")}


def test_thingsboard_gateway_names_its_meters():
    payload = thingsboard.encode_gateway(
        {"Heat meter 68001122": [(1763798400000, {"energy": 5})], "attic": [(1763798400000, {"power": 2})]}
    )
    first, second = messages_from_publish("v1/gateway/telemetry", payload)
    assert first.telegram.meter.serial == "68001122"
    assert second.telegram.meter.serial == "attic"


def test_thingsboard_takes_lists_of_samples():
    payload = b'[{"ts": 1763798400000, "values": {"energy": 1}}, {"ts": 1763802000000, "values": {"energy": 2}}]'
    assert len(messages_from_publish("v1/devices/me/telemetry", payload)) == 2


@pytest.mark.parametrize("payload", [b"[1]", b'{"values": 3}', b"3"])
def test_thingsboard_refuses_other_shapes(payload):
    with pytest.raises(ContentError) as caught:
        messages_from_publish("v1/devices/me/telemetry", payload)
    assert caught.value.code == "json.type"


def test_generic_json_round_trip():
    payload = encode_generic("70001234", {"energy_mwh": Decimal("1.234"), "return_temp": 41}, "2026-01-01T00:00:00Z")
    (message,) = messages_from_publish("plant/7", payload)
    assert message.telegram.meter.serial == "70001234"
    assert message.time == datetime(2026, 1, 1, tzinfo=UTC)
    assert values_of(message.telegram) == {"energy": Decimal("1.234"), "return_temperature": Decimal(41)}


def test_a_serial_may_stand_in_the_topic():
    (message,) = messages_from_publish("plant/meter-70001234/state", b'{"energy": 1}')
    assert message.telegram.meter.serial == "70001234"


MAPPING = {
    "name": "json-test",
    "topics": ["plant/+/data"],
    "items": "meters",
    "time": "at",
    "serial": {"path": "no", "pattern": "(\\d+)$"},
    "points": [
        {"path": "heat.total", "quantity": "energy", "unit": "MWh", "factor": "0.001", "missing": ["n/a"]},
        {"path": "heat.history.0", "quantity": "energy", "unit": "MWh", "storage": 1},
    ],
}


def test_a_mapping_reads_paths_lists_factors_and_placeholders():
    payload = (
        b'{"at": 1763798400, "meters": [{"no": "HM-0042", "heat": {"total": 12345, "history": [11.5]}}, '
        b'{"no": "HM-0043", "heat": {"total": "n/a"}}]}'
    )
    first, second = messages_from_publish("plant/x/data", payload, mapping=mapping_from_toml(MAPPING, "test.toml"))
    assert first.telegram.meter.serial == "0042"
    assert [(record.value, record.storage) for record in first.telegram.records] == [
        (Decimal("12.345"), 0),
        (Decimal("11.5"), 1),
    ]
    assert second.telegram.records[0].error == "value.null"
    assert first.time == datetime(2025, 11, 22, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"points": []}, "points"),
        ({"colour": 1}, "colour"),
        ({"name": 5}, "name"),
        ({"points": [{"path": "a", "quantity": "energy", "unit": "furlong"}]}, "furlong"),
        ({"points": [{"path": "a", "quantity": "energy", "unit": "kWh", "function": "sum"}]}, "function"),
        ({"points": [{"path": "a", "quantity": "energy", "unit": "kWh", "factor": "x"}]}, "factor"),
        ({"serial": {"pattern": "("}}, "serial.pattern"),
    ],
)
def test_a_wrong_mapping_is_an_error_that_names_file_and_key(change, key):
    with pytest.raises(ProfileError) as caught:
        mapping_from_toml(MAPPING | change, "test.toml")
    assert "test.toml" in caught.value.message
    assert key in caught.value.message


def test_the_packaged_mapping_reads_the_documented_form():
    assert "json-heatbook" in packaged_mappings()
    payload = b'{"serial": "70001234", "time": "2026-01-01T00:00:00Z", "energy_kwh": 12.3, "message": "m-1"}'
    (message,) = messages_from_publish("heatbook/70001234/reading", payload)
    assert message.idempotency == "m-1"
    assert values_of(message.telegram) == {"energy": Decimal("12.3")}


@pytest.mark.parametrize(
    ("pattern", "topic", "fits"),
    [("a/+/c", "a/b/c", True), ("a/+/c", "a/b/d", False), ("a/#", "a", True),
     ("a/#", "a/b/c", True), ("#", "x/y", True),
     ("+", "x/y", False), ("a.c", "abc", False)],
)  # fmt: skip
def test_topic_filters(pattern, topic, fits):
    assert topic_matches(pattern, topic) is fits


def test_home_assistant_discovery_tells_the_unit_of_a_key():
    from protocols.mqtt import FamilyState

    state = FamilyState()
    config = b'{"state_topic": "cellar/state", "value_template": "{{ value_json.heat }}", "unit_of_measurement": "MWh"}'
    (message,) = messages_from_publish("homeassistant/sensor/x/config", config, state=state)
    assert message.event == "discovery"
    (reading,) = messages_from_publish("cellar/state", b'{"heat": 1.5}', state=state)
    assert reading.telegram.records[0].unit == "MWh"
