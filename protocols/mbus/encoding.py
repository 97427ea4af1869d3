"""Data records to bytes: the inverse of `records`, used by simulators, profile samples and tests.

Rules: what cannot be said exactly is refused (a value finer than its VIF, a number too long for its coding); the
blocks come from the same tables that the decoder reads.
"""

import struct
from collections.abc import Iterable
from decimal import Decimal
from enum import IntEnum
from functools import lru_cache
from typing import Final

from protocols.mbus.head import FUNCTIONS, Head, Reading, head_from_blocks
from protocols.mbus.records import records_from_bytes, variable_size
from protocols.mbus.values import EXACT, bcd_from_number, bytes_from_point
from protocols.mbus.vif import TABLES, Kind
from protocols.telegram import DataRecord, Function


class Coding(IntEnum):
    """Data field of the DIF."""

    NONE = 0x0
    INT8 = 0x1
    INT16 = 0x2
    INT24 = 0x3
    INT32 = 0x4
    REAL32 = 0x5
    INT48 = 0x6
    INT64 = 0x7
    READOUT = 0x8
    BCD2 = 0x9
    BCD4 = 0xA
    BCD6 = 0xB
    BCD8 = 0xC
    VARIABLE = 0xD
    BCD12 = 0xE


_POINT_CODINGS: Final = {"date": Coding.INT16, "time": Coding.INT24, "datetime": Coding.INT32}
_TAILS: Final = {"manufacturer_specific": 0x0F, "more_records_follow": 0x1F}


@lru_cache(maxsize=1024)
def vib_for(quantity: str, unit: str, exponent: int | None = None) -> bytes:
    """Value information block of a quantity, without extensions.

    Parameters
    ----------
    quantity, unit : str
        As decoded: ``"energy"``, ``"Wh"``.
    exponent : int, optional
        Power of ten of one count (3: kWh); for times the count in seconds must be a power of ten, so give None and
        get the first code of the table (seconds). None takes the first code of the quantity and unit.

    Raises
    ------
    ValueError
        No code says this.
    """
    wanted = None if exponent is None else Decimal(1).scaleb(exponent)
    for prefix, table in TABLES:
        for code, vif in table.items():
            if vif.quantity == quantity and vif.unit == unit and wanted in (None, vif.factor):
                return prefix + bytes((code,))
    raise ValueError(f"no VIF for {quantity} in {unit or 'no unit'} x 10^{exponent}")


def dib_for(
    coding: int, function: Function = Function.INSTANTANEOUS, storage: int = 0, tariff: int = 0, subunit: int = 0
) -> bytes:
    """Data information block.

    Raises
    ------
    ValueError
        A number needs more than ten extensions.
    """
    first = coding | FUNCTIONS.index(function) << 4 | (storage & 1) << 6
    storage >>= 1
    extensions = bytearray()
    while storage or tariff or subunit:
        extensions.append((storage & 0x0F) | (tariff & 3) << 4 | (subunit & 1) << 6)
        storage, tariff, subunit = storage >> 4, tariff >> 2, subunit >> 1
    if len(extensions) > 10:
        raise ValueError("storage, tariff or subunit too large for ten extensions")
    blocks = bytearray((first, *extensions))
    for place in range(len(blocks) - 1):
        blocks[place] |= 0x80
    return bytes(blocks)


def _count(value: Decimal, head: Head) -> int:
    """Integer that the decoder scales to `value`."""
    shifted = value if head.offset is None else EXACT.subtract(value, head.offset)
    count = EXACT.divide(shifted, head.factor)
    if count != count.to_integral_value() or EXACT.multiply(count, head.factor) != shifted:
        raise ValueError(f"{value} {head.unit} is finer than the code's {head.factor}")
    return int(count)


def _integer_bytes(value: Decimal, head: Head) -> bytes:
    count = _count(value, head)
    try:
        return count.to_bytes(head.size, "little", signed=head.reading is Reading.INTEGER)
    except OverflowError:
        raise ValueError(f"{count} does not fit {head.size} bytes") from None


