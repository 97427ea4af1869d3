"""Robust straight line of daily use over degree days: the signature y = a + b·x of a point.

Refitted once a week, on the calendar's own weeks, from the days before: what is expected of a day never depends on
that day nor on where the loaded window begins.
"""

from typing import NamedTuple

import numpy as np

from compute.kernels.compiled import Bool, Float64, Int64, compiled
from compute.kernels.medians import LANES, middles, sort_columns

WINDOW_DAYS = 56
MIN_DAYS = 14
# A fit is done when a step lowers the sum of deviations by no more than this share. It may stand on a slope below 0 for
# its first few steps where outliers are far, so it takes some whatever they bring.
SETTLED = 1e-3
LEAST_STEPS, MOST_STEPS = 6, 40
# Spread of a normal distribution over its median absolute deviation.
MAD_TO_SIGMA = 1.4826


class SignatureDays(NamedTuple):
    """Days of a point: `use`, `x` (d,) float64; `fit`: days to learn from, `season`: two classes that are never
    mixed.
    """

    use: Float64
    x: Float64
    fit: Bool
    season: Bool


@compiled
def line(use: Float64, x: Float64, floor: float, residuals: Float64, weights: Float64) -> tuple[float, float]:
    """Intercept and slope of the least absolute deviations, by reweighting; `residuals`: (n,) filled with what is left.

    The sum of deviations comes within about 3 % (and n times `floor`) of the least of all lines that do not fall.

    `floor`: a residual below it weighs no more than one of this size (a display step). `weights`: (n,) scratch. A slope
    below 0 becomes 0 with the median as intercept: heat does not fall with the cold.
    """
    n = len(use)
    residuals[:] = 1.0
    a, b, before = 0.0, 0.0, np.inf
    for step in range(MOST_STEPS + 1):
        for i in range(n):
            weights[i] = 1.0 / residuals[i]
        # Six sums at a time wait for each other no longer than one.
        sw, sx, sy, sxx, sxy, deviation = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for i in range(n):
            w = weights[i]
            sw += w
            sx += w * x[i]
            sy += w * use[i]
            sxx += w * x[i] * x[i]
            sxy += w * x[i] * use[i]
            deviation += residuals[i]
        # What is left of the line of the step before.
        if step == MOST_STEPS or (step >= LEAST_STEPS and before - deviation <= SETTLED * deviation):
            break
        before = deviation if step > 0 else np.inf
        determinant = sw * sxx - sx * sx
        b = (sw * sxy - sx * sy) / determinant if determinant > 1e-9 * sw * sw else 0.0
        a = (sy - b * sx) / sw
        for i in range(n):
            residuals[i] = max(abs(use[i] - a - b * x[i]), floor)
    if b < 0.0:
        b, a = 0.0, float(np.median(use))
    for i in range(n):
        residuals[i] = abs(use[i] - a - b * x[i])
    return a, b


@compiled
def learn(days: SignatureDays, at: int, season: bool, scratch: Float64) -> int:
    """Gather the days of one class before `at`; their number, 0 where there are too few. `scratch`: (4, WINDOW_DAYS),
    use and x filled.
    """
    n, use, x = 0, scratch[0], scratch[1]
    own, cold, fit, seasons = days.use, days.x, days.fit, days.season
    for d in range(max(0, at - WINDOW_DAYS), at):
        use[n], x[n] = own[d], cold[d]
        n += fit[d] & (seasons[d] == season)
    return n if n >= MIN_DAYS else 0


@compiled
def learn_week(
    use: Float64, x: Float64, fit: Bool, season: Bool, week: tuple[int, int], floors: Float64, fits: Float64
) -> None:
    """Signatures of up to LANES points for the days `week[0]` to `week[1]`. `fits`: (2, 3, LANES) filled: off and in
    season, intercept, slope and spread, NaN where there are too few days to learn from.
    """
    scratch, counts, middle = np.empty((4, WINDOW_DAYS)), np.empty(LANES, np.int64), np.empty(LANES)
    left = np.empty((WINDOW_DAYS, LANES))
    start, end = week
    for k in range(2):
        fits[k], counts[:], most = np.nan, 0, 0
        for p in range(len(use)):
            asked = False
            for d in range(start, end):
                asked |= season[p, d] == (k == 1)
            if not asked:
                continue
            n = learn(SignatureDays(use[p], x[p], fit[p], season[p]), start, k == 1, scratch)
            if n == 0:
                continue
            residuals = scratch[2, :n]
            fits[k, 0, p], fits[k, 1, p] = line(scratch[0, :n], scratch[1, :n], floors[p], residuals, scratch[3, :n])
            counts[p], most = n, max(most, n)
            for i in range(n):
                left[i, p] = residuals[i]
        for p in range(LANES):
            left[counts[p] : most, p] = np.inf
        sort_columns(left, most)
        middles(left, counts, 1, middle)
        for p in range(LANES):
            fits[k, 2, p] = MAD_TO_SIGMA * middle[p]


@compiled
def block_expectations(
    use: Float64,
    x: Float64,
    fit: Bool,
    season: Bool,
    day_numbers: Int64,
    floors: Float64,
    expected: Float64,
    sigma: Float64,
) -> None:
    """Expectation and spread of every day of p points from the weeks before it; NaN where there is no signature yet.

    Arrays (p, d). `day_numbers`: (d,) days since the epoch; weeks change where they are a multiple of 7. `floors`:
    (p,) display step in the unit of use; the spread is never below it nor below 3 % of the expectation.
    """
    fits, days = np.empty((2, 3, LANES)), len(day_numbers)
    for first in range(0, len(use), LANES):
        last, start = min(first + LANES, len(use)), 0
        while start < days:
            end = start + 1
            while end < days and day_numbers[end] % 7 != 0:
                end += 1
            own = slice(first, last)
            learn_week(use[own], x[own], fit[own], season[own], (start, end), floors[own], fits)
            for p in range(first, last):
                for d in range(start, end):
                    k = 1 if season[p, d] else 0
                    known = max(0.0, fits[k, 0, p - first] + fits[k, 1, p - first] * x[p, d])
                    if np.isnan(x[p, d]) or np.isnan(fits[k, 0, p - first]):
                        expected[p, d], sigma[p, d] = np.nan, np.nan
                    else:
                        expected[p, d], sigma[p, d] = known, max(fits[k, 2, p - first], floors[p], 0.03 * known)
            start = end
