"""A profile makes exact counts of what a telegram says, always in the same register, and dates what was stored."""

from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.catalogue import catalogue
from protocols.profile_history import HistoryRule, instant_of, months_before
from protocols.profile_schema import profiles_from_text
from protocols.registers import RegisterReading
from protocols.telegram import DataRecord, Function, MeterId, Telegram

HEAT = MeterId("12345678", "XYZ", 1, "heat")


def telegram(
    *records: DataRecord, protocol: str = "mbus", meter: MeterId = HEAT, status: int | None = None
) -> Telegram:
    return Telegram(protocol, meter, records, status=status)


def readings(said: Telegram) -> list[RegisterReading]:
    return list(catalogue().find(said).interpret(said).readings)


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        ("12345E+3", "Wh", ("kWh", 0, 12345)),
        ("12345E+2", "Wh", ("kWh", -1, 12345)),
        ("12345E+4", "Wh", ("MWh", -2, 12345)),
        ("123E+5", "Wh", ("MWh", -1, 123)),
        ("123E+6", "Wh", ("MWh", 0, 123)),
        ("123E+6", "J", ("MJ", 0, 123)),
        ("123E+7", "J", ("GJ", -2, 123)),
        ("123E+8", "J", ("GJ", -1, 123)),
        ("0E+3", "Wh", ("kWh", 0, 0)),
        ("123.45", "kWh", ("kWh", -2, 12345)),
    ],
)
def test_the_register_has_the_resolution_of_the_display(value: str, unit: str, shown: tuple[str, int, int]) -> None:
    (reading,) = readings(telegram(DataRecord("energy", unit, Decimal(value), code="06")))
    assert (reading.register.unit, reading.register.scale, reading.count) == shown


@given(st.integers(0, 99_999_999), st.integers(0, 99_999_999), st.integers(-3, 6))
def test_two_telegrams_of_one_meter_give_one_register(first: int, second: int, power: int) -> None:
    registers = {
        readings(telegram(DataRecord("energy", "Wh", Decimal(count).scaleb(power))))[0].register
        for count in (first, second)
    }
    assert len(registers) == 1


def test_names_tell_tariff_subunit_and_function() -> None:
    energy = Decimal("1E+3")
    said = telegram(
        DataRecord("energy", "Wh", energy),
        DataRecord("energy", "Wh", energy, tariff=2),
        DataRecord("volume", "m3", Decimal("0.1"), subunit=1),
        DataRecord("power", "W", Decimal("1E+2"), Function.MAXIMUM),
        DataRecord("on_time", "s", Decimal(7200), Function.ERROR, code="22"),
        DataRecord("energy", "Wh", energy, storage=4),
    )
    assert [reading.register.name for reading in readings(said)] == [
        "energy",
        "energy_tariff_2",
        "volume_subunit_1",
        "power_maximum",
        "error_time",
        "energy_storage_4",
    ]


@pytest.mark.parametrize(
    ("medium", "modifiers", "name", "quantity"),
    [
        ("heat", (), "energy", "heat_energy"),
        ("cooling", (), "cooling_energy", "cooling_energy"),
        ("heat_cooling", ("flow.backward",), "cooling_energy", "cooling_energy"),
        ("heat", ("flow.forward",), "energy", "heat_energy"),
        ("electricity", (), "energy", "electric_energy"),
        ("electricity", ("flow.backward",), "energy_backward", "electric_energy"),
    ],
)
def test_energy_is_what_the_medium_makes_it(medium: str, modifiers: tuple[str, ...], name: str, quantity: str) -> None:
    record = DataRecord("energy", "Wh", Decimal("1E+3"), modifiers=modifiers)
    (reading,) = readings(telegram(record, meter=MeterId("1", "XYZ", 1, medium)))
    assert (reading.register.name, reading.register.quantity) == (name, quantity)


def test_a_qualified_value_is_not_taken_for_the_plain_one() -> None:
    assert readings(telegram(DataRecord("power", "W", Decimal(1), modifiers=("limit.upper",)))) == []


