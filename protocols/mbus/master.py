"""The master's side: requests, and the state of reading one meter out to its last telegram.

Rules: bytes and events only, no clock: the caller sends `request()`, gives the events of the answer to `answered`, or
nothing for silence, until `request()` is None. The frame count bit toggles after a good reply only; the number of
telegrams and tries is bounded; an answer that is another meter's is refused.
"""

from collections.abc import Iterable
from enum import Enum
from typing import Final

from protocols.errors import ContentError, FrameError, ProtocolError
from protocols.mbus.addressing import Selection, selection_from_bytes
from protocols.mbus.application import application_error
from protocols.mbus.frame import (
    ACK,
    ADDRESS_BROADCAST_WITH_REPLY,
    ADDRESS_SELECTED,
    FCB,
    REQ_UD1,
    REQ_UD2,
    RSP_UD_CONTROLS,
    SND_NKE,
    SND_UD,
    AckFrame,
    Frame,
    LongFrame,
    ShortFrame,
)
from protocols.mbus.high_first import header_low_first
from protocols.mbus.receiver import Event, Garbage, Received
from protocols.mbus.records import RecordError, records_from_bytes
from protocols.mbus.timing import BAUD_CIS

MORE_TELEGRAMS_LIMIT: Final = 64
CI_ERROR: Final = 0x70
_LONG_HEADER: Final = 12
_LONG_HEADERS: Final = (0x72, 0x76)
_FIXED: Final = (0x73, 0x77)


def initialise_bytes(address: int) -> bytes:
    """SND_NKE: reset the link; to 253 it deselects."""
    return ShortFrame(SND_NKE, address).to_bytes()


def request_bytes(address: int, *, fcb: bool = True, alarm: bool = False) -> bytes:
    """REQ_UD2, or REQ_UD1 for alarms."""
    return ShortFrame((REQ_UD1 if alarm else REQ_UD2) | FCB * fcb, address).to_bytes()


def select_bytes(selection: Selection, *, ci: int = 0x52) -> bytes:
    """SND_UD that selects by secondary address."""
    return LongFrame(SND_UD, ADDRESS_SELECTED, ci, selection.to_bytes()).to_bytes()


def baud_switch_bytes(address: int, baud: int) -> bytes:
    """SND_UD that switches the baud rate. Raises ValueError for a rate without a code."""
    if baud not in BAUD_CIS:
        raise ValueError(f"no code switches to {baud} baud")
    return LongFrame(SND_UD, address, BAUD_CIS[baud]).to_bytes()


def application_reset_bytes(address: int, sub_code: int | None = None) -> bytes:
    """SND_UD with CI 50: back to the standard telegram, or to the one `sub_code` names."""
    return LongFrame(SND_UD, address, 0x50, b"" if sub_code is None else bytes((sub_code,))).to_bytes()


def set_address_bytes(address: int, new_address: int) -> bytes:
    """SND_UD that gives a meter a new primary address (record 01 7A).

    Raises
    ------
    ValueError
        The new address is not 0-250, or the meter is addressed by a broadcast.
    """
    if not 0 <= new_address <= 250:
        raise ValueError(f"primary address {new_address} outside 0-250")
    if address >= ADDRESS_BROADCAST_WITH_REPLY:
        raise ValueError("a broadcast would give every meter the same address")
    return LongFrame(SND_UD, address, 0x51, b"\x01\x7a" + bytes((new_address,))).to_bytes()


class _Step(Enum):
    DESELECT = "deselect"
    INITIALISE = "initialise"
    SELECT = "select"
    REQUEST = "request"
    DONE = "done"


