"""Frames of the Chinese serial meter protocols, CJ/T 188 and DL/T 645, found in whatever the line delivers.

Rules: this file knows frames, not meters. Both protocols share start 68, stop 16 and a sum modulo 256; a `FrameShape`
row says where their fields lie. Fill bytes FE, noise, echoes and stray start bytes are skipped and counted; a start
byte whose frame does not hold is noise and the search goes on one byte later. The scanner never looks for a frame
inside one that is still arriving: data bytes may look like a frame, and booking them would book one meter's heat on
another.
"""

from dataclasses import dataclass

import msgspec

from protocols.errors import FrameError

START = 0x68
STOP = 0x16
FILL = 0xFE


@dataclass(frozen=True, slots=True)
class FrameShape:
    """Where the fields of one protocol's frame lie; offsets count from the start byte.

    `header` bytes precede the data, two follow it (sum, stop). `longest` is the largest data length the protocol
    allows. `second_start` is the offset of the repeated start byte, None where there is none; `kind_at` that of the
    meter type byte.
    """

    protocol: str
    header: int
    address: tuple[int, int]
    control_at: int
    length_at: int
    longest: int
    second_start: int | None = None
    kind_at: int | None = None


CJT188 = FrameShape("cjt188", header=11, address=(2, 9), control_at=9, length_at=10, longest=0x64, kind_at=1)
DLT645 = FrameShape("dlt645", header=10, address=(1, 7), control_at=8, length_at=9, longest=200, second_start=7)
SHAPES: dict[str, FrameShape] = {shape.protocol: shape for shape in (CJT188, DLT645)}

# Meter types of CJ/T 188 in use; AA addresses any type.
_KINDS = frozenset(range(0x10, 0x50)) | {0xAA}


class SerialFrame(msgspec.Struct, frozen=True, gc=False):
    """One intact frame. `address` and `data` are as transmitted; `kind` is the meter type T of CJ/T 188, 0 on DL/T
    645.
    """

    protocol: str
    address: bytes
    control: int
    data: bytes
    kind: int = 0
    offset: int = 0

    @property
    def is_reply(self) -> bool:
        """Whether the meter speaks (bit 7 of the control byte)."""
        return self.control >= 0x80


def encoded(frame: SerialFrame) -> bytes:
    """Bytes of a frame, from the start byte to the stop byte, without fill bytes.

    Raises
    ------
    ValueError
        A field does not fit its protocol: address length, data length, meter type.
    """
    shape = SHAPES[frame.protocol]
    first, last = shape.address
    if len(frame.address) != last - first:
        raise ValueError(f"an address of {frame.protocol} has {last - first} bytes, not {len(frame.address)}")
    if len(frame.data) > shape.longest:
        raise ValueError(f"{len(frame.data)} data bytes where {frame.protocol} allows {shape.longest}")
    if shape.kind_at is not None:
        if frame.kind not in _KINDS:
            raise ValueError(f"meter type {frame.kind:02X} outside 10-4F")
        head = bytes((START, frame.kind)) + frame.address
    else:
        head = bytes((START,)) + frame.address + bytes((START,))
    body = head + bytes((frame.control, len(frame.data))) + frame.data
    return body + bytes((sum(body) & 0xFF, STOP))


def _candidate(buffer: bytes | bytearray, at: int, shape: FrameShape, base: int) -> SerialFrame | FrameError:
    """The frame that starts at `at`, or why there is none; code ``frame.truncated`` means that bytes are missing."""
    available = len(buffer) - at
    if shape.second_start is not None and available > shape.second_start and buffer[at + shape.second_start] != START:
        where = base + at + shape.second_start
        return FrameError("frame.start", f"second start byte 68 missing at byte {where}", where)
    if shape.kind_at is not None and available > shape.kind_at and buffer[at + shape.kind_at] not in _KINDS:
        where = base + at + shape.kind_at
        return FrameError("frame.type", f"0x{buffer[at + 1]:02X} is no meter type, byte {where}", where)
    if available > shape.length_at and buffer[at + shape.length_at] > shape.longest:
        where = base + at + shape.length_at
        message = f"length {buffer[at + shape.length_at]} above {shape.longest}, byte {where}"
        return FrameError("frame.length", message, where)
    end = at + shape.header + (buffer[at + shape.length_at] if available > shape.length_at else 0) + 2
    if len(buffer) < end:
        message = f"frame of {end - at} bytes or more ends after {available}"
        return FrameError("frame.truncated", message, base + len(buffer))
    computed = sum(buffer[at : end - 2]) & 0xFF
    if buffer[end - 2] != computed:
        where = base + end - 2
        message = f"checksum 0x{buffer[end - 2]:02X} where 0x{computed:02X} was computed, byte {where}"
        return FrameError("frame.checksum", message, where)
    if buffer[end - 1] != STOP:
        where = base + end - 1
        return FrameError("frame.stop", f"0x{buffer[end - 1]:02X} where 16 ends the frame, byte {where}", where)
    first, last = shape.address
    return SerialFrame(
        shape.protocol,
        bytes(buffer[at + first : at + last]),
        buffer[at + shape.control_at],
        bytes(buffer[at + shape.header : end - 2]),
        0 if shape.kind_at is None else buffer[at + shape.kind_at],
        base + at,
    )


