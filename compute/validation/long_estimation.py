"""Long estimation: a meter that has not been read for more than two periods in a row needs somebody to go there (V19).

The finding asks for a work order; whoever keeps the alerts makes it.
"""

from dataclasses import dataclass

import numpy as np

from compute.days import ABSENT, Days
from compute.findings import Finding, Kind, Severity

DAY_US = 86_400_000_000
RULE = "V19"


@dataclass(frozen=True, slots=True)
class LongEstimation:
    """More than `periods` periods of `period_days` days in a row without a reading."""

    periods: int = 2
    period_days: int = 7


def detect(days: Days, limits: LongEstimation) -> list[Finding]:
    """One finding a point that is silent for that long, from its last reading to the last midnight."""
    # Judged by the newest reading of anybody: where nobody is read, no meter is to blame.
    present = min(days.now_us, int(days.last_us.max(initial=0)))
    least = limits.periods * limits.period_days * DAY_US
    silent = (days.last_us > 0) & (present - days.last_us > least) & (days.state[:, -1] != ABSENT)
    midnights = days.bounds[days.bounds <= present]
    found = []
    for row in np.flatnonzero(silent):
        last = int(days.last_us[row])
        stop = max(int(midnights[-1]) if len(midnights) else 0, last + least)
        inside = (days.bounds[:-1] >= last) & (days.bounds[1:] <= stop)
        length = (stop - last) / DAY_US
        found.append(
            Finding(
                int(row), Kind.COMMS_LOSS, RULE, Severity.CRITICAL, last, stop, length / limits.period_days, 0.0,
                float(limits.periods), "periods", float(np.nansum(days.expected_kwh[row, inside])), 0.95,
                {"days": length, "gateway": float(days.points.gateway[row])}, last + least,
            )
        )  # fmt: skip
    return found
