"""DL/T 645 electricity meters, editions 2007 and 1997: frames into telegrams.

Rules: every data byte carries +33h on the wire. The edition follows from the control byte (2007 answers 91, 1997
answers 81). All F digits mean "no value"; a nibble above 9 rejects its item and keeps the rest. An error answer is a
DeviceError. A part of a block whose beginning is missing names no quantity.
"""

from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from protocols.dlt645.items import Item, is_block, items_1997, items_2007
from protocols.errors import ContentError, DeviceError
from protocols.serial_frame import SerialFrame, frame_in, frames_in
from protocols.telegram import DataRecord, Function, MeterId, Telegram

READ_2007, FOLLOW_UP_2007, ADDRESS_2007 = 0x11, 0x12, 0x13
READ_1997, FOLLOW_UP_1997, AGAIN_1997 = 0x01, 0x02, 0x03
REPLY, REFUSED, MORE, FUNCTION = 0x80, 0x40, 0x20, 0x1F
EDITIONS = {
    **dict.fromkeys((READ_2007, FOLLOW_UP_2007, ADDRESS_2007), "2007"),
    **dict.fromkeys((READ_1997, FOLLOW_UP_1997, AGAIN_1997), "1997"),
}
FOLLOW_UPS = frozenset((FOLLOW_UP_2007, FOLLOW_UP_1997))
# Bytes of an identifier by edition.
SIZES = {"2007": 4, "1997": 2}
UNSHIFT = bytes((value - 0x33) & 0xFF for value in range(256))
SHIFT = bytes((value + 0x33) & 0xFF for value in range(256))

# Bits of the error byte (2007, clause 7.4; 1997 uses the lowest three alike).
ERROR_BITS = (
    "other error",
    "no such data",
    "wrong password or no authority",
    "baud rate cannot change",
    "too many year zones",
    "too many day periods",
    "too many tariffs",
)


def telegram_from_frame(frame: bytes) -> Telegram:
    """Telegram of one DL/T 645 message.

    Parameters
    ----------
    frame : bytes
        The frame, with or without fill bytes, noise or an echo in front; or an answer in several frames, one after
        the other: the one that announces more and its follow-up frames.

    Returns
    -------
    Telegram
        Records in kWh, V, A, kW as the table says; `tariff` and `storage` from the identifier, `code` is the
        identifier. Details: ``control``, ``edition``, ``di``. `more_follows` where the meter announces a follow-up
        frame that is not there.

    Raises
    ------
    FrameError
        No intact frame. ContentError: too short for its identifier, or follow-up frames that do not follow each other
        (``frame.follow_up``). DeviceError: the meter answered with an error.
    """
    found = frame_in(frame, "dlt645")
    if found.control & FUNCTION in FOLLOW_UPS and found.is_reply:
        parts = [part for part in frames_in(frame, ("dlt645",)) if part.is_reply]
        if len(parts) > 1:
            return telegram_from_serial_frame(_assembled(parts))
    return telegram_from_serial_frame(found)


def _assembled(parts: list[SerialFrame]) -> SerialFrame:
    """One frame of an answer in several: identifier and all data, without the numbers that 2007 puts at the ends."""
    first = parts[0]
    edition = EDITIONS.get(first.control & FUNCTION, "2007")
    size, wanted = SIZES[edition], FOLLOW_UP_2007 if edition == "2007" else FOLLOW_UP_1997
    data = first.data
    for number, part in enumerate(parts[1:], 1):
        follows = parts[number - 1].control & MORE and part.control & FUNCTION == wanted
        rest = part.data[size:]
        if edition == "2007":
            follows = follows and rest[-1:].translate(UNSHIFT) == bytes((number,))
            rest = rest[:-1]
        if not follows or part.address != first.address or part.data[:size] != first.data[:size]:
            raise ContentError("frame.follow_up", f"follow-up frame {number} is none of this answer", part.offset)
        data += rest
    return SerialFrame("dlt645", first.address, first.control & ~MORE | parts[-1].control & MORE, data)


