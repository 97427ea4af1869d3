"""Static: momentary values frozen while the network is hot (V15, V20).

Real temperatures tremble in their last digit; the same pair for a day is a frozen display or a repeated telegram.
"""

from dataclasses import dataclass

import numpy as np

from compute.days import Days
from compute.findings import Finding, Kind, Severity, runs


@dataclass(frozen=True, slots=True)
class Static:
    """`hours` in a row with the same pair of temperatures, the supply above `hot_c`."""

    hours: float = 24.0
    hot_c: float = 28.0


def detect(days: Days, limits: Static) -> list[Finding]:
    """One finding a run of days whose temperatures do not move."""
    hot = days.supply_c > limits.hot_c
    mask = (days.static_h >= limits.hours) & hot & days.active & days.in_season
    found = []
    for row, first, end in runs(mask, bridge=1):
        hours = float(days.static_h[row, end - 1])
        start = int(days.bounds[end] - (hours + 1.0) * 3.6e9)
        stake = float(np.nansum(days.expected_kwh[row, first:end]))
        found.append(
            Finding(
                row, Kind.STATIC, "V15", Severity.WARNING, min(start, int(days.bounds[first])), int(days.bounds[end]),
                hours, 0.0, limits.hours, "h", stake, 0.85, {"supply_c": float(days.supply_c[row, end - 1])},
            )
        )  # fmt: skip
    return found
