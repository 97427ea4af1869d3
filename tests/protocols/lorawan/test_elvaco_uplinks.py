"""Elvaco message formats, built by our own encoder and read back."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import ProtocolError
from protocols.lorawan import telegram_from_uplink
from protocols.lorawan_elvaco import (
    ERROR_STATE,
    FORMATS,
    payload_from_extended,
    payload_from_json,
    payload_from_records,
)
from protocols.mbus.encoding import Coding, record_bytes
from protocols.mbus.records import records_from_bytes
from protocols.telegram import Function

SERIAL = record_bytes("fabrication_number", Decimal(7000123), coding=Coding.BCD8)
ENERGY = record_bytes("energy", Decimal("1234E+3"), "Wh")


def value_of(telegram, quantity):
    return next(record.value for record in telegram.records if record.quantity == quantity)


@pytest.mark.parametrize("first", [code for code, (_, name) in FORMATS.items() if name != "json"])
def test_every_format_of_records_is_read(first):
    telegram = telegram_from_uplink(bytes((first,)) + ENERGY + SERIAL, 2)
    assert telegram.meter.serial == "07000123"
    assert value_of(telegram, "energy") == Decimal(1234000)
    assert telegram.details["message"] == FORMATS[first][1]


@pytest.mark.parametrize("first", [code for code, (_, name) in FORMATS.items() if name == "json"])
def test_the_json_format_is_read(first):
    telegram = telegram_from_uplink(payload_from_json(first, Decimal("1234.5"), "kWh", "07000123"), 2)
    assert telegram.meter.serial == "07000123"
    (record,) = telegram.records
    assert (record.quantity, record.unit, record.value) == ("energy", "kWh", Decimal("1234.5"))


def test_the_extended_format_packs_four_values_into_eight_bytes():
    payload = payload_from_extended(
        0x19,
        records_from_bytes(ENERGY)[0],
        supply_c=Decimal("71.25"),
        return_c=Decimal("-3.5"),
        flow_m3h=Decimal("0.657"),
        power_w=Decimal(15200),
        error_flags=6,
        serial="70001234",
    )
    telegram = telegram_from_uplink(payload, 2)
    assert telegram.meter.serial == "70001234"
    assert value_of(telegram, "supply_temperature") == Decimal("71.25")
    assert value_of(telegram, "return_temperature") == Decimal("-3.5")
    assert value_of(telegram, "flow") == Decimal("0.657")
    assert value_of(telegram, "power") == Decimal(15200)
    assert value_of(telegram, "error_flags") == 6


def test_a_value_taken_during_an_error_state_is_null():
    data = ENERGY + record_bytes("power", Decimal("2E+2"), "W", function=Function.ERROR) + SERIAL
    telegram = telegram_from_uplink(b"\x00" + data, 2)
    power = telegram.records[1]
    assert (power.value, power.error) == (None, ERROR_STATE)
    assert value_of(telegram, "energy") == Decimal(1234000)


def test_a_serial_taken_during_an_error_state_names_nobody():
    serial = bytes((SERIAL[0] | 0x30,)) + SERIAL[1:]
    assert telegram_from_uplink(b"\x00" + ENERGY + serial, 2).meter.serial == ""


def test_a_cut_uplink_keeps_the_records_before_the_cut():
    telegram = telegram_from_uplink(b"\x00" + ENERGY + SERIAL + ENERGY[:4], 2)
    assert len(telegram.records) == 2
    assert telegram.diagnostics[0].startswith("record.truncated")


@pytest.mark.parametrize(
    ("payload", "port", "code"),
    [
        (b"", 2, "lorawan.empty"),
        (b"\x00", 2, "lorawan.truncated"),
        (b"\x00" + ENERGY[:3], 2, "record.truncated"),
        (b"\x99\x01\x02", 2, "lorawan.format"),
        (b"\x99\x01\x02", 7, "lorawan.port"),
        (b'\x02{"E": 1', 2, "json.malformed"),
        (b"\x02[1]", 2, "record.truncated"),
        (bytes(34), 100, "lorawan.format"),
        (bytes(5), 100, "lorawan.truncated"),
    ],
)
def test_unreadable_uplinks_have_a_code(payload, port, code):
    with pytest.raises(ProtocolError) as caught:
        telegram_from_uplink(payload, port)
    assert caught.value.code == code


def test_a_json_unit_nobody_knows_is_null_with_its_reason():
    (record,) = telegram_from_uplink(b'\x02{"E": 5, "U": "furlong", "ID": 70001234}', 2).records
    assert (record.value, record.error) == (None, "unit.unknown")


def test_a_value_that_does_not_fit_is_refused_by_the_encoder():
    with pytest.raises(ValueError, match="does not fit"):
        payload_from_extended(
            0x19, (), supply_c=Decimal(1), return_c=Decimal(1), flow_m3h=Decimal("0.0001"), power_w=Decimal(1),
            error_flags=0, serial="70001234",
        )  # fmt: skip


@given(
    st.integers(-(2**31) + 1, 2**31 - 1),
    st.integers(-(2**31) + 1, 2**31 - 1),
    st.sampled_from([code for code, (_, name) in FORMATS.items() if name != "json"]),
)
def test_records_round_trip(energy, volume, first):
    data = record_bytes("energy", Decimal(energy).scaleb(3), "Wh") + record_bytes(
        "volume", Decimal(volume).scaleb(-2), "m3"
    )
    records = records_from_bytes(data + SERIAL)[0]
    assert list(telegram_from_uplink(payload_from_records(first, records), 2).records) == records


@given(st.binary(min_size=1, max_size=60), st.sampled_from([1, 2, 100]))
def test_any_bytes_give_a_telegram_or_a_coded_error(payload, port):
    try:
        telegram_from_uplink(payload, port)
    except ProtocolError as error:
        assert error.code  # noqa: PT017
