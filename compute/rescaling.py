"""A unit that changed for certain is counted in its own unit: kWh that became MWh or GJ, a decimal place that moved.

Rules: certain is a change whose ratio is one of the known ones and no other, whose index carries on within what could
be used meanwhile, and which later readings confirm; the leap itself must be far beyond that use. Then the series goes
on as a second one in the new unit, which begins with the old index converted: what was used across the change is
counted, and either side adds up exactly. All other changes stay breaks that wait for a person (V6, H3).
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from compute.kernels.compiled import Int32, Int64, compiled
from compute.quality import Quality
from compute.series import MAX_TOTAL, IndexSeries

RESCALED, EXCHANGE, UNUSABLE = (
    int(Quality.RESCALED),
    int(Quality.EXCHANGE),
    int(Quality.STALE | Quality.GARBAGE | Quality.DUPLICATE | Quality.UNIT),
)
# New counts for old ones: decimal places, kWh in MJ, MWh in GJ, GJ in kWh.
RATIOS = ((10, 1), (100, 1), (1000, 1), (1_000_000, 1), (18, 5), (2500, 9), (5, 18), (9, 2500), (1, 10), (1, 100),
          (1, 1000), (1, 1_000_000))  # fmt: skip
# Readings that must carry on before and after, and how many before tell the usual pace.
BEFORE, AFTER, PACE = 3, 3, 48
# Counts that an index must show on its coarser side; share of it within which the use across the change must lie.
LEAST, CLOSE = 100, 0.01
# Use across the change and after it, over the pace before.
HASTE = 8.0
# Beyond every index of the field, in any unit; times the largest ratio it is still a number.
MOST = 4 * 10**15


class Change(NamedTuple):
    """Reading `at` (position in the series) is the first in the new unit, `top`/`bottom` new counts for an old one."""

    at: int
    top: int
    bottom: int


@compiled
def leaping(counts: Int64) -> bool:
    """Whether `leaps` has anything to find; a loop that only compares takes many readings at a time."""
    found = 0
    for i in range(len(counts) - 1):
        low, high = min(counts[i], counts[i + 1]), max(counts[i], counts[i + 1])
        found += (low >= LEAST) & (high >= 3 * low)
    return found > 0


@compiled
def leaps(times: Int64, counts: Int64, flags: Int32, out: Int64) -> int:
    """Positions at which an index is at least thrice or at most a third of the one before; their number.

    All are (n,); `out` takes the positions. Nothing else can be a change of the unit.
    """
    n = 0
    for i in range(1, len(counts)):
        low, high = min(counts[i - 1], counts[i]), max(counts[i - 1], counts[i])
        if high >= 3 * low and low >= LEAST and not (flags[i - 1] | flags[i]) & UNUSABLE and times[i] > times[i - 1]:
            out[n] = i
            n += 1
    return n


def changes_of(times: Int64, counts: Int64, flags: Int32, rate: float = 0.0) -> list[Change]:
    """Changes of the unit in one series that are certain, in order of time.

    Parameters
    ----------
    times, counts, flags
        (n,) readings in order of time.
    rate
        Most counts a second that the pipe can deliver, in the first unit; 0 where unknown.
    """
    found = np.empty(len(counts), np.int64)
    at = found[: leaps(times, counts, flags, found)]
    result: list[Change] = []
    top, bottom, since = 1, 1, 0
    for place in at.tolist():
        change = _change(times, counts, flags, place, (since, rate * top / bottom))
        if change is not None:
            result.append(change)
            top, bottom, since = top * change.top, bottom * change.bottom, place
    return result


def _change(times: Int64, counts: Int64, flags: Int32, at: int, known: tuple[int, float]) -> Change | None:
    """The change at a leap, None where it isn't certain."""
    since, rate = known
    if at - since < BEFORE or at + AFTER >= len(counts):
        return None
    before, after = slice(max(since, at - PACE), at), slice(at, at + AFTER + 1)
    if (flags[before.start : after.stop] & UNUSABLE).any() or (np.diff(counts[before]) < 0).any():
        return None
    if (np.diff(counts[after]) < 0).any():
        return None
    span = float(times[at - 1] - times[before.start]) / 1e6
    if span <= 0:
        return None
    pace = HASTE * float(counts[at - 1] - counts[before.start] + 1) / span
    pace = min(pace, rate) if rate > 0 else pace
    meanwhile = pace * float(times[at] - times[at - 1]) / 1e6 + 2.0
    later = pace * float(times[at + AFTER] - times[at]) / 1e6 + 2.0
    old, new = int(counts[at - 1]), int(counts[at])
    use = int(counts[at + AFTER]) - new
    fitting = [
        Change(at, top, bottom)
        for top, bottom in RATIOS
        if _carries_on(old, new * bottom / top, meanwhile, bottom / top)
        and use * bottom / top <= later + 2.0 * max(1.0, bottom / top)
    ]
    return fitting[0] if len(fitting) == 1 else None


