"""Low use: far below the point's own weather signature for days, but not zero (V12).

A worn or tampered flow sensor sees a share of the flow; a holiday lowers use, but not to a quarter, or it ends.
"""

from dataclasses import dataclass

import numpy as np

from compute.days import Days
from compute.findings import Finding, Kind, grade, runs, trailing_sum
from compute.kernels.compiled import Bool, Float64

# Days in a row that may be better within a low stretch.
BETTER_DAYS = 2


@dataclass(frozen=True, slots=True)
class LowUse:
    """Use below `fail_percent` of the expectation in sum over the last `window_days`, of which at least `days` could
    be judged, or below `warn_percent` over `long_window_days` and `long_days`, which is more than a holiday; and by
    more than `robust_z` spreads a day. `min_steps`: counts of the display that a day's expectation is worth.
    """

    warn_percent: float = 36.0
    fail_percent: float = 25.0
    days: int = 9
    window_days: int = 12
    long_days: int = 14
    long_window_days: int = 18
    robust_z: float = 2.5
    min_steps: float = 2.0
    hdd_k: float = 5.0


def detect(days: Days, limits: LowUse) -> list[Finding]:
    """One finding a run of low days."""
    sigma = days.sigma_kwh
    with np.errstate(invalid="ignore", divide="ignore"):
        # What everybody in the area uses less today is weather, or the network.
        common = days.common
        expected = days.expected_kwh * np.clip(np.where(np.isfinite(common), common, 1.0), 0.0, 1.0)
        cold = np.where(np.isfinite(days.hdd_k), days.hdd_k > limits.hdd_k, True)
        judged = days.active & days.in_season & cold & days.usable & (expected > 0) & np.isfinite(sigma)
    few = min(limits.fail_percent, limits.warn_percent)
    low = _low(days, limits, (expected, judged), (limits.window_days, limits.days, few))
    long = (limits.long_window_days, limits.long_days, limits.warn_percent)
    low |= _low(days, limits, (expected, judged), long)
    with np.errstate(invalid="ignore"):
        each = judged & (days.energy_kwh < limits.warn_percent / 100.0 * expected)
    found = []
    for row, first, end in runs(low & each, bridge=5):
        begin = _begin(each[row] | ~judged[row], first, limits.long_window_days)
        span = slice(begin, end)
        had, meant = (float(np.nansum(np.where(judged, part, 0.0)[row, span])) for part in (days.energy_kwh, expected))
        share = 100.0 * had / max(meant, 1e-9)
        found.append(
            Finding(
                row, Kind.LOW_USE, "V12", grade(share < limits.fail_percent),
                int(days.bounds[begin]), int(days.bounds[end]), had, 0.5 * meant, 1.5 * meant, "kWh",
                max(meant - had, 0.0), 0.8, {"share_percent": share, "days": float(end - begin)},
                int(days.bounds[first + 1]),
            )
        )  # fmt: skip
    return found


def _begin(low: Bool, first: int, window: int) -> int:
    """The first day of a low stretch that was told at `first`: a few better days do not end it."""
    begin = first
    while begin > max(0, first - window + 1) and low[max(0, begin - BETTER_DAYS - 1) : begin].any():
        begin -= 1
    return begin + int(np.argmax(low[begin : first + 1]))


def _low(days: Days, limits: LowUse, judged: tuple[Float64, Bool], ask: tuple[int, int, float]) -> Bool:
    """Days at whose end a window's use is too low. `judged`: expectation and the days that count; `ask`: days of the
    window, of which so many must count, and percent of the expectation.
    """
    (expected, able), (window, needed, percent) = judged, ask
    due, used, spread = (
        trailing_sum(np.where(able, values, 0.0), window) for values in (expected, days.energy_kwh, days.sigma_kwh)
    )
    enough = able & (trailing_sum(able.astype(np.float64), window) >= needed - 0.5)
    # A coarse display needs days to show a share: the window's expectation must be worth many counts of it.
    enough &= due > limits.min_steps * needed * np.maximum(days.points.energy_step_kwh, 1e-6)[:, None]
    result: Bool = enough & (used > 0) & (used < percent / 100.0 * due) & (due - used > limits.robust_z * spread)
    return result
