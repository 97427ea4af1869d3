"""Telegrams into CJ/T 188 answers: the inverse of the decoder, for simulators, samples and round trips.

Rules: only answers are made here, requests have their own module. A record that holds raw bytes and no value goes out
as those bytes, so that a rejected field survives a round trip; a field without a record goes out as zero in the
standard's usual unit.
"""

from datetime import datetime
from decimal import Decimal

from protocols.cjt188.detection import shifted
from protocols.cjt188.dialects import STANDARD, Dialect, dialect_named
from protocols.cjt188.layouts import REPLY, UNIT_CODES, Field, fields_of
from protocols.cjt188.requests import address_bytes, clock_bytes, identifier_bytes
from protocols.serial_frame import SerialFrame, encoded
from protocols.telegram import DataRecord, Telegram

_USUAL_UNIT = {"energy": "kWh", "power": "kW", "flow": "m3/h", "volume": "m3"}
_KINDS = {"heat": 0x20, "cooling": 0x21, "heat_cooling": 0x22, "cold_water": 0x10, "hot_water": 0x11, "gas": 0x30}


def frame_from_telegram(telegram: Telegram, dialect: str | Dialect | None = None) -> bytes:
    """The answer that says what `telegram` says.

    Parameters
    ----------
    telegram : Telegram
        Records by quantity and storage as the decoder names them; details ``di`` (901F), ``ser`` (0), ``type`` (from
        the medium), ``control`` (81), ``di_wire`` and ``dialect`` are used where given; `status` is ST1 << 8 | ST2.
    dialect : str or Dialect, optional
        Instead of the one in the details.

    Raises
    ------
    ValueError
        A value does not fit its field, a unit has no code, or the details ask for a request.
    """
    details = telegram.details
    chosen = dialect_named(dialect or details.get("dialect") or None) or STANDARD
    control = int(details.get("control", "81"), 16)
    if control < REPLY:
        raise ValueError("requests are built by protocols.cjt188.requests")
    kind = int(details["type"], 16) if "type" in details else _KINDS.get(telegram.meter.medium, 0x20)
    di = int(details.get("di") or "901F", 16)
    fields = fields_of(di, kind, reply=True)
    if fields is None:
        raise ValueError(f"no table for identifier {di:04X}")
    body = b"".join(_field_bytes(item, telegram, chosen) for item in fields)
    head = bytes.fromhex(details["di_wire"]) if details.get("di_wire") else identifier_bytes(di, chosen)
    ser = int(details.get("ser") or 0)
    data = head + bytes((ser,)) + (shifted(body) if chosen.shifted else body)
    address = address_bytes(telegram.meter.serial, chosen)
    return encoded(SerialFrame("cjt188", address, control, data, kind))


def _field_bytes(item: Field, telegram: Telegram, dialect: Dialect) -> bytes:
    if item.part == "status":
        return _status_bytes(telegram, dialect)
    quantity, storage = item.quantity, item.storage
    if quantity == "energy" and storage == 1 and dialect.settlement == "cooling":
        quantity, storage = "cooling_energy", 0
    record = _record(telegram, quantity, storage)
    if record is not None and record.value is None and record.raw:
        return bytes.fromhex(record.raw)
    if item.part == "clock":
        if record is None:
            return bytes(item.size)
        return clock_bytes(datetime.fromisoformat(str(record.value)), dialect)
    return _value_bytes(item, quantity, record, dialect)


def _record(telegram: Telegram, quantity: str, storage: int) -> DataRecord | None:
    for record in telegram.records:
        if record.quantity == quantity and record.storage == storage:
            return record
    return None


def _status_bytes(telegram: Telegram, dialect: Dialect) -> bytes:
    word = telegram.status or 0
    if dialect.status_reversed:
        word = int(f"{word >> 8:08b}"[::-1], 2) << 8 | word & 0xFF
    return word.to_bytes(2, "big")


def _value_bytes(item: Field, quantity: str, record: DataRecord | None, dialect: Dialect) -> bytes:
    value = Decimal(0) if record is None else record.value
    if not isinstance(value, Decimal):
        raise ValueError(f"{item.quantity} takes a number, not {value!r}")
    decimals = dict(dialect.decimals).get(quantity, item.decimals)
    power = 0
    unit_code = b""
    if item.dimension:
        unit = _USUAL_UNIT[item.dimension] if record is None else record.unit
        exponent = value.as_tuple().exponent
        if (unit, 2) in UNIT_CODES and isinstance(exponent, int) and exponent >= 2 - decimals and value:
            power = 2
        if (unit, power) not in UNIT_CODES:
            raise ValueError(f"{item.quantity}: no unit code for {unit!r}")
        unit_code = bytes((UNIT_CODES[unit, power],))
    size = dialect.temperature_bytes if quantity.endswith("_temperature") else item.size
    count = value.scaleb(decimals - power)
    whole = int(count)
    if whole != count or whole < 0 or whole >= 10 ** (2 * size):
        raise ValueError(f"{item.quantity} {value} does not fit {2 * size} digits with {decimals} decimals")
    digits = bytes.fromhex(f"{whole:0{2 * size}d}")
    ordered = digits if dialect.byte_order == "big" else digits[::-1]
    ordered += bytes(item.size - size)
    return unit_code + ordered if dialect.unit_position == "before" else ordered + unit_code
