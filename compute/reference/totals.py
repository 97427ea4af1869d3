"""The same truths in plain Python, slow and obvious: what the kernels are compared with. Imported by tests only.

Rules: lists and integers, no NumPy, nothing shared with the kernels but the rules' numbers and the names of the bits.
"""

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from compute.quality import Quality

BAD = Quality.STALE | Quality.GARBAGE | Quality.DUPLICATE | Quality.UNIT


@dataclass(frozen=True, slots=True)
class Anchor:
    """A kept reading: instant in microseconds, running total, what was found of the span before it."""

    time: int
    total: int
    flags: int


def plain_totals(
    times: Sequence[int], counts: Sequence[int], worth: Fraction = Fraction(1), capacity: int = 0
) -> list[Anchor]:
    """Anchors of a clean register that only counts up and may roll over: no garbage, no reset."""
    anchors: list[Anchor] = []
    advance = 0
    for position, (time, count) in enumerate(zip(times, counts, strict=True)):
        if position:
            step = count - counts[position - 1]
            advance += step if step >= 0 else step + capacity
        anchors.append(Anchor(time, math.floor(advance * worth), int(Quality.NONE)))
    return anchors


def total_at(anchors: Sequence[Anchor], bound: int) -> int:
    """Total at an instant: interpolated by exact fractions of double precision and floored; level outside and across
    holes.
    """
    if not anchors:
        return 0
    if bound <= anchors[0].time:
        return last_at(anchors, anchors[0].time).total if bound == anchors[0].time else anchors[0].total
    before = last_at(anchors, bound)
    after = [anchor for anchor in anchors if anchor.time > bound]
    if before.time == bound or not after or after[0].flags & Quality.MISSING:
        return before.total
    rise = after[0].total - before.total
    part = int(rise * ((bound - before.time) / (after[0].time - before.time)))
    return before.total + min(max(part, 0), rise)


def last_at(anchors: Sequence[Anchor], bound: int) -> Anchor:
    """The last anchor at or before an instant; the first where there is none."""
    earlier = [anchor for anchor in anchors if anchor.time <= bound]
    return earlier[-1] if earlier else anchors[0]


def covered_us(anchors: Sequence[Anchor], left: int, right: int) -> int:
    """Microseconds of [left, right) between anchors that have no hole between them."""
    whole = 0
    for before, after in itertools.pairwise(anchors):
        if not after.flags & Quality.MISSING:
            whole += max(0, min(after.time, right) - max(before.time, left))
    return whole


def means_of(times: Sequence[int], values: Sequence[float], bounds: Sequence[int]) -> list[float]:
    """Mean of the samples in each interval, NaN where there is none."""
    result = []
    for left, right in itertools.pairwise(bounds):
        own = [v for t, v in zip(times, values, strict=True) if left <= t < right and not math.isnan(v)]
        result.append(sum(own) / len(own) if own else math.nan)
    return result


@dataclass(frozen=True, slots=True)
class PlainDay:
    """Figures of a day, as `compute.kernels.daily.DayFigures` has them; None where nothing is known."""

    advance: int | None
    known: int
    shaped: int
    zero_run: int
    highest: int | None
    third: int | None
    lowest: int | None


def day_figures_of(uses: Sequence[int], bits: Sequence[int], days: Sequence[int]) -> list[PlainDay]:
    """Figures of each day from the use and the bits of each hour."""
    result: list[PlainDay] = []
    run = 0
    for first, last in itertools.pairwise(days):
        for k in range(first, last):
            known = not bits[k] & (Quality.MISSING | Quality.PARTIAL)
            run = 0 if uses[k] > 0 else run + known
        hours = range(first, last)
        whole = [k for k in hours if not bits[k] & (Quality.MISSING | Quality.PARTIAL)]
        shaped = sorted((uses[k] for k in whole if not bits[k] & Quality.INTERPOLATED), reverse=True)
        missing = all(bits[k] & Quality.MISSING for k in hours)
        result.append(
            PlainDay(
                None if missing else sum(uses[k] for k in hours),
                len(whole),
                len(shaped),
                run,
                shaped[0] if shaped else None,
                shaped[2] if len(shaped) > 2 else None,
                shaped[-1] if shaped else None,
            )
        )
    return result


def least_deviations(use: Sequence[float], x: Sequence[float]) -> tuple[float, float]:
    """Intercept and slope of the line with the least sum of absolute deviations: one of those through two points."""
    best = (statistics.median(use), 0.0)
    lowest = sum(abs(y - best[0]) for y in use)
    for i in range(len(use)):
        for j in range(i):
            if x[i] == x[j]:
                continue
            slope = (use[i] - use[j]) / (x[i] - x[j])
            intercept = use[i] - slope * x[i]
            deviation = sum(abs(y - intercept - slope * t) for y, t in zip(use, x, strict=True))
            if deviation < lowest and slope >= 0:
                lowest, best = deviation, (intercept, slope)
    return best


def group_median_of(values: Sequence[float], groups: Sequence[int], least: int) -> list[float]:
    """Median of each member's group, NaN where fewer than `least` are known or the group is -1."""
    result = []
    for group in groups:
        own = [v for v, g in zip(values, groups, strict=True) if g == group and not math.isnan(v)]
        result.append(statistics.median(own) if group >= 0 and own and len(own) >= least else math.nan)
    return result


def median_before_of(values: Sequence[float], at: int, window: int, gap: int, least: int) -> float:
    """Median of the days from `window` to `gap` before the week of day `at`."""
    week = at - at % 7
    own = [v for v in values[max(0, week - window) : max(0, week - gap)] if not math.isnan(v)]
    return statistics.median(own) if own and len(own) >= least else math.nan


def spike_of(uses: Sequence[int], step: float, share: float = 1.8, steps: float = 5.0) -> int | None:
    """Hour of a day's spike: the first highest, if it stands out of the third-highest; None where there is none."""
    if len(uses) < 3:
        return None
    ordered = sorted(uses, reverse=True)
    if ordered[0] >= steps * step and ordered[0] - ordered[2] > share * max(float(ordered[2]), step):
        return list(uses).index(ordered[0])
    return None


def shaped_bounds(
    start: int, end: int, low: int, high: int, bounds: Sequence[int], weights: Sequence[float]
) -> dict[int, int]:
    """Totals at the bounds strictly inside a span whose advance is distributed by `weights`, by bound."""
    parts = []
    for k, (left, right) in enumerate(itertools.pairwise(bounds)):
        overlap = max(0, min(right, end) - max(left, start))
        parts.append((right, weights[k] * (overlap / (right - left))))
    whole = 0.0
    for _, part in parts:
        whole += part
    result, done = {}, 0.0
    for right, part in parts:
        done += part
        if start < right < end and whole > 0:
            result[right] = low + min(max(int((high - low) * min(done / whole, 1.0)), 0), high - low)
    return result


def off_grid_of(times: Sequence[int], cadence_us: int, bounds: Sequence[int]) -> list[int]:
    """Readings of each day whose distance to the one before is more than 10 % off a multiple of the usual one (V5)."""
    result = [0] * (len(bounds) - 1)
    for before, after in itertools.pairwise(times):
        if cadence_us <= 0 or after == before or not bounds[0] <= after < bounds[-1]:
            continue
        slots = max(math.floor(Fraction(after - before, cadence_us) + Fraction(1, 2)), 1)
        if abs(Fraction(after - before, cadence_us) - slots) > Fraction(1, 10):
            result[sum(bound <= after for bound in bounds) - 1] += 1
    return result
