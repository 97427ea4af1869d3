"""Wired link frames: acknowledge, short, control and long frames, from bytes and to bytes (EN 13757-2).

This file knows frames, not what they carry. One byte E5; 10 C A CS 16; 68 L L 68 C A CI ... CS 16.
"""

from dataclasses import dataclass
from typing import Final
from zlib import adler32

from protocols.errors import FrameError

ACK: Final = b"\xe5"
START_SHORT: Final = 0x10
START_LONG: Final = 0x68
STOP: Final = 0x16
LONGEST_FRAME: Final = 261

ADDRESS_UNCONFIGURED: Final = 0
ADDRESS_SELECTED: Final = 253
ADDRESS_BROADCAST_WITH_REPLY: Final = 254
ADDRESS_BROADCAST: Final = 255

# C fields of the master without FCV/FCB; FCB is 20h, FCV 10h.
SND_NKE: Final = 0x40
SND_UD: Final = 0x53
REQ_UD1: Final = 0x5A
REQ_UD2: Final = 0x5B
FCB: Final = 0x20
# Of the slave: ACD 20h, DFC 10h.
RSP_UD: Final = 0x08
ACD: Final = 0x20
DFC: Final = 0x10

RSP_UD_CONTROLS: Final = frozenset((0x08, 0x18, 0x28, 0x38))


@dataclass(frozen=True, slots=True)
class AckFrame:
    """The single byte E5."""

    def to_bytes(self) -> bytes:
        """The frame as on the wire."""
        return ACK


@dataclass(frozen=True, slots=True)
class ShortFrame:
    """A frame of control and address only: SND_NKE, REQ_UD1, REQ_UD2."""

    control: int
    address: int

    def __post_init__(self) -> None:
        _check_bytes(self.control, self.address)

    def to_bytes(self) -> bytes:
        """The frame as on the wire."""
        return bytes((START_SHORT, self.control, self.address, (self.control + self.address) & 0xFF, STOP))


@dataclass(frozen=True, slots=True)
class LongFrame:
    """A frame with control information and user data; without data it is the standard's control frame."""

    control: int
    address: int
    ci: int
    data: bytes = b""

    def __post_init__(self) -> None:
        _check_bytes(self.control, self.address, self.ci)
        if len(self.data) > 252:
            raise ValueError(f"{len(self.data)} data bytes where a frame holds 252")

    def to_bytes(self) -> bytes:
        """The frame as on the wire."""
        body = bytes((self.control, self.address, self.ci)) + self.data
        length = len(body)
        return bytes((START_LONG, length, length, START_LONG)) + body + bytes((check_sum(body), STOP))


Frame = AckFrame | ShortFrame | LongFrame


def _check_bytes(*values: int) -> None:
    for value in values:
        if not 0 <= value <= 255:
            raise ValueError(f"{value} is no byte")


def check_sum(body: bytes) -> int:
    """Sum of at most 255 bytes modulo 256."""
    # The low half of Adler-32 is one more than the plain sum, in C: a fifth of the time of sum().
    return (adler32(body) - 1) & 0xFF


def _check_sum(computed: int, found: int, at: int, size: int) -> None:
    if computed & 0xFF != found:
        message = f"checksum 0x{found:02X} where 0x{computed & 0xFF:02X} was computed, byte {at} of {size}"
        raise FrameError("frame.checksum", message, at)


def frame_length(head: bytes) -> int | None:
    """Length of the frame that starts with `head`; None if more bytes are needed to tell.

    Raises
    ------
    FrameError
        ``frame.start`` or ``frame.length``: no frame starts so.
    """
    if not head:
        return None
    if head[0] == ACK[0]:
        return 1
    if head[0] == START_SHORT:
        return 5
    if head[0] != START_LONG:
        raise FrameError("frame.start", f"start byte 0x{head[0]:02X}, byte 0", 0)
    if len(head) > 1 and head[1] < 3:
        raise FrameError("frame.length", f"length {head[1]} below 3, byte 1", 1)
    if len(head) > 2 and head[1] != head[2]:
        raise FrameError("frame.length", f"lengths {head[1]} and {head[2]} differ, byte 2", 2)
    if len(head) > 3 and head[3] != START_LONG:
        raise FrameError("frame.start", f"second start byte 0x{head[3]:02X}, byte 3", 3)
    return head[1] + 6 if len(head) > 3 else None


def frame_from_bytes(data: bytes) -> Frame:
    """The one frame that `data` is.

    Raises
    ------
    FrameError
        ``frame.empty``, ``frame.start``, ``frame.length``, ``frame.truncated``, ``frame.trailing``,
        ``frame.stop``, ``frame.checksum``; the offset counts from the first byte.
    """
    size = len(data)
    if not size:
        raise FrameError("frame.empty", "no bytes", 0)
    length = frame_length(data)
    if length is None or size < length:
        message = f"{size} bytes" + ("" if length is None else f" of a frame of {length}")
        raise FrameError("frame.truncated", message, size)
    if size > length:
        raise FrameError("frame.trailing", f"{size - length} bytes after the frame, byte {length}", length)
    if length == 1:
        return AckFrame()
    if data[-1] != STOP:
        raise FrameError("frame.stop", f"stop byte 0x{data[-1]:02X}, byte {size - 1}", size - 1)
    if length == 5:
        _check_sum(data[1] + data[2], data[3], 3, size)
        return ShortFrame(data[1], data[2])
    _check_sum(check_sum(data[4:-2]), data[-2], size - 2, size)
    return LongFrame(data[4], data[5], data[6], data[7:-2])
