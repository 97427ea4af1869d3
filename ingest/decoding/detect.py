"""Which protocol some bytes speak, where nobody says so: start bytes, lengths and check sums decide, never a guess.

Order matters: the checks that prove most come first. Text (hex, base64) is unwrapped before.
"""

import base64
import binascii
import re

from protocols.errors import UnsupportedError
from protocols.serial_frame import frames_in

_HEX = re.compile(rb"(?:(?:0[xX]|\\x)?[0-9A-Fa-f]{2}[\s:,;-]*)+")
_SEPARATORS = re.compile(rb"[\s:,;-]+|0[xX]|\\x")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{8,}={0,2}")


def bytes_from_text(payload: bytes, shortest: int = 2) -> bytes:
    """The bytes behind hexadecimal (with blanks, colons, 0x before any byte) or base64 text; else the input itself.

    `shortest` is the number of bytes from which on digits are taken for hexadecimal.
    """
    text = payload.strip()
    if text[:1] in (b"{", b"["):
        return payload
    if _HEX.fullmatch(text):
        digits = _SEPARATORS.sub(b"", text)
        if len(digits) % 2 == 0 and len(digits) >= 2 * shortest:
            return bytes.fromhex(digits.decode())
    if len(text) % 4 == 0 and _BASE64.fullmatch(text):
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return payload
    return payload


def flaw_in_hex(text: str) -> str | None:
    """Why a text that was clearly meant as hexadecimal is none; None where it is, or was meant as something else."""
    digits = [(place, one) for place, one in enumerate(text) if one not in " \t\r\n:,;-"]
    wrong = [(place, one) for place, one in digits if one not in "0123456789abcdefABCDEF"]
    prefixes = sum(one in "xX\\" for _, one in wrong)
    if len(digits) < 2 or len(wrong) - prefixes > len(digits) // 16:
        return None
    for place, one in wrong:
        if one not in "xX\\":
            return f"{one!r} is no hexadecimal digit, character {place + 1} of {len(text)}"
    return None if prefixes or len(digits) % 2 == 0 else f"{len(digits)} hexadecimal digits, half a byte is missing"


def protocol_of(payload: bytes, *, port: int | None = None, topic: str | None = None) -> str:
    """The protocol of `payload`, by what is known and by the bytes. Raises UnsupportedError "protocol.unknown"."""
    if topic:
        return "mqtt"
    if port is not None:
        return "lorawan"
    start = payload[:64].lstrip()[:1]
    if start in (b"{", b"["):
        return "reading" if b'"readings"' in payload or b'"values"' in payload else "mqtt"
    body = payload.lstrip(b"\xfe\xff\xaa\x55\xe5") if payload[:1] not in b"\x68" else payload
    for name, fits in _CHECKS:
        if fits(body):
            return name
    if _is_wireless(payload):
        return "wmbus"
    # Noise or a stray start byte in front of a whole frame.
    if found := frames_in(payload):
        return found[-1].protocol
    # A damaged frame: the start bytes still tell which codec explains the damage best.
    if len(body) >= 4 and body[0] == 0x68 and body[3] == 0x68:
        return "mbus"
    if len(body) >= 8 and body[0] == 0x68 and body[7] == 0x68:
        return "dlt645"
    if len(body) >= 2 and body[0] == 0x68 and 0x10 <= body[1] <= 0x49:
        return "cjt188"
    if payload[:1] in (b"\xe5", b"\x10", b"\x68"):
        return "mbus"
    if len(payload) >= 11 and payload[1] in _WIRELESS_C:
        return "wmbus"
    raise UnsupportedError("protocol.unknown", f"no protocol starts with {payload[:4].hex(' ').upper()}", 0)


def _sum_fits(frame: bytes, end: int) -> bool:
    return len(frame) > end + 1 and frame[end + 1] == 0x16 and sum(frame[:end]) & 0xFF == frame[end]


def _is_mbus(frame: bytes) -> bool:
    return len(frame) >= 9 and frame[0] == frame[3] == 0x68 and frame[1] == frame[2]


def _is_dlt645(frame: bytes) -> bool:
    return len(frame) >= 12 and frame[0] == frame[7] == 0x68 and _sum_fits(frame, 10 + frame[9])


def _is_cjt188(frame: bytes) -> bool:
    return len(frame) >= 13 and frame[0] == 0x68 and _sum_fits(frame, 11 + frame[10])


_CHECKS = (("mbus", _is_mbus), ("dlt645", _is_dlt645), ("cjt188", _is_cjt188))

# Control fields of meters: SND-NR, SND-IR, ACC-NR, ACC-DMD, SND-NKE, RSP-UD, CNF-IR.
_WIRELESS_C = frozenset({0x44, 0x46, 0x47, 0x48, 0x40, 0x08, 0x18, 0x28, 0x38, 0x06, 0x00, 0x53, 0x73, 0x5B, 0x7B})


def _is_wireless(data: bytes) -> bool:
    if len(data) < 11 or data[1] not in _WIRELESS_C:
        return False
    plain = data[0] + 1
    blocks = 1 if plain <= 10 else 1 + -(-(plain - 10) // 16)
    return len(data) in (plain, plain + 2 * blocks, plain + 2, plain - 2)
