"""How many counts a record shows: the unit and scale of its register from the telegram's own resolution.

Rules: the exponent of a record's Decimal is the resolution of the display (an M-Bus record of 12 times 10^3 Wh is
``Decimal("12E+3")``), so that the same meter always yields the same register. Where a source has no resolution of its
own (JSON, floating point), a fixed scale per unit stands in and the value is rounded to it once. A total is never
rounded otherwise: one that is finer than its register is an error, not a guess.
"""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from protocols.cjt188.layouts import CURRENT_HEAT, CURRENT_VOLUME
from protocols.mbus.vif import FIRST_EXTENSION, PRIMARY
from protocols.profile_registers import RegisterRule
from protocols.registers import Register
from protocols.telegram import DataRecord
from protocols.units import converted, dimension, factor, is_unit

# Protocols whose records carry the resolution of the display.
EXACT_PROTOCOLS = frozenset(("mbus", "wmbus", "lorawan", "cjt188", "dlt645", "modbus"))
VIF_PROTOCOLS = frozenset(("mbus", "wmbus", "lorawan"))

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
