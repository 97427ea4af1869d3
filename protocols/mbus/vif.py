"""The tables of value information: what VIF codes of EN 13757-3 measure, and in which unit and scale.

Data only: the primary table, the first (FB) and second (FD) extension table, and the extension of the second (FD FD).
A row spans a run of codes; the exponent grows by one from code to code, or the `steps` give each code's factor.
Units are those of the standard brought to their base (MWh -> Wh, GJ -> J, t -> kg), so only the exponent differs.
"""

from decimal import Decimal
from enum import IntEnum
from typing import NamedTuple


class Kind(IntEnum):
    """How the data of a value is to be read, beside its coding in the DIF."""

    NUMBER = 0  # signed, scaled; the most negative integer means "invalid"
    UNSIGNED = 1  # counts, codes and bit arrays: every pattern is a value
    POINT = 2  # date and time of types F, G, I, J by length
    OPAQUE = 3  # containers, keys, profiles: hex text


class Vif(NamedTuple):
    """Meaning of one VIF code."""

    quantity: str
    unit: str
    factor: Decimal
    kind: Kind = Kind.NUMBER


class _Row(NamedTuple):
    first: int
    last: int
    quantity: str
    unit: str = ""
    exponent: int = 0
    kind: Kind = Kind.NUMBER
    steps: tuple[int, ...] = ()


_SMHD = (1, 60, 3600, 86400)
_MHD = _SMHD[1:]
_U = Kind.UNSIGNED

_PRIMARY_ROWS = (
    _Row(0x00, 0x07, "energy", "Wh", -3),
    _Row(0x08, 0x0F, "energy", "J", 0),
    _Row(0x10, 0x17, "volume", "m3", -6),
    _Row(0x18, 0x1F, "mass", "kg", -3),
    _Row(0x20, 0x23, "on_time", "s", steps=_SMHD),
    _Row(0x24, 0x27, "operating_time", "s", steps=_SMHD),
    _Row(0x28, 0x2F, "power", "W", -3),
    _Row(0x30, 0x37, "power", "J/h", 0),
    _Row(0x38, 0x3F, "flow", "m3/h", -6),
    _Row(0x40, 0x47, "flow", "m3/min", -7),
    _Row(0x48, 0x4F, "flow", "m3/s", -9),
    _Row(0x50, 0x57, "mass_flow", "kg/h", -3),
    _Row(0x58, 0x5B, "supply_temperature", "°C", -3),
    _Row(0x5C, 0x5F, "return_temperature", "°C", -3),
    _Row(0x60, 0x63, "temperature_difference", "K", -3),
    _Row(0x64, 0x67, "external_temperature", "°C", -3),
    _Row(0x68, 0x6B, "pressure", "bar", -3),
    _Row(0x6C, 0x6C, "date", kind=Kind.POINT),
    _Row(0x6D, 0x6D, "datetime", kind=Kind.POINT),
    _Row(0x6E, 0x6E, "heat_cost_units"),
    _Row(0x70, 0x73, "averaging_duration", "s", steps=_SMHD),
    _Row(0x74, 0x77, "actuality_duration", "s", steps=_SMHD),
    _Row(0x78, 0x78, "fabrication_number", kind=_U),
    _Row(0x79, 0x79, "identification", kind=_U),
    _Row(0x7A, 0x7A, "bus_address", kind=_U),
    _Row(0x7E, 0x7E, "any"),
    _Row(0x7F, 0x7F, "manufacturer_specific"),
)

