"""Which register a record belongs to: by quantity, function, storage, tariff and subunit, and by a profile's own rules.

Rules: this file knows names, not numbers. A qualifier that changes what a value means keeps it out of the plain
register.
"""

from dataclasses import dataclass, replace

from protocols.telegram import DataRecord, Function
from protocols.units import Quantity

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


@dataclass(frozen=True, slots=True)
class Refinement:
    """What a profile adds to a register that the standard rules already find: its display."""

    digits: int | None = None
    unit: str = ""
    scale: int | None = None

    def refined(self, rule: RegisterRule) -> RegisterRule:
        """`rule` with this display."""
        return replace(
            rule,
            digits=rule.digits if self.digits is None else self.digits,
            unit=self.unit or rule.unit,
            scale=rule.scale if self.scale is None else self.scale,
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
