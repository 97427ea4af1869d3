"""An M-Bus level converter with its slaves, over TCP: addressing, selection, count bits and collisions as on the wire.

Rules (EN 13757-2): a slave answers only what is addressed to it; the count bit decides between repeating and going on;
what several slaves say at once is the bitwise AND of it (a space pulls the line down), now and then with one bit late.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from protocols.errors import FrameError
from protocols.mbus.frame import (
    ACK,
    ADDRESS_BROADCAST,
    ADDRESS_BROADCAST_WITH_REPLY,
    ADDRESS_SELECTED,
    FCB,
    REQ_UD1,
    REQ_UD2,
    SND_NKE,
    SND_UD,
    LongFrame,
    ShortFrame,
    frame_from_bytes,
    frame_length,
)
from simulators.faults_transport import collided
from simulators.line import LineServer, Readable

SELECTORS = frozenset((0x52, 0x56))
LONG_HEADERS = frozenset((0x72, 0x76))
FCV = 0x10
# A slave answers 11 to 330 bit times + 50 ms after the question; most are quick.
QUICKEST_BITS, USUAL_BITS = 11, 60
# What masters see of two acknowledgements that are not quite in step.
GARBLED_ACKS = (b"\xfc", b"\xfd", b"\xfe", b"\xa5", b"\x00")


@dataclass(slots=True)
class MbusSlave:
    """A meter on the bus.

    meter: gives its whole telegram (a wired long frame) at an instant; where it has `telegrams_bytes(at)`, that gives
    all telegrams of a readout. primary: bus address 0-250. identity: the 8 bytes it is selected by, read from its first
    telegram where None. fabrication: 8 digits for the enhanced selection, empty where it does not know that.
    """

    meter: Readable
    primary: int = 0
    identity: bytes | None = None
    fabrication: str = ""
    selected: bool = False
    count_bit: int | None = None
    position: int = 0
    readout: Sequence[bytes] = ()

    @classmethod
    def from_link(cls, address: str, meter: Readable) -> "MbusSlave":
        """Slave of a registry link: "5", or "12345678.2C2D.34.04" (then its primary address is 0)."""
        if address.isdigit() and len(address) <= 3:
            return cls(meter, int(address))
        identification, manufacturer, version, medium = (f"{address}.0000.00.00".split("."))[:4]
        identity = bytes.fromhex(identification)[::-1] + bytes.fromhex(manufacturer)[::-1]
        return cls(meter, 0, identity + bytes.fromhex(version + medium))

    def matches(self, data: bytes, at: datetime) -> bool:
        """Whether a selection (8 bytes, or 14 with a fabrication number) means this slave."""
        identity = self._identity(at)
        if len(data) not in (8, 14) or len(identity) < 8:
            return False
        for wanted, own in zip(data[:4], identity[:4], strict=True):
            if wanted >> 4 not in (0xF, own >> 4) or wanted & 15 not in (0xF, own & 15):
                return False
        rest = ((data[4:6], identity[4:6]), (data[6:7], identity[6:7]), (data[7:8], identity[7:8]))
        if any(wanted != own and set(wanted) != {0xFF} for wanted, own in rest):
            return False
        return len(data) == 8 or self._made_as(data[8:])

    def _made_as(self, record: bytes) -> bool:
        if not self.fabrication or record[:2] != b"\x0c\x78":
            return False
        wanted = record[5:1:-1].hex().upper()
        return all(digit in ("F", own) for digit, own in zip(wanted, self.fabrication, strict=True))

    def _identity(self, at: datetime) -> bytes:
        if self.identity is None:
            frame = _long_frame(self.meter.telegram_bytes(at))
            if frame is None or frame.ci not in LONG_HEADERS:
                return b""
            self.identity = frame.data[:8]
        return self.identity

    def reset(self) -> None:
        """SND_NKE: the next readout begins anew."""
        self.count_bit, self.position, self.readout = None, 0, ()

    def answer(self, control: int, at: datetime) -> bytes:
        """RSP_UD to a REQ_UD2: the next telegram, or the same again where the count bit did not change."""
        bit = control & FCB
        if control & FCV and self.count_bit == bit and self.readout:
            return self.readout[self.position]
        self.position += 1
        if self.count_bit is None or self.position >= len(self.readout):
            self.readout, self.position = self._telegrams(at), 0
        self.count_bit = bit
        return self.readout[self.position] if self.readout else b""

    def _telegrams(self, at: datetime) -> Sequence[bytes]:
        several = getattr(self.meter, "telegrams_bytes", None)
        frames = several(at) if several is not None else [self.meter.telegram_bytes(at)]
        return [self._addressed(frame) for frame in frames if frame]

    def _addressed(self, raw: bytes) -> bytes:
        """With the slave's own address; what a broken meter says goes out as it is."""
        frame = _long_frame(raw)
        if frame is None or frame.address == self.primary:
            return raw
        return LongFrame(frame.control, self.primary, frame.ci, frame.data).to_bytes()


