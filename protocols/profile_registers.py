"""Which register a record belongs to, and how many counts it shows: standard rules, and a profile's own.

Rules: a register's unit and scale follow from the resolution that the telegram states (the exponent of the record's
Decimal: an M-Bus record of 12 times 10^3 Wh is ``Decimal("12E+3")``), so that the same meter always yields the same
register. Where a source has no resolution of its own (JSON, floating point), a fixed scale per unit stands in and the
value is rounded to it once. A cumulative value is never rounded otherwise: one that is finer than its register is an
error, not a guess.
"""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from protocols.cjt188.layouts import CURRENT_HEAT, CURRENT_VOLUME
from protocols.mbus.vif import FIRST_EXTENSION, PRIMARY
from protocols.registers import Register
from protocols.telegram import DataRecord, Function
from protocols.units import Quantity, converted, dimension, factor, is_unit

# Protocols whose records carry the resolution of the display.
EXACT_PROTOCOLS = frozenset(("mbus", "wmbus", "lorawan", "cjt188", "dlt645", "modbus"))
VIF_PROTOCOLS = frozenset(("mbus", "wmbus", "lorawan"))

# record quantity -> (register name, quantity); energy depends on the medium and has its own table.
STANDARD: dict[str, tuple[str, Quantity]] = {
    "cooling_energy": ("cooling_energy", Quantity.COOLING_ENERGY),
    "volume": ("volume", Quantity.VOLUME),
    "mass": ("mass", Quantity.MASS),
    "power": ("power", Quantity.POWER),
    "flow": ("flow", Quantity.FLOW),
    "mass_flow": ("mass_flow", Quantity.MASS_FLOW),
    "supply_temperature": ("supply_temperature", Quantity.SUPPLY_TEMPERATURE),
    "return_temperature": ("return_temperature", Quantity.RETURN_TEMPERATURE),
    "temperature_difference": ("temperature_difference", Quantity.TEMPERATURE_DIFFERENCE),
    "external_temperature": ("external_temperature", Quantity.EXTERNAL_TEMPERATURE),
    "pressure": ("pressure", Quantity.PRESSURE),
    "operating_time": ("operating_time", Quantity.OPERATING_TIME),
    "on_time": ("on_time", Quantity.ON_TIME),
    "error_time": ("error_time", Quantity.ERROR_TIME),
    "voltage": ("voltage", Quantity.VOLTAGE),
    "current": ("current", Quantity.CURRENT),
    "frequency": ("frequency", Quantity.FREQUENCY),
    "power_factor": ("power_factor", Quantity.POWER_FACTOR),
    "heat_cost_units": ("heat_cost_units", Quantity.HEAT_COST_UNITS),
    "battery_voltage": ("battery_voltage", Quantity.BATTERY_VOLTAGE),
    "relative_humidity": ("relative_humidity", Quantity.RELATIVE_HUMIDITY),
}
ENERGY_BY_MEDIUM: dict[str, tuple[str, Quantity]] = {
    "cooling": ("cooling_energy", Quantity.COOLING_ENERGY),
    "electricity": ("energy", Quantity.ELECTRIC_ENERGY),
}
_HEAT = ("energy", Quantity.HEAT_ENERGY)
_COOLING = ("cooling_energy", Quantity.COOLING_ENERGY)
_ERROR_TIMES = frozenset(("on_time", "operating_time"))

# Qualifiers under which a value is still the plain quantity.
_HARMLESS = frozenset(("flow.forward", "standard_conform"))
_BACKWARD = "flow.backward"
_PHASES = {"phase.l1": "l1", "phase.l2": "l2", "phase.l3": "l3", "phase.n": "n"}

