"""The protobuf wire format, as much of it as Sparkplug B needs: fields out of bytes and back.

Rules: every length is checked against what is there; groups are refused; unknown fields are for the caller to skip.
"""

import struct
from collections.abc import Iterator

from protocols.errors import ContentError, FrameError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MAX_FIELDS = 100_000

Value = int | bytes


def varint_from_bytes(data: bytes, at: int) -> tuple[int, int]:
    """Value and the index behind it. Raises FrameError "protobuf.truncated", ContentError "protobuf.varint"."""
    result = shift = 0
    start = at
    while True:
        if at >= len(data):
            raise FrameError("protobuf.truncated", f"a number that starts at byte {start} does not end", at)
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
        if shift > 63:
            raise ContentError("protobuf.varint", f"a number of more than ten bytes, byte {start}", start)


def fields(data: bytes, base: int = 0) -> Iterator[tuple[int, int, Value, int]]:
    """(field number, wire type, value, offset) of a message; lengths and offsets count from `base`.

    Raises
    ------
    FrameError
        ``protobuf.truncated``. ContentError ``protobuf.wire_type``, ``protobuf.field``, ``protobuf.varint``.
    """
    at = count = 0
    while at < len(data):
        start = at
        tag, at = varint_from_bytes(data, at)
        number, wire = tag >> 3, tag & 7
        count += 1
        if not number or count > MAX_FIELDS:
            raise ContentError("protobuf.field", f"field number {number} at byte {base + start}", base + start)
        if wire == VARINT:
            value: Value
            value, at = varint_from_bytes(data, at)
        elif wire in (FIXED64, FIXED32):
            size = 8 if wire == FIXED64 else 4
            value, at = data[at : at + size], at + size
        elif wire == BYTES:
            size, at = varint_from_bytes(data, at)
            value, at = data[at : at + size], at + size
        else:
            raise ContentError("protobuf.wire_type", f"wire type {wire} at byte {base + start}", base + start)
        if at > len(data):
            raise FrameError("protobuf.truncated", f"field {number} at byte {base + start} ends outside", base + start)
        yield number, wire, value, base + start


def varint(value: int) -> bytes:
    """A number as bytes; negative ones as 64-bit two's complement."""
    value &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number_field(number: int, value: int) -> bytes:
    """A varint field."""
    return varint(number << 3 | VARINT) + varint(value)


def bytes_field(number: int, value: bytes) -> bytes:
    """A field of bytes, text or an embedded message."""
    return varint(number << 3 | BYTES) + varint(len(value)) + value


def float_field(number: int, value: float) -> bytes:
    """A 32-bit float field."""
    return varint(number << 3 | FIXED32) + struct.pack("<f", value)


def double_field(number: int, value: float) -> bytes:
    """A 64-bit float field."""
    return varint(number << 3 | FIXED64) + struct.pack("<d", value)