_FIRST_EXTENSION_ROWS = (
    _Row(0x00, 0x01, "energy", "Wh", 5),
    _Row(0x02, 0x03, "reactive_energy", "varh", 3),
    _Row(0x04, 0x05, "apparent_energy", "VAh", 3),
    _Row(0x06, 0x06, "coefficient_of_performance", exponent=-1),
    _Row(0x08, 0x09, "energy", "J", 8),
    _Row(0x0C, 0x0F, "energy", "Mcal", -1),
    _Row(0x10, 0x11, "volume", "m3", 2),
    _Row(0x14, 0x17, "reactive_power", "var", 0),
    _Row(0x18, 0x19, "mass", "kg", 5),
    _Row(0x1A, 0x1B, "relative_humidity", "%", -1),
    _Row(0x20, 0x20, "volume", "ft3", 0),
    _Row(0x21, 0x21, "volume", "ft3", -1),
    _Row(0x22, 0x23, "volume", "gal", -1),
    _Row(0x24, 0x24, "flow", "gal/min", -3),
    _Row(0x25, 0x25, "flow", "gal/min", 0),
    _Row(0x26, 0x26, "flow", "gal/h", 0),
    _Row(0x28, 0x29, "power", "W", 5),
    _Row(0x2A, 0x2A, "phase_voltage_voltage", "°", -1),
    _Row(0x2B, 0x2B, "phase_voltage_current", "°", -1),
    _Row(0x2C, 0x2F, "frequency", "Hz", -3),
    _Row(0x30, 0x31, "power", "J/h", 8),
    _Row(0x34, 0x37, "apparent_power", "VA", 0),
    _Row(0x58, 0x5B, "supply_temperature", "°F", -3),
    _Row(0x5C, 0x5F, "return_temperature", "°F", -3),
    _Row(0x60, 0x63, "temperature_difference", "°F", -3),
    _Row(0x64, 0x67, "external_temperature", "°F", -3),
    _Row(0x68, 0x68, "rating_factor_resulting"),
    _Row(0x69, 0x69, "rating_factor_output"),
    _Row(0x6A, 0x6A, "rating_factor_coupling"),
    _Row(0x6B, 0x6B, "rating_factor_coupling_room"),
    _Row(0x6C, 0x6C, "rating_factor_coupling_heating"),
    _Row(0x6D, 0x6D, "rating_factor_low_temperature"),
    _Row(0x6E, 0x6E, "display_scaling_factor"),
    _Row(0x70, 0x73, "temperature_limit", "°F", -3),
    _Row(0x74, 0x77, "temperature_limit", "°C", -3),
    _Row(0x78, 0x7F, "cumulative_maximum_power", "W", -3),
)

