"""DL/T 645 answers from telegrams, the inverse of `codec`: what simulators and samples send."""

from datetime import datetime
from decimal import Decimal

from protocols.dlt645.codec import ADDRESS_2007, FOLLOW_UP_2007, FUNCTION, REPLY, SHIFT, SIZES, items_of
from protocols.dlt645.items import Item
from protocols.serial_frame import SerialFrame, encoded
from protocols.telegram import DataRecord, Telegram


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
    if control < REPLY:
        raise ValueError("requests are built by read_request")
    address = bytes.fromhex(telegram.meter.serial)[::-1]
    if control & FUNCTION == ADDRESS_2007:
        return encoded(SerialFrame("dlt645", address, control, address.translate(SHIFT)))
    size = SIZES[edition]
    di = int(code, 16)
    length = sum(len(record.raw) // 2 for record in telegram.records)
    items = items_of(di, edition, length) if length else None
    if items is None or len(items) != len(telegram.records):
        items = next(
            (
                found
                for n in range(1, 200)
                if (found := items_of(di, edition, n)) and len(found) == len(telegram.records)
            ),
            None,
        )
    if items is None:
        raise ValueError(f"identifier {code} has no table for {len(telegram.records)} records")
    body = b"".join(_bytes(item, record) for item, record in zip(items, telegram.records, strict=True))
    data = di.to_bytes(size, "little") + body
    if control & FUNCTION == FOLLOW_UP_2007:
        data += bytes((int(telegram.details.get("sequence", "0")),))
    return encoded(SerialFrame("dlt645", address, control, data.translate(SHIFT)))


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
