"""Masters for CJ/T 188 and DL/T 645 meters on RS-485, behind serial servers, DTUs or a local port.

Rules: point to point only, reads only (nothing here can move a valve); an answer counts when address, control code,
data identifier (either byte order) and serial number are those of the question; everything else on the line – echo,
noise, a late answer of another meter – is passed over and named in the error if no answer follows.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from ingest.profiles import profile_named
from ingest.sources.asking import Reply, Target, retried
from ingest.sources.errors import GarbledError, LineClosedError, RefusedError, SilenceError, SourceError, StrangerError
from ingest.sources.transport import Line, Opener, Patience, character_s
from protocols import cjt188, dlt645
from protocols.cjt188.dialects import Dialect
from protocols.errors import ProfileError
from protocols.serial_frame import FrameScanner, SerialFrame, encoded, frame_in

# Both standards let a meter think for half a second; converters and networks add theirs.
THINKING_S = 0.5
GAP_CHARACTERS = 30
# Wakes the optical and battery-driven ones; all others skip it.
FILL_BYTES = b"\xfe\xfe\xfe\xfe"
HEAT = 0x20
# Of one answer: a load profile of a month stays below; a meter that announces more for ever is out of order.
_MOST_FRAMES = 64


def _is_whole(answer: SerialFrame, number: int) -> SerialFrame | None:
    return None


@dataclass(frozen=True, slots=True)
class Question:
    """A request and what its answer must look like.

    `matches` gets the question and a reply frame of any meter; `following` gets an answer and a number from 1 and says
    what to ask for the rest of it, None where it is whole.
    """

    frame: SerialFrame
    longest_answer: int
    matches: Callable[[SerialFrame, SerialFrame], bool]
    following: Callable[[SerialFrame, int], SerialFrame | None] = _is_whole


Questions = Callable[[Target, int], tuple[Question, ...]]


class SerialMaster:
    """Asks meters of one half-duplex line.

    Parameters
    ----------
    protocol : {"cjt188", "dlt645"}
        Frame shape and protocol of the deliveries.
    open_line : Opener
        Opens the line again after a loss.
    questions : callable
        (target, serial number) -> the questions that make one reading.
    network_s : float
        What converter and network may add to every answer.
    """

    def __init__(self, protocol: str, open_line: Opener, questions: Questions, *, network_s: float = 1.0) -> None:
        self.protocol = protocol
        self._open_line = open_line
        self._questions = questions
        self._network_s = network_s
        self._line: Line | None = None
        self._numbers: Iterator[int] = itertools.cycle(range(256))

    async def close(self) -> None:
        """Hang up."""
        if self._line is not None:
            self._line.close()
            self._line = None

    async def read(self, target: Target, tries: int) -> Reply:
        """Ask all questions of a target; each answer, with the frames that follow it, is a payload. Raises
        SourceError.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        payloads: list[bytes] = []
        try:
            for question in self._questions(target, next(self._numbers)):
                answer = await retried(partial(self._ask, question, target.baud_rate), tries)
                payloads += answer.payloads
        except LineClosedError:
            await self.close()
            raise
        return Reply(tuple(payloads), loop.time() - started)

    async def _ask(self, question: Question, baud_rate: int, _attempt: int) -> Reply:
        """A whole answer: the frames it comes in, one after the other."""
        started = asyncio.get_running_loop().time()
        answer = await self._exchange(question, baud_rate)
        frames = [encoded(answer)]
        while (request := question.following(answer, len(frames))) is not None:
            if len(frames) >= _MOST_FRAMES:
                raise GarbledError(f"an answer that has not ended after {len(frames)} frames", frames[-1])
            answer = await self._exchange(replace(question, frame=request), baud_rate)
            frames.append(encoded(answer))
        return Reply((b"".join(frames),), asyncio.get_running_loop().time() - started)

    async def _exchange(self, question: Question, baud_rate: int) -> SerialFrame:
        if self._line is None or not self._line.is_open:
            self._line = await self._open_line()
        line = self._line
        request = encoded(question.frame)
        character = character_s(baud_rate)
        line.discard()
        line.send(FILL_BYTES + request)
        first_s = (len(request) + 4 + GAP_CHARACTERS) * character + THINKING_S + self._network_s
        gap_s = max(GAP_CHARACTERS * character, 0.05) + self._network_s / 2
        seen: list[SerialFrame] = []
        try:
            frame = await line.answer(
                lambda buffer: self._found(buffer, question, seen),
                Patience(first_s, gap_s, first_s + (question.longest_answer + 20) * character + gap_s),
            )
        except SilenceError as error:
            raise self._reason(error, question, seen) from error
        if frame.control & 0x40:
            raise RefusedError(f"the meter answered with control code {frame.control:02X}", encoded(frame))
        return frame

    def _found(self, buffer: bytes, question: Question, seen: list[SerialFrame]) -> SerialFrame | None:
        scanner = FrameScanner((self.protocol,))
        seen[:] = scanner.feed(buffer)
        return next((frame for frame in seen if frame.is_reply and question.matches(question.frame, frame)), None)

    def _reason(self, silence: SilenceError, question: Question, seen: list[SerialFrame]) -> SourceError:
        strangers = [frame for frame in seen if frame.is_reply]
        if strangers:
            return StrangerError(
                f"meter {strangers[-1].address.hex()} answered where {question.frame.address.hex()} was asked",
                silence.frame,
            )
        request = encoded(question.frame)
        rest = silence.frame.replace(FILL_BYTES + request, b"").replace(request, b"").strip(b"\xfe")
        return GarbledError(f"{len(rest)} bytes without a valid frame", silence.frame) if rest else silence