def _size(frame: SerialFrame) -> int:
    return SHAPES[frame.protocol].header + len(frame.data) + 2


# How far a candidate came before it failed: the furthest one names the error.
_PROGRESS = {
    "frame.start": 1,
    "frame.type": 2,
    "frame.length": 3,
    "frame.truncated": 4,
    "frame.stop": 6,
    "frame.checksum": 5,
}


class FrameScanner:
    """Incremental scanner: bytes in, frames out, in order, whatever the split.

    Parameters
    ----------
    protocols : tuple of str
        Which frames to accept: ``"cjt188"``, ``"dlt645"`` or both.

    `noise` counts bytes outside frames except fill bytes, `checksum_errors` frames that were whole but summed wrongly,
    and `last_error` says why the latest start byte led to nothing. The buffer never holds more than one longest frame
    beyond what was fed.
    """

    __slots__ = ("_buffer", "_consumed", "_shapes", "checksum_errors", "last_error", "noise")

    def __init__(self, protocols: tuple[str, ...] = ("cjt188", "dlt645")) -> None:
        self._shapes = tuple(SHAPES[name] for name in protocols)
        self._buffer = bytearray()
        self._consumed = 0
        self.noise = 0
        self.checksum_errors = 0
        self.last_error: FrameError | None = None

    def feed(self, data: bytes) -> list[SerialFrame]:
        """Frames that `data` completes."""
        self._buffer += data
        return self._scan(final=False)

    def flush(self) -> list[SerialFrame]:
        """End of the answer (silence on the line): what is incomplete now stays so; frames behind it are still
        found.
        """
        frames = self._scan(final=True)
        self._drop(len(self._buffer))
        return frames

    @property
    def pending(self) -> int:
        """Bytes kept that may still become a frame."""
        return len(self._buffer)

    def _scan(self, *, final: bool) -> list[SerialFrame]:
        frames: list[SerialFrame] = []
        at = 0
        while (start := self._buffer.find(START, at)) >= 0:
            self._count_noise(at, start)
            outcome = self._at(start)
            if isinstance(outcome, SerialFrame):
                frames.append(outcome)
                at = start + _size(outcome)
                continue
            if outcome.code == "frame.truncated" and not final:
                at = start
                break
            self.last_error = self._worse(outcome)
            self.checksum_errors += outcome.code == "frame.checksum"
            self.noise += 1
            at = start + 1
        else:
            self._count_noise(at, len(self._buffer))
            at = len(self._buffer)
        self._drop(at)
        return frames

    def _at(self, start: int) -> SerialFrame | FrameError:
        """A frame of any accepted shape; else "truncated" if any shape may still complete; else the furthest
        failure.
        """
        failures: list[FrameError] = []
        for shape in self._shapes:
            outcome = _candidate(self._buffer, start, shape, self._consumed)
            if isinstance(outcome, SerialFrame):
                return outcome
            failures.append(outcome)
        for failure in failures:
            if failure.code == "frame.truncated":
                return failure
        return max(failures, key=lambda failure: _PROGRESS[failure.code])

    def _worse(self, error: FrameError) -> FrameError:
        known = self.last_error
        return known if known is not None and _PROGRESS[known.code] > _PROGRESS[error.code] else error

    def _count_noise(self, first: int, last: int) -> None:
        self.noise += last - first - self._buffer.count(FILL, first, last)

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._consumed += count


def frames_in(data: bytes, protocols: tuple[str, ...] = ("cjt188", "dlt645")) -> list[SerialFrame]:
    """All intact frames in `data`, in order."""
    scanner = FrameScanner(protocols)
    return scanner.feed(data) + scanner.flush()


def frame_in(data: bytes, protocol: str) -> SerialFrame:
    """The frame that `data` is about: the last reply (an echo of the request may precede it), else the last frame.

    Raises
    ------
    FrameError
        No intact frame; code and offset tell how far the most promising one came.
    """
    if len(data) > 12 and data[0] == START:
        outcome = _candidate(data, 0, SHAPES[protocol], 0)
        if isinstance(outcome, SerialFrame) and _size(outcome) == len(data):
            return outcome
    scanner = FrameScanner((protocol,))
    frames = scanner.feed(data) + scanner.flush()
    if not frames:
        if scanner.last_error is not None:
            raise scanner.last_error
        raise FrameError("frame.empty" if not data else "frame.start", "no start byte 68", 0)
    replies = [frame for frame in frames if frame.is_reply]
    return (replies or frames)[-1]
