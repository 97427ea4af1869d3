"""Communication loss: no usable reading for longer than a gap that mends itself (V4, V19)."""

from dataclasses import dataclass

import numpy as np

from compute.days import ABSENT, Days
from compute.findings import Finding, Kind, grade, runs
from compute.kernels.compiled import Bool, Float64
from compute.quality import Quality

ESTIMATED = int(Quality.ESTIMATED)
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
# Daily readings so near to midnight touch no other day.
MIDNIGHT_US = HOUR_US


@dataclass(frozen=True, slots=True)
class CommsLoss:
    """`warn_h`, `fail_h`: hours without a reading; at least `cadences` times their usual distance, which is a day where
    fewer than half of the hours are told apart.
    """

    warn_h: float = 30.0
    fail_h: float = 72.0
    cadences: float = 3.0


def detect(days: Days, limits: CommsLoss) -> list[Finding]:
    """Gaps that have ended, from the marks of estimated hours, and the silence that has not."""
    found = []
    length = np.diff(days.bounds) // HOUR_US
    gap = ((days.energy_bits & ESTIMATED) != 0) & (days.shaped_h < length)
    missing = length - days.shaped_h
    heard = (days.shaped_h > 0) | (days.complete & ((days.energy_bits & ESTIMATED) == 0))
    usual = _usual_h(days, heard)
    touched = _touched_h(days, usual)
    for row, first, end in runs(gap):
        if not heard[row, : first + 1].any():
            # Months out of the meter's own memory, from before it was read: nobody was listening then.
            continue
        usual_h = float(usual[row])
        hours = float(missing[row, first:end].sum()) - touched[row]
        if hours >= max(limits.warn_h, limits.cadences * usual_h):
            start = int(days.bounds[first + 1] - missing[row, first] * HOUR_US)
            stop = (
                int(days.bounds[end - 1] + missing[row, end - 1] * HOUR_US)
                if end - first > 1
                else int(days.bounds[end])
            )
            found.append(_finding(days, row, start, stop, hours, limits))
    return found + _silent(days, limits, usual)


def _usual_h(days: Days, heard: Bool) -> Float64:
    """(p,) usual distance of readings: as scheduled, else an hour or a day by what most days look like."""
    scheduled = days.points.cadence_us / HOUR_US
    apart = np.where(heard, days.shaped_h, 0).sum(axis=1) / np.maximum(heard.sum(axis=1), 1)
    return np.where(scheduled > 0, scheduled, np.where(apart < 12, 24.0, 1.0))


def _touched_h(days: Days, usual: Float64) -> Float64:
    """(p,) hours of a gap's days in which a daily reading was not missing: those up to the first that was, and, where
    readings come within the day, the rest of the days at either end.
    """
    day = np.clip(np.searchsorted(days.bounds, days.last_us, side="right") - 1, 0, len(days.bounds) - 2)
    after = (days.last_us - days.bounds[day]) % DAY_US
    within = np.minimum(after, DAY_US - after) > MIDNIGHT_US
    return np.where(usual >= 24.0, usual + 24.0 * within, 0.0)


def _silent(days: Days, limits: CommsLoss, usual: Float64) -> list[Finding]:
    """Points whose last reading is long ago. The end is the last midnight, so that a run an hour later says the
    same.
    """
    found = []
    # Silence is judged by the newest reading of anybody: where nobody is read, no meter is to blame.
    present = min(days.now_us, int(days.last_us.max(initial=0)))
    for row in np.flatnonzero((days.last_us > 0) & (days.state[:, -1] != ABSENT)):
        hours = (present - int(days.last_us[row])) / HOUR_US
        usual_h = float(usual[row])
        if hours >= max(limits.warn_h, limits.cadences * usual_h):
            midnights = days.bounds[days.bounds <= present]
            stop = max(int(midnights[-1]) if len(midnights) else 0, int(days.last_us[row]) + HOUR_US)
            found.append(
                _finding(days, int(row), int(days.last_us[row]), stop, (stop - days.last_us[row]) / HOUR_US, limits)
            )
    return found


def _finding(days: Days, row: int, start: int, stop: int, hours: float, limits: CommsLoss) -> Finding:
    inside = (days.bounds[:-1] >= start) & (days.bounds[1:] <= stop)
    stake = float(np.nansum(days.expected_kwh[row, inside]))
    return Finding(
        row, Kind.COMMS_LOSS, "V4", grade(hours >= limits.fail_h), start, stop, hours, 0.0, limits.warn_h, "h",
        stake, 0.9,
        {"gateway": float(days.points.gateway[row])}, start + int(limits.warn_h) * HOUR_US,
    )  # fmt: skip
