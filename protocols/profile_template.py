"""Telegrams of one kind that differ in meter number and values only: what a profile makes of them, worked out once.

A template holds every byte of a plain M-Bus frame that is neither (link, maker, version, status, DIF and VIF, dates of
stored values, the info code) as one mask and pattern, so that a frame which fits it comes from the same kind of meter,
is laid out alike and in the same state. Its counts are then a few reads at known places. Rules: a template gives what
decoding and `MeterProfile.interpret` give; whatever it cannot promise that for (an invalid value, a date that moved,
another status) it declines, and the caller goes the long way. In one thing it knows better: of wireless telegrams
without CRCs, one in 65,536 ends in bytes that look like a CRC, and decoding alone would cut them off.
"""

import struct
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter, mul
from typing import Any, Final, NamedTuple, TypeVar

from protocols.errors import ContentError
from protocols.mbus.head import Head, Reading
from protocols.mbus.header import meter_from_bytes, meter_from_link_bytes
from protocols.mbus.plan import fields_of
from protocols.mbus.values import POINT_READERS
from protocols.profile import MeterProfile, Source
from protocols.profile_history import storage_times
from protocols.registers import Register
from protocols.telegram import DataRecord, Function, MeterId, Telegram

_CODES: Final = {1: "b", 2: "h", 4: "i", 8: "q"}
_LARGEST: Final = 10**18
_COUNTING: Final = (Reading.INTEGER, Reading.UNSIGNED, Reading.BCD)
# Two instants between which a date that is counted back from "now" must differ.
_REFERENCES: Final = (None, datetime.fromisoformat("2031-07-15"))
_HEADER_SIZES: Final = {0x72: 12, 0x78: 0, 0x7A: 4}
_LONG: Final = 12
_SHORT_EXTENSION: Final = 0x8C
# No integer of a field: "every pattern is a value".
_NEVER: Final = 1 << 80

_Text = TypeVar("_Text", str, bytes)


class _Place(NamedTuple):
    """Where the records of a frame lie, where the meter's address (in link order or not), and which bytes before and
    behind the records differ from frame to frame.
    """

    start: int
    stop: int
    address: slice
    linked: bool
    changing: tuple[int, ...]
    summed: bool


class _Number(NamedTuple):
    """A value that counts: where it lies, how it is read, what one step of it is in counts."""

    start: int
    stop: int
    head: Head
    steps: int


