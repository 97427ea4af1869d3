"""Bytes from a bus in, events out: cuts frames from a stream and finds back into step after garbage.

Rules: no sockets and no clock here; the caller says what it sent (`sent`), so its echo is told from an answer, and
calls `flush` when the gap between bytes grew too long. After garbage only whole frames with a right check sum count;
an E5 within garbage is no acknowledge. Nothing is lost: every byte fed comes out in exactly one event.
"""

from dataclasses import dataclass
from typing import Final

from protocols.errors import FrameError
from protocols.mbus.frame import LONGEST_FRAME, START_LONG, START_SHORT, Frame, frame_from_bytes, frame_length

_STARTS: Final = (START_SHORT, START_LONG)


@dataclass(frozen=True, slots=True)
class Received:
    """A whole frame, check sum right."""

    frame: Frame
    raw: bytes


@dataclass(frozen=True, slots=True)
class Echo:
    """The own request come back, as optical heads and some gateways send it."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class Garbage:
    """Bytes that are no frame; `error` says why, where a frame seemed to start. On a probe: a collision."""

    raw: bytes
    error: FrameError | None = None


Event = Received | Echo | Garbage


class FrameReceiver:
    """Cuts one stream into events. Memory is bounded by the longest frame and what one `feed` brings."""

    __slots__ = ("_buffer", "_error", "_garbage", "_request", "_strict")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._garbage = bytearray()
        self._error: FrameError | None = None
        self._request = b""
        self._strict = False  # out of step: an E5 counts no more

    @property
    def pending(self) -> int:
        """Bytes of an unfinished frame that wait for more."""
        return len(self._buffer)

    def sent(self, request: bytes) -> None:
        """Note the request just written: until something else comes, the same bytes are its echo."""
        self._request = request

    def feed(self, data: bytes) -> list[Event]:
        """Events that `data` completes."""
        self._buffer += data
        return self._cut(final=False)

    def flush(self) -> list[Event]:
        """Events of what waited for more: nothing more comes. The next byte starts afresh."""
        events = self._cut(final=True)
        self._strict = False
        return events

    def _cut(self, *, final: bool) -> list[Event]:
        events: list[Event] = []
        buffer = self._buffer
        while buffer:
            try:
                length = frame_length(bytes(buffer[:4]))
                if length is None or length > len(buffer):
                    if not final:
                        break
                    raise FrameError("frame.truncated", f"{len(buffer)} bytes of an unfinished frame", len(buffer))
                if length == 1 and self._strict:
                    raise FrameError("frame.start", "acknowledge within garbage", 0)
                raw = bytes(buffer[:length])
                frame = frame_from_bytes(raw)
            except FrameError as error:
                self._skip(error)
                continue
            del buffer[:length]
            self._emit_garbage(events)
            self._strict = False
            if raw == self._request:
                self._request = b""
                events.append(Echo(raw))
            else:
                events.append(Received(frame, raw))
        if final or not self._strict or len(self._garbage) > LONGEST_FRAME:
            self._emit_garbage(events)
        return events

    def _skip(self, error: FrameError) -> None:
        """Move on to the next byte that could start a frame."""
        buffer = self._buffer
        if not self._garbage:
            self._error = error
        at = 1
        while at < len(buffer) and buffer[at] not in _STARTS:
            at += 1
        self._garbage += buffer[:at]
        del buffer[:at]
        self._strict = True

    def _emit_garbage(self, events: list[Event]) -> None:
        if self._garbage:
            events.append(Garbage(bytes(self._garbage), self._error))
            self._garbage.clear()
            self._error = None
