"""The meter types of the virtual fleet: who made them, what they show, how they speak.

A model names the profile that reads it and the encoding that writes it; both see the same registers. One count is the
last digit of the display, as everywhere.
"""

from dataclasses import dataclass

from protocols.registers import Register
from protocols.units import Quantity

_NAMES: dict[str, Quantity] = {
    "energy": Quantity.HEAT_ENERGY,
    "volume": Quantity.VOLUME,
    "power": Quantity.POWER,
    "flow": Quantity.FLOW,
    "supply_temperature": Quantity.SUPPLY_TEMPERATURE,
    "return_temperature": Quantity.RETURN_TEMPERATURE,
    "operating_time": Quantity.OPERATING_TIME,
    "on_time": Quantity.ON_TIME,
    "supply_temperature_volume": Quantity.SUPPLY_TEMPERATURE_VOLUME,
    "return_temperature_volume": Quantity.RETURN_TEMPERATURE_VOLUME,
}


def register_of(name: str, unit: str, scale: int, digits: int | None = None) -> Register:
    """A register by its usual name: ``register_of("energy", "kWh", -2, 8)``."""
    return Register(name, _NAMES[name], unit, scale, digits)


@dataclass(frozen=True, slots=True)
class MeterModel:
    """A type of meter. `protocol` is what its bytes are; `encoding` names the function in `meter_encoding` and
    `dialect` a variant of it; `interval_s` how often it transmits or is polled; `clocked` whether it tells its time."""

    name: str
    title: str
    protocol: str
    manufacturer: str
    medium: str
    version: int | None
    profile: str
    encoding: str
    registers: tuple[Register, ...]
    dialect: str = ""
    mounting_side: str = "return"
    interval_s: int = 3600
    clocked: bool = True
    serial_digits: int = 8
    encrypted: bool = False

    def register(self, name: str) -> Register:
        """The register of that name. Raises KeyError."""
        for register in self.registers:
            if register.name == name:
                return register
        raise KeyError(name)


def _heat(
    energy: tuple[str, int, int],
    volume: tuple[str, int, int] = ("m3", -2, 8),
    power: tuple[str, int] = ("kW", -1),
    flow: tuple[str, int] = ("m3/h", -3),
    temperature_scale: int = -2,
    hours: str = "operating_time",
) -> tuple[Register, ...]:
    registers = [
        register_of("energy", *energy),
        register_of("volume", *volume),
        register_of("power", *power),
        register_of("flow", *flow),
        register_of("supply_temperature", "°C", temperature_scale),
        register_of("return_temperature", "°C", temperature_scale),
    ]
    if hours:
        registers.append(register_of(hours, "h", 0, 8))
    return tuple(registers)


_E8_E9 = (
    register_of("supply_temperature_volume", "m3·°C", 0, 8),
    register_of("return_temperature_volume", "m3·°C", 0, 8),
)
_KAMSTRUP_603 = _heat(("kWh", 0, 8), hours="on_time") + _E8_E9
_KAMSTRUP_403 = _heat(("kWh", 0, 8), hours="") + _E8_E9
_CJT = _heat(("kWh", -2, 8), ("m3", -2, 8), ("kW", -2), ("m3/h", -4), -2)
_CJT_WHOLE = _heat(("kWh", 0, 8), ("L", 0, 8), ("W", 0), ("L/h", 0), -2)
_DECI = _heat(("kWh", 0, 8), temperature_scale=-1)
_JSON = (
    *_heat(("kWh", -3, 11), ("m3", -4, 11), ("kW", -3), ("m3/h", -4), -3, hours=""),
    register_of("operating_time", "h", -2, 10),
)
_TUF = (
    *_heat(("GJ", -3, 8), ("m3", -3, 9), ("GJ/h", -6), ("m3/h", -4), hours=""),
    register_of("operating_time", "s", 0, 10),
)
_SENSOSTAR = _heat(("kWh", 0, 8), ("m3", -3, 8), temperature_scale=-1)