def test_time_is_counted_in_the_unit_of_its_code() -> None:
    said = telegram(
        DataRecord("on_time", "s", Decimal(7200), code="22"),
        DataRecord("operating_time", "s", Decimal(86400 * 3), code="27"),
    )
    assert [(reading.register.unit, reading.count) for reading in readings(said)] == [("h", 2), ("d", 3)]


def test_an_invalid_value_is_a_reading_without_count() -> None:
    said = telegram(
        DataRecord("energy", "Wh", None, code="06", error="bcd.invalid"),
        DataRecord("flow", "m3/h", None, code="3b", error="integer.invalid"),
    )
    found = readings(said)
    assert [(reading.register.unit, reading.register.scale, reading.count) for reading in found] == [
        ("kWh", 0, None),
        ("m3/h", -3, None),
    ]
    assert found[0].error == "bcd.invalid"


def test_a_value_taken_during_an_error_is_null_and_an_error_time_is_not() -> None:
    said = telegram(
        DataRecord("energy", "Wh", None, Function.ERROR, code="06", error="value.during_error_state"),
        DataRecord("flow", "m3/h", Decimal("0.1"), Function.ERROR, code="3c"),
        DataRecord("on_time", "s", Decimal(3600), Function.ERROR, code="22"),
    )
    assert [(reading.register.name, reading.count) for reading in readings(said)] == [
        ("energy", None),
        ("error_time", 1),
    ]


def test_a_repeated_record_counts_once() -> None:
    said = telegram(DataRecord("energy", "Wh", Decimal("1E+3")), DataRecord("energy", "Wh", Decimal("1000E+3")))
    assert [reading.count for reading in readings(said)] == [1]


def test_dated_storages_become_readings_of_the_same_register() -> None:
    said = telegram(
        DataRecord("energy", "Wh", Decimal("5E+3")),
        DataRecord("energy", "Wh", Decimal("4E+3"), storage=1),
        DataRecord("date", "", "2025-12-31", storage=1),
        DataRecord("energy", "Wh", Decimal("3E+3"), storage=2),
        DataRecord("date", "", "2025-06-15", storage=2),
    )
    found = readings(said)
    assert {reading.register.name for reading in found} == {"energy"}
    assert [(reading.count, reading.time) for reading in found] == [
        (5, None),
        (4, datetime.fromisoformat("2026-01-01")),
        (3, datetime.fromisoformat("2025-06-15")),
    ]


MONTHLY = """
name = "monthly"
title = "Monthly"
protocol = "mbus"
[[history]]
first = 1
last = 30
monthly = true
day = 1
"""


def test_undated_months_count_back_from_the_meter_clock() -> None:
    profile = profiles_from_text(MONTHLY, "monthly.toml")[0]
    said = telegram(
        DataRecord("datetime", "", "2026-03-14T10:00:00"),
        DataRecord("energy", "Wh", Decimal("9E+3"), storage=1),
        DataRecord("energy", "Wh", Decimal("8E+3"), storage=2),
        DataRecord("energy", "Wh", Decimal("1E+3"), storage=14),
    )
    found = profile.interpret(said)
    assert [reading.time for reading in found.readings] == [
        datetime.fromisoformat("2026-03-01"),
        datetime.fromisoformat("2026-02-01"),
        datetime.fromisoformat("2025-02-01"),
    ]
    assert found.meter_time == datetime.fromisoformat("2026-03-14T10:00:00")


def test_a_clock_that_is_far_off_dates_nothing() -> None:
    profile = profiles_from_text(MONTHLY, "monthly.toml")[0]
    said = telegram(
        DataRecord("datetime", "", "2032-03-14T10:00:00"), DataRecord("energy", "Wh", Decimal("9E+3"), storage=1)
    )
    (reading,) = profile.interpret(said, datetime.fromisoformat("2026-03-14")).readings
    assert (reading.register.name, reading.time) == ("energy_storage_1", None)


@pytest.mark.parametrize(
    ("text", "date_is", "instant"),
    [
        ("2025-12-31", "auto", datetime.fromisoformat("2026-01-01")),
        ("2026-01-01", "auto", datetime.fromisoformat("2026-01-01")),
        ("2025-12-31", "start", datetime.fromisoformat("2025-12-31")),
        ("2026-01-01", "end", datetime.fromisoformat("2026-01-02")),
        ("2026-01-01T06:30:00", "auto", datetime.fromisoformat("2026-01-01T06:30:00")),
        ("nonsense", "auto", None),
    ],
)
def test_a_bare_date_means_the_start_or_the_end_of_its_day(text: str, date_is: str, instant: datetime | None) -> None:
    assert instant_of(text, date_is) == instant


