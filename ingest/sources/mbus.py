"""M-Bus master over a level converter: one line, patience from the baud rate, what is known of the slaves.

Rules (EN 13757-2): one question in flight; an answer is waited for 330 bit times + 50 ms plus what the network may add;
33 bit times of silence between telegrams; after a failure the line is drained and the slave initialised before it is
asked again. What to ask and whom to believe, the sans-IO machines of `protocols.mbus` know.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from ingest.sources.asking import Reply, Target, retried
from ingest.sources.errors import (
    CollisionError,
    GarbledError,
    LineClosedError,
    RefusedError,
    SilenceError,
    SourceError,
    StrangerError,
)
from ingest.sources.transport import Line, Patience, character_s
from protocols.errors import DeviceError, ProtocolError
from protocols.mbus import FrameReceiver, Readout, Selection
from protocols.mbus.addressing import address_from_text
from protocols.mbus.frame import ADDRESS_SELECTED, LONGEST_FRAME, Frame, LongFrame
from protocols.mbus.receiver import Event, Received

ANSWER_BITS = 330
ANSWER_S = 0.05
IDLE_BITS = 33
# A meter with years of history sends a handful; one that never says "last" must not hold the bus.
MAX_TELEGRAMS = 16
# Code of a readout's failure -> class; whatever else is wrong with a frame, it is garbled.
_REASONS: Final[dict[str, type[SourceError]]] = {
    "frame.silence": SilenceError,
    "frame.stranger": StrangerError,
    "frame.start": CollisionError,
    "frame.garbage": CollisionError,
}


class Machine(Protocol):
    """A conversation of `protocols.mbus`: what to send, what ends the waiting, what came."""

    def request(self) -> bytes | None:
        """Bytes to send now; None when done."""
        ...

    def wants(self, frame: Frame) -> bool:
        """Whether a frame ends the waiting."""
        ...

    def answered(self, events: Iterable[Event] = ()) -> None:
        """What came."""
        ...


class _Hearing:
    """What a line brings after a question, as events; handed to `Line.answer`, which gives all bytes each time."""

    __slots__ = ("_fed", "_receiver", "_wants", "events")

    def __init__(self, request: bytes, wants: Callable[[Frame], bool]) -> None:
        self._receiver = FrameReceiver()
        self._receiver.sent(request)
        self._wants = wants
        self._fed = 0
        self.events: list[Event] = []

    def __call__(self, buffer: bytes) -> list[Event] | None:
        """The events once a wanted frame is among them."""
        fresh = self._receiver.feed(buffer[self._fed :])
        self._fed = len(buffer)
        self.events += fresh
        ended = any(isinstance(event, Received) and self._wants(event.frame) for event in fresh)
        return self.events if ended else None

    @property
    def strangers(self) -> bool:
        """Whether an answer came that was not waited for: one to an earlier question."""
        frames = [event.frame for event in self.events if isinstance(event, Received)]
        return any(isinstance(frame, LongFrame) and not self._wants(frame) for frame in frames)

    def end(self) -> list[Event]:
        """The events when nothing more comes."""
        self.events += self._receiver.flush()
        return self.events


class LineOpener(Protocol):
    """Opens the line at a bus speed; TCP gateways ignore the speed, serial ports need it."""

    async def __call__(self, baud_rate: int) -> Line:
        """Open line. Raises LineClosedError."""
        ...


@dataclass(frozen=True, slots=True)
class MbusTiming:
    """What the network adds: `network_s` to the first byte of an answer, `gap_s` between its pieces.

    `answer_s` is what the standard grants a slave beside its 330 bit times.
    """

    network_s: float = 1.0
    gap_s: float = 0.3
    answer_s: float = ANSWER_S

    def patience(self, request: int, baud_rate: int, *, whole_frames: bool = False) -> Patience:
        """Deadlines for the answer to a question of `request` bytes; `whole_frames`: nothing comes before all of it."""
        first_s = request * character_s(baud_rate) + ANSWER_BITS / baud_rate + self.answer_s + self.network_s
        gap_s = IDLE_BITS / baud_rate + self.gap_s
        frame_s = LONGEST_FRAME * character_s(baud_rate)
        return Patience(first_s + frame_s * whole_frames, gap_s, first_s + frame_s + 2 * gap_s)


class MbusMaster:
    """The one master of a bus.

    Parameters
    ----------
    open_line : LineOpener
        Opens the line again after a loss.
    timing : MbusTiming
        Allowances of the network.
    speed_matters : bool
        The line must be opened anew for another speed (a local port); a TCP gateway has its own.
    """

    protocol = "mbus"

    def __init__(self, open_line: LineOpener, timing: MbusTiming | None = None, *, speed_matters: bool = False) -> None:
        self._open_line = open_line
        self._timing = timing or MbusTiming()
        self._line: Line | None = None
        self._baud_rate = 0
        self._speed_matters = speed_matters
        # Frame count bit of the next question by primary address; a slave that is not in it is initialised first.
        self._count_bits: dict[int, bool] = {}
        self._selected = False
        # Many gateways hand a frame on when they have all of it. Late answers show that; then silence takes longer to
        # tell, so nobody is given that time before.
        self._whole_frames = False
        # Before this time of the loop the bus rests; what the poller does meanwhile costs the bus nothing.
        self._rest_until = 0.0

    async def close(self) -> None:
        """Hang up; what was known of the slaves' states is forgotten."""
        if self._line is not None:
            self._line.close()
            self._line = None
        self._count_bits.clear()
        self._selected = False

    async def read(self, target: Target, tries: int) -> Reply:
        """All telegrams of a meter's readout. Raises SourceError."""
        try:
            address = address_from_text(target.address)
        except ValueError as error:
            raise SourceError(str(error)) from error
        try:
            return await retried(
                lambda _: self._readout(address, target.baud_rate), tries, IDLE_BITS / target.baud_rate
            )
        except LineClosedError:
            await self.close()
            raise

    async def converse(self, machine: Machine, baud_rate: int) -> bool:
        """One question and its answer; False where the machine has none. Raises LineClosedError."""
        request = machine.request()
        if request is None:
            return False
        line = await self._ready(baud_rate)
        await self._rested()
        late = line.discard()
        line.send(request)
        hearing = _Hearing(request, machine.wants)
        try:
            patience = self._timing.patience(len(request), baud_rate, whole_frames=self._whole_frames)
            events = await line.answer(hearing, patience)
        except SilenceError:
            events = hearing.end()
        self._whole_frames |= bool(late) or hearing.strangers
        self._rest_until = asyncio.get_running_loop().time() + IDLE_BITS / baud_rate
        machine.answered(events)
        return True

    async def _rested(self) -> None:
        left_s = self._rest_until - asyncio.get_running_loop().time()
        if left_s > 0:
            await asyncio.sleep(left_s)

    async def readout(self, address: int | Selection, baud_rate: int, limit: int = MAX_TELEGRAMS) -> Readout:
        """A meter's telegrams, each request sent once. Raises SourceError."""
        primary = ADDRESS_SELECTED if isinstance(address, Selection) else address
        # The slave's count bit is unknown unless this readout ends well.
        known = self._count_bits.pop(primary, None)
        readout = Readout(address, tries=1, limit=limit, count_bit=known, deselect=self._selected)
        self._selected = self._selected or isinstance(address, Selection)
        while await self.converse(readout, baud_rate):
            pass
        if readout.error is not None:
            await self._settle(baud_rate)
            raise _source_error(readout.error) from readout.error
        if readout.count_bit is not None and not isinstance(address, Selection):
            self._count_bits[primary] = readout.count_bit
        return readout

    async def _readout(self, address: int | Selection, baud_rate: int) -> Reply:
        await self._rested()
        started = asyncio.get_running_loop().time()
        readout = await self.readout(address, baud_rate)
        return Reply(tuple(readout.frames), asyncio.get_running_loop().time() - started)

    async def _ready(self, baud_rate: int) -> Line:
        speed_fits = self._baud_rate == baud_rate or not self._speed_matters
        if self._line is not None and self._line.is_open and speed_fits:
            return self._line
        await self.close()
        self._line = await self._open_line(baud_rate)
        self._baud_rate = baud_rate
        return self._line

    async def _settle(self, baud_rate: int) -> None:
        """Let what is still on its way arrive and be thrown away, so that no later question gets it."""
        if self._line is not None and self._line.is_open:
            idle_s = IDLE_BITS / baud_rate
            await self._line.quiet(idle_s, LONGEST_FRAME * character_s(baud_rate))


def _source_error(error: ProtocolError) -> SourceError:
    """A readout's failure as what a poller understands."""
    kind = RefusedError if isinstance(error, DeviceError) else _REASONS.get(error.code, GarbledError)
    return kind(error.message)
