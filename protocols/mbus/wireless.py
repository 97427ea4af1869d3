"""Wireless link frames: formats A and B with their CRCs, or already stripped by the receiver (EN 13757-4).

This file knows blocks and CRCs, not what they carry. Stripped: L, C, M (2), A (6), data. The L field of a stripped
telegram counts the bytes after it; receivers that strip the CRCs of format B often leave L as it was on the air.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from protocols.errors import FrameError

FIRST_BLOCK: Final = 10
STRIPPED: Final = "stripped"
SND_NR: Final = 0x44
_LONGEST: Final = 256 + 2 * 18


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        register = byte << 8
        for _ in range(8):
            register = (register << 1) ^ 0x3D65 if register & 0x8000 else register << 1
        table.append(register & 0xFFFF)
    return tuple(table)


_TABLE: Final = _crc_table()


def crc(data: bytes) -> int:
    """CRC of EN 13757: polynomial 3D65, starting at 0, inverted at the end."""
    register = 0
    for byte in data:
        register = (register << 8) & 0xFFFF ^ _TABLE[register >> 8 ^ byte]
    return register ^ 0xFFFF


@dataclass(frozen=True, slots=True)
class WirelessFrame:
    """A telegram without CRCs: control field, the eight address bytes as sent, data from the first CI on."""

    control: int
    address: bytes
    data: bytes
    format: str = STRIPPED
    # Whether the bytes could as well be of format B, its CRC being wrong: the content then has to fit to the last byte.
    could_be_format_b: bool = False

    def to_bytes(self) -> bytes:
        """The stripped telegram, L field first."""
        body = bytes((self.control,)) + self.address + self.data
        if len(body) > 255:
            raise ValueError(f"{len(body)} bytes after the L field where 255 fit")
        return bytes((len(body),)) + body


def _with_crc(block: bytes) -> bytes:
    return block + crc(block).to_bytes(2, "big")


def format_a_from_frame(frame: WirelessFrame) -> bytes:
    """The telegram in frame format A: a CRC after 10 bytes, then after every 16."""
    plain = frame.to_bytes()
    blocks = [plain[:FIRST_BLOCK]]
    blocks += [plain[at : at + 16] for at in range(FIRST_BLOCK, len(plain), 16)]
    return b"".join(_with_crc(block) for block in blocks)


def format_b_from_frame(frame: WirelessFrame) -> bytes:
    """The telegram in frame format B: a CRC after 126 bytes and at the end; L counts the CRCs."""
    plain = frame.to_bytes()
    first, second = plain[:126], plain[126:]
    length = len(plain) - 1 + (4 if second else 2)
    if length > 255:
        raise ValueError(f"{length} bytes after the L field where 255 fit")
    first = bytes((length,)) + first[1:]
    return _with_crc(first) + (_with_crc(second) if second else b"")


def _size_a(length: int) -> int:
    """Bytes on the air in format A for an L field."""
    rest = max(0, length + 1 - FIRST_BLOCK)
    return length + 1 + 2 + 2 * ((rest + 15) // 16)


def _checked(block: bytes, at: int, size: int) -> bytes:
    computed, found = crc(block[:-2]), int.from_bytes(block[-2:], "big")
    if computed != found:
        place = at + len(block) - 2
        message = f"CRC 0x{found:04X} where 0x{computed:04X} was computed, byte {place} of {size}"
        raise FrameError("frame.crc", message, place)
    return block[:-2]


def _strip_a(data: bytes) -> bytes:
    plain = _checked(data[:12], 0, len(data))
    for at in range(12, len(data), 18):
        plain += _checked(data[at : at + 18], at, len(data))
    return plain


def without_crcs(data: bytes) -> bytes:
    """A telegram of format A without its CRCs, which nobody looks at; all others as they are."""
    if len(data) < FIRST_BLOCK + 1 or data[0] == data[3] == 0x68 or len(data) != _size_a(data[0]):
        return data
    return data[:10] + b"".join(data[at : min(at + 16, len(data) - 2)] for at in range(12, len(data), 18))


def _strip_b(data: bytes) -> bytes:
    plain = _checked(data[:128], 0, len(data))
    return plain + (_checked(data[128:], 128, len(data)) if len(data) > 130 else b"")


def wireless_frame_from_bytes(data: bytes, form: str | None = None) -> WirelessFrame:
    """The one telegram that `data` is, in format A, format B or stripped; CRCs are checked where they are.

    Parameters
    ----------
    form : str, optional
        ``"A"``, ``"B"`` or ``"stripped"``. By default told by the length, and format B by its CRCs: with a wrong one it
        may look like a stripped telegram (`could_be_format_b`), so a source that knows better should say so.

    Raises
    ------
    FrameError
        ``frame.truncated``, ``frame.length``, ``frame.crc``.
    """
    size, doubt = len(data), False
    if size < FIRST_BLOCK + 1:
        raise FrameError("frame.truncated", f"{size} bytes of a wireless telegram", size)
    length = data[0]
    if length < FIRST_BLOCK:
        raise FrameError("frame.length", f"L field {length} below 10, byte 0", 0)
    if size == _size_a(length) and form in ("A", None):
        plain, form = _strip_a(data), "A"
    elif size == length + 1 and form in ("B", "stripped", None):
        doubt = form is None
        plain, form = _format_b_or_stripped(data) if form is None else (_STRIPPED[form](data), form)
    elif size == length + 1 - (4 if length > 129 else 2) and form in ("stripped", None):
        plain, form = data, "stripped"  # CRCs of format B gone, their count still in L
    elif size < length + 1:
        raise FrameError("frame.truncated", f"{size} bytes where the L field says {length + 1}", size)
    else:
        raise FrameError("frame.length", f"{size} bytes where the L field says {length + 1}, byte 0", 0)
    return WirelessFrame(plain[1], plain[2:10], plain[10:], form, doubt and form == STRIPPED)


_STRIPPED: Final[dict[str, Callable[[bytes], bytes]]] = {"B": _strip_b, "stripped": bytes}


def _format_b_or_stripped(data: bytes) -> tuple[bytes, str]:
    """The same length fits both: a right CRC, of either block, decides."""
    blocks = [data[:128], data[128:]] if len(data) > 130 else [data]
    if any(crc(block[:-2]) == int.from_bytes(block[-2:], "big") for block in blocks):
        return _strip_b(data), "B"
    return data, STRIPPED
