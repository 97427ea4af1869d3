"""Finding every meter of a bus by secondary address: probing with wildcards, digit by digit, where answers collide.

Rules: sans-IO like `master`: send `request()`, give the events of the answer (nothing: silence) to `answered`. A clean
E5 may still be several meters, so every match is read; garbage is a collision. All sixteen digits are tried, because
hexadecimal identifications are legal. Equal identifications are told apart by fabrication number, then by medium,
version and manufacturer.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from protocols.mbus.addressing import ANY_IDENTIFICATION, Selection, selection_from_bytes
from protocols.mbus.frame import ADDRESS_SELECTED, RSP_UD_CONTROLS, AckFrame, LongFrame
from protocols.mbus.header import MEDIA
from protocols.mbus.master import initialise_bytes, request_bytes, select_bytes
from protocols.mbus.receiver import Echo, Event, Received
from protocols.mbus.records import RecordError, records_from_bytes

# Decimal digits first: most meters have no others. F is the wildcard and cannot be asked for.
_DIGITS: Final = "0123456789ABCDE"
_LONG_HEADERS: Final = (0x72, 0x76)


@dataclass(frozen=True, slots=True)
class FoundMeter:
    """A meter the search read: its address, the mask that selects it alone, its first answer."""

    address: Selection
    selection: Selection
    frame: bytes


class _Level(Enum):
    """What a node of the search varies next."""

    IDENTIFICATION = "identification"
    FABRICATION = "fabrication"
    MEDIUM = "medium"
    VERSION = "version"
    MANUFACTURER_LOW = "manufacturer_low"
    MANUFACTURER_HIGH = "manufacturer_high"
    END = "end"


_ORDER: Final = tuple(_Level)
_DEPTHS: Final = {_Level.IDENTIFICATION: 8, _Level.FABRICATION: 8}


@dataclass(frozen=True, slots=True)
class _Node:
    mask: Selection
    level: _Level = _Level.IDENTIFICATION
    depth: int = 0
    # None: to be probed; else matches counted before its children were probed: look again whether they explain it.
    matches_before: int | None = None


class _Step(Enum):
    DESELECT = 0
    SELECT = 1
    READ = 2


def _deeper(node: _Node) -> _Node:
    """The node past its present digit or byte, left open."""
    if node.depth + 1 < _DEPTHS.get(node.level, 1):
        return _Node(node.mask, node.level, node.depth + 1)
    return _Node(node.mask, _ORDER[_ORDER.index(node.level) + 1], 0)


def _fixed(node: _Node) -> bool:
    """Whether the node's mask already says what its level would vary."""
    mask = node.mask
    if node.level is _Level.IDENTIFICATION:
        return mask.identification[node.depth] != "F"
    if node.level is _Level.FABRICATION:
        return mask.fabrication is not None and mask.fabrication[node.depth] != "F"
    return {
        _Level.MEDIUM: mask.medium != 0xFF,
        _Level.VERSION: mask.version != 0xFF,
        _Level.MANUFACTURER_LOW: mask.manufacturer & 0xFF != 0xFF,
        _Level.MANUFACTURER_HIGH: mask.manufacturer >> 8 != 0xFF,
        _Level.END: False,
    }[node.level]


def _with_digit(digits: str, depth: int, digit: str) -> str:
    return digits[:depth] + digit + digits[depth + 1 :]


def _masks(node: _Node) -> Iterator[Selection]:
    """The narrower masks of a node."""
    mask, depth = node.mask, node.depth
    if node.level is _Level.IDENTIFICATION:
        for digit in _DIGITS:
            yield replace(mask, identification=_with_digit(mask.identification, depth, digit))
    elif node.level is _Level.FABRICATION:
        for digit in _DIGITS:
            yield mask.with_fabrication(_with_digit(mask.fabrication or ANY_IDENTIFICATION, depth, digit))
    elif node.level is _Level.MEDIUM:
        for medium in (*MEDIA, *(code for code in range(0xFF) if code not in MEDIA)):
            yield replace(mask, medium=medium)
    elif node.level is _Level.VERSION:
        for version in range(0xFF):
            yield replace(mask, version=version)
    elif node.level is _Level.MANUFACTURER_LOW:
        for low in range(0xFF):
            yield replace(mask, manufacturer=0xFF00 | low)
    elif node.level is _Level.MANUFACTURER_HIGH:
        for high in range(0xFF):
            yield replace(mask, manufacturer=high << 8 | mask.manufacturer & 0xFF)


