"""The JSON form of values that people, files and HTTP clients bring: registers by name, no codec, no profile.

``{"meter": {"serial", "manufacturer"?, "medium"?}, "time"?, "info_code"?,
"readings": [{"register", "value", "unit"?, "quantity"?, "time"?}]}``; a list of those is fine.
The value's digits are kept: "12.50" is 1250 counts of 0.01.
"""

from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from ingest.model import Decoded
from protocols.errors import ContentError
from protocols.mqtt.json_text import json_decoder, number_from_json, refuse_repeats, time_from_json
from protocols.registers import Register, RegisterReading
from protocols.telegram import DataRecord, MeterId, Telegram
from protocols.units import CANONICAL_UNIT, Quantity, dimension, is_unit

MAX_READINGS = 10_000


class _Meter(msgspec.Struct):
    serial: str
    manufacturer: str = ""
    version: int | None = None
    medium: str = "heat"


class _Value(msgspec.Struct):
    register: str
    value: Any = None
    unit: str | None = None
    quantity: str | None = None
    time: str | None = None


class _Reading(msgspec.Struct):
    meter: _Meter | str
    readings: list[_Value]
    time: str | None = None
    meter_time: str | None = None
    info_code: int | None = None


_decode_one = json_decoder(_Reading)
_decode_many = json_decoder(list[_Reading])

# Register names whose quantity follows from the name; everything else must state it.
_QUANTITY: dict[str, Quantity] = {str(quantity): quantity for quantity in Quantity} | {
    "energy": Quantity.HEAT_ENERGY,
    "cooling": Quantity.COOLING_ENERGY,
}


def decoded_from_reading(payload: bytes) -> list[Decoded]:
    """Hand, import and HTTP values as Decoded.

    Raises
    ------
    ContentError
        json.*; reading.register (unknown name), reading.unit, reading.value, reading.time; the message names the field.
    """
    refuse_repeats(payload, b'"meter"', b'"readings"')
    items = _decode_many(payload) if payload.lstrip()[:1] == b"[" else [_decode_one(payload)]
    if sum(len(item.readings) for item in items) > MAX_READINGS:
        raise ContentError("reading.too_many", f"more than {MAX_READINGS} readings in one message")
    return [_decoded(item) for item in items]


def _decoded(item: _Reading) -> Decoded:
    meter = item.meter if isinstance(item.meter, _Meter) else _Meter(item.meter)
    serial = meter.serial.strip()
    if not serial or len(serial) > 64:
        raise ContentError("reading.meter", "meter.serial is empty or longer than 64 characters")
    moment = _moment(item.time, "time")
    readings = tuple(_register_reading(value, number, moment) for number, value in enumerate(item.readings))
    records = tuple(
        DataRecord(
            reading.register.name,
            reading.register.unit,
            None if reading.count is None else reading.register.value_of(reading.count),
        )
        for reading in readings
    )
    identity = MeterId(serial, meter.manufacturer, meter.version, meter.medium)
    telegram = Telegram("reading", identity, records)
    return Decoded(telegram, "", readings, _naive(item.meter_time), item.info_code)


def _moment(text: str | None, field: str) -> datetime | None:
    if text is None:
        return None
    moment = time_from_json(text)
    if moment is None:
        raise ContentError("reading.time", f"{field}: {text[:40]!r} is no ISO 8601 time with a zone")
    return moment


def _naive(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError as error:
        raise ContentError("reading.time", f"meter_time: {text[:40]!r} is no ISO 8601 time") from error


def _register_reading(value: _Value, number: int, moment: datetime | None) -> RegisterReading:
    field = f"readings[{number}]"
    time = _moment(value.time, f"{field}.time") or moment
    amount = number_from_json(value.value)
    if amount is None and value.value is not None:
        raise ContentError("reading.value", f"{field}.value: {str(value.value)[:40]!r} is no number")
    scale = 0 if amount is None else min(0, _exponent(amount))
    if scale < -9:
        raise ContentError("reading.value", f"{field}.value: more than 9 decimals")
    register = _register(value.register, value.quantity or "", value.unit, scale, field)
    if amount is None:
        return RegisterReading(register, None, time, "value.null")
    count = int(amount.scaleb(-scale))
    if abs(count) >= 10**18:
        raise ContentError("reading.value", f"{field}.value: more than 18 digits")
    return RegisterReading(register, count, time)


def _exponent(amount: Decimal) -> int:
    exponent = amount.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


@lru_cache(maxsize=1024)
def _register(name: str, quantity_name: str, unit: str | None, scale: int, field: str) -> Register:
    bare = name.strip()
    base = bare.split("_tariff_")[0]
    quantity = _QUANTITY.get(quantity_name or base)
    if quantity is None or not bare or len(bare) > 64:
        raise ContentError(
            "reading.register",
            f"{field}.register: {bare[:40]!r} needs a quantity of {', '.join(sorted(_QUANTITY))[:400]}",
        )
    stated = CANONICAL_UNIT[quantity] if unit is None else unit
    if not is_unit(stated) or dimension(stated) != dimension(CANONICAL_UNIT[quantity]):
        raise ContentError("reading.unit", f"{field}.unit: {stated[:20]!r} does not measure {quantity}")
    tariff = bare.removeprefix(base).removeprefix("_tariff_")
    return Register(bare, quantity, stated, scale, tariff=int(tariff) if tariff.isdigit() else 0)