@given(st.datetimes(datetime.fromisoformat("2001-01-01"), datetime.fromisoformat("2099-01-01")), st.integers(0, 60))
def test_months_before_keeps_the_day_where_the_month_has_it(moment: datetime, months: int) -> None:
    earlier = months_before(moment, months)
    assert (moment.year * 12 + moment.month) - (earlier.year * 12 + earlier.month) == months
    assert earlier.day == moment.day or (earlier.day >= 28 and earlier.day < moment.day)


def test_history_rules_are_plain_data() -> None:
    assert HistoryRule(1, 2) == HistoryRule(1, 2, False, 1, 0, "auto")


def test_the_fast_display_of_json_has_a_fixed_scale() -> None:
    one, other = (
        readings(telegram(DataRecord("energy", "kWh", Decimal(value)), protocol="mqtt"))[0]
        for value in ("1805", "1805.25")
    )
    assert one.register == other.register
    assert (one.count, other.count) == (1805000, 1805250)


def test_a_total_finer_than_its_register_is_an_error_and_a_momentary_value_is_rounded() -> None:
    text = """
    name = "coarse"
    title = "Coarse"
    protocol = "mbus"
    register = [
      { name = "energy", quantity = "heat_energy", unit = "kWh", scale = 0, digits = 7 },
      { name = "flow", quantity = "flow", unit = "m3/h", scale = -2 },
    ]
    """
    profile = profiles_from_text(text, "coarse.toml")[0]
    energy, flow = profile.interpret(
        telegram(DataRecord("energy", "Wh", Decimal(1500)), DataRecord("flow", "m3/h", Decimal("0.126")))
    ).readings
    assert energy.count is None
    assert str(energy.error).startswith("resolution")
    assert energy.register.digits == 7
    assert flow.count == 13


def test_a_profile_can_describe_the_display_of_a_standard_register() -> None:
    said = telegram(DataRecord("energy", "kWh", Decimal("1.00")), protocol="cjt188")
    assert readings(said)[0].register.digits == 8
    cooling = telegram(DataRecord("energy", "Wh", Decimal("1E+3")), meter=MeterId("1", "KAM", 0x35, "cooling"))
    (reading,) = readings(cooling)
    assert (reading.register.name, reading.register.quantity) == ("cooling_energy", "cooling_energy")


def test_a_fixed_unit_keeps_one_register_while_the_display_switches() -> None:
    text = 'name = "u"\ntitle = "U"\nprotocol = "cjt188"\nregister = [{ name = "energy", unit = "kWh" }]'
    profile = profiles_from_text(text, "u.toml")[0]
    said = telegram(DataRecord("energy", "MWh", Decimal("1.23")), protocol="cjt188")
    (reading,) = profile.interpret(said).readings
    assert (reading.register.unit, reading.register.scale, reading.count) == ("kWh", 1, 123)
    haiweici = catalogue().get("cjt188-haiweici")
    (grown,) = haiweici.interpret(said).readings
    assert (grown.register.scale, grown.count) == (-2, 123000)


def test_an_all_nines_placeholder_is_no_count() -> None:
    said = telegram(DataRecord("energy", "kWh", Decimal("999999.99"), error="value.placeholder"), protocol="cjt188")
    assert [(reading.count, reading.error) for reading in readings(said)] == [(None, "value.placeholder")]


def test_the_status_byte_and_the_info_code_become_flags_by_severity() -> None:
    said = telegram(
        DataRecord("manufacturer_specific", "", Decimal(0x102), code="ff22"),
        meter=MeterId("1", "KAM", 0x35, "heat"),
        status=0x04,
    )
    profile = catalogue().find(said)
    found = profile.interpret(said)
    assert found.info_code == 0x102
    assert found.flags == ("flow_signal_weak_or_air", "battery_low", "power_low")
    assert [profile.severity_of(flag) for flag in found.flags] == ["fault", "warning", "info"]
