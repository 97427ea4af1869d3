"""CJ/T 188 frames into telegrams.

Rules: a nibble above 9 or an unknown unit code rejects its field (value None, raw bytes, reason) and keeps the rest.
Units and decimal places are those the message states. The meter clock is a record like any other, never the time of the
reading. An error reply is a DeviceError; a request decodes into its details, so that an echo can be told from an
answer.
"""

from datetime import datetime
from decimal import Decimal

from protocols.cjt188.detection import likely_dialect, padded_in_front, unshifted
from protocols.cjt188.dialects import STANDARD, Dialect, dialect_named
from protocols.cjt188.layouts import HIGH_BYTES, READ_ADDRESS, REFUSED, UNITS, VALVE_WORDS, medium_of
from protocols.cjt188.plan import Plan, plan_of
from protocols.errors import ContentError, DeviceError
from protocols.serial_frame import SerialFrame, frame_in
from protocols.telegram import DataRecord, Function, MeterId, Telegram

_NINES = {"9" * count for count in (4, 6, 8)}
_NOW = Function.INSTANTANEOUS


def telegram_from_frame(frame: bytes, dialect: str | Dialect | None = None) -> Telegram:
    """Telegram of one CJ/T 188 message.

    Parameters
    ----------
    frame : bytes
        The frame, with or without fill bytes, noise or an echo of the request in front: the last reply in it counts.
    dialect : str or Dialect, optional
        How its maker writes (``"tiangang"``, ``"danfoss"``, ``"lichuang"``, ...); by default the layout is chosen by
        plausibility.

    Returns
    -------
    Telegram
        Records in kWh, GJ, m3, kW, L/h, °C, h as stated. The settlement slot is ``storage`` 1, D120-D12B are 2-13.
        `status` is ST1 << 8 | ST2; details: ``type``, ``control``, ``di``, ``di_wire``, ``ser``, ``dialect``, ``st``.

    Raises
    ------
    FrameError
        No intact frame. ContentError: the frame is too short for an identifier. DeviceError: the meter refused.
        ProfileError: unknown dialect.
    """
    chosen = dialect_named(dialect)
    return telegram_from_serial_frame(frame_in(frame, "cjt188"), chosen)


def telegram_from_serial_frame(frame: SerialFrame, dialect: Dialect | None = None) -> Telegram:
    """As `telegram_from_frame`, from a frame that the scanner already found."""
    control = frame.control
    if control & 0xC0 == 0xC0:
        raise _refusal(frame)
    data = frame.data
    if len(data) < 3:
        if control == READ_ADDRESS | 0x80 or not frame.is_reply:
            return Telegram("cjt188", _meter(frame, dialect or STANDARD), (), details=_details(frame, "", "", "", ""))
        where = frame.offset + 11 + len(data)
        raise ContentError("frame.short", f"{len(data)} data bytes where an identifier takes 3, byte {where}", where)
    di, low_first, offset = identifier_of(data)
    ser = (data[2] - 0x33) & 0xFF if offset else data[2]
    body = unshifted(data[3:]) if offset else data[3:]
    if dialect is None:
        dialect = likely_dialect(
            di, frame.kind, body, frame.address, low_first=low_first, offset=offset, reply=frame.is_reply
        )
        if dialect.shifted and not offset:
            body = unshifted(body)
    elif dialect.shifted and not offset:
        body = _unshifted_if_needed(di, frame, body, dialect)
    plan = plan_of(di, frame.kind, frame.is_reply, dialect, len(body))
    wire = data[:2].hex().upper()
    if plan is None:
        records: tuple[DataRecord, ...] = (_raw_record(di, body),) if body else ()
        return Telegram(
            "cjt188",
            _meter(frame, dialect),
            records,
            details=_details(frame, f"{di:04X}", wire, str(ser), dialect.name),
            diagnostics=(f"di.unknown: no table for {di:04X}",),
        )
    decoded, status = _records(body, plan, f"{di:04X}", dialect)
    details = _details(frame, f"{di:04X}", wire, str(ser), dialect.name)
    if status is not None:
        details["st"] = f"{status[0]:04X}"
    return Telegram(
        "cjt188",
        _meter(frame, dialect),
        decoded,
        status=None if status is None else status[1],
        details=details,
        diagnostics=_diagnostics(frame, plan, len(body)),
    )


def identifier_of(data: bytes) -> tuple[int, bool, bool]:
    """Data identifier in the standard's notation, whether its low byte came first, whether it carried +33h."""
    first, second = data[0], data[1]
    if first in HIGH_BYTES:
        return first << 8 | second, False, False
    if second in HIGH_BYTES:
        return second << 8 | first, True, False
    plain_first, plain_second = (first - 0x33) & 0xFF, (second - 0x33) & 0xFF
    if plain_first in HIGH_BYTES and plain_second < 0x40:
        return plain_first << 8 | plain_second, False, True
    if plain_second in HIGH_BYTES and plain_first < 0x40:
        return plain_second << 8 | plain_first, True, True
    return first << 8 | second, False, False


