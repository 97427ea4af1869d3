"""Low use: far below the point's own weather signature for days, but not zero (V12).

A worn or tampered flow sensor sees a share of the flow; a holiday lowers use, but not to a third.
"""

from dataclasses import dataclass

import numpy as np

from compute.days import Days
from compute.findings import Finding, Kind, grade, runs, trailing_sum


@dataclass(frozen=True, slots=True)
class LowUse:
    """Use below `warn_percent` of the expectation in sum over the last `window_days`, of which at least `days` could
    be judged, and by more than `robust_z` spreads a day.
    """

    warn_percent: float = 36.0
    fail_percent: float = 25.0
    days: int = 9
    window_days: int = 12
    robust_z: float = 2.5
    min_steps: float = 10.0
    hdd_k: float = 5.0


def detect(days: Days, limits: LowUse) -> list[Finding]:
    """One finding a run of low days."""
    sigma = days.sigma_kwh
    with np.errstate(invalid="ignore", divide="ignore"):
        # What everybody in the area uses less today is weather, or the network.
        common = days.common
        expected = days.expected_kwh * np.clip(np.where(np.isfinite(common), common, 1.0), 0.0, 1.0)
        cold = np.where(np.isfinite(days.hdd_k), days.hdd_k > limits.hdd_k, True)
        worth = expected > limits.min_steps * np.maximum(days.points.energy_step_kwh, 1e-6)[:, None]
        judged = days.active & days.in_season & cold & days.usable & worth & np.isfinite(sigma)
    due, used, spread = (
        trailing_sum(np.where(judged, values, 0.0), limits.window_days) for values in (expected, days.energy_kwh, sigma)
    )
    enough = trailing_sum(judged.astype(np.float64), limits.window_days) >= limits.days - 0.5
    low = judged & enough & (used > 0) & (used < limits.warn_percent / 100.0 * due)
    low &= due - used > limits.robust_z * spread
    with np.errstate(invalid="ignore"):
        each = judged & (days.energy_kwh < limits.warn_percent / 100.0 * expected)
    found = []
    for row, first, end in runs(low & each, bridge=5):
        begin = first
        while begin > max(0, first - limits.window_days + 1) and (each[row, begin - 1] or not judged[row, begin - 1]):
            begin -= 1
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
