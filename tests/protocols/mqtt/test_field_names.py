"""What keys mean: all of a name must be understood, or it names no register."""

import pytest

from protocols.mqtt.fields import field_from_name, records_from_values
from protocols.telegram import Function


@pytest.mark.parametrize(
    ("name", "quantity", "unit"),
    [
        ("total_energy_consumption_kwh", "energy", "kWh"),
        ("total_kwh", "energy", "kWh"),
        ("energy_gj", "energy", "GJ"),
        ("total_m3", "volume", "m3"),
        ("volume_flow_m3h", "flow", "m3/h"),
        ("flow_temperature_c", "supply_temperature", "°C"),
        ("supplyTemp", "supply_temperature", "°C"),
        ("Return Temp (C)", "return_temperature", "°C"),
        ("temperature_difference_c", "temperature_difference", "K"),
        ("current_consumption_hca", "heat_cost_units", ""),
        ("power_kw", "power", "kW"),
        ("power_mw", "power", "MW"),
        ("energy_mwh", "energy", "MWh"),
        ("energy", "energy", "kWh"),
        ("on_time_h", "on_time", "h"),
        ("total_cooling_energy_kwh", "cooling_energy", "kWh"),
    ],
)
def test_names_of_the_field(name, quantity, unit):
    field = field_from_name(name)
    assert field is not None
    assert (field.quantity, field.unit) == (quantity, unit)


def test_a_maximum_is_no_momentary_value():
    field = field_from_name("max_flow_m3h")
    assert field.quantity == "flow"
    assert field.function is Function.MAXIMUM


def test_an_average_carries_its_modifier():
    assert field_from_name("average_flow_m3h").modifiers == ("averaged",)


def test_a_tariff_is_read_from_the_name():
    assert field_from_name("total_energy_consumption_tariff2_kwh").tariff == 2


@pytest.mark.parametrize(
    "name", ["flow_yesterday_m3h", "total", "return", "consumption_last_month_kwh", "x" * 200, "", "_", "rssi"]
)
def test_names_that_are_not_understood_name_nothing(name):
    assert field_from_name(name) is None


def test_a_stated_unit_wins():
    assert field_from_name("Energy", "MWh").unit == "MWh"


def test_nulls_and_dashes_keep_their_record_with_the_reason():
    null, dashes = records_from_values({"energy": None, "supply_temp": "--"})
    assert (null.value, null.error) == (None, "value.null")
    assert (dashes.value, dashes.error) == (None, "value.not_a_number")


def test_unknown_numbers_stay_under_their_own_name():
    (record,) = records_from_values({"rssiDbm": -80})
    assert (record.quantity, record.unit, record.value) == ("rssi_dbm", "", -80)
