"""From anchors at any instant to a total at every interval bound, so that intervals are differences and add up exactly.

Between two anchors the total is interpolated and floored to a whole joule or millilitre: whatever the shape, a span's
intervals sum to its advance. Bits say what an interval rests on; nothing is ever zero because it is missing.
"""

import numpy as np

from compute.kernels.compiled import Float32, Float64, Int8, Int32, Int64, compiled
from compute.kernels.differences import Anchors
from compute.quality import Method, Quality

HOLE = int(Quality.MISSING)
MISSING = int(Quality.MISSING)
PARTIAL = int(Quality.PARTIAL)
FIRST = int(Quality.FIRST)
INTERPOLATED = int(Quality.INTERPOLATED)
ESTIMATED = int(Quality.ESTIMATED)
LINEAR = int(Method.LINEAR)
FLAT = int(Method.FLAT)
SHORT_GAP_US = 7_200_000_000
# A span is wider than the grid, or a slot was missed, from this multiple on.
WIDE = 1.5
# Intervals looked at together: loops without a branch take many at a time, one that is out of order costs this many.
STRETCH = 32


@compiled
def share(low: int, high: int, elapsed_us: int, span_us: int) -> int:
    """Total at `elapsed_us` into a span that rises from `low` to `high`: floored, monotone, exact at both ends."""
    part = int((high - low) * (elapsed_us / span_us))
    return low + min(max(part, 0), high - low)


@compiled
def narrowest(bounds: Int64) -> int:
    """Length of the shortest interval, microseconds."""
    least = np.int64(2**62)
    for k in range(len(bounds) - 1):
        least = min(least, bounds[k + 1] - bounds[k])
    return int(least)


@compiled
def steady(times: Int64, flags: Int32, bounds: Int64, widest: float) -> bool:
    """Whether each of `bounds` (w,) lies in a span of its own, all spans plain and at most `widest` microseconds long.

    `times`, `flags`: (w+1,) of the anchors from the one at or before the first bound.
    """
    off = 0
    for i in range(len(bounds)):
        start, end = times[i], times[i + 1]
        off += (start > bounds[i]) | (end <= bounds[i]) | (end - start > widest) | (flags[i + 1] != 0)
    return off == 0


@compiled
def resample(anchors: Anchors, bounds: Int64, cadence_us: int, totals: Int64, bits: Int32, method: Int8) -> None:
    """`totals_at` and `interval_bits` in one go; nearly all of a year is steady, and then neither has to search.

    An interval between two steady bounds rests on plain spans that cover it and are not wide for it: nothing is to be
    said of it.
    """
    times, flags, n, h = anchors.times, anchors.flags, len(anchors.times), len(bounds) - 1
    widest, j, k = WIDE * narrowest(bounds), 0, 0
    while k < h:
        stop = min(k + STRETCH, h)
        w = stop - k + 1
        while j + 1 < n and times[j + 1] <= bounds[k]:
            j += 1
        at, end = bounds[k : stop + 1], j + w + 1
        if 0 < j < n - w and times[0] < at[0] and steady(times[j:end], flags[j:end], at, widest):
            own, values = times[j:end], anchors.totals[j:end]
            out, quiet, plain = totals[k : stop + 1], bits[k:stop], method[k:stop]
            for i in range(len(at)):
                out[i] = share(values[i], values[i + 1], at[i] - own[i], own[i + 1] - own[i])
            quiet[:], plain[:] = 0, 0
        else:
            totals_at(anchors, at, totals[k : stop + 1], j)
            interval_bits(anchors, at, cadence_us, bits[k:stop], method[k:stop], j)
        k = stop


@compiled
def totals_at(anchors: Anchors, bounds: Int64, out: Int64, j: int = 0) -> None:
    """`out`: (h+1,) int64, total at every bound; level before the first and after the last anchor and across holes.

    `j`: an anchor at or before the first bound, or the first of all.
    """
    times, totals, flags = anchors.times, anchors.totals, anchors.flags
    n = len(times)
    if n == 0:
        out[:] = 0
        return
    for k in range(len(bounds)):
        bound = bounds[k]
        while j + 1 < n and times[j + 1] <= bound:
            j += 1
        if times[j] >= bound or j + 1 >= n or flags[j + 1] & HOLE:
            out[k] = totals[j]
        else:
            out[k] = share(totals[j], totals[j + 1], bound - times[j], times[j + 1] - times[j])


@compiled
def span_bits(anchors: Anchors, at: int, left: int, right: int, cadence_us: int) -> int:
    """Bits that the span ending at anchor `at` lends to the interval [left, right)."""
    start, end = anchors.times[at - 1], anchors.times[at]
    bits = int(anchors.flags[at])
    if bits & HOLE:
        return bits & ~HOLE
    if (start < left or end > right) and end - start > WIDE * (right - left):
        bits |= INTERPOLATED
        if end - start > WIDE * cadence_us:
            bits |= ESTIMATED
    return bits & ~FIRST


