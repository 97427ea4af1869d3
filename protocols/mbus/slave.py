"""The slave's side: what a meter on the bus answers to a request, with its link state; for simulators.

Rules: one request in, the answer's bytes or None out; the state is what the standard gives a slave: address, frame
count bit, which telegram is next, whether it is selected.
"""

from collections.abc import Callable, Sequence
from typing import Final

from protocols.errors import ContentError
from protocols.mbus.addressing import CI_SELECT, selection_from_bytes
from protocols.mbus.frame import (
    ACK,
    ADDRESS_BROADCAST,
    ADDRESS_BROADCAST_WITH_REPLY,
    ADDRESS_SELECTED,
    FCB,
    REQ_UD1,
    REQ_UD2,
    RSP_UD,
    SND_NKE,
    SND_UD,
    Frame,
    LongFrame,
    ShortFrame,
)
from protocols.mbus.header import bytes_from_meter
from protocols.mbus.timing import BAUD_RATES
from protocols.telegram import MeterId

_SET_ADDRESS: Final = b"\x01\x7a"

# What a slave says to a request for data: (CI, user data) of each telegram of its readout.
Answers = Callable[[], Sequence[tuple[int, bytes]]]


class Slave:
    """Link state of one meter.

    Parameters
    ----------
    meter : MeterId
        Identity by which it can be selected.
    address : int
        Primary address, 0-250.
    fabrication : str, optional
        Eight digits of the fabrication number for enhanced selection; None: the meter does not know that selection.
    """

    def __init__(
        self,
        meter: MeterId,
        address: int = 0,
        *,
        fabrication: str | None = None,
        medium_code: int | None = None,
        baud: int = 2400,
    ) -> None:
        self._header = bytes_from_meter(meter, medium_code)
        self._fabrication = fabrication
        self.address = address
        self.baud = baud
        self.selected = False
        self.application: int | None = None  # sub code of the last application reset
        self._next = 0
        self._fcb: bool | None = None

    def answer(self, request: Frame, answers: Answers, alarm: bytes | None = None) -> bytes | None:
        """Answer to one request; None is silence.

        Parameters
        ----------
        answers : callable
            Called when data are asked for: the telegrams of the readout, the last one without DIF 1F.
        alarm : bytes, optional
            Data for REQ_UD1; None acknowledges that there is nothing to tell.
        """
        if isinstance(request, ShortFrame):
            return self._short(request, answers, alarm)
        if isinstance(request, LongFrame) and request.control & ~FCB == SND_UD:
            return self._command(request)
        return None

    def _meant(self, address: int) -> bool:
        if address == ADDRESS_SELECTED:
            return self.selected
        return address in (self.address, ADDRESS_BROADCAST_WITH_REPLY, ADDRESS_BROADCAST)

    def _short(self, request: ShortFrame, answers: Answers, alarm: bytes | None) -> bytes | None:
        if not self._meant(request.address):
            return None
        reply: bytes | None = None
        if request.control == SND_NKE:
            self._next, self._fcb = 0, None
            if request.address == ADDRESS_SELECTED:
                self.selected = False
            reply = ACK
        elif request.control & ~FCB == REQ_UD2:
            reply = self._data(bool(request.control & FCB), answers())
        elif request.control & ~FCB == REQ_UD1:
            reply = ACK if alarm is None else LongFrame(RSP_UD, self.address, 0x71, alarm).to_bytes()
        return None if request.address == ADDRESS_BROADCAST else reply

    def _data(self, fcb: bool, telegrams: Sequence[tuple[int, bytes]]) -> bytes | None:
        if not telegrams:
            return None
        # A toggled bit asks for the next telegram, the same bit for a repetition.
        if self._fcb is not None and fcb != self._fcb:
            self._next = (self._next + 1) % len(telegrams)
        self._fcb = fcb
        ci, data = telegrams[min(self._next, len(telegrams) - 1)]
        return LongFrame(RSP_UD, self.address, ci, data).to_bytes()

    def _command(self, request: LongFrame) -> bytes | None:
        if request.address == ADDRESS_SELECTED and request.ci in CI_SELECT:
            return self._select(request.data)
        if not self._meant(request.address):
            return None
        if request.ci in BAUD_RATES:
            self.baud = BAUD_RATES[request.ci]
        elif request.ci == 0x50:
            self.application = request.data[0] if request.data else None
            self._next, self._fcb = 0, None
        elif request.ci == 0x51 and request.data[:2] == _SET_ADDRESS and len(request.data) == 3:
            self.address = request.data[2]
        return None if request.address == ADDRESS_BROADCAST else ACK

    def _select(self, data: bytes) -> bytes | None:
        try:
            selection = selection_from_bytes(data)
        except ContentError:
            return None
        # Another meter's selection deselects this one, silently.
        self.selected = selection.matches(self._header, self._fabrication)
        if not self.selected:
            return None
        self._next, self._fcb = 0, None
        return ACK


def superposed(answers: Sequence[bytes]) -> bytes:
    """What the master reads when several slaves answer at once.

    On the line a 0 bit wins over 1 bits, in the parity bit too: a character whose parity then fails is lost, as a
    converter drops it. Equal answers stay whole.
    """
    present = [answer for answer in answers if answer]
    merged = bytearray()
    for place in range(max((len(answer) for answer in present), default=0)):
        byte, parity = 0xFF, 1
        for answer in present:
            if place < len(answer):
                byte &= answer[place]
                parity &= answer[place].bit_count() & 1
        if byte.bit_count() & 1 == parity:
            merged.append(byte)
    return bytes(merged)
