"""Quantities and units of the field, with exact conversions between units of one dimension.

This file knows numbers and names, not meters. Conversions are fractions: 1 MJ is 5/18 kWh, not 0.2778.
"""

from decimal import Decimal
from enum import StrEnum
from fractions import Fraction


class Quantity(StrEnum):
    """What a register counts or measures; the names used in tables, files and the API."""

    HEAT_ENERGY = "heat_energy"
    COOLING_ENERGY = "cooling_energy"
    ELECTRIC_ENERGY = "electric_energy"
    VOLUME = "volume"
    MASS = "mass"
    POWER = "power"
    FLOW = "flow"
    MASS_FLOW = "mass_flow"
    SUPPLY_TEMPERATURE = "supply_temperature"
    RETURN_TEMPERATURE = "return_temperature"
    TEMPERATURE_DIFFERENCE = "temperature_difference"
    EXTERNAL_TEMPERATURE = "external_temperature"
    SUPPLY_TEMPERATURE_VOLUME = "supply_temperature_volume"
    RETURN_TEMPERATURE_VOLUME = "return_temperature_volume"
    PRESSURE = "pressure"
    OPERATING_TIME = "operating_time"
    ON_TIME = "on_time"
    ERROR_TIME = "error_time"
    VOLTAGE = "voltage"
    CURRENT = "current"
    FREQUENCY = "frequency"
    POWER_FACTOR = "power_factor"
    HEAT_COST_UNITS = "heat_cost_units"
    INFO_CODE = "info_code"
    METER_TIME = "meter_time"
    BATTERY_VOLTAGE = "battery_voltage"
    RELATIVE_HUMIDITY = "relative_humidity"


# unit -> (dimension, factor to the dimension's base unit)
_FACTORS: dict[str, tuple[str, Fraction]] = {
    "J": ("energy", Fraction(1)),
    "kJ": ("energy", Fraction(10**3)),
    "MJ": ("energy", Fraction(10**6)),
    "GJ": ("energy", Fraction(10**9)),
    "Wh": ("energy", Fraction(3600)),
    "kWh": ("energy", Fraction(3_600_000)),
    "MWh": ("energy", Fraction(3_600_000_000)),
    "GWh": ("energy", Fraction(3_600_000_000_000)),
    "kcal": ("energy", Fraction(41868, 10)),
    "Mcal": ("energy", Fraction(4_186_800)),
    "Gcal": ("energy", Fraction(4_186_800_000)),
    "mL": ("volume", Fraction(1)),
    "L": ("volume", Fraction(10**3)),
    "m3": ("volume", Fraction(10**6)),
    "kg": ("mass", Fraction(1)),
    "t": ("mass", Fraction(1000)),
    "W": ("power", Fraction(1)),
    "kW": ("power", Fraction(10**3)),
    "MW": ("power", Fraction(10**6)),
    "J/h": ("power", Fraction(1, 3600)),
    "MJ/h": ("power", Fraction(10**6, 3600)),
    "GJ/h": ("power", Fraction(10**9, 3600)),
    "m3/h": ("flow", Fraction(1)),
    "L/h": ("flow", Fraction(1, 1000)),
    "m3/min": ("flow", Fraction(60)),
    "L/min": ("flow", Fraction(60, 1000)),
    "m3/s": ("flow", Fraction(3600)),
    "L/s": ("flow", Fraction(3600, 1000)),
    "kg/h": ("mass_flow", Fraction(1)),
    "s": ("time", Fraction(1)),
    "min": ("time", Fraction(60)),
    "h": ("time", Fraction(3600)),
    "d": ("time", Fraction(86400)),
    "°C": ("temperature", Fraction(1)),
    "K": ("temperature_difference", Fraction(1)),
    "bar": ("pressure", Fraction(1)),
    "mbar": ("pressure", Fraction(1, 1000)),
    "Pa": ("pressure", Fraction(1, 100_000)),
    "kPa": ("pressure", Fraction(1, 100)),
    "MPa": ("pressure", Fraction(10)),
    "V": ("voltage", Fraction(1)),
    "mV": ("voltage", Fraction(1, 1000)),
    "A": ("current", Fraction(1)),
    "mA": ("current", Fraction(1, 1000)),
    "Hz": ("frequency", Fraction(1)),
    "m3·°C": ("volume_temperature", Fraction(1)),
    "%": ("ratio", Fraction(1, 100)),
    "": ("none", Fraction(1)),
}

CANONICAL_UNIT: dict[Quantity, str] = {
    Quantity.HEAT_ENERGY: "kWh",
    Quantity.COOLING_ENERGY: "kWh",
    Quantity.ELECTRIC_ENERGY: "kWh",
    Quantity.VOLUME: "m3",
    Quantity.MASS: "kg",
    Quantity.POWER: "kW",
    Quantity.FLOW: "m3/h",
    Quantity.MASS_FLOW: "kg/h",
    Quantity.SUPPLY_TEMPERATURE: "°C",
    Quantity.RETURN_TEMPERATURE: "°C",
    Quantity.TEMPERATURE_DIFFERENCE: "K",
    Quantity.EXTERNAL_TEMPERATURE: "°C",
    Quantity.SUPPLY_TEMPERATURE_VOLUME: "m3·°C",
    Quantity.RETURN_TEMPERATURE_VOLUME: "m3·°C",
    Quantity.PRESSURE: "bar",
    Quantity.OPERATING_TIME: "h",
    Quantity.ON_TIME: "h",
    Quantity.ERROR_TIME: "h",
    Quantity.VOLTAGE: "V",
    Quantity.CURRENT: "A",
    Quantity.FREQUENCY: "Hz",
    Quantity.POWER_FACTOR: "",
    Quantity.HEAT_COST_UNITS: "",
    Quantity.INFO_CODE: "",
    Quantity.METER_TIME: "s",
    Quantity.BATTERY_VOLTAGE: "V",
    Quantity.RELATIVE_HUMIDITY: "%",
}

CUMULATIVE: frozenset[Quantity] = frozenset(
    {
        Quantity.HEAT_ENERGY,
        Quantity.COOLING_ENERGY,
        Quantity.ELECTRIC_ENERGY,
        Quantity.VOLUME,
        Quantity.MASS,
        Quantity.SUPPLY_TEMPERATURE_VOLUME,
        Quantity.RETURN_TEMPERATURE_VOLUME,
        Quantity.OPERATING_TIME,
        Quantity.ON_TIME,
        Quantity.ERROR_TIME,
        Quantity.HEAT_COST_UNITS,
    }
)


def is_unit(unit: str) -> bool:
    """Whether `unit` is one of the units this project converts."""
    return unit in _FACTORS


def dimension(unit: str) -> str:
    """Dimension of a unit: ``"energy"`` for ``"kWh"``. Raises KeyError for an unknown unit."""
    return _FACTORS[unit][0]


def factor(source: str, target: str) -> Fraction:
    """Exact factor that takes a value from `source` to `target` units.

    Raises
    ------
    KeyError
        A unit is unknown.
    ValueError
        The units measure different things.
    """
    source_dimension, source_factor = _FACTORS[source]
    target_dimension, target_factor = _FACTORS[target]
    if source_dimension != target_dimension:
        raise ValueError(f"{source} measures {source_dimension}, {target} measures {target_dimension}")
    return source_factor / target_factor


def converted(value: Decimal, source: str, target: str) -> Decimal:
    """`value` in `target` units; exact where a finite decimal exists, else to 28 digits."""
    ratio = factor(source, target)
    if ratio == 1:
        return value
    return value * ratio.numerator / ratio.denominator