@compiled
def interval_bits(anchors: Anchors, bounds: Int64, cadence_us: int, bits: Int32, method: Int8, j: int = 0) -> None:
    """What every interval rests on. `bits`: (h,) int32, `method`: (h,) int8, both written in full.

    `cadence_us`: usual distance of readings; a span of more than one and a half of it had slots missing (V4). `j`: an
    anchor at or before the first bound, or the first of all.
    """
    times, flags, n = anchors.times, anchors.flags, len(anchors.times)
    for k in range(len(bounds) - 1):
        left, right = bounds[k], bounds[k + 1]
        while j + 1 < n and times[j + 1] <= left:
            j += 1
        # Nearly every interval lies within one plain span of usual length.
        if j + 1 < n and times[j] <= left and times[j + 1] >= right and flags[j + 1] == 0:
            span = times[j + 1] - times[j]
            if span <= WIDE * (right - left) and not (left == times[0] and flags[0] & ~(FIRST | HOLE)):
                bits[k], method[k] = 0, 0
                continue
        found, covered, longest, i = 0, 0, 0, j
        if n > 0 and left <= times[0] < right:
            found |= anchors.flags[0] & ~HOLE & (-1 if times[0] > left else ~FIRST)
        while i + 1 < n and times[i] < right:
            overlap = min(times[i + 1], right) - max(times[i], left)
            if overlap > 0 or times[i] == times[i + 1]:
                add = span_bits(anchors, i + 1, left, right, cadence_us)
                found |= add
                if overlap > 0 and not anchors.flags[i + 1] & HOLE:
                    covered += overlap
                if add & INTERPOLATED:
                    longest = max(longest, times[i + 1] - times[i])
            i += 1
        if covered == 0:
            found |= MISSING
        elif covered < right - left:
            found |= PARTIAL
        bits[k] = found
        method[k] = 0 if longest == 0 else (LINEAR if longest <= SHORT_GAP_US else FLAT)


@compiled
def cadence(times: Int64, scratch: Int64) -> int:
    """Usual distance of readings, microseconds: median of up to 64 distances spread over the series; 0 if unknown."""
    n = len(times) - 1
    if n < 1:
        return 0
    stride = max(1, n // len(scratch))
    m = 0
    for i in range(0, n, stride):
        step = times[i + 1] - times[i]
        if step > 0 and m < len(scratch):
            scratch[m] = step
            m += 1
    if m == 0:
        return 0
    return int(np.sort(scratch[:m])[m // 2])


@compiled
def reshape_span(bounds: Int64, span: Int64, weights: Float64, out: Int64) -> None:
    """Distribute a span's advance by `weights` instead of evenly: the bounds inside it move, its ends stay.

    `span`: (4,) int64 start and end instant, total at the start and at the end. `weights`: (h,) float64 of the
    intervals, not negative; where all are 0 the shape stays as it is. `out`: (h+1,) int64 totals at `bounds`,
    changed in place.
    """
    start, end, low, high = span[0], span[1], span[2], span[3]
    first = np.searchsorted(bounds, start, side="right") - 1
    whole, k = 0.0, max(first, 0)
    while k < len(weights) and bounds[k] < end:
        overlap = min(bounds[k + 1], end) - max(bounds[k], start)
        whole += weights[k] * (overlap / (bounds[k + 1] - bounds[k]))
        k += 1
    if not whole > 0.0:
        return
    part, k = 0.0, max(first, 0)
    while k < len(weights) and bounds[k + 1] < end:
        overlap = min(bounds[k + 1], end) - max(bounds[k], start)
        part += weights[k] * (overlap / (bounds[k + 1] - bounds[k]))
        step = int((high - low) * min(part / whole, 1.0))
        out[k + 1] = low + min(max(step, 0), high - low)
        k += 1


@compiled
def one_each(times: Int64, bounds: Int64) -> bool:
    """Whether sample i of `times` (w,) lies in interval i of `bounds` (w+1,)."""
    off = 0
    for i in range(len(times)):
        off += (times[i] < bounds[i]) | (times[i] >= bounds[i + 1])
    return off == 0


@compiled
def means(times: Int64, values: Float32, bounds: Int64, out: Float32) -> None:
    """Mean of the samples in each interval. `out`: (h,) float32, NaN where there is none."""
    n, h, k = len(times), len(bounds) - 1, 0
    j = np.searchsorted(times, bounds[0])
    while k < h:
        stop = min(k + STRETCH, h)
        after = j + stop - k
        alone = after == n or (after < n and times[after] >= bounds[stop])
        if alone and one_each(times[j:after], bounds[k : stop + 1]):
            own, to = values[j:after], out[k:stop]
            for i in range(len(to)):
                to[i] = own[i] + np.float32(0.0)
            j, k = after, stop
        for at in range(k, stop):
            total, m = 0.0, 0
            while j < n and times[j] < bounds[at + 1]:
                if values[j] == values[j]:
                    total += values[j]
                    m += 1
                j += 1
            out[at] = total / m if m else np.nan
        k = stop
