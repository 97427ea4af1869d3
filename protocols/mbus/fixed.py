"""The fixed data structure of old wired meters (CI 73): two counters with units from a short table, both ways.

Sixteen bytes: identification, access number, status, medium and units, counter 1, counter 2. Status bit 0 says that
the counters are binary (clear: BCD), bit 1 that they are historic; a unit "same but historic" refers to counter 1.
"""

from decimal import Decimal
from typing import Final, NamedTuple

from protocols.errors import ContentError
from protocols.mbus.values import EXACT, bcd_from_number, number_from_bcd
from protocols.telegram import DataRecord, MeterId

SIZE: Final = 16
_HISTORIC: Final = 0x3E
_UNITLESS: Final = 0x3F

# Medium codes of the fixed structure (EN 1434-3), four bits.
FIXED_MEDIA: Final = (
    "other", "oil", "electricity", "gas", "heat", "steam", "hot_water", "water",
    "heat_cost", "reserved_9", "gas", "heat", "hot_water", "water", "heat_cost", "reserved_f",
)  # fmt: skip


class _Unit(NamedTuple):
    quantity: str
    unit: str
    factor: Decimal


def _units() -> dict[int, _Unit]:
    """Six-bit unit codes; 00 and 01 are clock and date without a layout of their own, 3A-3D reserved."""
    table: dict[int, _Unit] = {}
    # Nine decades each: 02 Wh, 03 10 Wh ... 0A 100 MWh.
    decades = (
        (0x02, "energy", "Wh", 0),
        (0x0B, "energy", "J", 3),
        (0x14, "power", "W", 0),
        (0x1D, "power", "J/h", 3),
        (0x26, "volume", "m3", -6),
        (0x2F, "flow", "m3/h", -6),
    )
    for first, quantity, unit, exponent in decades:
        for step in range(9):
            table[first + step] = _Unit(quantity, unit, Decimal(1).scaleb(exponent + step))
    table[0x38] = _Unit("temperature", "°C", Decimal("0.001"))
    table[0x39] = _Unit("heat_cost_units", "", Decimal(1))
    return table


UNITS: Final = _units()


def _record(code: int, raw: bytes, status: int, first_code: int) -> DataRecord:
    storage = 1 if status & 2 or code == _HISTORIC else 0
    same = first_code if code == _HISTORIC else code
    unit = UNITS.get(same)
    text, kind = raw.hex(), f"fixed.{code:02x}"
    number, error = (int.from_bytes(raw, "little", signed=True), None) if status & 1 else number_from_bcd(raw)
    quantity, name, factor = unit or _Unit("counter" if same == _UNITLESS else "unknown", "", Decimal(1))
    value = None if number is None else EXACT.multiply(number, factor)
    return DataRecord(quantity, name, value, storage=storage, raw=text, error=error, code=kind)


def fixed_from_bytes(data: bytes, base: int = 0) -> tuple[MeterId, int, int, tuple[DataRecord, DataRecord]]:
    """Meter, access number, status and the two counters.

    Raises
    ------
    ContentError
        ``fixed.length``: not sixteen bytes.
    """
    if len(data) != SIZE:
        raise ContentError("fixed.length", f"{len(data)} bytes where the fixed structure has 16, byte {base}", base)
    status = data[5]
    medium = FIXED_MEDIA[(data[6] >> 6) | (data[7] >> 6) << 2]
    first, second = data[6] & 0x3F, data[7] & 0x3F
    meter = MeterId(data[3::-1].hex().upper(), "", None, medium)
    return (
        meter,
        data[4],
        status,
        (_record(first, data[8:12], status, first), _record(second, data[12:], status, first)),
    )


def bytes_from_fixed(
    meter: MeterId, access_number: int, status: int, units: tuple[int, int], counts: tuple[int, int]
) -> bytes:
    """The sixteen bytes of the structure; `units` are the six-bit codes of UNITS.

    Raises
    ------
    ValueError
        The serial is not eight digits, the medium has no code, or a count does not fit four bytes.
    """
    medium = FIXED_MEDIA.index(meter.medium or "other")
    counters = b"".join(
        count.to_bytes(4, "little", signed=True) if status & 1 else bcd_from_number(count, 4) for count in counts
    )
    head = bytes.fromhex(meter.serial)[::-1] + bytes((access_number, status))
    if len(head) != 6:
        raise ValueError(f"serial {meter.serial!r} is not eight digits")
    return head + bytes((units[0] | (medium & 3) << 6, units[1] | (medium >> 2) << 6)) + counters
