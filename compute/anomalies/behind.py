"""Behind: the meter's operating hours fall behind the clock, so it did not count all of the time (H14)."""

from dataclasses import dataclass

import numpy as np

from compute.days import Days
from compute.findings import Finding, Kind, Severity, runs, trailing_sum

HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Behind:
    """Operating hours below `percent` of the clock's over `days` days, and at least `hours` lost (the display shows
    hours).
    """

    percent: float = 98.0
    days: int = 7
    hours: float = 4.0


def detect(days: Days, limits: Behind) -> list[Finding]:
    """One finding a run of days at whose end the last week lacks hours."""
    known = np.isfinite(days.operating_h)
    clock = np.where(known, (np.diff(days.bounds) / HOUR_US)[None, :], 0.0)
    lost = trailing_sum(clock, limits.days) - trailing_sum(np.where(known, days.operating_h, 0.0), limits.days)
    enough = trailing_sum(known.astype(np.float64), limits.days) >= limits.days - 2
    share = lost / np.maximum(trailing_sum(clock, limits.days), 1.0)
    mask = enough & (share > 1.0 - limits.percent / 100.0) & (lost >= limits.hours) & days.active & known
    found = []
    for row, first, end in runs(mask, bridge=7):
        begin = max(0, first - limits.days + 1)
        gone = float(np.nansum(np.where(known, clock - days.operating_h, 0.0)[row, begin:end]))
        stake = float(np.nansum(days.expected_kwh[row, begin:end])) * gone / (24.0 * (end - begin))
        found.append(
            Finding(
                row, Kind.BEHIND, "H14", Severity.WARNING, int(days.bounds[begin]), int(days.bounds[end]),
                100.0 * (1.0 - float(share[row, first:end].max())), limits.percent, 100.0, "%",
                stake, 0.9, {"lost_h": gone}, int(days.bounds[first + 1]),
            )
        )  # fmt: skip
    return found
