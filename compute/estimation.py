"""How a measured total is distributed over a gap: the estimation ladder, steps 0, 1, 3, 4 and 5 of the catalogue.

The register came back, so the total is the meter's own; only its shape is estimated. Up to two hours it is linear;
beyond, it takes the shape of like days before the gap, scaled to the bounding indexes; where no like day is known, it
is flat.
"""

from typing import NamedTuple

import numpy as np

from compute.kernels.compiled import Bool, Float64, Int8, Int32, Int64, compiled
from compute.kernels.differences import Anchors
from compute.kernels.resampling import FLAT, HOLE, SHORT_GAP_US, reshape_span
from compute.quality import Method, Quality

LIKE_DAYS = int(Method.LIKE_DAYS)
SIGNATURE = int(Method.SIGNATURE)
ESTIMATED = int(Quality.ESTIMATED)
UNFIT = int(Quality.MISSING | Quality.PARTIAL | Quality.ESTIMATED | Quality.FAILED | Quality.INTERPOLATED)
DAY_US = 86_400_000_000


class GapLimits(NamedTuple):
    """Which days are like: `search_days` before the gap are looked at, the `wanted_days` nearest of them make its
    shape, none more than `near_k` warmer or colder.
    """

    search_days: int = 6
    wanted_days: int = 3
    near_k: float = 5.0


class Calendar(NamedTuple):
    """`days`: (d+1,) positions of the midnights; `weekend`: (d,); `outdoor_c`: (a, d) daily means, NaN where
    unknown; `limits`: which days are like.
    """

    days: Int64
    weekend: Bool
    outdoor_c: Float64
    limits: GapLimits


@compiled
def fit_day(bits: Int32, days: Int64, day: int) -> bool:
    """Whether every hour of a day was measured."""
    for k in range(days[day], days[day + 1]):  # noqa: SIM110 - Numba compiles no generators
        if bits[k] & UNFIT:
            return False
    return True


@compiled
def like_days(bits: Int32, calendar: Calendar, area: int, day: int, before: int, chosen: Int64) -> int:
    """Nearest measured days before `before` that are like `day`; their number. `chosen`: (wanted_days,) filled.

    First days of the same weekday class and a like temperature, then of a like temperature, then any.
    """
    n = 0
    for strictness in range(2, -1, -1):
        for other in range(before - 1, max(before - 1 - calendar.limits.search_days, -1), -1):
            if n == len(chosen):
                return n
            known = False
            for i in range(n):
                known = known or chosen[i] == other
            if known or not fit_day(bits, calendar.days, other):
                continue
            apart = abs(calendar.outdoor_c[area, other] - calendar.outdoor_c[area, day])
            if strictness > 0 and apart > calendar.limits.near_k:
                continue
            if strictness > 1 and calendar.weekend[other] != calendar.weekend[day]:
                continue
            chosen[n] = other
            n += 1
    return n


@compiled
def longest_span(times: Int64) -> int:
    """Longest distance between successive instants."""
    longest = np.int64(0)
    for i in range(len(times) - 1):
        longest = max(longest, times[i + 1] - times[i])
    return int(longest)


@compiled
def shape_gaps(
    anchors: Anchors, bounds: Int64, calendar: Calendar, area: int, totals: Int64, bits: Int32, method: Int8
) -> None:
    """Give the long gaps of a point the shape of like days. `totals`: (h+1,), `bits`, `method`: (h,), changed in
    place.
    """
    chosen, span = np.empty(max(calendar.limits.wanted_days, 1), np.int64), np.empty(4, np.int64)
    weights = np.empty(0)
    days = calendar.days
    if longest_span(anchors.times) <= SHORT_GAP_US:
        return
    for i in range(1, len(anchors.times)):
        start, end = anchors.times[i - 1], anchors.times[i]
        if end - start <= SHORT_GAP_US or anchors.flags[i] & HOLE or end <= bounds[0] or start >= bounds[-1]:
            continue
        first = int(max(np.searchsorted(bounds, start, side="right") - 1, 0))
        last = int(min(np.searchsorted(bounds, end), len(bounds) - 1))
        if last - first < 3 or method[first + 1] != FLAT or not bits[first + 1] & ESTIMATED:
            continue
        if len(weights) == 0:
            weights = np.zeros(len(bounds) - 1)
        gap_day = int(np.searchsorted(days, first, side="right")) - 1
        shaped, day, n, warm = True, -1, 0, True
        for k in range(first, last):
            own = int(np.searchsorted(days, k, side="right")) - 1
            if own != day:
                day = own
                n = like_days(bits, calendar, area, min(day, len(days) - 2), min(gap_day, len(days) - 2), chosen)
                warm = warm and not np.isnan(calendar.outdoor_c[area, min(day, len(days) - 2)])
            shaped = shaped and n > 0
            weights[k] = 0.0
            for j in range(n):
                hour = min(days[chosen[j]] + k - days[day], days[chosen[j] + 1] - 1)
                weights[k] += totals[hour + 1] - totals[hour]
        if not shaped:
            continue
        span[0], span[1], span[2], span[3] = start, end, anchors.totals[i - 1], anchors.totals[i]
        reshape_span(bounds, span, weights, totals)
        for k in range(first, last):
            if method[k] == FLAT:
                method[k] = SIGNATURE if warm else LIKE_DAYS


def weekends(day_bounds: Int64) -> Bool:
    """(d,) whether a local day is a Saturday or Sunday; noon of the local day decides."""
    number = (day_bounds[:-1] + DAY_US // 2) // DAY_US
    result: Bool = (number + 3) % 7 >= 5
    return result