class Template:
    """Reads the counts of frames that fit; made by `template_from_frame`.

    Attributes
    ----------
    profile : str
        Name of the profile that made it.
    address : slice
        Where the meter's address lies in a frame.
    registers : tuple of (Register, datetime or None)
        What the counts belong to, in the order of `MeterProfile.interpret`.
    info_code, flags
        As `Interpretation` has them, the same for every frame that fits.
    """

    __slots__ = (
        "_bcd", "_clock", "_invalid", "_linked", "_mask", "_numbers", "_odd", "_order", "_pattern", "_size", "_steps",
        "_summed", "address", "flags", "info_code", "profile", "registers",
    )  # fmt: skip

    def __init__(
        self, frame: bytes, place: _Place, fixed: bytearray, numbers: list[_Number], clock: slice | None
    ) -> None:
        self._size, self._summed, self._clock = len(frame), place.summed, clock
        self.address, self._linked = place.address, place.linked
        self._mask = int.from_bytes(fixed, "little")
        self._pattern = int.from_bytes(frame, "little") & self._mask
        plain = [n for n in numbers if n.head.reading is not Reading.BCD and n.stop - n.start in _CODES]
        odd = [n for n in numbers if n.head.reading is not Reading.BCD and n.stop - n.start not in _CODES]
        bcd = [n for n in numbers if n.head.reading is Reading.BCD]
        # A struct reads forwards; several records never overlap, so their order in the frame is that of their starts.
        plain.sort()
        self._numbers = _struct(_format(plain, len(frame)))
        self._odd = tuple((n.start, n.stop, n.head.reading is Reading.INTEGER) for n in odd)
        self._bcd = _getter(tuple((2 * (len(frame) - n.stop), 2 * (len(frame) - n.start)) for n in bcd))
        ordered = [*plain, *odd, *bcd]
        invalid = tuple(_NEVER if n.head.invalid is None else n.head.invalid for n in (*plain, *odd))
        self._invalid = frozenset(invalid) - {_NEVER} and invalid
        steps = tuple(n.steps for n in ordered)
        self._steps = steps if set(steps) != {1} else ()
        self._order = _order(tuple(ordered.index(number) for number in numbers))
        self.profile = ""
        self.registers: tuple[tuple[Register, datetime | None], ...] = ()
        self.info_code: int | None = None
        self.flags: tuple[str, ...] = ()

    def fits(self, frame: bytes) -> bool:
        """Whether `frame` differs from the sample in values only; a wired frame's check sum is right, too."""
        if len(frame) != self._size or int.from_bytes(frame, "little") & self._mask != self._pattern:
            return False
        return not self._summed or sum(frame[4:-2]) & 0xFF == frame[-2]

    def meter(self, frame: bytes) -> MeterId:
        """Whose frame it is."""
        address = frame[self.address]
        return meter_from_link_bytes(address) if self._linked else meter_from_bytes(address)

    def counts(self, frame: bytes) -> tuple[int, ...] | None:
        """Counts of a frame that fits, one a register; None where a value is not a plain number this time."""
        numbers = self._numbers.unpack(frame)
        for start, stop, signed in self._odd:
            numbers += (int.from_bytes(frame[start:stop], "little", signed=signed),)
        if self._invalid and any(map(int.__eq__, numbers, self._invalid)):
            return None
        if self._bcd is not None:
            try:
                numbers += tuple(map(int, self._bcd(frame[::-1].hex())))
            except ValueError:
                return None
        if self._steps:
            numbers = tuple(map(mul, numbers, self._steps))
        return self._order(numbers)

    def clock(self, frame: bytes) -> tuple[datetime | None, bool]:
        """The meter's own clock (naive), None where it has none; False where it shows no instant this time."""
        if self._clock is None:
            return None, True
        raw = frame[self._clock]
        text, error = POINT_READERS[len(raw)](raw)
        return (None, False) if text is None or error is not None else (datetime.fromisoformat(text), True)


def template_from_frame(frame: bytes, telegram: Telegram, profile: MeterProfile) -> Template | None:
    """The template of a frame and of what was decoded from it; None where none can promise the same results.

    Parameters
    ----------
    frame : bytes
        One wired long frame, or one wireless telegram without CRCs.
    telegram : Telegram
        Decoded from exactly these bytes, in the clear.
    profile : MeterProfile
        That interprets the meter's telegrams.
    """
    place = _place_of(frame, telegram)
    if place is None or telegram.diagnostics or _counts_back(telegram, profile):
        return None
    try:
        fields = fields_of(frame[place.start : place.stop])
    except (IndexError, ContentError):
        return None
    records = telegram.records
    if len(fields) != len(records):
        return None
    used = profile.sources(telegram)
    places = {id(record): number for number, record in enumerate(records)}
    numbers: list[_Number] = []
    for source in used:
        field = fields[places[id(source.record)]]
        number = _number_of(source, field.head, place.start + field.start, place.start + field.stop)
        if number is None:
            return None
        numbers.append(number)
    clock = next((n for n, record in enumerate(records) if _may_be_clock(record) and record.value is not None), None)
    if clock is not None and ((head := fields[clock].head) is None or head.reading is not Reading.POINT):
        return None
    fixed = bytearray(b"\xff" * len(frame))
    for at in place.changing:
        fixed[at] = 0
    for n, (field, record) in enumerate(zip(fields, records, strict=True)):
        if n == clock or _changes(record, field.head, profile):
            start = field.start + (field.lvar is not None)
            fixed[place.start + start : place.start + field.stop] = bytes(field.stop - start)
    span = None if clock is None else slice(place.start + fields[clock].start, place.start + fields[clock].stop)
    return _checked(Template(frame, place, fixed, numbers, span), frame, telegram, profile)