def _unshifted_if_needed(di: int, frame: SerialFrame, body: bytes, dialect: Dialect) -> bytes:
    """Shifted dialects also send frames without offset (address replies do): the unit codes decide."""
    plan = plan_of(di, frame.kind, frame.is_reply, dialect, len(body))
    units = [step.unit_at for step in plan.steps if step.units] if plan is not None else []
    plain = sum(body[at] in UNITS for at in units)
    without = sum((body[at] - 0x33) & 0xFF in UNITS for at in units)
    return body if plain > without else unshifted(body)


def _meter(frame: SerialFrame, dialect: Dialect) -> MeterId:
    address = frame.address
    big = dialect.byte_order == "big" or (dialect is STANDARD and padded_in_front(address))
    serial = (address if big else address[::-1]).hex().upper()
    return MeterId(serial, serial[:4], None, medium_of(frame.kind))


def _details(frame: SerialFrame, di: str, wire: str, ser: str, dialect: str) -> dict[str, str]:
    return {
        "type": f"{frame.kind:02X}",
        "control": f"{frame.control:02X}",
        "di": di,
        "di_wire": wire,
        "ser": ser,
        "dialect": dialect,
    }


def _diagnostics(frame: SerialFrame, plan: Plan, length: int) -> tuple[str, ...]:
    at = frame.offset + 14
    if plan.missing:
        return tuple(f"record.truncated: {name} at byte {at + plan.covered}" for name in plan.missing)
    if plan.covered < length:
        return (f"data.trailing: {length - plan.covered} bytes after byte {at + plan.covered}",)
    return ()


def _refusal(frame: SerialFrame) -> DeviceError:
    """An error reply is SER + ST (2), without identifier."""
    st = frame.data[1:3].hex().upper()
    status = f"status {st}" if st else "no status"
    asked = frame.control & ~(0x80 | REFUSED)
    where = frame.offset + 9
    return DeviceError("device.refused", f"the meter refused request {asked:02X}: {status}, byte {where}", where)


def _raw_record(di: int, body: bytes) -> DataRecord:
    return DataRecord("raw_data", "", None, raw=body.hex(), error="di.unknown", code=f"{di:04X}")


def _records(
    body: bytes, plan: Plan, code: str, dialect: Dialect
) -> tuple[tuple[DataRecord, ...], tuple[int, int] | None]:
    """Records of a body, and its status word as transmitted and with ST1 in the standard's bit order."""
    wire = body.hex()
    text = body[::-1].hex() if plan.little else wire
    records: list[DataRecord] = []
    status: tuple[int, int] | None = None
    for part, quantity, storage, unit, exponent, units, unit_at, first, last, raw_first, raw_last in plan.steps:
        digits = text[first:last]
        raw = wire[raw_first:raw_last]
        error: str | None = None
        value: Decimal | str | None = None
        if part == "bcd":
            if units:
                entry = units.get(body[unit_at])
                if entry is None:
                    kind = "unit.unexpected" if body[unit_at] in UNITS else "unit.unknown"
                    error = f"{kind}: 0x{body[unit_at]:02X}"
                    records.append(DataRecord(quantity, "", None, _NOW, storage, 0, 0, raw, error, (), code))
                    continue
                unit, exponent = entry
            if not digits.isdigit():
                error = f"bcd.invalid: nibble above 9 in {digits}"
            else:
                value = Decimal(digits + exponent)
                if digits in _NINES and dialect.nines:
                    error = "value.placeholder: all nines"
        elif part == "clock":
            value, error = _clock(digits)
        elif part == "status":
            word = int(wire[raw_first:raw_last], 16)
            status = word, _mirrored(word) if dialect.status_reversed else word
            continue
        elif part == "valve":
            value = VALVE_WORDS.get(body[raw_first // 2])
            error = None if value else "value.unknown"
        else:
            value = digits.upper()
        records.append(DataRecord(quantity, unit, value, _NOW, storage, 0, 0, raw, error, (), code))
    return tuple(records), status


def _clock(digits: str) -> tuple[str | None, str | None]:
    """ISO text of 14 digits; century 00 is read as 20 (seen at one maker)."""
    if digits.startswith("00"):
        digits = "20" + digits[2:]
    try:
        return datetime.fromisoformat(f"{digits[:8]}T{digits[8:]}").isoformat(), None
    except ValueError:
        return None, f"clock.invalid: {digits}"


def _mirrored(word: int) -> int:
    """Status word with the bits of ST1 counted from the other end."""
    return int(f"{word >> 8:08b}"[::-1], 2) << 8 | word & 0xFF
