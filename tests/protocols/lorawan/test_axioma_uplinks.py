"""Axioma layouts, told apart by length; nobody verified their scales, and they say so."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.lorawan import telegram_from_uplink
from protocols.lorawan_axioma import LAYOUTS, payload_from_telegram, payload_from_values

MOMENT = (Decimal("1.7"), Decimal("0.699"), Decimal("71.25"), Decimal("-3.5"))
VALUES = {
    "heat": (
        1763798400,
        0,
        1390,
        Decimal("247.256"),
        1389,
        Decimal("247.13"),
        1389,
        Decimal("247.0"),
        1388,
        Decimal("246.9"),
        3600,
    ),
    "heat_extended": (1763798400, 4, 3620, 1390, Decimal("247.256"), *MOMENT, 4660, 3600),
    "water_log": (1763798400, 0, Decimal("13.609"), 1763794800, Decimal("10.727"), *[Decimal("0.184")] * 15),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_layout_reads_what_was_written(name):
    telegram = telegram_from_uplink(payload_from_values(name, VALUES[name]), 100)
    assert telegram.details == {"message": name, "verified": "no"}
    assert telegram.meter.manufacturer == "AXI"
    current = {record.quantity: record.value for record in telegram.records if record.storage == 0}
    assert current["volume"] == (Decimal("13.609") if name == "water_log" else Decimal("247.256"))
    assert current["datetime"] == "2025-11-22T08:00:00"


def test_the_extended_layout_carries_the_moment():
    telegram = telegram_from_uplink(payload_from_values("heat_extended", VALUES["heat_extended"]), 100)
    found = {record.quantity: (record.value, record.unit) for record in telegram.records}
    assert found["power"] == (Decimal("1.7"), "kW")
    assert found["flow"] == (Decimal("0.699"), "m3/h")
    assert found["supply_temperature"] == (Decimal("71.25"), "°C")
    assert found["return_temperature"] == (Decimal("-3.50"), "°C")
    assert telegram.status == 4


def test_a_log_of_differences_is_added_up():
    telegram = telegram_from_uplink(payload_from_values("water_log", VALUES["water_log"]), 100)
    last = telegram.records[-1]
    assert (last.storage, last.value) == (16, Decimal("10.727") + 15 * Decimal("0.184"))


def test_all_ones_are_no_value():
    payload = bytearray(payload_from_values("heat", VALUES["heat"]))
    payload[5:9] = b"\xff" * 4
    energy = telegram_from_uplink(bytes(payload), 100).records[2]
    assert (energy.value, energy.error) == (None, "value.invalid")


def test_the_wrong_number_of_values_is_refused():
    with pytest.raises(ValueError, match="number of values"):
        payload_from_values("heat", (1, 2))


@given(st.sampled_from(sorted(LAYOUTS)).flatmap(lambda size: st.binary(min_size=size, max_size=size)))
def test_every_payload_of_a_known_length_round_trips(payload):
    assert payload_from_telegram(telegram_from_uplink(payload, 100)) == payload
