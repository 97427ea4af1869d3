"""Contents that makers define themselves: Techem's radio telegrams (CI A0-A2) and the tail of Apator's 162.

Rules: only what the address says is this maker's device of a known version is read; the raw bytes stay in the record
before. The layouts are those of public decoders and of telegrams with known readings, not of the makers' papers.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Final, NamedTuple

from protocols.mbus.values import EXACT
from protocols.telegram import DataRecord, MeterId


def _record(
    quantity: str,
    unit: str,
    count: int,
    factor: str,
    raw: bytes,
    storage: int = 0,
    modifiers: tuple[str, ...] = (),
) -> DataRecord:
    value = EXACT.multiply(Decimal(factor), count)
    return DataRecord(quantity, unit, value, storage=storage, raw=raw.hex(), modifiers=modifiers, code=MAKER)


def _number(data: bytes, at: int, size: int = 2) -> int:
    return int.from_bytes(data[at : at + size], "little")


def _target_date(data: bytes) -> DataRecord | None:
    """Day the last period ended: day, month, years since 2000 in two bytes at offset 1."""
    word = _number(data, 1)
    day, month, year = word & 0x1F, word >> 5 & 0x0F, word >> 9 & 0x3F
    if not (1 <= day <= 31 and 1 <= month <= 12):
        return None
    text = f"20{year:02d}-{month:02d}-{day:02d}"
    return DataRecord("date", "", text, storage=1, raw=data[1:3].hex(), code=MAKER)


# Code of the records made here: the bytes have no value information of their own.
MAKER: Final = "maker"


class _Counter(NamedTuple):
    """A Techem counter: what the last period ended with at offset 3, what came since at offset 7."""

    quantity: str
    unit: str
    factor: str
    size: int = 2
    # The display is the sum of both, except where each period counts from zero.
    total: bool = True


def _techem(counter: _Counter, data: bytes) -> list[DataRecord]:
    last, now = _number(data, 3, counter.size), _number(data, 7, counter.size)
    raw_last, raw_now = data[3 : 3 + counter.size], data[7 : 7 + counter.size]
    quantity, unit, factor = counter.quantity, counter.unit, counter.factor
    records = [_record(quantity, unit, last + now if counter.total else now, factor, raw_now)]
    if counter.total:
        records.append(_record(quantity, unit, now, factor, raw_now, modifiers=("since_storage_1",)))
    records.append(_record(quantity, unit, last, factor, raw_last, storage=1))
    date = _target_date(data)
    return [*records, date] if date is not None else records


def _techem_allocator(data: bytes, shift: int) -> list[DataRecord]:
    records = _techem(_Counter("heat_cost_units", "", "1", total=False), data)
    for place, quantity in enumerate(("room_temperature", "radiator_temperature")):
        at = 9 + shift + 2 * place
        if len(data) >= at + 2:
            records.append(_record(quantity, "°C", _number(data, at), "0.01", data[at : at + 2]))
    return records


_Reader = Callable[[bytes], list[DataRecord]]


def _counter_reader(quantity: str, unit: str, factor: str, size: int = 2) -> _Reader:
    counter = _Counter(quantity, unit, factor, size)
    return lambda data: _techem(counter, data)


# Version byte of the link address -> reader of the data after the CI.
_TECHEM: Final[dict[int, _Reader]] = {
    0x69: lambda data: _techem_allocator(data, 0),
    0x94: lambda data: _techem_allocator(data, 1),
    0x70: _counter_reader("volume", "m3", "0.1"),
    0x74: _counter_reader("volume", "m3", "0.1"),
    0x95: _counter_reader("volume", "m3", "0.1"),
    0x27: _counter_reader("energy", "J", "1E+6", 2),
    0x28: _counter_reader("energy", "J", "1E+6", 2),
    0x39: _counter_reader("energy", "Wh", "1E+3", 3),
    0x45: _counter_reader("energy", "Wh", "1E+3", 3),
}
_TECHEM_LEAST: Final = 11
# Device types that are Techem's own.
_TECHEM_MEDIA: Final = {
    "medium_43": "heat",
    "medium_62": "hot_water",
    "medium_72": "cold_water",
    "medium_80": "heat_cost",
    "medium_c3": "heat",
}

# Apator 162: register number -> bytes of its data; a register not listed ends the reading.
_APATOR_SIZES: Final = {
    0x00: 4, 0x01: 3, 0x10: 4, 0x11: 2, 0x40: 6, 0x41: 2, 0x42: 4, 0x43: 2, 0x44: 3, 0x71: 9, 0x73: 17, 0x75: 25,
    0x7B: 49, 0x80: 10, 0x81: 10, 0x82: 10, 0x83: 10, 0x84: 10, 0x86: 10, 0x87: 10, 0xA0: 4,
}  # fmt: skip
_APATOR_VOLUME: Final = 0x10
_APATOR_HEAD: Final = 7


def _apator(data: bytes) -> list[DataRecord]:
    at = _APATOR_HEAD
    while at < len(data):
        register = data[at]
        size = _APATOR_SIZES.get(register)
        if size is None or at + 1 + size > len(data):
            break
        if register == _APATOR_VOLUME:
            raw = data[at + 1 : at + 5]
            return [_record("volume", "m3", int.from_bytes(raw, "little"), "0.001", raw)]
        at += 1 + size
    return []


def meter_with_known_medium(meter: MeterId) -> MeterId:
    """The same identity, its maker's own device type in the words of this project."""
    medium = _TECHEM_MEDIA.get(meter.medium) if meter.manufacturer == "TCH" else None
    return meter if medium is None else MeterId(meter.serial, meter.manufacturer, meter.version, medium)


def records_behind_ci(meter: MeterId, data: bytes) -> list[DataRecord]:
    """Readings in a telegram with a maker's CI; empty where the device is not known. `data` begins after the CI."""
    reader = _TECHEM.get(meter.version or 0) if meter.manufacturer == "TCH" else None
    return [] if reader is None or len(data) < _TECHEM_LEAST else reader(data)


def records_in_tail(meter: MeterId, data: bytes) -> list[DataRecord]:
    """Readings in the bytes after DIF 0F; empty where the device is not known."""
    if meter.manufacturer == "APA" and meter.version == 5 and meter.medium == "water":
        return _apator(data)
    return []
