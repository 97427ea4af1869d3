"""Static: momentary values frozen while the network is hot (V15, V20).

Real temperatures tremble in their last digit; the same pair for a day is a frozen display or a repeated telegram.
Where they are read a few times a day only, the same pair on many days in a row says so.
"""

from dataclasses import dataclass

import numpy as np

from compute.days import Days
from compute.findings import Finding, Kind, Severity, persistent, runs

HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Static:
    """`hours` in a row with the same pair of temperatures, or `repeats` days that repeat the one before; the supply
    above `hot_c`.
    """

    hours: float = 24.0
    repeats: int = 5
    hot_c: float = 28.0


def detect(days: Days, limits: Static) -> list[Finding]:
    """One finding a run of days whose temperatures do not move."""
    able = (days.supply_c > limits.hot_c) & days.active & days.in_season
    frozen = able & (days.static_h >= limits.hours)
    again = np.zeros(frozen.shape, np.bool_)
    again[:, 1:] = (np.diff(days.supply_c, axis=1) == 0) & (np.diff(days.return_c, axis=1) == 0)
    repeated = persistent(again & able, limits.repeats, limits.repeats)
    found = []
    for row, first, end in runs(frozen | repeated, bridge=1):
        hours = float(np.nan_to_num(days.static_h[row, end - 1])) + 1.0
        if not frozen[row, first]:
            first -= limits.repeats
            hours = max(hours, float(days.bounds[end] - days.bounds[first]) / HOUR_US)
        start = min(int(days.bounds[end] - hours * HOUR_US), int(days.bounds[first]))
        stake = float(np.nansum(days.expected_kwh[row, first:end]))
        noticed = first + 1 if frozen[row, first] else first + limits.repeats + 1
        found.append(
            Finding(
                row, Kind.STATIC, "V15", Severity.WARNING, start, int(days.bounds[end]),
                hours, 0.0, limits.hours, "h", stake, 0.85, {"supply_c": float(days.supply_c[row, end - 1])},
                int(days.bounds[noticed]),
            )
        )  # fmt: skip
    return found
