"""The variable data structure: data records out of the user data of a telegram (EN 13757-3, 6).

Rules: fillers are skipped; every other record counts, also one without data; a value that the standard calls invalid
is null with its reason and its raw bytes; an unknown code keeps its code and decoding goes on. Only bytes that cannot
be delimited stop the decoding: `RecordError`, which carries the records found until then.
"""

from decimal import Decimal, getcontext
from operator import mul
from typing import Final

from protocols.errors import ContentError
from protocols.mbus.head import Head, Reading, dib_end, head_from_blocks, vib_end
from protocols.mbus.values import (
    BCD_INVALID,
    DATE_LENGTH,
    EXACT,
    NUMBER_INVALID,
    POINT_READERS,
    number_from_bcd,
    real_from_bytes,
)
from protocols.mbus.vif import Kind
from protocols.telegram import DataRecord, Telegram

NO_DATA: Final = "no_data"
FILLER: Final = 0x2F

_INTEGER: Final = Reading.INTEGER
_VARIABLE: Final = Reading.VARIABLE
_scaled = EXACT.multiply
# Bytes of a head -> (their number, what they say).
_heads: dict[bytes, tuple[int, Head]] = {}
_HEADS_SIZE: Final = 4096
# The longest integer (20 digits) times the longest factor (86,400): with less, the caller's context would round.
PLAIN_PRECISION: Final = 28


class RecordError(ContentError):
    """A record that cannot be delimited; `records` came before it, `telegram` is the message up to there."""

    def __init__(self, code: str, message: str, offset: int, records: list[DataRecord]) -> None:
        super().__init__(code, message, offset)
        self.records = records
        self.telegram: Telegram | None = None


def head_at(data: bytes, start: int) -> tuple[Head, int]:
    """Head of the record that starts at `start` and the index of its data.

    Raises
    ------
    IndexError
        The data end within the head.
    ContentError
        More than ten extensions.
    """
    vib_start = dib_end(data, start)
    end = vib_end(data, vib_start)
    key = data[start:end]
    known = _heads.get(key)
    if known is None:
        known = end - start, head_from_blocks(data[start:vib_start], data[vib_start:end])
        # Hostile senders must not grow the memory: forget all, honest meters refill it within a telegram each.
        if len(_heads) >= _HEADS_SIZE:
            _heads.clear()
        _heads[key] = known
    return known[1], end


def _number(number: Decimal | int, head: Head) -> Decimal:
    value = _scaled(number, head.factor)
    return value if head.offset is None else EXACT.add(value, head.offset)


def value_from_bytes(raw: bytes, head: Head) -> tuple[Decimal | str | None, str | None]:
    """Value and error of a record's data of fixed length; the full decoder against which the fast paths are tested."""
    reading = head.reading
    number: Decimal | int | None
    if head.error is not None:
        return None, head.error
    if reading is Reading.INTEGER:
        number = int.from_bytes(raw, "little", signed=True)
        return (None, NUMBER_INVALID) if number == head.invalid else (_number(number, head), None)
    if reading is Reading.BCD:
        number, error = number_from_bcd(raw)
        return (None, error) if number is None else (_number(number, head), None)
    if reading is Reading.POINT:
        return POINT_READERS[head.size](raw)
    if reading is Reading.UNSIGNED:
        return _number(int.from_bytes(raw, "little"), head), None
    if reading is Reading.REAL:
        number, error = real_from_bytes(raw)
        return (None, error) if number is None else (_number(number, head), None)
    if reading is Reading.OPAQUE:
        return raw.hex(), None
    return None, NO_DATA if reading is Reading.NONE else DATE_LENGTH


def variable_size(lvar: int) -> int | None:
    """Bytes after an LVAR byte; None where the code is reserved."""
    if lvar < 0xC0:
        return lvar
    if lvar <= 0xC9 or 0xD0 <= lvar <= 0xD9 or 0xE0 <= lvar <= 0xEF:
        return lvar & 0x0F
    if 0xF0 <= lvar <= 0xF4:
        return 4 * (lvar - 0xEC)
    return {0xF5: 48, 0xF6: 64}.get(lvar)


