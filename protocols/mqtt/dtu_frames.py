"""Frames of any wire protocol in a stream of bytes: M-Bus, CJ/T 188, DL/T 645, Modbus RTU answers.

Rules: length fields propose a frame, sum or CRC decide; while a proposed frame is still arriving nothing inside it
is looked
at; what starts no frame is noise and the search goes on one byte later. Bytes in, cuts out; no state.
"""

from typing import NamedTuple

from protocols.errors import FrameError
from protocols.mbus.frame import RSP_UD_CONTROLS
from protocols.modbus import crc16
from protocols.serial_frame import CJT188, DLT645, START, STOP

# What stands between frames on purpose: fill bytes, M-Bus acknowledges, line ends.
_FILL = frozenset(b"\xfe\xff\x00\xe5\r\n")


# No frame starts here; nothing worth telling.
_NOTHING = FrameError("frame.start", "no frame starts here")


class Cut(NamedTuple):
    """One frame: its protocol, bytes, and whether a meter sent it (a request echoed by the DTU is none)."""

    protocol: str
    frame: bytes
    is_reply: bool


class Scan(NamedTuple):
    """What a buffer holds: frames, the incomplete rest, bytes of noise, and the best reason why something was no
    frame.
    """

    cuts: tuple[Cut, ...]
    rest: bytes
    noise: int
    error: FrameError | None


def _mbus_size(data: bytes) -> int | None:
    """Size of an M-Bus long frame; None: more bytes are needed to tell; 0: it is none."""
    if len(data) < 4:
        return None if len(data) < 3 or data[1] == data[2] >= 3 else 0
    return data[1] + 6 if data[1] == data[2] >= 3 and data[3] == START else 0


def _cjt188_size(data: bytes) -> int | None:
    if len(data) > 1 and not (0x10 <= data[1] < 0x50):
        return 0
    if len(data) <= CJT188.length_at:
        return None
    length = data[CJT188.length_at]
    return CJT188.header + length + 2 if length <= CJT188.longest else 0


def _dlt645_size(data: bytes) -> int | None:
    if len(data) > 7 and data[7] != START:
        return 0
    if len(data) <= DLT645.length_at:
        return None
    length = data[DLT645.length_at]
    return DLT645.header + length + 2 if length <= DLT645.longest else 0


# protocol, size, offset of the first summed byte, offset of the control byte
_SHAPES = (
    ("mbus", _mbus_size, 4, 4),
    ("dlt645", _dlt645_size, 0, DLT645.control_at),
    ("cjt188", _cjt188_size, 0, CJT188.control_at),
)


def scan(buffer: bytes) -> Scan:
    """Every frame of a buffer in order, and what remains."""
    cuts: list[Cut] = []
    error: FrameError | None = None
    at = noise = 0
    while at < len(buffer):
        byte = buffer[at]
        if byte == START:
            found = _at_start(buffer, at)
        elif byte in _FILL:
            found = _NOTHING
        else:
            found = _modbus_at(buffer, at)
        if isinstance(found, Cut):
            cuts.append(found)
            at += len(found.frame)
            continue
        if found is None:
            return Scan(tuple(cuts), buffer[at:], noise, error)
        noise += byte not in _FILL
        if found is not _NOTHING and error is None:
            error = found
        at += 1
    return Scan(tuple(cuts), b"", noise, error)


def _at_start(buffer: bytes, at: int) -> Cut | FrameError | None:
    """The frame that starts at a byte 68; None while one may still be arriving; else why there is none."""
    arriving = False
    failure = _NOTHING
    data = buffer[at : at + 300]
    for protocol, size_of, first, control_at in _SHAPES:
        size = size_of(data)
        if size is None or size > len(data):
            arriving = True
            continue
        if not size:
            continue
        computed, stated = sum(data[first : size - 2]) & 0xFF, data[size - 2]
        if data[size - 1] == STOP and computed == stated:
            control = data[control_at]
            reply = control in RSP_UD_CONTROLS if protocol == "mbus" else control >= 0x80
            return Cut(protocol, data[:size], reply)
        if data[size - 1] == STOP:
            where = at + size - 2
            text = f"checksum 0x{stated:02X} where 0x{computed:02X} was computed, byte {where} of {len(buffer)}"
            failure = FrameError("frame.checksum", text, where)
    return None if arriving else failure


def _modbus_at(buffer: bytes, at: int) -> Cut | FrameError | None:
    """A Modbus RTU answer; only the start of a buffer may wait for more, for nearly any byte could be a unit."""
    head = buffer[at : at + 3]
    if not 1 <= head[0] <= 247 or (len(head) > 1 and head[1] not in (3, 4, 0x83, 0x84)):
        return _NOTHING
    if len(head) < 3:
        return None if at == 0 else _NOTHING
    size = 5 if head[1] & 0x80 else 5 + head[2]
    if not head[1] & 0x80 and (head[2] % 2 or not 2 <= head[2] <= 250):
        return _NOTHING
    frame = buffer[at : at + size]
    if len(frame) < size:
        return None if at == 0 else _NOTHING
    if crc16(frame[:-2]) != int.from_bytes(frame[-2:], "little"):
        return FrameError("modbus.crc", f"CRC does not fit, byte {at + size - 2} of {len(buffer)}", at + size - 2)
    return Cut("modbus_rtu", frame, True)