def _variable_bytes(value: Decimal | str, head: Head) -> bytes:
    if isinstance(value, str):
        if head.kind is Kind.OPAQUE:
            raw = bytes.fromhex(value)
            codes = [code for code in (*range(0xE0, 0xF7), *range(0xC0)) if variable_size(code) == len(raw)]
            if not codes:
                raise ValueError(f"{len(raw)} bytes fit no variable length")
            return bytes((codes[0],)) + raw
        text = value.encode("latin-1")[::-1]
        if len(text) > 0xBF:
            raise ValueError(f"text of {len(text)} characters where 191 fit")
        return bytes((len(text),)) + text
    count = _count(value, head)
    size = max(1, (len(str(abs(count))) + 1) // 2)
    if size > 9:
        raise ValueError(f"{count} has more than 18 digits")
    return bytes(((0xD0 if count < 0 else 0xC0) | size,)) + bcd_from_number(abs(count), size)


def data_bytes(value: Decimal | str | None, head: Head) -> bytes:
    """Data of a record for a value; None becomes the coding's own "invalid" pattern.

    Raises
    ------
    ValueError
        The value does not fit the coding or the scale, or the coding has no way to say "invalid".
    """
    reading = head.reading
    if reading is Reading.NONE:
        return b""
    if reading is Reading.VARIABLE:
        return b"\x00" if value is None else _variable_bytes(value, head)
    if value is None:
        return _invalid_bytes(head)
    if reading is Reading.POINT:
        return bytes_from_point(str(value), head.size)
    if reading is Reading.OPAQUE:
        return bytes.fromhex(str(value))
    if isinstance(value, str):
        raise ValueError(f"text {value!r} in a numeric coding")
    if reading is Reading.BCD:
        return bcd_from_number(_count(value, head), head.size)
    if reading is Reading.REAL:
        return struct.pack("<f", float(EXACT.divide(value, head.factor)))
    return _integer_bytes(value, head)


def _invalid_bytes(head: Head) -> bytes:
    if head.reading is Reading.INTEGER and head.invalid is not None:
        return head.invalid.to_bytes(head.size, "little", signed=True)
    if head.reading is Reading.REAL:
        return struct.pack("<f", float("nan"))
    if head.reading in (Reading.BCD, Reading.POINT, Reading.DATELESS) or head.error is not None:
        return b"\xff" * head.size
    raise ValueError(f"no pattern for an invalid {head.quantity} in this coding")


def record_bytes(
    quantity: str,
    value: Decimal | int | str | None,
    unit: str = "",
    *,
    exponent: int | None = None,
    coding: Coding | None = None,
    function: Function = Function.INSTANTANEOUS,
    storage: int = 0,
    tariff: int = 0,
    subunit: int = 0,
    vib: bytes | None = None,
) -> bytes:
    """One data record.

    Parameters
    ----------
    quantity, unit : str
        As decoded; ignored where `vib` is given.
    value : Decimal, int, str or None
        In `unit`; ISO text for dates, text for variable length, None for "invalid".
    exponent : int, optional
        Power of ten of one count; by default that of a Decimal value, or 0.
    coding : Coding, optional
        By default int32, dates by their type, variable length for texts.
    vib : bytes, optional
        The value information block itself, with extensions.

    Raises
    ------
    ValueError
        No code says this, or the value does not fit.
    """
    if quantity in _TAILS and isinstance(value, str) and vib is None:
        return bytes((_TAILS[quantity],)) + bytes.fromhex(value)
    number = Decimal(value) if isinstance(value, int) else value
    if vib is None:
        vib = _vib_of_value(quantity, number, unit, exponent)
    if coding is None:
        coding = _POINT_CODINGS.get(quantity) or (Coding.VARIABLE if isinstance(number, str) else Coding.INT32)
    dib = dib_for(coding, function, storage, tariff, subunit)
    return dib + vib + data_bytes(number, head_from_blocks(dib, vib))


def _vib_of_value(quantity: str, number: Decimal | str | None, unit: str, exponent: int | None) -> bytes:
    if quantity == "time":
        quantity = "datetime"
    if exponent is None and isinstance(number, Decimal) and unit not in ("", "s"):
        own = number.as_tuple().exponent
        exponent = own if isinstance(own, int) else None
    return vib_for(quantity, unit, exponent)


def bytes_from_record(record: DataRecord) -> bytes:
    """The bytes that decode to `record`: from its `code` and `raw`.

    Raises
    ------
    ValueError
        No coding of the raw bytes' length gives the record's value.
    """
    raw = bytes.fromhex(record.raw)
    if record.quantity in _TAILS and record.code == f"{_TAILS[record.quantity]:02x}":
        return bytes((_TAILS[record.quantity],)) + raw
    vib = bytes.fromhex(record.code)
    for coding in Coding:
        dib = dib_for(coding, record.function, record.storage, record.tariff, record.subunit)
        blocks = dib + vib
        try:
            decoded, _ = records_from_bytes(blocks + raw)
        except ValueError:
            continue
        if decoded == [record]:
            return blocks + raw
    raise ValueError(f"no coding turns {record.raw or 'no bytes'} into {record.value}")


def bytes_from_records(records: Iterable[DataRecord]) -> bytes:
    """User data of a variable data structure. Raises as `bytes_from_record`."""
    return b"".join(bytes_from_record(record) for record in records)
