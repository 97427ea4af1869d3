"""CJ/T 188 and DL/T 645 meters behind a serial server: they answer their own address, and only well-formed questions.

Rules: a bad sum or another's address gets silence; the answer carries the question's serial number; a data identifier
that the meter does not have gets the protocol's error answer; AA bytes as an address reach whoever is alone on the
line.
"""

from collections.abc import Mapping
from typing import Any, Literal

from protocols.cjt188.decoding import identifier_of
from protocols.dlt645.codec import FOLLOW_UP_1997, FOLLOW_UP_2007, READ_1997
from protocols.errors import FrameError
from protocols.serial_frame import FrameScanner, SerialFrame, encoded, frame_in
from simulators.line import LineServer, Readable

# A meter may think for half a second; most need a tenth of that.
THINKING_S = (0.02, 0.06)
_READS = {"cjt188": frozenset((0x01,)), "dlt645": frozenset((READ_1997, FOLLOW_UP_1997, 0x11, FOLLOW_UP_2007))}
_READ_ADDRESS = {"cjt188": frozenset((0x03,)), "dlt645": frozenset((0x13,))}
PRESENT_VALUES = 0x901F
_UNKNOWN_IDENTIFIER = {"cjt188": b"\x01\x00", "dlt645": bytes(((0x02 + 0x33) & 0xFF,))}


class SerialServer(LineServer):
    """`async with SerialServer("cjt188", {"00000000012345": meter}) as server:` serves at `server.address`.

    Parameters
    ----------
    protocol : {"cjt188", "dlt645"}
        What the meters speak.
    meters : mapping
        Address digits as printed (14 or 12) -> what gives the answer frame at an instant.
    longest_data : int
        Data bytes of one DL/T 645 frame; longer answers come in follow-up frames.
    **line
        See `LineServer`.
    """

    def __init__(
        self,
        protocol: Literal["cjt188", "dlt645"],
        meters: Mapping[str, Readable],
        *,
        longest_data: int = 200,
        **line: Any,
    ) -> None:
        super().__init__(**({"connections": 2} | line))
        self.longest_data = longest_data
        self.protocol = protocol
        self._by_wire: dict[bytes, Readable] = {}
        # Number of the piece that a meter sent last.
        self._pieces: dict[bytes, int] = {}
        for digits, meter in meters.items():
            # Little-endian is the standard, big-endian what some makers send.
            self._by_wire[bytes.fromhex(digits)] = meter
            self._by_wire[bytes.fromhex(digits)[::-1]] = meter
        self._alone = next(iter(meters.values())) if len(meters) == 1 else None

    def next_request(self, buffer: bytearray) -> bytes | None:
        """One frame off the buffer, fill bytes and noise before it dropped."""
        scanner = FrameScanner((self.protocol,))
        frames = scanner.feed(bytes(buffer))
        if not frames:
            if len(buffer) > 512:
                buffer.clear()
            return None
        request = encoded(frames[0])
        del buffer[: frames[0].offset + len(request)]
        return request

    def answer_delay_s(self) -> float:
        """20 to 60 ms."""
        return self._random.uniform(*THINKING_S)

    async def respond(self, request: bytes) -> bytes:
        """The meter's answer frame, or silence."""
        frame = frame_in(request, self.protocol)
        broadcast = set(frame.address) == {0xAA}
        meter = self._alone if broadcast else self._by_wire.get(frame.address)
        if meter is None or frame.is_reply:
            return b""
        raw = self._raw(meter, frame)
        try:
            answer = frame_in(raw, self.protocol)
        except FrameError:
            return raw  # a meter that talks rubbish goes on talking rubbish
        if frame.control in _READ_ADDRESS[self.protocol]:
            return encoded(SerialFrame(self.protocol, answer.address, frame.control | 0x80, b"", answer.kind))
        if not broadcast and answer.address not in (frame.address, frame.address[::-1]):
            return raw  # crossed wires: another meter's answer
        if frame.control not in _READS[self.protocol]:
            return self._refusal(frame, answer)
        return self._answer(frame, answer)

    def _raw(self, meter: Readable, asked: SerialFrame) -> bytes:
        """What the meter says to a question: present values, or another identifier where it has that."""
        at = self.clock.now()
        if self.protocol == "cjt188" and asked.control in _READS["cjt188"] and len(asked.data) >= 2:
            other = getattr(meter, "identifier_bytes", None)
            identifier, _, _ = identifier_of(asked.data)
            found: bytes = other(at, identifier) if other is not None and identifier != PRESENT_VALUES else b""
            if found:
                return found
        return meter.telegram_bytes(at)

    def _answer(self, asked: SerialFrame, answer: SerialFrame) -> bytes:
        if self.protocol == "cjt188":
            if asked.data[:2] not in (answer.data[:2], answer.data[1::-1]):
                return self._refusal(asked, answer)
            data = answer.data[:2] + asked.data[2:3] + answer.data[3:]
            return encoded(SerialFrame(self.protocol, answer.address, answer.control, data, answer.kind))
        if not answer.data.startswith(asked.data[:4]):
            return self._refusal(asked, answer)
        return encoded(self._piece(asked, answer))

    def _piece(self, asked: SerialFrame, answer: SerialFrame) -> SerialFrame:
        """The part of an answer that one frame takes: the first, or the next one (2007 asks for it by number)."""
        size = 2 if asked.control in (READ_1997, FOLLOW_UP_1997) else 4
        number = 0
        if asked.control == FOLLOW_UP_2007:
            number = (asked.data[-1] - 0x33) & 0xFF
        elif asked.control == FOLLOW_UP_1997:
            number = self._pieces.get(asked.address, 0) + 1
        self._pieces[asked.address] = number
        at, end = size + number * self.longest_data, size + (number + 1) * self.longest_data
        control = (asked.control | 0x80) | (0x20 if end < len(answer.data) else 0)
        data = answer.data[:size] + answer.data[at:end] + (asked.data[-1:] if number and size == 4 else b"")
        return SerialFrame(self.protocol, answer.address, control, data, answer.kind)

    def _refusal(self, asked: SerialFrame, answer: SerialFrame) -> bytes:
        data = _UNKNOWN_IDENTIFIER[self.protocol]
        if self.protocol == "cjt188":
            data = asked.data[2:3] + data
        return encoded(SerialFrame(self.protocol, answer.address, asked.control | 0xC0, data, answer.kind))
