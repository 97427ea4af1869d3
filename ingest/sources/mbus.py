"""M-Bus master over a level converter: primary and secondary addresses, several telegrams, patience from the baud rate.

Rules (EN 13757-2): one question in flight; an answer is waited for 330 bit times + 50 ms plus what the network may add;
33 bit times of silence between telegrams; after a failure the slave is reset (SND_NKE) before it is asked again; the
frame count bit toggles only after a good answer. A selected slave is deselected before another is chosen.
"""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from ingest.sources.asking import Reply, Target, retried
from ingest.sources.errors import LineClosedError, SilenceError, SourceError
from ingest.sources.mbus_link import Listening, Selection, address_from_text, answer_from, is_ack, refusal_in
from ingest.sources.transport import Line, Patience, character_s
from protocols.errors import ProtocolError
from protocols.mbus import telegram_from_frame
from protocols.mbus.frame import (
    ADDRESS_SELECTED,
    FCB,
    LONGEST_FRAME,
    REQ_UD2,
    SND_NKE,
    SND_UD,
    Frame,
    LongFrame,
    ShortFrame,
)

SELECT = 0x52
ANSWER_BITS = 330
ANSWER_S = 0.05
IDLE_BITS = 33
# A meter with years of history sends a handful; one that never says "last" must not hold the bus.
MAX_TELEGRAMS = 16
# The DIF that says so (EN 13757-3, 6.3.5); most frames hold no such byte and need not be decoded for it.
MORE_FOLLOWS = 0x1F


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
        # Frame count bit of the next question by primary address; a slave that is not in it is reset first.
        self._count_bits: dict[int, int] = {}
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

    async def select(self, selection: Selection, baud_rate: int) -> None:
        """Select the slaves that fit; returns when one acknowledged.

        Raises
        ------
        SilenceError
            None fits.
        CollisionError, GarbledError
            Several answered at once.
        """
        await self.deselect(baud_rate)
        data = selection.to_bytes()
        await self.ask(LongFrame(SND_UD | FCB, ADDRESS_SELECTED, SELECT, data).to_bytes(), baud_rate)
        self._selected = True

    async def deselect(self, baud_rate: int) -> None:
        """Reset the selected slave, whoever it is; not every one acknowledges that."""
        if not self._selected:
            return
        self._selected = False
        try:
            await self.ask(ShortFrame(SND_NKE, ADDRESS_SELECTED).to_bytes(), baud_rate)
        except LineClosedError:
            raise
        except SourceError:
            return

    async def reset(self, address: int, baud_rate: int) -> None:
        """SND_NKE to a primary address. Raises SilenceError where nobody acknowledges."""
        await self.ask(ShortFrame(SND_NKE, address).to_bytes(), baud_rate)
        self._count_bits[address] = FCB

    async def ask(self, request: bytes, baud_rate: int) -> None:
        """Send and wait for the acknowledgement."""
        await self._exchange(request, Listening(request, is_ack), baud_rate)

    async def request(
        self, address: int, sender: int | Selection, count_bit: int, baud_rate: int
    ) -> tuple[LongFrame, bytes]:
        """REQ_UD2: the frame and its bytes as they came. `sender` is who must have sent it."""
        question = ShortFrame(REQ_UD2 | count_bit, address).to_bytes()
        listening = Listening(question, answer_from(sender))
        frame = await self._exchange(question, listening, baud_rate)
        if not isinstance(frame, LongFrame):
            raise SilenceError("an acknowledgement where data was asked for", listening.raw)
        return frame, listening.raw

    async def _readout(self, address: int | Selection, baud_rate: int) -> Reply:
        await self._rested()
        started = asyncio.get_running_loop().time()
        primary = ADDRESS_SELECTED if isinstance(address, Selection) else address
        try:
            if isinstance(address, Selection):
                await self.select(address, baud_rate)
                self._count_bits[primary] = FCB
            elif primary not in self._count_bits:
                await self.reset(primary, baud_rate)
            frames = await self._telegrams(primary, address, baud_rate)
        except SourceError:
            # The next try begins with a reset: the slave's count bit is unknown now.
            self._count_bits.pop(primary, None)
            await self._settle(baud_rate)
            raise
        return Reply(tuple(frames), asyncio.get_running_loop().time() - started)

    async def _telegrams(self, primary: int, sender: int | Selection, baud_rate: int) -> list[bytes]:
        frames: list[bytes] = []
        while len(frames) < MAX_TELEGRAMS:
            count_bit = self._count_bits[primary]
            frame, raw = await self.request(primary, sender, count_bit, baud_rate)
            if (refusal := refusal_in(frame)) is not None:
                raise refusal
            self._count_bits[primary] = count_bit ^ FCB
            if raw in frames:
                break  # the slave ignores the count bit and repeats itself
            frames.append(raw)
            if not _more_follows(raw):
                break
        if len(frames) > 1:
            # Only a reset makes the next readout begin with the first telegram.
            self._count_bits.pop(primary, None)
        return frames

    async def _exchange(self, request: bytes, listening: Listening, baud_rate: int) -> Frame:
        line = await self._ready(baud_rate)
        await self._rested()
        late = line.discard()
        line.send(request)
        patience = self._timing.patience(len(request), baud_rate, whole_frames=self._whole_frames)
        try:
            frame: Frame = await line.answer(listening.find, patience)
        except SilenceError as silence:
            raise listening.reason(silence) from silence
        finally:
            self._whole_frames |= bool(late or listening.strangers)
        self._rest_until = asyncio.get_running_loop().time() + IDLE_BITS / baud_rate
        return frame

    async def _rested(self) -> None:
        left_s = self._rest_until - asyncio.get_running_loop().time()
        if left_s > 0:
            await asyncio.sleep(left_s)

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


def _more_follows(frame: bytes) -> bool:
    if MORE_FOLLOWS not in frame:
        return False
    try:
        return telegram_from_frame(frame).more_follows
    except ProtocolError:
        return False
