"""Elvaco CMi41xx modules: one format byte, then M-Bus data records, or a short JSON text.

Rules: the meter's number comes from the records, never from the radio module; a value that the module took while the
meter reported an error (DIF 3x) is null; a record that can't be delimited costs what stands behind it, not what came
before.
Source: manuals of CMi4110, CMi4130, CMi4140, CMi4160 (message formats).
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

import msgspec

from protocols.errors import ContentError
from protocols.mbus.encoding import bytes_from_records
from protocols.mbus.header import meter_from_bytes
from protocols.mbus.records import RecordError, records_from_bytes
from protocols.mbus.values import number_from_bcd
from protocols.mqtt.encode import json_bytes
from protocols.mqtt.fields import UNIT_SPELLINGS
from protocols.mqtt.json_text import number_from_json, object_from_json
from protocols.telegram import DataRecord, Function, MeterId, Telegram

PORT: Final = 2

# Format byte -> (module family, message format). The families repeat the same five formats.
FORMATS: Final[dict[int, tuple[str, str]]] = {
    first + step: (family, name)
    for first, family in ((0x00, "CMi4110"), (0x05, "CMi4111"), (0x0F, "CMi4130"), (0x15, "CMi4140"), (0x1E, "CMi4160"))
    for step, name in enumerate(("standard", "compact", "json", "scheduled_daily", "scheduled_extended"))
} | {
    0x1A: ("CMi4140", "heat_and_cooling"),
    0x1B: ("CMi4140", "heat_intelligence"),
    0x3B: ("CMi4140", "tariff_1"),
    0x3C: ("CMi4140", "tariff_2"),
    0x41: ("CMi41xx", "tariff"),
    0xFA: ("CMi41xx", "clock"),
}

ERROR_STATE: Final = "value.during_error_state"
_COMBINED_VIB = "ffa0"
_STATUS_VIB = "ff21"


def telegram_from_payload(payload: bytes) -> Telegram:
    """The telegram of an uplink, format byte first.

    Raises
    ------
    ContentError
        ``record.*`` where not even the first record can be delimited, ``json.*``, ``lorawan.truncated``.
    """
    family, name = FORMATS.get(payload[0], ("CMi41xx", "unknown"))
    details = {"format": f"{payload[0]:02X}", "module": family, "message": name}
    if len(payload) < 2:
        raise ContentError("lorawan.truncated", "a format byte and nothing behind it", 1)
    if payload[1:2] == b"{":
        return _from_json(payload[1:], details)
    diagnostics: tuple[str, ...] = ()
    try:
        found, _ = records_from_bytes(payload[1:], 1)
    except RecordError as error:
        if not error.records:
            raise
        found, diagnostics = error.records, (f"{error.code}: {error.message}",)
    records = [part for record in found for part in _parts(record)]
    return Telegram("lorawan", _meter(found), tuple(records), details=details, diagnostics=diagnostics)


def _parts(record: DataRecord) -> tuple[DataRecord, ...]:
    if record.code.startswith(_COMBINED_VIB) and len(record.raw) == 16:
        return _combined(record)
    if record.code == _STATUS_VIB and len(record.raw) == 16:
        flags = int.from_bytes(bytes.fromhex(record.raw[:8]), "little")
        return (DataRecord("error_flags", "", Decimal(flags), record.function, raw=record.raw[:8], code="ff21"),)
    if record.function is Function.ERROR:
        return (msgspec.structs.replace(record, value=None, error=record.error or ERROR_STATE),)
    return (record,)


def _combined(record: DataRecord) -> tuple[DataRecord, ...]:
    """Supply, return, flow and power in eight bytes; the last VIFE scales flow (bits 0-2) and power (bits 4-6)."""
    scale = int(record.code[4:6] or "00", 16)
    raw = bytes.fromhex(record.raw)
    error = ERROR_STATE if record.function is Function.ERROR else None
    layout = (
        ("supply_temperature", "°C", -2),
        ("return_temperature", "°C", -2),
        ("flow", "m3/h", (scale & 7) - 3),
        ("power", "W", (scale >> 4 & 7) - 3),
    )
    parts: list[DataRecord] = []
    for place, (quantity, unit, exponent) in enumerate(layout):
        piece = raw[2 * place : 2 * place + 2]
        number = int.from_bytes(piece, "little", signed=True)
        invalid = "value.invalid" if number == -32768 else error
        value = None if invalid else Decimal(number).scaleb(exponent)
        parts.append(
            DataRecord(quantity, unit, value, record.function, raw=piece.hex(), error=invalid, code=record.code)
        )
    return tuple(parts)


def _meter(records: Iterable[DataRecord]) -> MeterId:
    for record in records:
        if record.function is Function.ERROR:
            continue
        if record.quantity == "fabrication_number" and record.value is not None:
            return MeterId(_digits(record), medium="heat")
        if record.code == "79" and len(record.raw) == 16:
            return meter_from_bytes(bytes.fromhex(record.raw))
        if record.code == _STATUS_VIB and len(record.raw) == 16:
            return MeterId(bytes.fromhex(record.raw[8:])[::-1].hex(), medium="heat")
    return MeterId("", medium="heat")


def _digits(record: DataRecord) -> str:
    """The number with its leading zeros: a Decimal has lost them."""
    raw = bytes.fromhex(record.raw)
    number, _ = number_from_bcd(raw)
    return raw[::-1].hex() if number is not None and number >= 0 else str(record.value)


def _from_json(text: bytes, details: dict[str, str]) -> Telegram:
    """``{"E": 1234.5, "U": "kWh", "ID": 12345678}``."""
    values = object_from_json(text)
    unit = UNIT_SPELLINGS.get(str(values.get("U", "")).strip().lower())
    number = number_from_json(values.get("E"))
    error = None
    if unit is None:
        error = "unit.unknown"
    elif number is None:
        error = "value.null" if values.get("E") is None else "value.not_a_number"
    record = DataRecord("energy", unit or "", number if unit else None, raw=text.hex()[:128], error=error, code="E")
    serial = values.get("ID")
    meter = MeterId(str(serial).zfill(8)[:32] if isinstance(serial, (int, str)) else "", medium="heat")
    return Telegram("lorawan", meter, (record,), details=details)


def payload_from_records(format_byte: int, records: Iterable[DataRecord]) -> bytes:
    """An uplink of M-Bus records. Raises ValueError for a record that no coding gives."""
    return bytes((format_byte,)) + bytes_from_records(records)


def payload_from_json(format_byte: int, energy: Decimal, unit: str, serial: str) -> bytes:
    """An uplink of message format JSON; `energy` in `unit`."""
    values: dict[str, Any] = {"E": energy, "U": unit, "ID": int(serial)}
    return bytes((format_byte,)) + json_bytes(values)


def payload_from_extended(
    format_byte: int,
    records: Iterable[DataRecord],
    *,
    supply_c: Decimal,
    return_c: Decimal,
    flow_m3h: Decimal,
    power_w: Decimal,
    error_flags: int,
    serial: str,
) -> bytes:
    """An uplink of message format "scheduled extended": leading records, then the two combined ones.

    Raises
    ------
    ValueError
        A value does not fit its two bytes at any scale.
    """
    flow, flow_scale = _scaled_word(flow_m3h)
    power, power_scale = _scaled_word(power_w)
    temperatures = b"".join(int(value.scaleb(2)).to_bytes(2, "little", signed=True) for value in (supply_c, return_c))
    combined = bytes((0x07, 0xFF, 0xA0, power_scale << 4 | flow_scale)) + temperatures + flow + power
    status = bytes((0x07, 0xFF, 0x21)) + error_flags.to_bytes(4, "little") + bytes.fromhex(serial)[::-1]
    return payload_from_records(format_byte, records) + combined + status


def _scaled_word(value: Decimal) -> tuple[bytes, int]:
    for scale in range(8):
        number = value.scaleb(3 - scale)
        if number == number.to_integral_value() and abs(number) < 32768:
            return int(number).to_bytes(2, "little", signed=True), scale
    raise ValueError(f"{value} does not fit two bytes at any scale from 10^-3 to 10^4")