_ROWS = (
    # name, title, protocol, maker, medium, version, profile, encoding, registers, dialect
    ("kamstrup-603", "Kamstrup MULTICAL 603", "mbus", "KAM", "heat", 0x35, "mbus", _KAMSTRUP_603, "kamstrup-603"),
    ("kamstrup-403", "Kamstrup MULTICAL 403", "mbus", "KAM", "heat", 0x34, "mbus", _KAMSTRUP_403, "kamstrup-403"),
    ("landisgyr-uh50", "Landis+Gyr UH50", "mbus", "LUG", "heat", 0x04, "mbus",
     _heat(("MJ", 0, 8), temperature_scale=-1), "landis"),
    ("diehl-sharky", "Diehl SHARKY 775", "mbus", "HYD", "heat", 0x20, "mbus", _DECI, "sharky"),
    ("sensostar", "Engelmann SensoStar", "mbus", "EFE", "heat", 0x00, "mbus", _SENSOSTAR, "sensostar"),
    ("kamstrup-wireless", "Kamstrup MULTICAL 403, wireless", "wmbus", "KAM", "heat", 0x34, "wmbus", _KAMSTRUP_403,
     "kamstrup-403"),
    ("sensostar-wireless", "Engelmann SensoStar, wireless", "wmbus", "EFE", "heat", 0x00, "wmbus", _SENSOSTAR,
     "sensostar-short"),
    ("cjt188-tiangang", "天罡 heat meter", "cjt188", "1111", "heat", None, "cjt188", _CJT, "tiangang"),
    ("cjt188-huizhong", "汇中 heat meter", "cjt188", "3002", "heat", None, "cjt188", _CJT, "huizhong"),
    ("cjt188-maituo", "迈拓 heat meter", "cjt188", "1032", "heat", None, "cjt188", _CJT_WHOLE, "maituo"),
    ("cjt188-runa", "瑞纳 heat meter", "cjt188", "2020", "heat", None, "cjt188", _CJT, "runa"),
    ("cjt188-lichuang", "力创 heat meter", "cjt188", "4259", "heat", None, "cjt188", _CJT, "lichuang"),
    ("json", "Heat meter behind an IoT gateway", "mqtt", "", "heat", None, "json", _JSON,
     ""),
    ("elvaco", "Kamstrup MULTICAL with Elvaco CMi4140", "lorawan", "KAM", "heat", 0x34, "lorawan",
     _heat(("kWh", 0, 8), temperature_scale=-1, hours=""), "elvaco"),
    ("modbus-a", "Modbus heat meter", "modbus", "", "heat", None, "modbus", _heat(("kWh", 0, 9)), ""),
    ("diehl-sharky-775-modbus", "Diehl SHARKY 775, Modbus", "modbus", "DME", "heat", None, "modbus",
     _heat(("kWh", 0, 9), temperature_scale=-1, hours=""), ""),
    ("tuf-2000", "TUF-2000", "modbus", "TUF", "heat", None, "modbus", _TUF, ""),
    ("itron-cf-echo2-modbus", "Itron CF Echo II", "modbus", "ACW", "heat", None, "modbus",
     _heat(("kWh", 0, 7), ("L", 0, 7), ("kW", -1), ("L/h", 0), -1, hours=""), ""),
    ("dlt645", "DL/T 645-2007 electricity meter", "dlt645", "", "electricity", None, "dlt645",
     (Register("energy", Quantity.ELECTRIC_ENERGY, "kWh", -2, 8),), "2007"),
)  # fmt: skip
# Where the profile that reads a model is not called like it.
_PROFILES = {"kamstrup-wireless": "kamstrup-403", "sensostar-wireless": "sensostar", "json": "json-heatbook"}
_SERIAL_DIGITS = {"cjt188": 14, "dlt645": 12}
_UNCLOCKED = frozenset({"json", "modbus", "dlt645", "lorawan"})


def _model(row: tuple[str, str, str, str, str, int | None, str, tuple[Register, ...], str]) -> MeterModel:
    name, title, protocol, maker, medium, version, encoding, registers, dialect = row
    return MeterModel(
        name, title, protocol, maker, medium, version, _PROFILES.get(name, name), encoding, registers, dialect,
        mounting_side="supply" if encoding == "modbus" else "return",
        interval_s=900 if protocol == "wmbus" else 3600,
        clocked=encoding not in _UNCLOCKED or name == "tuf-2000",
        serial_digits=_SERIAL_DIGITS.get(protocol, 8),
        encrypted=name == "sensostar-wireless",
    )  # fmt: skip


MODELS: dict[str, MeterModel] = {row[0]: _model(row) for row in _ROWS}
