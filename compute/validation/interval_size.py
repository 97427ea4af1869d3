"""Interval size: readings that keep no distance although the schedule says one (V5).

Hours are cut by interpolation whatever the distance of readings, so nothing is lost; it is noted, because a line or a
clock that drifts shows here first.
"""

from dataclasses import dataclass

import numpy as np

from compute.days import Days
from compute.findings import Finding, Kind, Severity, persistent, runs
from compute.kernels.compiled import Int32, Int64, compiled

TOLERANCE_PERCENT = 10


@compiled
def off_grid(times: Int64, cadence_us: int, bounds: Int64, out: Int32) -> None:
    """Readings of each day whose distance to the one before is more than 10 % off a multiple of the usual one.

    `times`: (n,) of one point, ascending; `bounds`: (d+1,) midnights; `out`: (d,), written in full. A missed slot is no
    wrong size: the distance is then about twice the usual one, and V4's business.
    """
    out[:] = 0
    if cadence_us <= 0:
        return
    d, last = 0, len(out)
    for i in range(1, len(times)):
        while d < last and bounds[d + 1] <= times[i]:
            d += 1
        if d == last:
            return
        if times[i] < bounds[0]:
            continue
        step = times[i] - times[i - 1]
        slots = max((2 * step + cadence_us) // (2 * cadence_us), 1)
        if step > 0 and abs(step - slots * cadence_us) * 100 > TOLERANCE_PERCENT * cadence_us:
            out[d] += 1


@dataclass(frozen=True, slots=True)
class IntervalSize:
    """`percent` of a day's scheduled readings off the grid, on `days` days in a row; at least `readings` of them."""

    percent: float = 50.0
    readings: int = 4
    days: int = 3


def detect(days: Days, limits: IntervalSize) -> list[Finding]:
    """One finding a run of days with uneven readings."""
    cadence = days.points.cadence_us.astype(np.float64)
    slots = np.diff(days.bounds)[None, :] / np.where(cadence > 0, cadence, np.nan)[:, None]
    with np.errstate(invalid="ignore"):
        share = 100.0 * days.off_grid / slots
        mask = (share > limits.percent) & (days.off_grid >= limits.readings)
    found = []
    for row, first, end in runs(persistent(mask, limits.days, limits.days), bridge=2):
        begin = max(0, first - limits.days + 1)
        found.append(
            Finding(
                row, Kind.INTERVAL_SIZE, "V5", Severity.INFO, int(days.bounds[begin]), int(days.bounds[end]),
                float(np.nanmean(share[row, begin:end])), 0.0, limits.percent, "%", 0.0, 0.8,
                {"days": float(end - begin)}, int(days.bounds[first + 1]),
            )
        )  # fmt: skip
    return found