def value_from_variable(lvar: int, raw: bytes, head: Head) -> tuple[Decimal | str | None, str | None]:
    """Value and error of data of variable length (LVAR)."""
    if head.error is not None:
        return None, head.error
    if head.kind is Kind.OPAQUE:
        return raw.hex(), None
    if lvar < 0xC0:
        return raw[::-1].decode("latin-1"), None
    if not raw:
        return None, NO_DATA
    if lvar < 0xE0:
        digits = raw[::-1].hex()
        if not digits.isdecimal():
            return None, BCD_INVALID
        return _number(int(digits) if lvar < 0xD0 else -int(digits), head), None
    if head.kind is Kind.POINT:
        return POINT_READERS[len(raw)](raw) if len(raw) in POINT_READERS else (None, DATE_LENGTH)
    if head.kind is Kind.UNSIGNED:
        return _number(int.from_bytes(raw, "little"), head), None
    number = int.from_bytes(raw, "little", signed=True)
    if number == -(1 << (8 * len(raw) - 1)):
        return None, NUMBER_INVALID
    return _number(number, head), None


def _tail(dif: int, data: bytes) -> DataRecord:
    """What follows DIF 0F or 1F belongs to the maker."""
    quantity = "manufacturer_specific" if dif == 0x0F else "more_records_follow"
    raw = data.hex()
    return DataRecord(quantity, "", raw, raw=raw, code=f"{dif:02x}")


def records_from_bytes(data: bytes, base: int = 0) -> tuple[list[DataRecord], bool]:
    """Records of a variable data structure and whether more telegrams follow (DIF 1F).

    Parameters
    ----------
    data : bytes
        User data from the first DIF to the last byte before the check sum.
    base : int
        Offset of `data` in the frame, for the positions in errors.

    Raises
    ------
    RecordError
        A record cannot be delimited: ``record.truncated``, ``record.too_many_dife``, ``record.too_many_vife``,
        ``record.lvar``, ``record.dif``.
    """
    records: list[DataRecord] = []
    at, end, text = 0, len(data), data.hex()
    multiply = mul if getcontext().prec >= PLAIN_PRECISION else EXACT.multiply
    while at < end:
        # Heads of two or three bytes are no beginning of longer ones, so they need no delimiting.
        known = _heads.get(data[at : at + 2]) or _heads.get(data[at : at + 3])
        if known is not None:
            length, head = known
            start = at + length
        elif (dif := data[at]) & 0x0F != 0x0F:
            head, start = _delimited(data, at, base, records)
        elif dif == FILLER:
            at += 1
            continue
        elif dif in (0x0F, 0x1F):
            records.append(_tail(dif, data[at + 1 :]))
            return records, dif == 0x1F
        else:
            raise RecordError("record.dif", f"reserved DIF {dif:02X}, byte {base + at}", base + at, records)
        reading, size, factor, invalid, quantity, unit, function, storage, tariff, subunit, modifiers, code = head[:12]
        stop = start + size
        if reading is _VARIABLE:
            stop += 1 + _variable_size_at(data, start, base, records)
        if stop > end:
            raise _truncated(at, end, base, records)
        value: Decimal | str | None
        error: str | None = None
        if reading is _INTEGER and head[12] is None and head[13] is None:
            number = int.from_bytes(data[start:stop], "little", signed=True)
            if number != invalid:
                value = multiply(factor, number)
            else:
                value, error = None, NUMBER_INVALID
        elif reading is _VARIABLE:
            value, error = value_from_variable(data[start], data[start + 1 : stop], head)
        else:
            value, error = value_from_bytes(data[start:stop], head)
        raw = text[2 * start : 2 * stop]
        records.append(
            DataRecord(quantity, unit, value, function, storage, tariff, subunit, raw, error, modifiers, code)
        )
        at = stop
    return records, False


def _delimited(data: bytes, at: int, base: int, records: list[DataRecord]) -> tuple[Head, int]:
    """`head_at`, its errors with the records so far."""
    try:
        return head_at(data, at)
    except IndexError:
        raise _truncated(at, len(data), base, records) from None
    except ContentError as cause:
        offset = base + (cause.offset or 0)
        raise RecordError(cause.code, f"more than ten extensions, byte {offset}", offset, records) from cause


def _variable_size_at(data: bytes, at: int, base: int, records: list[DataRecord]) -> int:
    """Bytes after the LVAR byte at `at`; beyond the end, where it is missing."""
    if at >= len(data):
        return 1
    size = variable_size(data[at])
    if size is None:
        raise RecordError("record.lvar", f"reserved LVAR {data[at]:02X}, byte {base + at}", base + at, records)
    return size


def _truncated(at: int, end: int, base: int, records: list[DataRecord]) -> RecordError:
    message = f"record at byte {base + at} runs beyond the last of {base + end} bytes"
    return RecordError("record.truncated", message, base + at, records)
