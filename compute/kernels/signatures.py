"""Robust straight line of daily use over degree days: the signature y = a + b·x of a point.

Refitted once a week, on the calendar's own weeks, from the days before: what is expected of a day never depends on
that day nor on where the loaded window begins.
"""

from typing import NamedTuple

import numpy as np

from compute.kernels.compiled import Bool, Float64, Int64, compiled

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
def line(use: Float64, x: Float64, floor: float, residuals: Float64, out: Float64) -> None:
    """Least absolute deviations by reweighting. `out`: (3,) intercept, slope, spread; `residuals`: (n,) scratch.

    The sum of deviations comes within about 3 % (and n times `floor`) of the least of all lines that do not fall.

    `floor`: a residual below it weighs no more than one of this size (a display step). A slope below 0 becomes 0
    with the median as intercept: heat does not fall with the cold.
    """
    n = len(use)
    residuals[:] = 1.0
    a, b, before = 0.0, 0.0, np.inf
    for step in range(MOST_STEPS):
        sw, sx, sy, sxx, sxy = 0.0, 0.0, 0.0, 0.0, 0.0
        for i in range(n):
            w = 1.0 / residuals[i]
            sw += w
            sx += w * x[i]
            sy += w * use[i]
            sxx += w * x[i] * x[i]
            sxy += w * x[i] * use[i]
        determinant = sw * sxx - sx * sx
        b = (sw * sxy - sx * sy) / determinant if determinant > 1e-9 * sw * sw else 0.0
        a = (sy - b * sx) / sw
        deviation = 0.0
        for i in range(n):
            residuals[i] = max(abs(use[i] - a - b * x[i]), floor)
            deviation += residuals[i]
        if step + 1 >= LEAST_STEPS and before - deviation <= SETTLED * deviation:
            break
        before = deviation
    if b < 0.0:
        b, a = 0.0, np.median(use)
    for i in range(n):
        residuals[i] = abs(use[i] - a - b * x[i])
    out[0], out[1], out[2] = a, b, MAD_TO_SIGMA * np.median(residuals[:n])


@compiled
def learn(days: SignatureDays, at: int, season: bool, floor: float, scratch: Float64, out: Float64) -> bool:
    """Fit the days of one class before `at`; False where there are too few. `scratch`: (3, WINDOW_DAYS)."""
    n = 0
    for d in range(max(0, at - WINDOW_DAYS), at):
        if days.fit[d] and days.season[d] == season:
            scratch[0, n], scratch[1, n] = days.use[d], days.x[d]
            n += 1
    if n < MIN_DAYS:
        return False
    line(scratch[0, :n], scratch[1, :n], floor, scratch[2, :n], out)
    return True


@compiled
def expectations(days: SignatureDays, day_numbers: Int64, floor: float, expected: Float64, sigma: Float64) -> None:
    """Expectation and spread of every day from the weeks before it; NaN where there is no signature yet.

    `day_numbers`: (d,) days since the epoch; weeks change where they are a multiple of 7. `floor`: display step in
    the unit of use; the spread is never below it nor below 3 % of the expectation.
    """
    scratch, fits, have = np.empty((3, WINDOW_DAYS)), np.empty((2, 3)), np.zeros(2, np.bool_)
    done = np.zeros(2, np.bool_)
    start = 0
    for d in range(len(days.use)):
        if d == 0 or day_numbers[d] % 7 == 0:
            start, done[:] = d, False
        k = 1 if days.season[d] else 0
        if not done[k]:
            have[k], done[k] = learn(days, start, days.season[d], floor, scratch, fits[k]), True
        if not have[k] or np.isnan(days.x[d]):
            expected[d], sigma[d] = np.nan, np.nan
            continue
        expected[d] = max(0.0, fits[k, 0] + fits[k, 1] * days.x[d])
        sigma[d] = max(fits[k, 2], floor, 0.03 * expected[d])


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
    """`expectations` for p points: arrays (p, d), `floors` (p,)."""
    for p in range(len(use)):
        days = SignatureDays(use[p], x[p], fit[p], season[p])
        expectations(days, day_numbers, floors[p], expected[p], sigma[p])