def _carries_on(old: int, converted: float, meanwhile: float, count: float) -> bool:
    """Whether a converted index is the old one and what was used meanwhile. `count`: a new count in old ones."""
    blur = max(1.0, count)
    near = -blur <= converted - old <= meanwhile + blur
    return near and meanwhile + 2.0 * blur <= CLOSE * old


def rescaled(series: IndexSeries) -> IndexSeries:
    """The series with every certain change of the unit made a series of its own; itself where there is none."""
    found: dict[int, list[Change]] = {}
    scratch = np.empty(len(series.counts), np.int64)
    for number in range(len(series.offsets) - 1):
        own = slice(int(series.offsets[number]), int(series.offsets[number + 1]))
        times, counts, flags = series.times[own], series.counts[own], series.flags[own]
        if leaping(counts) and leaps(times, counts, flags, scratch):
            changes = changes_of(times, counts, flags, float(series.rate[number]))
            if changes:
                found[number] = changes
    return _split(series, found) if found else series


class _Part(NamedTuple):
    """Readings in one unit, counted in parts of the first unit's count: `top` of them are one."""

    times: Int64
    counts: Int64
    flags: Int32
    top: int
    coarse: bool


def _split(series: IndexSeries, found: dict[int, list[Change]]) -> IndexSeries:
    parts: list[_Part] = []
    numbers: list[int] = []
    points = np.zeros(len(series.point_offsets), np.int64)
    for number in range(len(series.offsets) - 1):
        own = slice(int(series.offsets[number]), int(series.offsets[number + 1]))
        made = _parts(series.times[own], series.counts[own], series.flags[own], found.get(number, []))
        parts += made
        numbers += [number] * len(made)
        points[int(np.searchsorted(series.point_offsets, number, side="right")) :] += len(made)
    rows, top = np.array(numbers, np.int64), np.array([part.top for part in parts], np.int64)
    coarse, split = np.array([part.coarse for part in parts]), np.isin(rows, list(found))
    numerator = series.numerator[rows]
    return replace(
        series,
        times=np.concatenate([part.times for part in parts]),
        counts=np.concatenate([part.counts for part in parts]),
        flags=np.concatenate([part.flags for part in parts]),
        offsets=np.concatenate(([0], np.cumsum([len(part.times) for part in parts]))).astype(np.int64),
        point_offsets=points,
        numerator=numerator,
        denominator=series.denominator[rows] * top,
        # Nobody knows how many digits the new unit shows, and one of its counts may be more than a pipe delivers.
        capacity=np.where(split, 0, series.capacity[rows]),
        limit=np.where(split, np.minimum(MOST, MAX_TOTAL // numerator), series.limit[rows]),
        rate=np.where(coarse, 0.0, series.rate[rows] * top),
    )


def _parts(times: Int64, counts: Int64, flags: Int32, changes: Sequence[Change]) -> list[_Part]:
    """One series by units. Each part but the first begins with the old index in the new unit, at its own instant: what
    was used since counts.
    """
    cuts = [0, *(change.at for change in changes), len(counts)]
    worth = Fraction(1)  # of a count in counts of the first unit
    result = [_Part(times[: cuts[1]], counts[: cuts[1]], flags[: cuts[1]], 1, False)]
    for change, start, stop in zip(changes, cuts[1:], cuts[2:], strict=False):
        before, worth = worth, worth * Fraction(change.bottom, change.top)
        top, bottom = worth.denominator, worth.numerator
        opening = math.floor(int(counts[start - 1]) * before * top)
        # A coarser display shows less than the old one did until its next count.
        own = np.clip(counts[start:stop], -1, MOST // bottom) * bottom
        own = np.where((own < opening) & (own > opening - bottom), opening, own)
        flag = np.append(np.int32(EXCHANGE), flags[start:stop]).astype(np.int32)
        flag[: 2 if worth == 1 else None] |= RESCALED
        result.append(
            _Part(np.append(times[start - 1], times[start:stop]), np.append(opening, own), flag, top, bottom > top)
        )
    return result
