"""Size: a meter that is too small or too large for what flows through it (H11).

Nobody has to act today: the finding is noted for the next exchange, no alert is raised.
"""

from dataclasses import dataclass

import numpy as np

from compute.days import Days
from compute.findings import Finding, Kind, Severity, persistent, runs, trailing_sum
from compute.kernels.compiled import Bool


@dataclass(frozen=True, slots=True)
class Size:
    """Too small: more than `qs_percent` of qs within an hour, on `overload_days` of a week. Too large: on
    `low_days_percent` of `days` heating days no hour above `qp_percent` of qp.
    """

    qs_percent: float = 100.0
    overload_days: int = 2
    qp_percent: float = 2.0
    low_days_percent: float = 95.0
    days: int = 28


def detect(days: Days, limits: Size) -> list[Finding]:
    """One finding a run of days on which the last week was too much, or the last weeks too little."""
    points, highest = days.points, days.highest_m3.astype(np.float64)
    with np.errstate(invalid="ignore"):
        over = (highest > limits.qs_percent / 100.0 * points.qs_m3h[:, None]) & days.active
        measured = np.isfinite(highest) & days.active & days.in_season & days.complete
        low = measured & (highest < limits.qp_percent / 100.0 * points.qp_m3h[:, None]) & (highest > 0)
    counted = trailing_sum(measured.astype(np.float64), limits.days)
    share = trailing_sum(low.astype(np.float64), limits.days) >= limits.low_days_percent / 100.0 * counted
    small = persistent(over, 7, limits.overload_days)
    large = low & (counted >= limits.days - 2) & share
    return [*_found(days, small, 7, points.qs_m3h * limits.qs_percent / 100.0, too_small=True),
            *_found(days, large, limits.days, points.qp_m3h * limits.qp_percent / 100.0, too_small=False)]  # fmt: skip


def _found(days: Days, mask: Bool, lead: int, limit: np.ndarray, *, too_small: bool) -> list[Finding]:
    found = []
    for row, first, end in runs(mask, bridge=7):
        begin = max(0, first - lead + 1)
        seen = float(np.nanmax(days.highest_m3[row, begin:end]))
        low, high = (0.0, float(limit[row])) if too_small else (float(limit[row]), float(days.points.qs_m3h[row]))
        found.append(
            Finding(
                row, Kind.SIZE, "H11", Severity.INFO, int(days.bounds[begin]), int(days.bounds[end]), seen, low, high,
                "m3/h", 0.0, 0.8, {"qp_m3h": float(days.points.qp_m3h[row])}, int(days.bounds[first + 1]),
            )
        )  # fmt: skip
    return found
