"""Low use: far below the point's own weather signature for days, but not zero (V12).

A worn or tampered flow sensor sees a share of the flow; a holiday lowers use, but not to a third.
"""

from dataclasses import dataclass

import numpy as np

from compute.days import Days
from compute.findings import Finding, Kind, grade, persistent, runs


@dataclass(frozen=True, slots=True)
class LowUse:
    """Use below `warn_percent` of the expectation on `days` days in a row."""

    warn_percent: float = 40.0
    fail_percent: float = 25.0
    days: int = 8
    robust_z: float = 3.0
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
        low = (days.energy_kwh < limits.warn_percent / 100.0 * expected) & (
            expected - days.energy_kwh > limits.robust_z * sigma
        )
        mask = days.active & days.in_season & cold & days.complete & worth & low & (days.energy_kwh > 0)
    lasting = persistent(mask, limits.days, limits.days)
    found = []
    for row, first, end in runs(lasting, bridge=3):
        begin = max(0, first - limits.days + 1)
        span = slice(begin, end)
        used, due = float(np.nansum(days.energy_kwh[row, span])), float(np.nansum(expected[row, span]))
        share = 100.0 * used / max(due, 1e-9)
        found.append(
            Finding(
                row, Kind.LOW_USE, "V12", grade(share < limits.fail_percent),
                int(days.bounds[begin]), int(days.bounds[end]), used, 0.5 * due, 1.5 * due, "kWh", due - used, 0.8,
                {"share_percent": share, "days": float(end - begin)},
            )
        )  # fmt: skip
    return found
