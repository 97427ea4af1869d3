"""Finding every meter of a bus by secondary address: probing with wildcards, digit by digit, where answers collide.

Rules: sans-IO like `master`: send `request()`, give the events of the answer (nothing: silence) to `answered`. A clean
E5 may still be several meters, so every match is read; two answers on top of each other can look like a third meter, so
only who answers to its own full address counts. Silence is believed the second time. All sixteen digits are tried,
because hexadecimal identifications are legal. Equal identifications are told apart by fabrication number, medium,
version and manufacturer.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from protocols.mbus.addressing import Selection, selection_from_bytes
from protocols.mbus.frame import ADDRESS_SELECTED, RSP_UD_CONTROLS, AckFrame, Frame, LongFrame
from protocols.mbus.master import identity_of, initialise_bytes, request_bytes, select_bytes
from protocols.mbus.receiver import Echo, Event, Received
from protocols.mbus.records import RecordError, records_from_bytes
from protocols.mbus.search_masks import START, Place, deeper, narrower

_LONG_IDENTITY: Final = 8


@dataclass(frozen=True, slots=True)
class FoundMeter:
    """A meter the search read: its address, the mask that selects it alone, its first answer."""

    address: Selection
    selection: Selection
    frame: bytes


@dataclass(frozen=True, slots=True)
class Probed:
    """What one mask showed ("none", "one", "several", "unresolved") and how far the search is, 0 to 1."""

    mask: Selection
    result: str
    progress: float
    found: FoundMeter | None = None


@dataclass(frozen=True, slots=True)
class _Node:
    """A mask to probe, its place in the order of levels, its part of the whole search."""

    mask: Selection
    place: Place = START
    start: float = 0.0
    share: float = 1.0
    # Matches counted before its children were probed: look whether they explain the collision.
    matches_before: int | None = None
    # The collision is looked at a second time, its children explained it not.
    again: bool = False
    # The node whose answer gave this full address.
    confirms: "_Node | None" = None

    @property
    def end(self) -> float:
        return self.start + self.share


class _Step(Enum):
    DESELECT = 0
    SELECT = 1
    READ = 2


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
        self._patient = True
        # Whether a meter may be selected: a selection that nobody answered deselected everybody.
        self._somebody = True
        self._known: set[tuple[bytes, str]] = set()
        self._results: list[Probed] = []
        self.found: list[FoundMeter] = []
        self.unresolved: list[Selection] = []
        self.probes = 0
        self.exhausted = False

    def request(self) -> bytes | None:
        """Bytes to send now; None when the search is over."""
        while self._stack and self._stack[-1].matches_before is not None:
            self._look_again(self._stack.pop())
        if self._stack and self.probes >= self._limit:
            self.exhausted = True
            self._stack.clear()
        if not self._stack:
            return None
        if self._step is _Step.DESELECT:
            return initialise_bytes(ADDRESS_SELECTED)
        if self._step is _Step.SELECT:
            return select_bytes(self._stack[-1].mask)
        return request_bytes(ADDRESS_SELECTED)

    def wants(self, frame: Frame) -> bool:
        """Whether a frame ends the waiting for an answer."""
        if self._step is _Step.READ:
            return isinstance(frame, LongFrame) and frame.control in RSP_UD_CONTROLS
        return isinstance(frame, AckFrame)

    def answered(self, events: Iterable[Event] = ()) -> None:
        """Take what came until the deadline; nothing is silence."""
        heard: list[Event] = [event for event in events if not isinstance(event, Echo)]
        if self._step is _Step.DESELECT:
            self._step, self._somebody = _Step.SELECT, False
        elif self._step is _Step.SELECT:
            self._selected(heard)
        else:
            self._read(heard)

    def results(self) -> list[Probed]:
        """What the probes showed since the last call."""
        results, self._results = self._results, []
        return results

    def _selected(self, heard: list[Event]) -> None:
        self.probes += 1
        self._somebody = bool(heard)
        if not heard and self._patient:
            self._patient = False  # one lost byte must not cost a meter
        elif not heard:
            node = self._leave()
            if node.confirms is not None:
                self._collided(node.confirms)
            else:
                self._tell(node, "none")
        elif len(heard) == 1 and isinstance(heard[0], Received) and isinstance(heard[0].frame, AckFrame):
            self._step, self._patient = _Step.READ, True
        else:
            self._several()

    def _read(self, heard: list[Event]) -> None:
        node = self._stack[-1]
        frame = heard[0].frame if len(heard) == 1 and isinstance(heard[0], Received) else None
        answer = frame if isinstance(frame, LongFrame) and frame.control in RSP_UD_CONTROLS else None
        identity = None if answer is None else identity_of(answer)
        fits = identity is not None and len(identity) == _LONG_IDENTITY and _plain(node.mask).matches(identity)
        if answer is not None and identity is not None and fits:
            self._answered_by(node, answer, identity)
        elif self._patient and (not heard or (identity is not None and not fits)):
            self._patient = False  # silence, or a late answer to the question before
        else:
            self._several()

    def _answered_by(self, node: _Node, frame: LongFrame, identity: bytes) -> None:
        address = selection_from_bytes(identity)
        own = address if node.mask.fabrication is None else address.with_fabrication(node.mask.fabrication)
        self._leave()
        if own != node.mask:
            self._stack.append(_Node(own, node.place, node.start, node.share, confirms=node))
            return
        self._matches += 1
        fabrication = _fabrication(frame) or node.mask.fabrication or ""
        # Who was found by its fabrication number may be met again without one.
        known = (identity, fabrication) in self._known or (
            not fabrication and any(one == identity for one, _ in self._known)
        )
        self._known.add((identity, fabrication))
        if known:
            self._tell(node, "none")
            return
        self.found.append(FoundMeter(address, own, frame.to_bytes()))
        self._tell(node, "one", self.found[-1])

    def _leave(self) -> _Node:
        """Done with the node on top."""
        self._step, self._patient = _Step.DESELECT if self._somebody else _Step.SELECT, True
        return self._stack.pop()

    def _tell(self, node: _Node, result: str, found: FoundMeter | None = None) -> None:
        mask = node.mask if node.confirms is None else node.confirms.mask
        self._results.append(Probed(mask, result, node.start if result == "several" else node.end, found))

    def _several(self) -> None:
        node = self._leave()
        self._collided(node.confirms or node)

    def _collided(self, node: _Node) -> None:
        """Several meters match the node: probe what is narrower, then see whether that explains them."""
        place = deeper(node.mask, node.place) if node.again else node.place
        mask, place, masks = narrower(node.mask, place)
        if not masks:
            self._matches += 2  # which explains the collisions above
            self.unresolved.append(mask)
            self._tell(replace(node, mask=mask), "unresolved")
            return
        self._tell(node, "several")
        end = _Node(mask, place, node.end, 0.0, self._matches)
        share = node.share / len(masks)
        children = [_Node(one, after, node.start + number * share, share) for number, (one, after) in enumerate(masks)]
        self._stack += [end, *reversed(children)]

    def _look_again(self, node: _Node) -> None:
        """Fewer than two matches below a collision: noise, or the others hide behind a digit F or a rare code."""
        if self._matches - (node.matches_before or 0) < 2:
            self._stack.append(replace(node, matches_before=None, again=True))


def _plain(mask: Selection) -> Selection:
    """The mask less its fabrication number, which no header shows."""
    return mask if mask.fabrication is None else replace(mask, fabrication=None)


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