_SECOND_EXTENSION_ROWS = (
    _Row(0x00, 0x03, "credit", "currency", -3),
    _Row(0x04, 0x07, "debit", "currency", -3),
    _Row(0x08, 0x08, "access_number", kind=_U),
    _Row(0x09, 0x09, "medium", kind=_U),
    _Row(0x0A, 0x0A, "manufacturer", kind=_U),
    _Row(0x0B, 0x0B, "parameter_set", kind=_U),
    _Row(0x0C, 0x0C, "model_version", kind=_U),
    _Row(0x0D, 0x0D, "hardware_version", kind=_U),
    _Row(0x0E, 0x0E, "firmware_version", kind=_U),
    _Row(0x0F, 0x0F, "software_version", kind=_U),
    _Row(0x10, 0x10, "customer_location", kind=_U),
    _Row(0x11, 0x11, "customer", kind=_U),
    _Row(0x12, 0x12, "access_code_user", kind=_U),
    _Row(0x13, 0x13, "access_code_operator", kind=_U),
    _Row(0x14, 0x14, "access_code_system_operator", kind=_U),
    _Row(0x15, 0x15, "access_code_developer", kind=_U),
    _Row(0x16, 0x16, "password", kind=_U),
    _Row(0x17, 0x17, "error_flags", kind=_U),
    _Row(0x18, 0x18, "error_mask", kind=_U),
    _Row(0x19, 0x19, "security_key", kind=Kind.OPAQUE),
    _Row(0x1A, 0x1A, "digital_output", kind=_U),
    _Row(0x1B, 0x1B, "digital_input", kind=_U),
    _Row(0x1C, 0x1C, "baud_rate", "baud", kind=_U),
    _Row(0x1D, 0x1D, "response_delay", "bit", kind=_U),
    _Row(0x1E, 0x1E, "retry", kind=_U),
    _Row(0x1F, 0x1F, "remote_control", kind=_U),
    _Row(0x20, 0x20, "first_cyclic_storage", kind=_U),
    _Row(0x21, 0x21, "last_cyclic_storage", kind=_U),
    _Row(0x22, 0x22, "storage_block_size", kind=_U),
    _Row(0x23, 0x23, "tariff_subunit_descriptor", kind=_U),
    _Row(0x24, 0x27, "storage_interval", "s", steps=_SMHD),
    _Row(0x28, 0x28, "storage_interval", "month"),
    _Row(0x29, 0x29, "storage_interval", "year"),
    _Row(0x2A, 0x2A, "operator_specific", kind=_U),
    _Row(0x2B, 0x2B, "time_point_second", "s"),
    _Row(0x2C, 0x2F, "last_readout_duration", "s", steps=_SMHD),
    _Row(0x30, 0x30, "tariff_start", kind=Kind.POINT),
    _Row(0x31, 0x33, "tariff_duration", "s", steps=_MHD),
    _Row(0x34, 0x37, "tariff_period", "s", steps=_SMHD),
    _Row(0x38, 0x38, "tariff_period", "month"),
    _Row(0x39, 0x39, "tariff_period", "year"),
    _Row(0x3A, 0x3A, "dimensionless"),
    _Row(0x3B, 0x3B, "wireless_container", kind=Kind.OPAQUE),
    _Row(0x3C, 0x3F, "transmission_period", "s", steps=_SMHD),
    _Row(0x40, 0x4F, "voltage", "V", -9),
    _Row(0x50, 0x5F, "current", "A", -12),
    _Row(0x60, 0x60, "reset_counter", kind=_U),
    _Row(0x61, 0x61, "cumulation_counter", kind=_U),
    _Row(0x62, 0x62, "control_signal", kind=_U),
    _Row(0x63, 0x63, "day_of_week", kind=_U),
    _Row(0x64, 0x64, "week_number", kind=_U),
    _Row(0x65, 0x65, "day_change_time", kind=_U),
    _Row(0x66, 0x66, "parameter_activation", kind=_U),
    _Row(0x67, 0x67, "supplier_information", kind=_U),
    _Row(0x68, 0x69, "last_cumulation_duration", "s", steps=(3600, 86400)),
    _Row(0x6A, 0x6A, "last_cumulation_duration", "month"),
    _Row(0x6B, 0x6B, "last_cumulation_duration", "year"),
    _Row(0x6C, 0x6D, "battery_operating_time", "s", steps=(3600, 86400)),
    _Row(0x6E, 0x6E, "battery_operating_time", "month"),
    _Row(0x6F, 0x6F, "battery_operating_time", "year"),
    _Row(0x70, 0x70, "battery_change_time", kind=Kind.POINT),
    _Row(0x71, 0x71, "received_signal_strength", "dBm"),
    _Row(0x72, 0x72, "daylight_saving", kind=Kind.OPAQUE),
    _Row(0x73, 0x73, "listening_window", kind=Kind.OPAQUE),
    _Row(0x74, 0x74, "battery_remaining_time", "s", steps=(86400,)),
    _Row(0x75, 0x75, "stop_counter", kind=_U),
    _Row(0x76, 0x76, "manufacturer_container", kind=Kind.OPAQUE),
)

_THIRD_EXTENSION_ROWS = (
    _Row(0x00, 0x00, "selected_application", kind=_U),
    _Row(0x02, 0x02, "battery_remaining_time", "month"),
    _Row(0x03, 0x03, "battery_remaining_time", "year"),
)


def _expanded(rows: tuple[_Row, ...]) -> dict[int, Vif]:
    table: dict[int, Vif] = {}
    for row in rows:
        for place, code in enumerate(range(row.first, row.last + 1)):
            factor = Decimal(row.steps[place]) if row.steps else Decimal(1).scaleb(row.exponent + place)
            table[code] = Vif(row.quantity, row.unit, factor, row.kind)
    return table


PRIMARY = _expanded(_PRIMARY_ROWS)
FIRST_EXTENSION = _expanded(_FIRST_EXTENSION_ROWS)
SECOND_EXTENSION = _expanded(_SECOND_EXTENSION_ROWS)
THIRD_EXTENSION = _expanded(_THIRD_EXTENSION_ROWS)

# (prefix bytes of the value information block, table), the order in which an encoder prefers them.
TABLES: tuple[tuple[bytes, dict[int, Vif]], ...] = (
    (b"", PRIMARY),
    (b"\xfb", FIRST_EXTENSION),
    (b"\xfd", SECOND_EXTENSION),
    (b"\xfd\xfd", THIRD_EXTENSION),
)
