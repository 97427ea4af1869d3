"""Sparkplug B payloads: metrics out of protobuf bytes and back. This file knows metrics, not nodes or births.

Source: Eclipse Sparkplug 3.0, sparkplug_b.proto. Data sets and templates are kept as "present, not read".
"""

import struct
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

import msgspec

from protocols.errors import ContentError
from protocols.mqtt.protobuf import bytes_field, double_field, fields, float_field, number_field

MAX_METRICS: Final = 5_000

INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64 = range(1, 9)
FLOAT, DOUBLE, BOOLEAN, STRING, DATETIME, TEXT = range(9, 15)
_SIGNED: Final = {INT8: 8, INT16: 16, INT32: 32, INT64: 64}
_INTEGERS: Final = frozenset({INT8, INT16, INT32, UINT8, UINT16, UINT32})
_LONGS: Final = frozenset({INT64, UINT64, DATETIME})

MetricValue = int | bool | str | Decimal | None


class Metric(msgspec.Struct, frozen=True, gc=False):
    """One metric as sent. `timestamp` in Unix milliseconds; `value` None where null; `problem` why it could not be
    read.
    """

    name: str = ""
    alias: int | None = None
    datatype: int = 0
    value: MetricValue = None
    timestamp: int | None = None
    unit: str | None = None
    historical: bool = False
    problem: str | None = None


class Payload(msgspec.Struct, frozen=True):
    """A message's metrics with its time (Unix milliseconds) and sequence number, where given."""

    metrics: tuple[Metric, ...] = ()
    timestamp: int | None = None
    seq: int | None = None


def payload_from_bytes(data: bytes) -> Payload:
    """A payload. Raises FrameError and ContentError: protobuf.*, sparkplug.too_many, sparkplug.text."""
    timestamp: int | None = None
    seq: int | None = None
    metrics: list[Metric] = []
    for number, _, value, offset in fields(data):
        if number == 1 and isinstance(value, int):
            timestamp = value
        elif number == 3 and isinstance(value, int):
            seq = value
        elif number == 2 and isinstance(value, bytes):
            if len(metrics) >= MAX_METRICS:
                raise ContentError("sparkplug.too_many", f"more than {MAX_METRICS} metrics, byte {offset}", offset)
            metrics.append(_metric(value, offset + 2))
    return Payload(tuple(metrics), timestamp, seq)


def _metric(data: bytes, base: int) -> Metric:
    name, unit = "", None
    alias: int | None = None
    timestamp: int | None = None
    datatype, historical, null = 0, False, False
    raw: tuple[int, int | bytes] | None = None
    for number, _, value, offset in fields(data, base):
        if isinstance(value, int):
            if number == 2:
                alias = value
            elif number == 3:
                timestamp = value
            elif number == 4:
                datatype = value
            elif number == 5:
                historical = bool(value)
            elif number == 7:
                null = bool(value)
            elif number in (10, 11, 14):
                raw = (number, value)
        elif number == 1:
            name = _text(value, offset)
        elif number == 9:
            unit = _unit(value, offset)
        elif 12 <= number <= 18:
            raw = (number, value)
    found, problem = (None, None) if null or raw is None else _value(raw[0], raw[1], datatype, base)
    return Metric(name, alias, datatype, found, timestamp, unit, historical, problem)


def _text(value: bytes, offset: int) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise ContentError("sparkplug.text", f"a text that is not UTF-8, byte {offset}", offset) from error


def _value(number: int, value: int | bytes, datatype: int, base: int) -> tuple[MetricValue, str | None]:
    if isinstance(value, int):
        return (bool(value) if number == 14 else integer_of(value, datatype)), None
    if number == 12 and len(value) == 4:
        return _decimal(struct.unpack("<f", value)[0], single=True)
    if number == 13 and len(value) == 8:
        return _decimal(struct.unpack("<d", value)[0], single=False)
    if number == 15:
        return _text(value, base)[:256], None
    return None, "sparkplug.datatype"


def integer_of(value: int, datatype: int) -> int:
    """A transmitted number as the data type's integer: signed ones come as two's complement."""
    bits = _SIGNED.get(datatype)
    if bits is None:
        return value
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _decimal(value: float, *, single: bool) -> tuple[Decimal | None, str | None]:
    """The shortest decimal that is this float: 30.5 sent in 32 bits stays 30.5."""
    if value != value or value in (float("inf"), float("-inf")):
        return None, "value.not_finite"
    if not single:
        return Decimal(repr(value)), None
    for digits in range(6, 10):
        text = f"{value:.{digits}g}"
        if struct.unpack("<f", struct.pack("<f", float(text)))[0] == value:
            break
    return Decimal(text), None


def _unit(data: bytes, base: int) -> str | None:
    """The engUnit of a property set."""
    keys: list[bytes] = []
    values: list[bytes] = []
    for number, _, value, _ in fields(data, base):
        if isinstance(value, bytes):
            (keys if number == 1 else values).append(value)
    for key, value in zip(keys, values, strict=False):
        if key.lower() in (b"engunit", b"unit", b"units"):
            for number, _, item, offset in fields(value, base):
                if number == 8 and isinstance(item, bytes):
                    return _text(item, offset)[:16]
    return None


def bytes_from_payload(payload: Payload) -> bytes:
    """The bytes of a payload. Raises ValueError for a value that its data type can't hold."""
    out = bytearray()
    if payload.timestamp is not None:
        out += number_field(1, payload.timestamp)
    for metric in payload.metrics:
        out += bytes_field(2, _metric_bytes(metric))
    if payload.seq is not None:
        out += number_field(3, payload.seq)
    return bytes(out)


def _metric_bytes(metric: Metric) -> bytes:
    out = bytearray()
    if metric.name:
        out += bytes_field(1, metric.name.encode())
    for number, item in ((2, metric.alias), (3, metric.timestamp), (4, metric.datatype or None)):
        if item is not None:
            out += number_field(number, item)
    if metric.historical:
        out += number_field(5, 1)
    if metric.unit is not None:
        unit = number_field(1, STRING) + bytes_field(8, metric.unit.encode())
        out += bytes_field(9, bytes_field(1, b"engUnit") + bytes_field(2, unit))
    return bytes(out) + (number_field(7, 1) if metric.value is None else _value_bytes(metric))


def _value_bytes(metric: Metric) -> bytes:
    value, kind = metric.value, metric.datatype
    if isinstance(value, bool):
        return number_field(14, int(value))
    if isinstance(value, str):
        return bytes_field(15, value.encode())
    if isinstance(value, int) and kind in _LONGS:
        return number_field(11, value)
    if isinstance(value, int) and kind in _INTEGERS:
        return number_field(10, value & 0xFFFF_FFFF)
    if value is not None and kind == FLOAT:
        return float_field(12, float(value))
    if value is not None and kind == DOUBLE:
        return double_field(13, float(value))
    raise ValueError(f"metric {metric.name or metric.alias}: data type {kind} does not hold {value!r}")


def metrics_of(values: Iterable[tuple[str, Decimal | int | None, str]]) -> tuple[Metric, ...]:
    """Birth metrics with aliases from 1 on, of (name, value, unit); Decimals travel as doubles."""
    return tuple(
        Metric(name, alias, INT64 if isinstance(value, int) else DOUBLE, value, unit=unit)
        for alias, (name, value, unit) in enumerate(values, 1)
    )
