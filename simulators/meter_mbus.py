"""Virtual heat meters on M-Bus: the record sets of five makes, wired and wireless, from counts to bytes.

A layout is data: per record its blocks, the size and coding of its data, and where the number comes from. One count of
a register is one count of its VIF, so nothing is scaled or rounded on the way.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from protocols.mbus.encoding import Coding, dib_for, vib_for
from protocols.mbus.frame import RSP_UD, LongFrame
from protocols.mbus.header import code_from_manufacturer, code_from_medium
from protocols.telegram import Function
from simulators.faults_sensor import INFO_AIR, INFO_BATTERY, INFO_FLOW, INFO_SENSOR_RETURN, INFO_SENSOR_SUPPLY
from simulators.readout import Readout, Speaker

_BYTES = {Coding.INT8: 1, Coding.INT16: 2, Coding.INT24: 3, Coding.INT32: 4}
_BCD_BYTES = {Coding.BCD2: 1, Coding.BCD4: 2, Coding.BCD6: 3, Coding.BCD8: 4, Coding.BCD12: 6}
CI_LONG_HEADER = 0x72

# Info bits of the fleet -> those of Kamstrup's info code and of the status byte (EN 13757-3).
KAMSTRUP_INFO = (
    (INFO_BATTERY, 0x02), (INFO_SENSOR_SUPPLY, 0x08), (INFO_SENSOR_RETURN, 0x10), (INFO_AIR | INFO_FLOW, 0x100),
)  # fmt: skip
STATUS_BITS = (
    (INFO_BATTERY, 0x04), (INFO_SENSOR_SUPPLY | INFO_SENSOR_RETURN, 0x08), (INFO_AIR | INFO_FLOW, 0x10),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Record:
    """`source` is a register name, or one of "difference", "info", "clock", "error_time", "month", "month_date",
    "maximum_power"; `number` the month counted back for the last two; `storage` and `tariff` as in the DIF."""

    source: str
    coding: Coding
    vib: bytes
    storage: int = 0
    tariff: int = 0
    function: Function = Function.INSTANTANEOUS
    number: int = 0


_B, _I = Coding.BCD8, Coding.INT32
_ENERGY_KWH, _ENERGY_MJ = vib_for("energy", "Wh", 3), vib_for("energy", "J", 6)
_VOLUME_CENTI, _VOLUME_LITRE = vib_for("volume", "m3", -2), vib_for("volume", "m3", -3)
_POWER, _FLOW = vib_for("power", "W", 2), vib_for("flow", "m3/h", -3)
_SUPPLY_CENTI, _RETURN_CENTI = vib_for("supply_temperature", "°C", -2), vib_for("return_temperature", "°C", -2)
_SUPPLY_DECI, _RETURN_DECI = vib_for("supply_temperature", "°C", -1), vib_for("return_temperature", "°C", -1)
_DIFFERENCE_CENTI, _DIFFERENCE_DECI = (vib_for("temperature_difference", "K", power) for power in (-2, -1))
_ON_HOURS, _OPERATING_HOURS = b"\x22", b"\x26"
_DATE, _CLOCK = vib_for("date", ""), vib_for("datetime", "")
_INFO_KAMSTRUP, _E8, _E9 = b"\xff\x22", b"\xff\x07", b"\xff\x08"
_ERROR_FLAGS = vib_for("error_flags", "")

_KAMSTRUP_403 = (
    _Record("energy", _I, _ENERGY_KWH),
    _Record("supply_temperature_volume", _I, _E8),
    _Record("return_temperature_volume", _I, _E9),
    _Record("volume", _I, _VOLUME_CENTI),
    _Record("flow", _I, _FLOW),
    _Record("power", _I, _POWER),
    _Record("supply_temperature", Coding.INT16, _SUPPLY_CENTI),
    _Record("return_temperature", Coding.INT16, _RETURN_CENTI),
    _Record("info", _I, _INFO_KAMSTRUP),
)
_KAMSTRUP_603 = (
    *_KAMSTRUP_403[:-1],
    _Record("difference", Coding.INT16, _DIFFERENCE_CENTI),
    _Record("on_time", _I, _ON_HOURS),
    _Record("error_time", _I, _ON_HOURS, function=Function.ERROR),
    _Record("clock", _I, _CLOCK),
    _Record("month", _I, _ENERGY_KWH, storage=1),
    _Record("month_date", Coding.INT16, _DATE, storage=1),
    _KAMSTRUP_403[-1],
)
_LANDIS = (
    _Record("energy", _B, _ENERGY_MJ),
    _Record("volume", _B, _VOLUME_CENTI),
    _Record("power", Coding.BCD6, _POWER),
    _Record("flow", Coding.BCD6, _FLOW),
    _Record("supply_temperature", Coding.BCD4, _SUPPLY_DECI),
    _Record("return_temperature", Coding.BCD4, _RETURN_DECI),
    _Record("difference", Coding.BCD6, _DIFFERENCE_DECI),
    _Record("operating_time", _B, _OPERATING_HOURS),
    _Record("error_time", _B, _ON_HOURS, function=Function.ERROR),
    _Record("clock", _I, _CLOCK),
    _Record("month", _B, _ENERGY_MJ, storage=1),
    _Record("month_date", Coding.INT16, _DATE, storage=1),
)
_SHARKY = (
    _Record("energy", _B, _ENERGY_KWH),
    _Record("tariff", _B, _ENERGY_KWH, tariff=1),
    _Record("volume", _B, _VOLUME_CENTI),
    _Record("power", Coding.BCD6, _POWER),
    _Record("flow", Coding.BCD6, _FLOW),
    _Record("supply_temperature", Coding.BCD4, _SUPPLY_DECI),
    _Record("return_temperature", Coding.BCD4, _RETURN_DECI),
    _Record("difference", Coding.BCD6, _DIFFERENCE_DECI),
    _Record("operating_time", Coding.BCD6, _OPERATING_HOURS),
    _Record("month", _B, _ENERGY_KWH, storage=3),
    _Record("month_date", Coding.INT16, _DATE, storage=3),
)
_SENSOSTAR_SHORT = (
    _Record("energy", _B, _ENERGY_KWH),
    _Record("volume", _B, _VOLUME_LITRE),
    _Record("power", Coding.BCD6, _POWER),
    _Record("flow", Coding.BCD6, _FLOW),
    _Record("supply_temperature", Coding.BCD4, _SUPPLY_DECI),
    _Record("return_temperature", Coding.BCD4, _RETURN_DECI),
    _Record("difference", Coding.BCD6, _DIFFERENCE_DECI),
    _Record("operating_time", _B, _OPERATING_HOURS),
    _Record("clock", _I, _CLOCK),
    _Record("flags", Coding.INT8, _ERROR_FLAGS),
)
_SENSOSTAR_MONTHS = tuple(
    _Record(source, coding, vib, storage=number, number=number - 1)
    for number in range(1, 13)
    for source, coding, vib in (("month_date", Coding.INT16, _DATE), ("month", _B, _ENERGY_KWH))
)

_ELVACO = (
    _Record("energy", _I, _ENERGY_KWH),
    _Record("volume", _I, _VOLUME_CENTI),
    _Record("power", Coding.INT16, _POWER),
    _Record("flow", Coding.INT16, _FLOW),
    _Record("supply_temperature", Coding.INT16, _SUPPLY_DECI),
    _Record("return_temperature", Coding.INT16, _RETURN_DECI),
    _Record("flags", Coding.INT16, _ERROR_FLAGS),
)

LAYOUTS: dict[str, tuple[_Record, ...]] = {
    "kamstrup-403": _KAMSTRUP_403,
    "kamstrup-603": _KAMSTRUP_603,
    "landis": _LANDIS,
    "sharky": _SHARKY,
    "sensostar": (*_SENSOSTAR_SHORT, *_SENSOSTAR_MONTHS),
    "sensostar-short": _SENSOSTAR_SHORT,
    "elvaco": _ELVACO,
}


def date_bytes(day: datetime) -> bytes:
    """Type G date."""
    year = day.year % 100
    return bytes((day.day | (year & 7) << 5, day.month | (year & 0x78) << 1))


def clock_bytes(moment: datetime) -> bytes:
    """Type F date and time, to the minute."""
    year = moment.year % 100
    return bytes(
        (moment.minute, moment.hour | 0x20 * (moment.year >= 2000), moment.day | (year & 7) << 5,
         moment.month | (year & 0x78) << 1)
    )  # fmt: skip


def _bcd(value: int, size: int) -> bytes:
    digits = 2 * size
    # Top nibble F is the sign (EN 13757-3).
    text = f"{value % 10**digits:0{digits}d}" if value >= 0 else f"F{-value % 10 ** (digits - 1):0{digits - 1}d}"
    return bytes.fromhex(text)[::-1]


def _writer(coding: Coding) -> Callable[[int], bytes]:
    if coding in _BCD_BYTES:
        size = _BCD_BYTES[coding]
        return lambda value: _bcd(value, size)
    width = _BYTES[coding]
    limit = 1 << (8 * width)
    return lambda value: (value % limit).to_bytes(width, "little")


@cache
def _compiled(layout: str) -> tuple[tuple[bytes, str, int, Callable[[int], bytes]], ...]:
    return tuple(
        (
            dib_for(record.coding, record.function, record.storage, record.tariff) + record.vib,
            record.source,
            record.number,
            _writer(record.coding),
        )
        for record in LAYOUTS[layout]
    )


def mapped_bits(info: int, table: tuple[tuple[int, int], ...]) -> int:
    """A maker's bits for the fleet's info bits."""
    return sum(target for source, target in table if info & source)


def records_of(speaker: Speaker, readout: Readout, layout: str) -> bytes:
    """The data records of a telegram, by a named layout."""
    counts = readout.counts
    months = speaker.history(readout.at, 12) if "month" in _sources(layout) else []
    parts = []
    for head, source, number, write in _compiled(layout):
        if source in counts:
            parts.append(head + write(counts[source]))
        elif source == "clock":
            parts.append(head + clock_bytes(readout.meter_time))
        elif source == "month_date":
            parts.append(head + date_bytes(months[number][0]))
        else:
            parts.append(head + write(_special(source, number, readout, months)))
    return b"".join(parts)


@cache
def _sources(layout: str) -> frozenset[str]:
    return frozenset(record.source for record in LAYOUTS[layout])


def _special(source: str, number: int, readout: Readout, months: list[tuple[datetime, int]]) -> int:
    counts = readout.counts
    if source == "difference":
        return counts["supply_temperature"] - counts["return_temperature"]
    if source == "month":
        return months[number][1]
    if source == "info":
        return mapped_bits(readout.info, KAMSTRUP_INFO)
    if source == "flags":
        return mapped_bits(readout.info, STATUS_BITS)
    if source == "tariff":
        # Night tariff: a fixed share keeps it rising with the main index.
        return counts["energy"] * 3 // 10
    return 0


def header_bytes(speaker: Speaker, readout: Readout) -> bytes:
    """Long header: identification, manufacturer, version, medium, access number, status, empty configuration."""
    identity = speaker.id
    return (
        bytes.fromhex(identity.serial)[::-1]
        + code_from_manufacturer(identity.manufacturer).to_bytes(2, "little")
        + bytes((identity.version or 0, code_from_medium(identity.medium)))
        + bytes((readout.access_number, mapped_bits(readout.info, STATUS_BITS), 0, 0))
    )


def wired_bytes(speaker: Speaker, readout: Readout) -> bytes:
    """RSP_UD long frame of a wired meter."""
    body = header_bytes(speaker, readout) + records_of(speaker, readout, speaker.model.dialect)
    address = int(speaker.settings.get("primary_address", 0))
    return LongFrame(RSP_UD, address, CI_LONG_HEADER, body).to_bytes()