def cjt188_questions(target: Target, number: int) -> tuple[Question, ...]:
    """The present values (901F) of a CJ/T 188 meter; link settings: `dialect`, `kind` (T, hex), `identifiers` (hex).

    The dialect is the meter profile's where the link names none.

    Raises
    ------
    RefusedError
        The address is not 14 digits, or the dialect is unknown.
    """
    kind = int(str(target.settings.get("kind", f"{HEAT:02x}")), 16)
    dialect = target.settings.get("dialect") or _dialect_of(target.profile)
    return _questions(
        target,
        ["901F"],
        lambda code: cjt188.read_request(target.address, code, ser=number, kind=kind, dialect=dialect),
        ("cjt188", 0x64 + 13, cjt188.is_reply_to),
    )


def _dialect_of(profile: str | None) -> str | Dialect | None:
    try:
        return profile_named(profile).dialect if profile else None
    except ProfileError:
        return None  # decoding tells that there is no such profile; the meter is asked in the standard way


def dlt645_questions(target: Target, number: int) -> tuple[Question, ...]:
    """The energy register of a DL/T 645 meter; link settings: `edition` (2007 or 1997), `identifiers` (hex).

    Raises
    ------
    RefusedError
        The address is not 12 digits.
    """
    edition = str(target.settings.get("edition", "2007"))
    return _questions(
        target,
        ["9010" if edition == "1997" else "00010000"],
        lambda code: dlt645.read_request(target.address, code, edition=edition),
        ("dlt645", 200 + 12, dlt645.is_reply_to),
        following=dlt645.following_request,
    )


def _questions(
    target: Target,
    usual: list[str],
    request_of: Callable[[int], bytes],
    rules: tuple[str, int, Callable[[SerialFrame, SerialFrame], bool]],
    following: Callable[[SerialFrame, int], SerialFrame | None] = _is_whole,
) -> tuple[Question, ...]:
    protocol, longest, is_reply = rules
    try:
        codes = [int(text, 16) for text in target.settings.get("identifiers", usual)]
        frames = [frame_in(request_of(code), protocol) for code in codes]
    except (ValueError, ProfileError) as error:
        raise RefusedError(f"address {target.address!r}: {error}") from error
    return tuple(Question(frame, longest, is_reply, following) for frame in frames)


QUESTIONS: dict[str, Questions] = {"cjt188": cjt188_questions, "dlt645": dlt645_questions}