class SecondarySearch:
    """The search's state.

    Parameters
    ----------
    start : Selection
        Where to begin; by default everywhere.
    limit : int
        Probes after which the search gives up (`exhausted`): a noisy line must not keep it busy for ever.
    """

    def __init__(self, start: Selection | None = None, *, limit: int = 100_000) -> None:
        self._stack = [_Node(start or Selection())]
        self._step = _Step.DESELECT
        self._limit = limit
        self._matches = 0
        self._read_again = True
        self._known: set[tuple[bytes, str]] = set()
        self.found: list[FoundMeter] = []
        self.unresolved: list[Selection] = []
        self.probes = 0
        self.exhausted = False

    def request(self) -> bytes | None:
        """Bytes to send now; None when the search is over."""
        while self._stack and self._stack[-1].matches_before is not None:
            self._look_again(self._stack.pop())
        if not self._stack:
            return None
        if self.probes >= self._limit:
            self.exhausted = True
            self._stack.clear()
            return None
        if self._step is _Step.DESELECT:
            return initialise_bytes(ADDRESS_SELECTED)
        if self._step is _Step.SELECT:
            return select_bytes(self._stack[-1].mask)
        return request_bytes(ADDRESS_SELECTED)

    def answered(self, events: Iterable[Event] = ()) -> None:
        """Take what came until the deadline; nothing is silence."""
        heard: list[Event] = [event for event in events if not isinstance(event, Echo)]
        if self._step is _Step.DESELECT:
            self._step = _Step.SELECT
        elif self._step is _Step.SELECT:
            self._selected(heard)
        else:
            self._read(heard)

    def _selected(self, heard: list[Event]) -> None:
        self.probes += 1
        self._step = _Step.DESELECT
        if not heard:
            self._stack.pop()
        elif len(heard) == 1 and isinstance(heard[0], Received) and isinstance(heard[0].frame, AckFrame):
            self._step, self._read_again = _Step.READ, True
        else:
            self._collided()

    def _read(self, heard: list[Event]) -> None:
        node = self._stack[-1]
        frame = heard[0].frame if len(heard) == 1 and isinstance(heard[0], Received) else None
        if not heard and self._read_again:
            self._read_again = False  # one lost byte must not cost a meter
            return
        self._step = _Step.DESELECT
        if (
            isinstance(frame, LongFrame)
            and frame.control in RSP_UD_CONTROLS
            and frame.ci in _LONG_HEADERS
            and len(frame.data) >= 12
        ):
            self._stack.pop()
            self._matches += 1
            self._remember(node.mask, frame)
        else:
            self._collided()

    def _remember(self, mask: Selection, frame: LongFrame) -> None:
        fabrication = _fabrication(frame)
        key = frame.data[:8], fabrication or mask.fabrication or ""
        if key not in self._known:
            self._known.add(key)
            address = selection_from_bytes(frame.data[:8])
            selection = address if mask.fabrication is None else address.with_fabrication(mask.fabrication)
            self.found.append(FoundMeter(address, selection, frame.to_bytes()))

    def _collided(self) -> None:
        self._expand(self._stack.pop())

    def _expand(self, node: _Node) -> None:
        """Several meters match the node: probe what is narrower, then see whether that explains them."""
        while _fixed(node):
            node = _deeper(node)
        if node.level is _Level.END:
            self.unresolved.append(node.mask)
            return
        self._stack.append(replace(node, matches_before=self._matches))
        deeper = _deeper(node)
        children = [replace(deeper, mask=mask) for mask in _masks(node)]
        self._stack += reversed(children)

    def _look_again(self, node: _Node) -> None:
        """Fewer than two matches below a collision: the others hide behind a digit F or know no fabrication number."""
        if self._matches - (node.matches_before or 0) < 2:
            deeper = _deeper(node)
            if deeper.level is not _Level.FABRICATION and node.level is _Level.FABRICATION:
                deeper = replace(deeper, mask=replace(deeper.mask, fabrication=None))
            self._expand(deeper)


def _fabrication(frame: LongFrame) -> str | None:
    """Digits of the fabrication number in a meter's answer."""
    try:
        records, _ = records_from_bytes(frame.data[12:])
    except RecordError as error:
        records = error.records
    for record in records:
        if record.quantity == "fabrication_number" and len(record.raw) == 8:
            return bytes.fromhex(record.raw)[::-1].hex().upper()
    return None
