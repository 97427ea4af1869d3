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
    "electric_energy": Quantity.ELECTRIC_ENERGY,
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
    hours: bool = True,
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
        registers.append(register_of("operating_time", "h", 0, 8))
    return tuple(registers)


_CJT = _heat(("kWh", -2, 8), ("m3", -2, 8), ("kW", -2), ("m3/h", -4), -2)

MODELS: dict[str, MeterModel] = {
    model.name: model
    for model in (
        MeterModel(
            "kamstrup-603", "Kamstrup MULTICAL 603", "mbus", "KAM", "heat", 0x35, "kamstrup-603", "mbus",
            _heat(("kWh", 0, 8)), "kamstrup",
        ),
        MeterModel(
            "kamstrup-403", "Kamstrup MULTICAL 403", "mbus", "KAM", "heat", 0x34, "kamstrup-403", "mbus",
            _heat(("kWh", 0, 8)), "kamstrup",
        ),
        MeterModel(
            "landisgyr-uh50", "Landis+Gyr UH50", "mbus", "LUG", "heat", 0x04, "landisgyr-uh50", "mbus",
            _heat(("MJ", 0, 8), temperature_scale=-1), "landis",
        ),
        MeterModel(
            "diehl-sharky", "Diehl SHARKY 775", "mbus", "HYD", "heat", 0x20, "diehl-sharky", "mbus",
            _heat(("kWh", 0, 8), temperature_scale=-1), "sharky",
        ),
        MeterModel(
            "sensostar", "Engelmann SensoStar", "mbus", "EFE", "heat", 0x00, "engelmann-sensostar", "mbus",
            _heat(("kWh", 0, 8), ("m3", -3, 8), temperature_scale=-1), "sensostar",
        ),
        MeterModel(
            "kamstrup-wireless", "Kamstrup MULTICAL 403, wireless", "wmbus", "KAM", "heat", 0x34, "kamstrup-403",
            "wmbus", _heat(("kWh", 0, 8), hours=False), "kamstrup", interval_s=900,
        ),
        MeterModel(
            "sensostar-wireless", "Engelmann SensoStar, wireless", "wmbus", "EFE", "heat", 0x00,
            "engelmann-sensostar", "wmbus", _heat(("kWh", 0, 8), ("m3", -3, 8), temperature_scale=-1), "sensostar",
            interval_s=900, encrypted=True,
        ),
        MeterModel(
            "cjt188-tiangang", "天罡 ultrasonic heat meter", "cjt188", "1111", "heat", None, "cjt188-tiangang", "cjt188",
            _CJT, "tiangang", serial_digits=14,
        ),
        MeterModel(
            "cjt188-huizhong", "汇中 ultrasonic heat meter", "cjt188", "", "heat", None, "cjt188-huizhong", "cjt188",
            _CJT, "huizhong", serial_digits=14,
        ),
        MeterModel(
            "cjt188-maituo", "迈拓 ultrasonic heat meter", "cjt188", "", "heat", None, "cjt188-maituo", "cjt188",
            _CJT, "maituo", serial_digits=14,
        ),
        MeterModel(
            "cjt188-lichuang", "力创 heat meter", "cjt188", "4259", "heat", None, "cjt188-lichuang", "cjt188",
            _CJT, "lichuang", serial_digits=14,
        ),
        MeterModel(
            "modbus-a", "Modbus heat meter A", "modbus", "", "heat", None, "modbus-a", "modbus",
            _heat(("kWh", 0, 9)), clocked=False, mounting_side="supply",
        ),
        MeterModel(
            "json", "Heat meter behind an IoT gateway", "mqtt", "", "heat", None, "json-generic", "json",
            _heat(("kWh", -1, 9), ("m3", -3, 9)), clocked=False,
        ),
        MeterModel(
            "dlt645", "DL/T 645-2007 electricity meter", "dlt645", "", "electricity", None, "dlt645-2007", "dlt645",
            (register_of("electric_energy", "kWh", -2, 8),), serial_digits=12,
        ),
    )
}  # fmt: skip