# Telegram unit -> ((exponents up to, register unit, exponent of that unit), ...): the unit a display would show.
_DISPLAY: dict[str, tuple[tuple[int, str, int], ...]] = {
    "Wh": ((3, "kWh", 3), (99, "MWh", 6)),
    "J": ((6, "MJ", 6), (99, "GJ", 9)),
    "W": ((99, "kW", 3),),
    "J/h": ((6, "MJ/h", 6), (99, "GJ/h", 9)),
}
# Scale of values without a resolution of their own, by unit.
FLOATING_SCALE: dict[str, tuple[str, int]] = {
    "Wh": ("kWh", -3),
    "kWh": ("kWh", -3),
    "MWh": ("MWh", -6),
    "GWh": ("GWh", -9),
    "J": ("MJ", -6),
    "kJ": ("MJ", -3),
    "MJ": ("MJ", -3),
    "GJ": ("GJ", -6),
    "kcal": ("kcal", 0),
    "Mcal": ("Mcal", -3),
    "Gcal": ("Gcal", -6),
    "mL": ("m3", -6),
    "L": ("L", -1),
    "m3": ("m3", -4),
    "W": ("kW", -3),
    "kW": ("kW", -3),
    "MW": ("MW", -6),
    "L/h": ("L/h", -1),
    "m3/h": ("m3/h", -4),
    "s": ("s", 0),
    "h": ("h", -2),
    "d": ("d", -2),
}
_FLOATING_DEFAULT = -3
_LARGEST = 10**18
# Resolution of the CJ/T 188 fields, for those that hold no number.
_CJT188_EXPONENTS = {item.quantity: -item.decimals for item in (*CURRENT_HEAT, *CURRENT_VOLUME) if item.part == "bcd"}


@dataclass(frozen=True, slots=True, eq=False)
class RegisterRule:
    """One ``[[register]]`` of a profile: which record feeds it, and what is known of its display.

    `code` is the record's own code (VIB, DI, point name) where quantity and numbers do not tell it apart. `unit` and
    `scale` fix the register where the telegram's resolution must not decide; `digits` is the display's length.
    """

    name: str
    quantity: Quantity
    record: str
    function: Function = Function.INSTANTANEOUS
    storage: int = 0
    tariff: int = 0
    subunit: int = 0
    code: str = ""
    unit: str = ""
    scale: int | None = None
    digits: int | None = None

    def takes(self, record: DataRecord, storage: int) -> bool:
        """Whether `record`, seen at `storage`, feeds this register."""
        return (
            storage == self.storage
            and record.tariff == self.tariff
            and record.subunit == self.subunit
            and (record.function == self.function)
            and (record.code.lower() == self.code.lower() if self.code else record.quantity == self.record)
            and (bool(self.code) or all(is_harmless(word) for word in record.modifiers))
        )


def is_harmless(modifier: str) -> bool:
    """Whether a value under this qualifier is still the plain quantity; a timestamp of its own does not change it."""
    return modifier in _HARMLESS or modifier.startswith("time=")


def standard_rule(record: DataRecord, storage: int, medium: str) -> RegisterRule | None:
    """The register that a record names by itself; None where it names none.

    Parameters
    ----------
    storage : int
        Storage number that becomes part of the name: 0 for current values and for dated history.
    """
    quantity, function = record.quantity, record.function
    if quantity == "energy":
        name, kind = ENERGY_BY_MEDIUM.get(medium, _HEAT)
    elif quantity in STANDARD:
        name, kind = STANDARD[quantity]
    else:
        return None
    if function is Function.ERROR:
        if quantity in _ERROR_TIMES:
            name, kind = STANDARD["error_time"]
        elif record.value is not None:
            return None
    for modifier in record.modifiers:
        if modifier == _BACKWARD and quantity == "energy" and kind is Quantity.HEAT_ENERGY:
            name, kind = _COOLING
        elif modifier == _BACKWARD and kind is Quantity.ELECTRIC_ENERGY:
            name = f"{name}_backward"
        elif modifier in _PHASES:
            name = f"{name}_{_PHASES[modifier]}"
        elif not is_harmless(modifier):
            return None
    for word, number in (("tariff", record.tariff), ("subunit", record.subunit)):
        if number:
            name = f"{name}_{word}_{number}"
    if function in (Function.MAXIMUM, Function.MINIMUM):
        name = f"{name}_{function}"
    if storage:
        name = f"{name}_storage_{storage}"
    return RegisterRule(name, kind, quantity, function, storage, record.tariff, record.subunit)


def vif_factor(code: str) -> Decimal | None:
    """Factor that an M-Bus value information block states, for records whose value is missing; None for other codes."""
    try:
        block = bytes.fromhex(code)
    except ValueError:
        return None
    if len(block) == 1:
        row = PRIMARY.get(block[0] & 0x7F)
    elif len(block) == 2 and block[0] == 0xFB:
        row = FIRST_EXTENSION.get(block[1] & 0x7F)
    else:
        row = None
    return None if row is None else row.factor