class Readout:
    """Reading one meter: initialise or select, then ask until the last telegram.

    Parameters
    ----------
    target : int or Selection
        Primary address, or a secondary address.
    expected : Selection, optional
        Who has to answer; by default the target where it is a Selection. A different identity is refused
        (``frame.stranger``): a late answer to the previous request must not be booked here.
    tries : int
        How often each request is sent before the readout fails.
    limit : int
        Telegrams accepted from a meter that never ends.
    count_bit : bool, optional
        Frame count bit of the next request, where it is known from the readout before (its `count_bit`): the meter
        at a primary address is then not initialised again.
    deselect : bool
        Whether another meter may still be selected.
    """

    def __init__(
        self,
        target: int | Selection,
        *,
        expected: Selection | None = None,
        tries: int = 3,
        limit: int = MORE_TELEGRAMS_LIMIT,
        count_bit: bool | None = None,
        deselect: bool = True,
    ) -> None:
        self._selection = target if isinstance(target, Selection) else None
        self._address = ADDRESS_SELECTED if isinstance(target, Selection) else target
        self._expected = expected if expected is not None else self._selection
        self._tries, self._limit = tries, limit
        self._failures = 0
        self._fcb = True if count_bit is None or self._selection is not None else count_bit
        if self._selection is not None:
            self._step = _Step.DESELECT if deselect else _Step.SELECT
        else:
            self._step = _Step.INITIALISE if count_bit is None else _Step.REQUEST
        self.frames: list[bytes] = []
        self.error: ProtocolError | None = None
        self.notes: list[str] = []

    @property
    def done(self) -> bool:
        """Whether nothing is left to send; then `error` is None or says why the readout failed."""
        return self._step is _Step.DONE

    @property
    def count_bit(self) -> bool | None:
        """Frame count bit of the next readout; None where the meter has to be initialised for it.

        After several telegrams only that makes the next readout begin with the first.
        """
        return None if self.error is not None or len(self.frames) != 1 else self._fcb

    def wants(self, frame: Frame) -> bool:
        """Whether a frame ends the waiting for an answer; what others say late does not."""
        if self._step is not _Step.REQUEST:
            return isinstance(frame, AckFrame)
        return isinstance(frame, LongFrame) and frame.control in RSP_UD_CONTROLS and self._stranger(frame) is None

    def request(self) -> bytes | None:
        """Bytes to send now; None when done."""
        if self._step in (_Step.DESELECT, _Step.INITIALISE):
            return initialise_bytes(self._address)
        if self._step is _Step.SELECT and self._selection is not None:
            return select_bytes(self._selection)
        if self._step is _Step.REQUEST:
            return request_bytes(self._address, fcb=self._fcb)
        return None

    def answered(self, events: Iterable[Event] = ()) -> None:
        """Take what came until the deadline; nothing is silence."""
        frames = [event for event in events if isinstance(event, Received)]
        garbage = [event for event in events if isinstance(event, Garbage)]
        if self._step is _Step.DESELECT:
            self._step = _Step.SELECT  # whoever was selected acknowledges, mostly nobody does
        elif self._step in (_Step.INITIALISE, _Step.SELECT):
            # Noise before the acknowledge does no harm here: the answer to the request says who is there.
            if any(isinstance(event.frame, AckFrame) for event in frames) or (garbage and garbage[-1].raw[-1:] == ACK):
                self._step, self._failures = _Step.REQUEST, 0
            else:
                self._fail(self._nothing(garbage))
        elif self._step is _Step.REQUEST:
            self._take(frames, garbage)

    def _nothing(self, garbage: list[Garbage]) -> FrameError:
        if garbage:
            return garbage[0].error or FrameError("frame.garbage", "bytes that are no frame", 0)
        return FrameError("frame.silence", f"no answer from address {self._address} to {self._step.value}")

    def _fail(self, error: ProtocolError) -> None:
        self._failures += 1
        if self._failures >= self._tries:
            self.error, self._step = error, _Step.DONE

    def _take(self, frames: list[Received], garbage: list[Garbage]) -> None:
        error: ProtocolError = self._nothing(garbage)
        for event in frames:
            frame = event.frame
            if not isinstance(frame, LongFrame) or frame.control not in RSP_UD_CONTROLS:
                continue
            refusal = self._stranger(frame)
            if refusal is None:
                self._accept(frame, event.raw)
                return
            error = refusal
        self._fail(error)

    def _stranger(self, frame: LongFrame) -> ContentError | None:
        """Why an answer is not this meter's; None if it is."""
        if self._selection is None and self._address < ADDRESS_SELECTED and frame.address != self._address:
            message = f"address {frame.address} answered for {self._address}, byte 5"
            return ContentError("frame.stranger", message, 5)
        identity = identity_of(frame)
        if self._expected is None or identity is None:
            return None
        # A fabrication number is not part of the header: the selection itself vouches for it.
        wanted = selection_from_bytes(self._expected.to_bytes()[:8])
        if wanted.matches(identity):
            return None
        found = selection_from_bytes(identity) if len(identity) == 8 else identity[::-1].hex()
        return ContentError("frame.stranger", f"{found} answered for {wanted}, byte 7", 7)

    def _accept(self, frame: LongFrame, raw: bytes) -> None:
        self._failures = 0
        if frame.ci == CI_ERROR:
            self.error, self._step = application_error(frame.data, 7), _Step.DONE
            return
        if raw in self.frames:
            # The meter ignores the frame count bit and would repeat its telegrams for ever.
            self.notes.append("readout.repeated")
            self._step = _Step.DONE
            return
        self.frames.append(raw)
        self._fcb = not self._fcb
        if not more_follows(frame):
            self._step = _Step.DONE
        elif len(self.frames) >= self._limit:
            self.notes.append("readout.limit")
            self._step = _Step.DONE


def identity_of(frame: LongFrame) -> bytes | None:
    """The eight bytes of a long header, the four of a fixed structure, low byte first; None where there are none."""
    if frame.ci in _LONG_HEADERS and len(frame.data) >= _LONG_HEADER:
        return header_low_first(frame.ci, frame.data)[:8]
    if frame.ci in _FIXED and len(frame.data) >= 4:
        return frame.data[:4] if frame.ci == _FIXED[0] else frame.data[3::-1]
    return None


def more_follows(frame: LongFrame) -> bool:
    """Whether the records end with DIF 1F. Only unencrypted long and short headers can tell."""
    header = {0x72: 12, 0x76: 12, 0x7A: 4, 0x78: 0}.get(frame.ci)
    if header is None or len(frame.data) < header:
        return False
    data = frame.data[header:]
    try:
        return b"\x1f" in data and records_from_bytes(data)[1]
    except RecordError:
        return False
