"""Which master speaks to which kind of gateway: a table from `gateway.kind` to how one is made.

Rules: settings of a gateway row are read here and nowhere else; a wrong one is a SettingsError that names the key, and
costs only its gateway.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ingest.errors import SettingsError
from ingest.profiles import profile_named
from ingest.sources.asking import Master
from ingest.sources.mbus import MbusMaster, MbusTiming
from ingest.sources.modbus import ModbusMaster, ModbusTiming
from ingest.sources.serial_masters import QUESTIONS, SerialMaster
from ingest.sources.transport import Line, SerialSettings, open_serial, open_tcp
from protocols.errors import ProfileError
from protocols.modbus import ReadRequest, read_plan


@dataclass(frozen=True, slots=True)
class GatewayAddress:
    """What a master must know of its gateway; `settings` may hold `network_s`, `gap_s`, `answer_s`, `pause_s`,
    `parity`.
    """

    kind: str
    address: str
    settings: dict[str, Any]
    baud_rate: int = 2400

    def number(self, name: str, default: float) -> float:
        """A setting in seconds. Raises SettingsError."""
        value = self.settings.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 600:
            raise SettingsError(f"gateway setting {name}: {value!r} is not a number of seconds", field=name)
        return float(value)

    def parity(self, default: str) -> str:
        """Parity of a serial port. Raises SettingsError."""
        value = self.settings.get("parity", default)
        if value not in ("N", "E", "O"):
            raise SettingsError(f"gateway setting parity: {value!r} is none of N, E, O", field="parity")
        return str(value)


def plan_of(name: str) -> Sequence[ReadRequest]:
    """Read plan of a profile. Raises KeyError for an unknown one."""
    try:
        return read_plan(profile_named(name))
    except ProfileError as error:
        raise KeyError(name) from error


def _mbus(gateway: GatewayAddress) -> Master:
    timing = MbusTiming(gateway.number("network_s", 1.0), gateway.number("gap_s", 0.3))
    if gateway.kind == "mbus_serial":
        return MbusMaster(partial(_serial_line, gateway), timing, speed_matters=True)

    async def open_line(baud_rate: int) -> Line:
        return await open_tcp(gateway.address)

    return MbusMaster(open_line, timing)


async def _serial_line(gateway: GatewayAddress, baud_rate: int) -> Line:
    return await open_serial(gateway.address, SerialSettings(baud_rate, gateway.parity("E")))


def _modbus(gateway: GatewayAddress) -> Master:
    timing = ModbusTiming(gateway.number("answer_s", 2.0), gateway.number("pause_s", 0.0))
    if gateway.kind == "modbus_rtu":
        serial = SerialSettings(gateway.baud_rate, gateway.parity("N"))
        return ModbusMaster(gateway.address, plan_of, framing="serial", timing=timing, serial=serial)
    return ModbusMaster(
        gateway.address, plan_of, framing="rtu" if gateway.kind == "modbus_rtu_tcp" else "tcp", timing=timing
    )


def _serial(gateway: GatewayAddress) -> Master:
    protocol = gateway.kind.removesuffix("_tcp")
    network_s = gateway.number("network_s", 1.0)
    return SerialMaster(protocol, partial(open_tcp, gateway.address), QUESTIONS[protocol], network_s=network_s)


MASTERS: dict[str, Callable[[GatewayAddress], Master]] = {
    "mbus_tcp": _mbus,
    "mbus_serial": _mbus,
    "modbus_tcp": _modbus,
    "modbus_rtu": _modbus,
    "modbus_rtu_tcp": _modbus,
    "cjt188_tcp": _serial,
    "dlt645_tcp": _serial,
}
