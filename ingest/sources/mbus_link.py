"""What an M-Bus master listens for: frames found in whatever a converter delivers, and who sent them.

Rules: no I/O; echoes of the question, late acknowledgements, noise and frames of other meters are passed over, counted,
and named in the error if the awaited frame never comes (EN 13757-2; secondary addressing EN 13757-7).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from ingest.sources.errors import CollisionError, GarbledError, RefusedError, SilenceError, SourceError, StrangerError
from protocols.errors import FrameError
from protocols.mbus.frame import RSP_UD_CONTROLS, AckFrame, Frame, LongFrame, frame_from_bytes, frame_length

LONG_HEADERS = frozenset((0x72, 0x76))
FIXED_STRUCTURE = 0x73
ANY = "F" * 8
FABRICATION_HEAD = bytes((0x0C, 0x78))


@dataclass(frozen=True, slots=True)
class Selection:
    """A secondary address or a pattern of one: nibble F of the identification, byte FF elsewhere stand for anything.

    identification: 8 hexadecimal digits; manufacturer: 4; version and medium: 2; fabrication: 8 digits or empty.
    """

    identification: str = ANY
    manufacturer: str = "FFFF"
    version: str = "FF"
    medium: str = "FF"
    fabrication: str = ""

    def __post_init__(self) -> None:
        for name, length in (("identification", 8), ("manufacturer", 4), ("version", 2), ("medium", 2)):
            text = getattr(self, name)
            if len(text) != length or any(digit not in "0123456789ABCDEF" for digit in text):
                raise ValueError(f"{name} {text!r} is not {length} hexadecimal digits")
        if self.fabrication and (len(self.fabrication) != 8 or not _is_hex(self.fabrication)):
            raise ValueError(f"fabrication {self.fabrication!r} is not 8 hexadecimal digits")

    def to_bytes(self) -> bytes:
        """User data of the selecting SND_UD, low bytes first."""
        head = bytes.fromhex(self.identification)[::-1] + bytes.fromhex(self.manufacturer)[::-1]
        head += bytes.fromhex(self.version + self.medium)
        return head + FABRICATION_HEAD + bytes.fromhex(self.fabrication)[::-1] if self.fabrication else head

    def fits(self, identity: bytes) -> bool:
        """Whether the identity (8 bytes of a long header, or only 4 of a fixed structure) is one that this selects."""
        said = identity[3::-1].hex().upper()
        if any(wanted not in ("F", digit) for wanted, digit in zip(self.identification, said, strict=True)):
            return False
        if len(identity) < 8:
            return True
        rest = (
            (self.manufacturer, identity[5:3:-1].hex().upper()),
            (self.version, f"{identity[6]:02X}"),
            (self.medium, f"{identity[7]:02X}"),
        )
        return all(set(wanted) == {"F"} or wanted == said for wanted, said in rest)

    def __str__(self) -> str:
        text = f"{self.identification}.{self.manufacturer}.{self.version}.{self.medium}"
        return f"{text}.{self.fabrication}" if self.fabrication else text


def _is_hex(text: str) -> bool:
    return all(digit in "0123456789ABCDEF" for digit in text)


def address_from_text(text: str) -> int | Selection:
    """Primary ("5") or secondary ("12345678.2C2D.34.04", missing parts are wildcards) bus address.

    Raises
    ------
    ValueError
        It is neither.
    """
    text = text.strip().upper()
    if text.isdigit() and len(text) <= 3:
        number = int(text)
        if number <= 250 or number == 254:
            return number
        raise ValueError(f"primary address {number} is outside 0-250")
    parts = text.split(".")
    if len(parts) > 5 or len(parts[0]) != 8:
        raise ValueError(f"{text!r} is neither a primary nor a secondary M-Bus address")
    fields = dict(zip(("identification", "manufacturer", "version", "medium", "fabrication"), parts, strict=False))
    return Selection(**{name: part for name, part in fields.items() if part})


def identity_of(frame: LongFrame) -> bytes | None:
    """The 8 bytes of a long header, the 4 of a fixed structure, None where the frame says nothing of its sender."""
    if frame.ci in LONG_HEADERS and len(frame.data) >= 8:
        return frame.data[:8]
    if frame.ci == FIXED_STRUCTURE and len(frame.data) >= 4:
        return frame.data[:4]
    return None


@dataclass(slots=True)
class Listening:
    """What was heard since the question: `find` is handed to `Line.answer`."""

    request: bytes
    wanted: Callable[[Frame], bool]
    raw: bytes = b""
    strangers: list[LongFrame] = field(default_factory=list)
    noise: bytes = b""
    checksums: int = 0

    def find(self, buffer: bytes) -> Frame | None:
        """The first wanted frame in `buffer`; `raw` then holds its bytes."""
        self.strangers, self.noise, self.checksums = [], b"", 0
        at = 0
        while at < len(buffer):
            if buffer.startswith(self.request, at):
                at += len(self.request)
                continue
            try:
                length = frame_length(buffer[at : at + 4])
                if length is None or at + length > len(buffer):
                    return None
                frame = frame_from_bytes(buffer[at : at + length])
            except FrameError as error:
                self.checksums += error.code == "frame.checksum"
                self.noise += buffer[at : at + 1]
                at += 1
                continue
            if self.wanted(frame):
                self.raw = buffer[at : at + length]
                return frame
            if isinstance(frame, LongFrame) and frame.control in RSP_UD_CONTROLS:
                self.strangers.append(frame)
            at += length
        return None

    def reason(self, silence: SilenceError) -> SourceError:
        """Why the awaited frame did not come, from what did come."""
        heard = silence.frame.replace(self.request, b"")
        if self.strangers:
            return StrangerError(f"{len(self.strangers)} frame(s) of another meter came", silence.frame)
        if self.checksums or (heard and heard[0] == 0x68):
            return GarbledError(f"no whole frame among {len(heard)} bytes", silence.frame)
        if self.noise:
            return CollisionError(f"{len(self.noise)} bytes that are no frame", silence.frame)
        return silence


def is_ack(frame: Frame) -> bool:
    """E5."""
    return isinstance(frame, AckFrame)


def answer_from(address: int | Selection) -> Callable[[Frame], bool]:
    """What accepts a meter's answer: right address, and the right identity where the frame carries one."""

    def wanted(frame: Frame) -> bool:
        if not isinstance(frame, LongFrame) or frame.control not in RSP_UD_CONTROLS:
            return False
        if isinstance(address, Selection):
            identity = identity_of(frame)
            return identity is None or address.fits(identity)
        return address == 254 or frame.address == address

    return wanted


def refusal_in(frame: LongFrame) -> RefusedError | None:
    """The application error (CI 70) that an answer is, if it is one."""
    if frame.ci != 0x70:
        return None
    code = f" {frame.data[0]}" if frame.data else ""
    return RefusedError(f"the meter answered with application error{code}", frame.to_bytes())
