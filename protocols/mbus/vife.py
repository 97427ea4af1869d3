"""The table of combinable value information extensions (VIFE): how they bend the meaning of the value before them.

Data only (EN 13757-3, combinable VIFE table and its extension FC). An extension scales the value, changes its unit,
turns it into a count, a duration or a date *about* the quantity (then the quantity's name says so: a duration of
exceeding a flow limit is no flow), adds a qualifier, or reports that the value is an error.
"""

from decimal import Decimal
from typing import NamedTuple

from protocols.mbus.vif import Kind


class Vife(NamedTuple):
    """Effect of one VIFE code; the defaults leave the value as it is."""

    modifier: str = ""
    factor: Decimal | None = None
    offset: Decimal | None = None
    per: str = ""  # appended to the unit: "/h"
    suffix: str = ""  # appended to the quantity: "_limit"
    unit: str | None = None  # replaces unit and factor, as a duration does
    kind: Kind | None = None
    error: str | None = None  # the value is not valid


_ERRORS = {
    0x01: "too_many_dife",
    0x02: "storage_not_implemented",
    0x03: "subunit_not_implemented",
    0x04: "tariff_not_implemented",
    0x05: "function_not_implemented",
    0x06: "data_class_not_implemented",
    0x07: "data_size_not_implemented",
    0x0B: "too_many_vife",
    0x0C: "illegal_vif_group",
    0x0D: "illegal_vif_exponent",
    0x0E: "vif_dif_mismatch",
    0x0F: "unimplemented_action",
    0x15: "no_data",
    0x16: "overflow",
    0x17: "underflow",
    0x18: "data_error",
    0x1C: "premature_end",
}

# The unit a value is divided by (or, for 36-38, multiplied with), and the word for it.
_RATES = {
    0x20: ("per_second", "/s"),
    0x21: ("per_minute", "/min"),
    0x22: ("per_hour", "/h"),
    0x23: ("per_day", "/d"),
    0x24: ("per_week", "/week"),
    0x25: ("per_month", "/month"),
    0x26: ("per_year", "/year"),
    0x27: ("per_measurement", "/measurement"),
    0x28: ("per_input_pulse_0", "/pulse"),
    0x29: ("per_input_pulse_1", "/pulse"),
    0x2A: ("per_output_pulse_0", "/pulse"),
    0x2B: ("per_output_pulse_1", "/pulse"),
    0x2C: ("per_litre", "/L"),
    0x2D: ("per_cubic_metre", "/m3"),
    0x2E: ("per_kilogram", "/kg"),
    0x2F: ("per_kelvin", "/K"),
    0x30: ("per_kilowatt_hour", "/kWh"),
    0x31: ("per_gigajoule", "/GJ"),
    0x32: ("per_kilowatt", "/kW"),
    0x33: ("per_kelvin_litre", "/(K·L)"),
    0x34: ("per_volt", "/V"),
    0x35: ("per_ampere", "/A"),
    0x36: ("times_second", "·s"),
    0x37: ("times_second_per_volt", "·s/V"),
    0x38: ("times_second_per_ampere", "·s/A"),
}

_STEPS = (Decimal(1), Decimal(60), Decimal(3600), Decimal(86400))
_LEVEL = ("lower", "upper")
_ORDER = ("first", "last")
_EDGE = ("begin", "end")


