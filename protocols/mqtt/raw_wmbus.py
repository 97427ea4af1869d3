"""Raw wireless M-Bus telegrams in a publish: hexadecimal, base64 or binary, one or several (a line each).

This file finds the bytes; `protocols.mbus` reads them. An RSSI or a time around the hex (rtl-wmbus, CUL) is
accepted where the telegram is the longest hexadecimal word of its line. Key: telegram hash; the caller adds the minute.
"""

import base64
import binascii
import hashlib
import re

from protocols.errors import ContentError
from protocols.mqtt.message import FamilyState, MqttMessage, Publish

FAMILY = "wmbus_raw"
# A word of its own: the zeros of base64 text are hexadecimal digits, too.
_HEX_WORD = re.compile(rb"(?<![0-9A-Za-z+/])(?:0[xX])?((?:[0-9A-Fa-f]{2}){10,300})(?![0-9A-Za-z+/=])")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}={0,2}")
_MAX_TELEGRAMS = 64


def decode(publish: Publish, state: FamilyState) -> tuple[MqttMessage, ...]:
    """Every telegram of a publish. Raises ContentError "wmbus.not_found" where there is none."""
    found = telegrams_from_payload(publish.payload)
    if not found:
        raise ContentError("wmbus.not_found", "neither hex, base64 nor a binary wireless M-Bus telegram", 0)
    return tuple(message_from_bytes(telegram) for telegram in found)


def message_from_bytes(telegram: bytes) -> MqttMessage:
    """One telegram, ready for decoding."""
    return MqttMessage(FAMILY, "wmbus", telegram, idempotency=hashlib.blake2b(telegram, digest_size=12).hexdigest())


def telegrams_from_payload(payload: bytes) -> tuple[bytes, ...]:
    """The telegrams' bytes in whatever clothing they come; empty where nothing fits."""
    if looks_like_telegram(payload) and not payload[:24].isalnum():
        return (payload,)
    if payload.isalnum() and len(payload) % 2 == 0:
        # By far the most frequent form: nothing but the digits of one telegram.
        try:
            plain = bytes.fromhex(payload.decode())
        except ValueError:
            plain = b""
        if looks_like_telegram(plain):
            return (plain,)
    found: list[bytes] = []
    for line in payload.split(b"\n", _MAX_TELEGRAMS)[:_MAX_TELEGRAMS]:
        telegram = _telegram_from_line(line.strip())
        if telegram is not None:
            found.append(telegram)
    if not found and looks_like_telegram(payload):
        return (payload,)
    return tuple(found)


def _telegram_from_line(line: bytes) -> bytes | None:
    words = [match.group(1) for match in _HEX_WORD.finditer(line)]
    if words:
        return bytes.fromhex(max(words, key=len).decode())
    if _BASE64.fullmatch(line):
        try:
            telegram = base64.b64decode(
                line.translate(bytes.maketrans(b"-_", b"+/")) + b"=" * (-len(line) % 4), validate=True
            )
        except (binascii.Error, ValueError):
            return None
        return telegram if looks_like_telegram(telegram) else None
    return None


def looks_like_telegram(data: bytes) -> bool:
    """Whether the length byte fits: L of format B or stripped format A, or format A with its CRCs."""
    if not 11 <= len(data) <= 300:
        return False
    length = data[0]
    plain = length + 1
    # Format A: a CRC after 10 bytes and after every further 16.
    blocks = 0 if plain <= 10 else -(-(plain - 10) // 16)
    return len(data) in (plain, plain + 2 * (1 + blocks)) and bool(data[1] & 0x40)


def encode(telegram: bytes, form: str = "hex") -> bytes:
    """A telegram as bridges publish it. `form`: "hex", "base64" or "binary"."""
    return {"hex": telegram.hex().upper().encode(), "base64": base64.b64encode(telegram), "binary": telegram}[form]
