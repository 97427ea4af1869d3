"""Clock: the meter's own time is off by more than a battery meter may be (V2)."""

from dataclasses import dataclass

import numpy as np

from compute.days import Days
from compute.findings import Finding, Kind, grade, runs


@dataclass(frozen=True, slots=True)
class Clock:
    """`warn_s`: 15 minutes, what a battery heat meter is allowed; `fail_s`: more than one interval."""

    warn_s: float = 900.0
    fail_s: float = 3600.0


def detect(days: Days, limits: Clock) -> list[Finding]:
    """One finding a run of days with the clock off."""
    off = np.abs(np.nan_to_num(days.clock_s.astype(np.float64)))
    found = []
    for row, first, end in runs(off > limits.warn_s, bridge=2):
        worst = float(off[row, first:end].max())
        found.append(
            Finding(
                row, Kind.CLOCK, "V2", grade(worst > limits.fail_s), int(days.bounds[first]), int(days.bounds[end]),
                float(days.clock_s[row, end - 1]), -limits.warn_s, limits.warn_s, "s", 0.0, 0.95, {"worst_s": worst},
                int(days.bounds[first + 1]),
            )
        )  # fmt: skip
    return found
