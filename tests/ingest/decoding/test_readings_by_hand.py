"""The JSON form of values that people, files and HTTP clients bring."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decoding.table import decode
from protocols.errors import ContentError
from protocols.mqtt.encode import json_bytes


def one(**fields):
    return json_bytes({"meter": {"serial": "4711"}, "time": "2026-01-01T00:00:00Z", "readings": [fields]})


def test_digits_are_kept():
    (found,) = decode("reading", one(register="energy", value="12.50", unit="MWh"))
    (reading,) = found.readings
    assert (reading.count, reading.register.unit, reading.register.scale) == (1250, "MWh", -2)
    assert reading.time == datetime(2026, 1, 1, tzinfo=UTC)
    assert found.telegram.meter.serial == "4711"


def test_the_canonical_unit_is_assumed_and_numbers_are_fine():
    (found,) = decode("reading", one(register="volume", value=56))
    assert (found.readings[0].register.unit, found.readings[0].count) == ("m3", 56)


def test_a_missing_value_is_null_with_its_reason():
    (found,) = decode("reading", one(register="energy", value=None))
    assert (found.readings[0].count, found.readings[0].error) == (None, "value.null")


def test_tariffs_and_own_names():
    (found,) = decode("reading", one(register="energy_tariff_2", value="1"))
    assert found.readings[0].register.tariff == 2
    (found,) = decode("reading", one(register="heat pump", value="1", quantity="heat_energy"))
    assert found.readings[0].register.name == "heat pump"


def test_several_meters_in_one_message():
    payload = b'[{"meter": "1", "readings": [{"register": "energy", "value": 1}]}, {"meter": "2", "readings": []}]'
    assert [found.telegram.meter.serial for found in decode("reading", payload)] == ["1", "2"]


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (one(register="colour", value=1), "reading.register"),
        (one(register="energy", value="much"), "reading.value"),
        (one(register="energy", value=True), "reading.value"),
        (one(register="energy", value="1", unit="m3"), "reading.unit"),
        (one(register="energy", value="1", unit="furlong"), "reading.unit"),
        (one(register="energy", value="1", time="yesterday"), "reading.time"),
        (one(register="energy", value="1", time="2026-01-01T00:00:00"), "reading.time"),
        (one(register="energy", value="0.00000000001"), "reading.value"),
        (one(register="energy", value="9" * 30), "reading.value"),
        (b'{"meter": {"serial": " "}, "readings": []}', "reading.meter"),
        (b'{"meter": {"serial": 5}, "readings": []}', "json.type"),
        (b'{"meter": "1", "meter": "2", "readings": []}', "json.duplicate"),
        (b'{"readings": []}', "json.type"),
        (b'{"meter": "1"', "json.malformed"),
    ],
)
def test_wrong_fields_are_named(payload, code):
    with pytest.raises(ContentError) as caught:
        decode("reading", payload)
    assert caught.value.code == code


@given(st.decimals(Decimal("-99999999.99"), Decimal("99999999.99"), places=2))
def test_values_round_trip_exactly(value):
    (found,) = decode("reading", one(register="energy", value=str(value)))
    (reading,) = found.readings
    assert reading.register.value_of(reading.count) == value