def _checked(made: Template, frame: bytes, telegram: Telegram, profile: MeterProfile) -> Template | None:
    """The template with what it stands for; None where it does not give back its own sample."""
    whole = profile.interpret(telegram)
    made.profile, made.info_code, made.flags = profile.name, whole.info_code, whole.flags
    made.registers = tuple((reading.register, reading.time) for reading in whole.readings)
    same = made.fits(frame) and made.meter(frame) == telegram.meter and made.clock(frame) == (whole.meter_time, True)
    return made if same and made.counts(frame) == tuple(reading.count for reading in whole.readings) else None


def _place_of(frame: bytes, telegram: Telegram) -> _Place | None:
    details = telegram.details
    if details.get("encryption", "none") != "none" or "authentication" in details or "payload" in details:
        return None
    if details.get("link") == "wired":
        if details.get("ci") != "72" or len(frame) < 21:
            return None
        stop = len(frame) - 2
        return _Place(19, stop, slice(7, 15), False, (5, *range(7, 11), 15, stop), True)
    if details.get("format") != "stripped" or len(frame) < 12:
        return None
    at, changing, address, linked = 10, [*range(4, 8)], slice(2, 10), True
    if frame[at] == _SHORT_EXTENSION:
        changing.append(at + 2)
        at += 3
    size = _HEADER_SIZES.get(frame[at]) if at < len(frame) else None
    if size is None or len(frame) < at + 1 + size:
        return None
    if size:
        changing.append(at + 1 + size - 4)
    if size == _LONG:
        changing += range(at + 1, at + 5)
        address, linked = slice(at + 1, at + 9), False
    return _Place(at + 1 + size, len(frame), address, linked, tuple(changing), False)


def _counts_back(telegram: Telegram, profile: MeterProfile) -> bool:
    """Whether the instants of stored values depend on the moment of the read."""
    first, second = (storage_times(telegram, profile.history, reference) for reference in _REFERENCES)
    return first != second


def _number_of(source: Source, head: Head | None, start: int, stop: int) -> _Number | None:
    record, assignment = source.record, source.assignment
    if head is None or head.error is not None or head.offset is not None or not isinstance(record.value, Decimal):
        return None
    if head.reading not in _COUNTING or record.error is not None:
        return None
    if head.factor.as_tuple().exponent != assignment.exponent or assignment.denominator != 1:
        return None
    if any(word.startswith("time=") for word in record.modifiers):
        return None
    steps = int(head.factor.scaleb(-assignment.exponent)) * assignment.numerator
    size = stop - start
    largest = 10 ** (2 * size) if head.reading is Reading.BCD else 1 << 8 * size
    return _Number(start, stop, head, steps) if size and abs(steps) * largest < _LARGEST else None


def _may_be_clock(record: DataRecord) -> bool:
    plain = not record.storage and not record.tariff and record.function is Function.INSTANTANEOUS
    return plain and record.quantity == "datetime"


def _changes(record: DataRecord, head: Head | None, profile: MeterProfile) -> bool:
    """Whether a record's bytes may differ between frames of one template: no other result depends on them."""
    if head is None or head.reading not in _COUNTING or record.value is None or record.function is Function.ERROR:
        return False
    return not profile.info_source or profile.info_source not in (record.quantity, record.code)


def _format(numbers: list[_Number], size: int) -> str:
    form, at = "<", 0
    for number in numbers:
        code = _CODES[number.stop - number.start]
        unsigned = number.head.reading is Reading.UNSIGNED
        form += f"{number.start - at}x{code.upper() if unsigned else code}"
        at = number.stop
    return f"{form}{size - at}x"


# Ten thousand meters of one type share these.
@lru_cache(maxsize=4096)
def _struct(form: str) -> struct.Struct:
    return struct.Struct(form)


@lru_cache(maxsize=4096)
def _getter(spans: tuple[tuple[int, int], ...]) -> Callable[[Any], tuple[Any, ...]] | None:
    if not spans:
        return None
    if len(spans) == 1:
        only = slice(*spans[0])
        return lambda text: (text[only],)
    return itemgetter(*(slice(*span) for span in spans))


@lru_cache(maxsize=4096)
def _order(places: tuple[int, ...]) -> Callable[[tuple[int, ...]], tuple[int, ...]]:
    if places == tuple(range(len(places))):
        return tuple
    return itemgetter(*places)
