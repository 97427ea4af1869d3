"""DL/T 645 electricity meters, editions 2007 and 1997: frames into telegrams and back, requests, matching.

Rules: every data byte carries +33h on the wire. The edition follows from the control byte (2007 answers 91, 1997
answers 81). All F digits mean "no value"; a nibble above 9 rejects its item and keeps the rest. An error answer is a
DeviceError. An answer counts for a request only with the same address, function and identifier.
"""

from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from protocols.dlt645.items import Item, items_1997, items_2007
from protocols.errors import ContentError, DeviceError
from protocols.serial_frame import FILL, SerialFrame, encoded, frame_in, frames_in
from protocols.telegram import DataRecord, Function, MeterId, Telegram

READ_2007, FOLLOW_UP_2007, ADDRESS_2007, READ_1997, FOLLOW_UP_1997 = 0x11, 0x12, 0x13, 0x01, 0x02
_REPLY, _REFUSED, _MORE, _FUNCTION = 0x80, 0x40, 0x20, 0x1F
_EDITIONS = {READ_2007: "2007", FOLLOW_UP_2007: "2007", ADDRESS_2007: "2007", READ_1997: "1997", FOLLOW_UP_1997: "1997"}
BROADCAST = "aaaaaaaaaaaa"
_UNSHIFT = bytes((value - 0x33) & 0xFF for value in range(256))
_SHIFT = bytes((value + 0x33) & 0xFF for value in range(256))

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
    if found.control & _FUNCTION == FOLLOW_UP_2007 and found.is_reply:
        parts = [part for part in frames_in(frame, ("dlt645",)) if part.is_reply]
        if len(parts) > 1:
            return telegram_from_serial_frame(_assembled(parts))
    return telegram_from_serial_frame(found)


def _assembled(parts: list[SerialFrame]) -> SerialFrame:
    """One frame of an answer in several: identifier and all data, without the numbers at the ends."""
    first = parts[0]
    data = first.data
    for number, part in enumerate(parts[1:], 1):
        sequence = part.data[-1:].translate(_UNSHIFT)
        follows = parts[number - 1].control & _MORE and part.control & _FUNCTION == FOLLOW_UP_2007
        if (
            not follows
            or part.address != first.address
            or part.data[:4] != first.data[:4]
            or sequence != bytes((number,))
        ):
            raise ContentError("frame.follow_up", f"follow-up frame {number} is none of this answer", part.offset)
        data += part.data[4:-1]
    return SerialFrame("dlt645", first.address, first.control & ~_MORE | parts[-1].control & _MORE, data)


def telegram_from_serial_frame(frame: SerialFrame) -> Telegram:
    """As `telegram_from_frame`, from a frame that the scanner already found."""
    data = frame.data.translate(_UNSHIFT)
    function = frame.control & _FUNCTION
    edition = _EDITIONS.get(function, "")
    if frame.is_reply and frame.control & _REFUSED:
        raise _refusal(frame, data)
    serial = frame.address[::-1].hex()
    details = {"control": f"{frame.control:02X}", "edition": edition, "di": ""}
    if function == ADDRESS_2007 and frame.is_reply and len(data) == 6:
        serial = data[::-1].hex()
        record = DataRecord("identification", "", serial, raw=data.hex(), code="address")
        return Telegram("dlt645", MeterId(serial, "", None, "electricity"), (record,), details=details)
    meter = MeterId(serial, "", None, "electricity")
    size = 4 if edition == "2007" else 2
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
    records, diagnostics = _records(di, edition, body, code, frame.offset + 10 + size)
    return Telegram(
        "dlt645",
        meter,
        records,
        more_follows=bool(frame.control & _MORE),
        details=details,
        diagnostics=diagnostics,
    )


def _refusal(frame: SerialFrame, data: bytes) -> DeviceError:
    bits = data[0] if data else 0
    words = [word for bit, word in enumerate(ERROR_BITS) if bits >> bit & 1]
    where = frame.offset + 10
    text = f"error byte 0x{bits:02X}" + (f" ({', '.join(words)})" if words else "")
    return DeviceError("device.refused", f"the meter refused request {frame.control & _FUNCTION:02X}: {text}", where)


@lru_cache(maxsize=1024)
def _items(di: int, edition: str, length: int) -> tuple[Item, ...] | None:
    return items_2007(di, length) if edition == "2007" else items_1997(di, length)


def _records(di: int, edition: str, body: bytes, code: str, at: int) -> tuple[tuple[DataRecord, ...], tuple[str, ...]]:
    items = _items(di, edition, len(body))
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