class MbusServer(LineServer):
    """`async with MbusServer([MbusSlave(meter, 5)]) as server:` is a converter at `server.address`.

    Parameters
    ----------
    slaves : iterable of MbusSlave
        What hangs on the bus.
    **line
        See `LineServer`: `baud_rate`, `speed_up`, `connections` (1: further masters are refused), `behaviour`, `seed`.
    """

    def __init__(self, slaves: Iterable[MbusSlave], **line: Any) -> None:
        super().__init__(**line)
        self.slaves = list(slaves)
        self.collisions = 0

    def next_request(self, buffer: bytearray) -> bytes | None:
        """One frame off the buffer; what starts none is dropped."""
        while buffer:
            try:
                length = frame_length(bytes(buffer[:4]))
                if length is None or len(buffer) < length:
                    return None
                request = bytes(buffer[:length])
                frame_from_bytes(request)
            except FrameError:
                del buffer[:1]
                continue
            del buffer[:length]
            return request
        return None

    def answer_delay_s(self) -> float:
        """11 to 60 bit times."""
        return self._random.uniform(QUICKEST_BITS, USUAL_BITS) / self.baud_rate if self.baud_rate else 0.0

    async def respond(self, request: bytes) -> bytes:
        """What the bus answers."""
        frame = frame_from_bytes(request)
        at = self.clock.now()
        if isinstance(frame, LongFrame):
            return self._sent(frame, at)
        if not isinstance(frame, ShortFrame):
            return b""
        addressed = self._addressed(frame.address)
        kind = frame.control & ~(FCB | FCV)
        if kind == SND_NKE:
            for slave in addressed:
                slave.reset()
                slave.selected = slave.selected and frame.address != ADDRESS_SELECTED
            return b"" if frame.address == ADDRESS_BROADCAST else self._together([ACK] * len(addressed))
        if kind == REQ_UD2 & ~FCV:
            return self._together([slave.answer(frame.control, at) for slave in addressed])
        if kind == REQ_UD1 & ~FCV:
            return self._together([ACK] * len(addressed))
        return b""

    def _sent(self, frame: LongFrame, at: datetime) -> bytes:
        if frame.control & ~FCB != SND_UD:
            return b""
        if frame.address != ADDRESS_SELECTED or frame.ci not in SELECTORS:
            addressed = self._addressed(frame.address)
            return b"" if frame.address == ADDRESS_BROADCAST else self._together([ACK] * len(addressed))
        for slave in self.slaves:
            slave.selected = slave.matches(frame.data, at)
            if slave.selected:
                slave.reset()
        return self._together([ACK for slave in self.slaves if slave.selected])

    def _addressed(self, address: int) -> list[MbusSlave]:
        if address == ADDRESS_SELECTED:
            return [slave for slave in self.slaves if slave.selected]
        if address in (ADDRESS_BROADCAST, ADDRESS_BROADCAST_WITH_REPLY):
            return self.slaves
        return [slave for slave in self.slaves if slave.primary == address]

    def _together(self, answers: Sequence[bytes]) -> bytes:
        """What is heard when all of these are said at once."""
        speaking = [answer for answer in answers if answer]
        if len(speaking) < 2:
            return speaking[0] if speaking else b""
        self.collisions += 1
        if all(answer == ACK for answer in speaking):
            return ACK if self._random.random() < 0.5 else self._random.choice(GARBLED_ACKS)
        return collided(speaking, self._random.getrandbits(32))


def _long_frame(raw: bytes) -> LongFrame | None:
    try:
        frame = frame_from_bytes(raw)
    except FrameError:
        return None
    return frame if isinstance(frame, LongFrame) else None