@lru_cache(maxsize=64)
def _time_unit(code: str) -> str:
    """Unit in which an M-Bus meter counts time: its telegram value is scaled to seconds, its display is not."""
    step = vif_factor(code)
    return {60: "min", 3600: "h", 86400: "d"}.get(int(step), "s") if step is not None else "s"


def exponent_of(record: DataRecord, protocol: str) -> int | None:
    """Power of ten of the record's last digit; None where neither value nor code tell."""
    value = record.value
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        return exponent if isinstance(exponent, int) else None
    if protocol == "cjt188":
        return _CJT188_EXPONENTS.get(record.quantity)
    if protocol in VIF_PROTOCOLS:
        step = vif_factor(record.code)
        if step is not None:
            exponent = step.as_tuple().exponent
            return exponent if isinstance(exponent, int) else None
    return None


def register_of(rule: RegisterRule, record: DataRecord, protocol: str, exponent: int | None = None) -> Register | None:
    """The register that `rule` makes of a record of a telegram of `protocol`; None where unit or scale are unknown.

    `exponent` is the power of ten of the last digit, where it is known though the record holds no number.
    """
    unit = rule.unit or record.unit
    if not is_unit(unit):
        return None
    scale = rule.scale
    if scale is None and protocol not in EXACT_PROTOCOLS:
        unit, scale = FLOATING_SCALE.get(unit, (unit, _FLOATING_DEFAULT))
    if scale is None:
        if isinstance(record.value, Decimal) or exponent is None:
            exponent = exponent_of(record, protocol)
        if exponent is None:
            return None
        unit, scale = _displayed(record, unit, exponent, protocol, bool(rule.unit))
    try:
        return Register(rule.name, rule.quantity, unit, scale, rule.digits, rule.storage, rule.tariff, rule.subunit)
    except (ValueError, KeyError):
        return None


def _displayed(record: DataRecord, unit: str, exponent: int, protocol: str, fixed: bool) -> tuple[str, int]:
    if unit == "s" and protocol in VIF_PROTOCOLS and not fixed:
        shown = _time_unit(record.code)
        return shown, exponent if shown == "s" else 0
    if fixed and is_unit(record.unit) and record.unit != unit:
        ratio = converted(Decimal(1).scaleb(exponent), record.unit, unit).normalize()
        power = ratio.as_tuple().exponent
        return unit, power if isinstance(power, int) else 0
    if not fixed:
        for highest, shown, power in _DISPLAY.get(unit, ()):
            if exponent <= highest:
                return shown, exponent - power
    return unit, exponent


@dataclass(frozen=True, slots=True)
class Assignment:
    """A register for one kind of record, and how digits become counts: ``digits * numerator / denominator``.

    `exponent` is the power of ten of the record's last digit, `rounded` whether the source has no display: then the
    counts are rounded half to even once. Measured values are always rounded, totals of a display never.
    """

    register: Register
    exponent: int
    numerator: int
    denominator: int
    rounded: bool

    def count_of(self, record: DataRecord) -> tuple[int | None, str | None]:
        """Counts that the record shows, and why there are none."""
        value = record.value
        if value is None or record.error is not None:
            return None, record.error or "value.missing"
        if not isinstance(value, Decimal):
            return None, f"value.text: {value!r} is no number"
        digits = int(value.scaleb(-self.exponent)) * self.numerator
        count, rest = (digits, 0) if self.denominator == 1 else divmod(digits, self.denominator)
        if not -_LARGEST < count < _LARGEST:
            return None, f"value.range: {value} {record.unit} has more digits than any display"
        if not rest:
            return count, None
        register = self.register
        if register.cumulative and not self.rounded:
            unit, scale = register.unit, register.scale
            return None, f"resolution: {value} {record.unit} is finer than a count of 1E{scale} {unit}"
        return round(Fraction(digits, self.denominator)), None


def assignment_of(record: DataRecord, register: Register, protocol: str) -> Assignment:
    """How records like this one, with this resolution, count in `register`."""
    exponent = exponent_of(record, protocol) or 0
    same = is_unit(record.unit) and dimension(record.unit) == dimension(register.unit)
    ratio = factor(record.unit, register.unit) if same else Fraction(1)
    ratio *= Fraction(10) ** (exponent - register.scale)
    rounded = protocol not in EXACT_PROTOCOLS or "float" in record.modifiers
    return Assignment(register, exponent, ratio.numerator, ratio.denominator, rounded)