def frame_from_telegram(telegram: Telegram) -> bytes:
    """The answer that says what `telegram` says: details ``edition`` and ``di``, one record an item, in table order.

    Raises
    ------
    ValueError
        No table for the identifier, a missing record, or a value that does not fit.
    """
    edition = telegram.details.get("edition") or "2007"
    code = telegram.details.get("di") or ("00010000" if edition == "2007" else "9010")
    control = int(telegram.details.get("control") or ("91" if edition == "2007" else "81"), 16)
    if control < _REPLY:
        raise ValueError("requests are built by read_request")
    address = bytes.fromhex(telegram.meter.serial)[::-1]
    if control & _FUNCTION == ADDRESS_2007:
        return encoded(SerialFrame("dlt645", address, control, address.translate(_SHIFT)))
    size = 4 if edition == "2007" else 2
    di = int(code, 16)
    length = sum(len(record.raw) // 2 for record in telegram.records)
    items = _items(di, edition, length) if length else None
    if items is None or len(items) != len(telegram.records):
        items = next(
            (found for n in range(1, 200) if (found := _items(di, edition, n)) and len(found) == len(telegram.records)),
            None,
        )
    if items is None:
        raise ValueError(f"identifier {code} has no table for {len(telegram.records)} records")
    body = b"".join(_bytes(item, record) for item, record in zip(items, telegram.records, strict=True))
    data = di.to_bytes(size, "little") + body
    if control & _FUNCTION == FOLLOW_UP_2007:
        data += bytes((int(telegram.details.get("sequence", "0")),))
    return encoded(SerialFrame("dlt645", address, control, data.translate(_SHIFT)))


def _bytes(item: Item, record: DataRecord) -> bytes:
    value = record.value
    if value is None:
        return bytes.fromhex(record.raw) if record.raw else b"\xff" * item.size
    if item.part == "clock":
        return _clock_bytes(item, str(value), record.raw)
    if item.part == "text":
        return bytes.fromhex(str(value).rjust(2 * item.size, "0"))[::-1]
    if not isinstance(value, Decimal):
        raise ValueError(f"{item.quantity} takes a number, not {value!r}")
    if item.part == "bits":
        return int(value).to_bytes(item.size, "little")
    count = abs(value).scaleb(item.decimals)
    top = 8 if item.signed else 10
    if count != int(count) or int(count) >= top * 10 ** (2 * item.size - 1) or (value < 0 and not item.signed):
        raise ValueError(f"{item.quantity} {value} does not fit {2 * item.size} digits with {item.decimals} decimals")
    number = bytearray(bytes.fromhex(f"{int(count):0{2 * item.size}d}"))
    if value.is_signed():
        number[0] |= 0x80
    return bytes(number[::-1])


def _clock_bytes(item: Item, text: str, raw: str) -> bytes:
    moment = datetime.fromisoformat(text if "Y" in item.clock else f"2000-01-01T{text}")
    letters = {"Y": "%y", "M": "%m", "D": "%d", "h": "%H", "m": "%M", "s": "%S", "w": "0%w"}
    digits = "".join(moment.strftime(letters[letter]) for letter in item.clock)
    return bytes.fromhex(digits)[::-1]


def read_request(address: str, di: int = 0x00010000, *, edition: str = "2007", fill: int = 0) -> bytes:
    """Request to read an identifier. `address`: 12 digits, A fills from the left as wildcard; `fill`: leading FE
    bytes.
    """
    size, control = (4, READ_2007) if edition == "2007" else (2, READ_1997)
    data = di.to_bytes(size, "little").translate(_SHIFT)
    return bytes((FILL,)) * fill + encoded(SerialFrame("dlt645", _address(address), control, data))


def follow_up_request(address: str, di: int, sequence: int, *, fill: int = 0) -> bytes:
    """Request for the rest of an answer that announced more (2007). `sequence` counts from 1."""
    data = (di.to_bytes(4, "little") + bytes((sequence,))).translate(_SHIFT)
    return bytes((FILL,)) * fill + encoded(SerialFrame("dlt645", _address(address), FOLLOW_UP_2007, data))


def following_request(answer: SerialFrame, sequence: int) -> SerialFrame | None:
    """What to ask after an answer (2007) to get the rest of it; None where it announces none. `sequence` from 1."""
    function = answer.control & _FUNCTION
    if not answer.control & _MORE or answer.control & _REFUSED or function not in (READ_2007, FOLLOW_UP_2007):
        return None
    data = answer.data[:4] + bytes((sequence,)).translate(_SHIFT)
    return SerialFrame("dlt645", answer.address, FOLLOW_UP_2007, data)


def read_address_request(*, fill: int = 0) -> bytes:
    """Request for the address of the only meter on the line (2007)."""
    return bytes((FILL,)) * fill + encoded(SerialFrame("dlt645", _address(BROADCAST), ADDRESS_2007, b""))


def _address(address: str) -> bytes:
    if len(address) != 12:
        raise ValueError(f"a DL/T 645 address has 12 digits: {address!r}")
    return bytes.fromhex(address)[::-1]


def is_reply_to(request: SerialFrame, reply: SerialFrame, *, wildcard_answers: bool = False) -> bool:
    """Whether `reply` answers `request`: address, function, and identifier. A broadcast takes anybody's answer.

    Some 1997 meters answer with the wildcard address AA; with `wildcard_answers` that counts, which is safe only where
    one meter hangs on the line.
    """
    if not reply.is_reply or request.is_reply or reply.control & _FUNCTION != request.control & _FUNCTION:
        return False
    wild = wildcard_answers and set(reply.address) == {0xAA}
    if not wild and any(asked not in (own, 0xAA) for asked, own in zip(request.address, reply.address, strict=True)):
        return False
    if reply.control & _REFUSED or request.control & _FUNCTION == ADDRESS_2007:
        return True
    size = 4 if _EDITIONS.get(request.control & _FUNCTION) == "2007" else 2
    if request.control & _FUNCTION == FOLLOW_UP_2007 and request.data[-1:] != reply.data[-1:]:
        return False
    return request.data[:size] == reply.data[:size]
