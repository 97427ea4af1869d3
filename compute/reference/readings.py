"""The sequence rules in plain Python, slow and obvious (V3, V7, V8, V17). Imported by tests only.

Rules: lists and exact integers, no NumPy; nothing shared with the kernels but the names of the bits.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from compute.quality import Quality

FIRST, GARBAGE, RESET, UNIT = Quality.FIRST, Quality.GARBAGE, Quality.RESET, Quality.UNIT
FAILED, JITTER, CONFLICT, EXCHANGE = Quality.FAILED, Quality.JITTER, Quality.CONFLICT, Quality.EXCHANGE
UNUSABLE = Quality.STALE | Quality.GARBAGE | Quality.DUPLICATE | Quality.UNIT
RATIOS = (10.0, 100.0, 1000.0, 3.6, 1000 / 3.6, 1_000_000.0)


@dataclass(frozen=True, slots=True)
class Meter:
    """What a register can show: roll-over count (0 unknown), first impossible count, counts a second (0 unknown)."""

    capacity: int
    limit: int
    rate: float

    def delivers(self, advance: int, elapsed_us: int) -> bool:
        """Whether the pipe can deliver an advance in the time; two display steps are always allowed."""
        return advance >= 0 and (self.rate <= 0 or advance <= self.rate * (elapsed_us * 1e-6) + 2.0)


@dataclass(slots=True)
class Judged:
    """The readings of one segment as they are gone through: what counts, and what each was taken for."""

    meter: Meter
    times: Sequence[int]
    counts: Sequence[int]
    flags: Sequence[int]
    kept: list[tuple[int, int]] = field(default_factory=list)  # (position, count as it counts)
    verdict: list[int] = field(default_factory=list)

    def following(self, at: int) -> list[int]:
        """Positions after `at` within three readings or three hours, whichever is longer."""
        result = []
        for later in range(at + 1, len(self.times)):
            if later > at + 3 and self.times[later] - self.times[at] > 3 * 3_600_000_000:
                break
            result.append(later)
        return result


def judged(
    times: Sequence[int], counts: Sequence[int], flags: Sequence[int], capacity: int, limit: int, rate: float
) -> Judged:
    """The sequence rules over one segment."""
    state = Judged(Meter(capacity, limit, rate), times, counts, flags, verdict=list(flags))
    pending = 0
    for at, count in enumerate(counts):
        if flags[at] & UNUSABLE:
            pending |= flags[at] & GARBAGE
            continue
        if not 0 <= count < limit:
            state.verdict[at] |= GARBAGE
            pending |= GARBAGE
            continue
        pending = _take(state, at, count, pending)
    return state


def _take(state: Judged, at: int, count: int, pending: int) -> int:
    """One usable reading; returns the bits that wait for the next kept one."""
    verdict, kept = state.verdict, state.kept
    last, last_value = kept[-1] if kept else (-1, 0)
    value, found = count, 0
    if not kept:
        found = int(FIRST)
    elif state.times[at] == state.times[last]:
        if count == last_value:
            verdict[at] |= Quality.DUPLICATE
            return pending
        pending |= CONFLICT
        if not _replaces(state, at):
            verdict[at] |= CONFLICT
            return pending
        verdict[last] |= CONFLICT
        found = verdict[last] & FIRST
        kept.pop()
    elif count < last_value:
        found = _fall(state, at)
        if found == 0:
            depth = _spike(state, at)
            for position, _ in kept[-depth:]:
                verdict[position] |= GARBAGE
            found = int(FIRST) if depth == len(kept) else 0
            del kept[-depth:]
            pending |= GARBAGE
    else:
        found = _rise(state, at)
    if found & GARBAGE:
        verdict[at] |= GARBAGE
        return pending | GARBAGE
    if found & JITTER:
        value = last_value
    verdict[at] |= found | pending
    kept.append((at, value))
    return 0


def _fall(state: Judged, at: int) -> int:
    last, before = state.kept[-1]
    count, meter = state.counts[at], state.meter
    if before - count == 1:
        return int(JITTER)
    for later in state.following(at):
        value = state.counts[later]
        if state.flags[later] & UNUSABLE or not before <= value < meter.limit:
            continue
        near = meter.rate > 0 or value - before <= max(1000, before - count)
        if (
            near
            and not _made_up(state, at, later)
            and meter.delivers(value - before, state.times[later] - state.times[last])
        ):
            return int(GARBAGE)
    if meter.capacity > 0 and before > 0.95 * meter.capacity:
        wrapped = meter.capacity - before + count
        if meter.delivers(wrapped, state.times[at] - state.times[last]) and (
            meter.rate > 0 or wrapped <= (1.0 - 0.95) * meter.capacity
        ):
            return int(Quality.ROLLOVER)
    if _spike(state, at):
        return 0
    return int((UNIT if changed_unit(before, count) else RESET) | FAILED)


def _made_up(state: Judged, at: int, later: int) -> bool:
    """Whether use at the pace of the last eight kept readings, rather than a recovery, leads from the fallen index to a
    later one.
    """
    last, before = state.kept[-1]
    first, value = state.kept[max(len(state.kept) - 9, 0)]
    span = state.times[last] - state.times[first]
    pace = (before - value) / span if span > 0 else 0.0
    carried_on = before + pace * (state.times[later] - state.times[last])
    began_anew = state.counts[at] + pace * (state.times[later] - state.times[at])
    return abs(state.counts[later] - carried_on) > 2.0 * abs(state.counts[later] - began_anew)


def _rise(state: Judged, at: int) -> int:
    last, before = state.kept[-1]
    count = state.counts[at]
    plausible = state.meter.delivers(count - before, state.times[at] - state.times[last])
    if plausible and (state.meter.rate > 0 or count - before <= 2 * before + 1000):
        return 0
    for later in state.following(at):
        if not state.flags[later] & UNUSABLE and before <= state.counts[later] < count:
            return int(GARBAGE)
    if changed_unit(before, count):
        return int(UNIT | FAILED)
    return 0 if plausible else int(Quality.RANGE | FAILED)


def _spike(state: Judged, at: int) -> int:
    """How many kept readings before a fall stand out of what lies under them."""
    kept, count = state.kept, state.counts[at]
    for depth in (1, 2, 3):
        if len(kept) - 1 - depth < 0:
            break
        (under, low), (above, high) = kept[-1 - depth], kept[-depth]
        if state.flags[above] & EXCHANGE:
            return 0
        advance = count - low
        if state.meter.delivers(advance, state.times[at] - state.times[under]) and high - low > 20 * (advance + 1):
            return depth
    if len(kept) == 1 and not state.flags[kept[0][0]] & EXCHANGE and at + 2 < len(state.counts):
        low, high = sorted(state.counts[at + 1 : at + 3])
        first = kept[0][1]
        if count <= low and high < first and first - count > 20 * (high - count + 1):
            return 1
    return 0


def _replaces(state: Judged, at: int) -> bool:
    """Whether another version of the last kept instant fits its neighbours better."""
    kept, count = state.kept, state.counts[at]
    if state.flags[kept[-1][0]] & EXCHANGE:
        return False
    if len(kept) >= 2:
        before, value = kept[-2]
        if not state.meter.delivers(count - value, state.times[at] - state.times[before]):
            return False
    for later in range(at + 1, len(state.times)):
        if state.times[later] != state.times[at] and not state.flags[later] & UNUSABLE:
            return count <= state.counts[later] or kept[-1][1] > state.counts[later]
    return True


def changed_unit(before: int, after: int) -> bool:
    """Whether one count is the other in another unit or decimal place (H3)."""
    low, high = sorted((before, after))
    if high < 1000 or low < 10:
        return False
    return any(abs(high / (low * ratio) - 1.0) <= max(0.01, 1.0 / low) for ratio in RATIOS)


def total_of(state: Judged, worth: Fraction) -> int:
    """What the kept readings add up to: falls are roll-overs, breaks add nothing."""
    count = 0
    for (_, before), (at, after) in zip(state.kept, state.kept[1:], strict=False):
        if state.verdict[at] & (RESET | UNIT):
            continue
        count += after - before if after >= before else state.meter.capacity - before + after
    return math.floor(count * worth)


def leaps_of(times: Sequence[int], counts: Sequence[int], flags: Sequence[int]) -> list[int]:
    """Positions at which an index of at least 100 counts is thrice or a third of the one before."""
    result = []
    for at in range(1, len(counts)):
        low, high = sorted(counts[at - 1 : at + 1])
        sound = times[at] > times[at - 1] and not (flags[at - 1] | flags[at]) & UNUSABLE
        if low >= 100 and high >= 3 * low and sound:
            result.append(at)
    return result