def _table() -> dict[int, Vife]:
    table = {0x00: Vife()}
    table.update({code: Vife(error=f"vife.{name}") for code, name in _ERRORS.items()})
    table[0x12] = Vife("average")
    table[0x13] = Vife("profile.inverse", suffix="_profile", kind=Kind.OPAQUE)
    table[0x14] = Vife("relative_deviation", suffix="_deviation")
    table[0x1D] = Vife("standard_conform")
    table[0x1E] = Vife("profile.registers", suffix="_profile", kind=Kind.OPAQUE)
    table[0x1F] = Vife("profile.compact", suffix="_profile", kind=Kind.OPAQUE)
    table.update({code: Vife(per=unit, suffix=f"_{word}") for code, (word, unit) in _RATES.items()})
    table[0x39] = Vife(suffix="_start", unit="", kind=Kind.POINT)
    table[0x3A] = Vife("uncorrected")
    table[0x3B] = Vife("flow.forward")
    table[0x3C] = Vife("flow.backward")
    # Which unit a count has then, an annex tells by quantity; without it the bare count is the honest value.
    table[0x3D] = Vife("non_metric", suffix="_non_metric", unit="")
    table[0x3E] = Vife("base_conditions")
    table[0x3F] = Vife("obis", suffix="_obis", unit="", kind=Kind.OPAQUE)
    for upper in (0, 1):
        level = f"limit.{_LEVEL[upper]}"
        table[0x40 | upper << 3] = Vife(level, suffix="_limit")
        table[0x41 | upper << 3] = Vife(level, suffix="_limit_exceed_count", unit="", kind=Kind.UNSIGNED)
        table[0x68 | upper << 2] = Vife(f"during_{_LEVEL[upper]}_limit_exceed", suffix="_at_limit_exceed")
        for last in (0, 1):
            for end in (0, 1):
                table[0x42 | upper << 3 | last << 2 | end] = Vife(
                    f"{level}.{_ORDER[last]}.{_EDGE[end]}", suffix="_limit_exceed_time", unit="", kind=Kind.POINT
                )
            for step, factor in enumerate(_STEPS):
                table[0x50 | upper << 3 | last << 2 | step] = Vife(
                    f"{level}.{_ORDER[last]}", factor, suffix="_limit_exceed_duration", unit="s"
                )
    for last in (0, 1):
        for step, factor in enumerate(_STEPS):
            table[0x60 | last << 2 | step] = Vife(_ORDER[last], factor, suffix="_duration", unit="s")
        for end in (0, 1):
            code = 0x6A | last << 2 | end
            table[code] = Vife(f"{_ORDER[last]}.{_EDGE[end]}", suffix="_time", unit="", kind=Kind.POINT)
    table[0x69] = Vife("leakage", suffix="_leakage")
    table[0x6D] = Vife("overflow", suffix="_overflow")
    table.update({0x70 + n: Vife(factor=Decimal(1).scaleb(n - 6)) for n in range(8)})
    table.update({0x78 + n: Vife(offset=Decimal(1).scaleb(n - 3)) for n in range(4)})
    table[0x7D] = Vife(factor=Decimal(1000))
    table[0x7E] = Vife("future")
    return table


COMBINABLE = _table()

# The extension table entered by FC within a chain.
COMBINABLE_EXTENSION = {
    code: Vife(modifier)
    for code, modifier in {
        0x01: "phase.l1",
        0x02: "phase.l2",
        0x03: "phase.l3",
        0x04: "phase.n",
        0x05: "phase.l1_l2",
        0x06: "phase.l2_l3",
        0x07: "phase.l3_l1",
        0x08: "quadrant.1",
        0x09: "quadrant.2",
        0x0A: "quadrant.3",
        0x0B: "quadrant.4",
        0x0C: "import_export_delta",
        0x0F: "alternative_non_metric",
        0x10: "accumulation_absolute",
        0x11: "data_type.c",
        0x12: "data_type.d",
        0x13: "direction.to_meter",
        0x14: "direction.from_meter",
    }.items()
}

# Unit texts of a plain-text VIF (7C, FC) that have a name of their own: (quantity, unit, factor).
PLAIN_TEXTS: dict[str, tuple[str, str, Decimal]] = {
    "%RH": ("relative_humidity", "%", Decimal(1)),
    "Wh": ("energy", "Wh", Decimal(1)),
    "kWh": ("energy", "Wh", Decimal("1E+3")),
    "MWh": ("energy", "Wh", Decimal("1E+6")),
    "MJ": ("energy", "J", Decimal("1E+6")),
    "GJ": ("energy", "J", Decimal("1E+9")),
    "m3": ("volume", "m3", Decimal(1)),
    "m3/h": ("flow", "m3/h", Decimal(1)),
    "kW": ("power", "W", Decimal("1E+3")),
    "bar": ("pressure", "bar", Decimal(1)),
    "V": ("voltage", "V", Decimal(1)),
    "A": ("current", "A", Decimal(1)),
    "Hz": ("frequency", "Hz", Decimal(1)),
}