def telegram_from_serial_frame(frame: SerialFrame) -> Telegram:
    """As `telegram_from_frame`, from a frame that the scanner already found."""
    data = frame.data.translate(UNSHIFT)
    function = frame.control & FUNCTION
    edition = EDITIONS.get(function, "")
    if frame.is_reply and frame.control & REFUSED:
        raise _refusal(frame, data)
    serial = frame.address[::-1].hex()
    details = {"control": f"{frame.control:02X}", "edition": edition, "di": ""}
    if function == ADDRESS_2007 and frame.is_reply and len(data) == 6:
        serial = data[::-1].hex()
        record = DataRecord("identification", "", serial, raw=data.hex(), code="address")
        return Telegram("dlt645", MeterId(serial, "", None, "electricity"), (record,), details=details)
    meter = MeterId(serial, "", None, "electricity")
    size = SIZES.get(edition, 2)
    if not edition or (not data and not frame.is_reply):
        return Telegram("dlt645", meter, (), details=details)
    if len(data) < size:
        where = frame.offset + 10 + len(data)
        raise ContentError(
            "frame.short", f"{len(data)} data bytes where an identifier takes {size}, byte {where}", where
        )
    di = int.from_bytes(data[:size], "little")
    code = f"{di:0{2 * size}X}"
    details["di"] = code
    if not frame.is_reply:
        return Telegram("dlt645", meter, (), details=details)
    body = data[size:]
    if function == FOLLOW_UP_2007 and body:
        # A follow-up frame ends with its number.
        details["sequence"] = str(body[-1])
        body = body[:-1]
    at = frame.offset + 10 + size
    if function in FOLLOW_UPS and is_block(di, edition):
        records, diagnostics = _unplaced(body, code, at)
    else:
        records, diagnostics = _records(di, edition, body, code, at)
    return Telegram(
        "dlt645",
        meter,
        records,
        more_follows=bool(frame.control & MORE),
        details=details,
        diagnostics=diagnostics,
    )


def _unplaced(body: bytes, code: str, at: int) -> tuple[tuple[DataRecord, ...], tuple[str, ...]]:
    """The rest of a block alone: which of its items these bytes are, only the frames before can tell."""
    record = DataRecord("raw_data", "", None, raw=body.hex(), error="frame.follow_up", code=code)
    return (record,), (f"frame.follow_up: the beginning of block {code} is missing, byte {at}",)


def _refusal(frame: SerialFrame, data: bytes) -> DeviceError:
    bits = data[0] if data else 0
    words = [word for bit, word in enumerate(ERROR_BITS) if bits >> bit & 1]
    where = frame.offset + 10
    text = f"error byte 0x{bits:02X}" + (f" ({', '.join(words)})" if words else "")
    return DeviceError("device.refused", f"the meter refused request {frame.control & FUNCTION:02X}: {text}", where)


@lru_cache(maxsize=1024)
def items_of(di: int, edition: str, length: int) -> tuple[Item, ...] | None:
    return items_2007(di, length) if edition == "2007" else items_1997(di, length)


def _records(di: int, edition: str, body: bytes, code: str, at: int) -> tuple[tuple[DataRecord, ...], tuple[str, ...]]:
    items = items_of(di, edition, len(body))
    if items is None:
        raw = (DataRecord("raw_data", "", None, raw=body.hex(), error="di.unknown", code=code),) if body else ()
        return raw, (f"di.unknown: no table for {code}",)
    records: list[DataRecord] = []
    start = 0
    for item in items:
        part = body[start : start + item.size]
        if len(part) < item.size:
            return tuple(records), (f"record.truncated: {item.quantity} at byte {at + start}",)
        records.append(_record(item, part, code))
        start += item.size
    if start < len(body):
        return tuple(records), (f"data.trailing: {len(body) - start} bytes after byte {at + start}",)
    return tuple(records), ()


def _record(item: Item, part: bytes, code: str) -> DataRecord:
    value: Decimal | str | None
    value, error = _value(item, part[::-1].hex())
    return DataRecord(
        item.quantity,
        item.unit,
        value,
        Function(item.function),
        item.storage,
        item.tariff,
        0,
        part.hex(),
        error,
        item.modifiers,
        code,
    )


def _value(item: Item, digits: str) -> tuple[Decimal | str | None, str | None]:
    """Value of `digits`, most significant first, and why there is none."""
    if item.part == "bits":
        return Decimal(int(digits, 16)), None
    if not digits.strip("f"):
        return None, "value.missing: all F"
    if item.part == "text":
        return digits, None
    negative = item.signed and digits[0] in "89abcdef"
    if negative:
        digits = f"{int(digits[0], 16) & 7:x}{digits[1:]}"
    if not digits.isdigit():
        return None, f"bcd.invalid: nibble above 9 in {digits}"
    if item.part == "clock":
        return _moment(digits, item.clock)
    value = Decimal(int(digits)).scaleb(-item.decimals)
    return -value if negative else value, None


def _moment(digits: str, layout: str) -> tuple[str | None, str | None]:
    """ISO text of a time. 2007 and 1997 write two-digit years of this century."""
    parts = {letter: int(digits[2 * at : 2 * at + 2]) for at, letter in enumerate(layout)}
    try:
        moment = datetime(  # noqa: DTZ001 - the meter's clock has no zone
            2000 + parts.get("Y", 0),
            parts.get("M", 1),
            parts.get("D", 1),
            parts.get("h", 0),
            parts.get("m", 0),
            parts.get("s", 0),
        )
    except ValueError:
        return None, f"clock.invalid: {digits}"
    if "Y" not in parts:
        return moment.time().isoformat(), None
    return moment.date().isoformat() if "h" not in parts else moment.isoformat(), None
