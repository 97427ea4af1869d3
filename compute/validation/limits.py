"""Checks of an hour against its neighbours: spikes (V9), steps (V10), and the mark of what passed everything.

Every mark is a bit; a value is never changed. Days are judged only when they are complete, so that a mark does not
depend on when the run was.
"""

from typing import NamedTuple

import numpy as np

from compute.kernels.compiled import Float64, Int32, Int64, compiled
from compute.quality import Quality

SPIKE = int(Quality.SPIKE | Quality.QUESTIONABLE)
QUESTIONABLE = int(Quality.QUESTIONABLE)
VALIDATED = int(Quality.VALIDATED)
UNKNOWN = int(Quality.MISSING | Quality.PARTIAL)
# Why a value may stand in a bill only after a person has looked.
NOT_PASSED = int(
    Quality.MISSING
    | Quality.PARTIAL
    | Quality.FAILED
    | Quality.QUESTIONABLE
    | Quality.RANGE
    | Quality.RESET
    | Quality.UNIT
)


class HourLimits(NamedTuple):
    """`spike_share`: (highest − third)/third; `spike_steps`: display steps below which a day is too coarse to have
    spikes; `step_share`, `step_load`: rise over the last interval, as a share of it and of the design load.
    """

    spike_share: float = 1.8
    spike_steps: float = 5.0
    step_share: float = 2.0
    step_load: float = 0.2


@compiled
def quiet(totals: Int64, bits: Int32, step: float, design: float, limits: HourLimits) -> bool:
    """Whether `mark_day` has nothing to mark: an hour is unknown, or the highest cannot stand out. `totals`: at the
    bounds of the day's hours, `bits`: of these.

    Nearly every day is; a loop that only compares takes many hours at a time, and a tenth of the time of marking.
    """
    most, found = np.int64(0), np.int32(0)
    for k in range(len(bits)):
        found |= bits[k]
    for k in range(len(totals) - 1):
        most = max(most, totals[k + 1] - totals[k])
    if found & UNKNOWN or (design > 0.0 and most <= design * min(1.0, 1.0 + limits.step_load)):
        return True
    return bool(design <= 0.0 and most < limits.spike_steps * step)


@compiled
def mark_day(totals: Int64, bits: Int32, span: Int64, step: float, design: float, limits: HourLimits) -> None:
    """Mark the hours `span[0]` to `span[1]` of one point. `step`: a display count, `design`: hourly design use, in
    the totals' unit.
    """
    first, second, third, at = -1, -1, -1, -1
    for k in range(span[0], span[1]):
        use = totals[k + 1] - totals[k]
        if use > first:
            first, second, third, at = use, first, second, k
        elif use > second:
            second, third = use, second
        elif use > third:
            third = use
    stands_out = third >= 0 and first - third > limits.spike_share * max(float(third), step)
    # A spike must also be more than the house can use: a bath is none.
    if stands_out and first >= limits.spike_steps * step and (design <= 0.0 or first > design):
        bits[at] |= SPIKE
    if design <= 0.0:
        return
    for k in range(max(span[0], 1), span[1]):
        rise = (totals[k + 1] - totals[k]) - (totals[k] - totals[k - 1])
        if rise > limits.step_share * (totals[k] - totals[k - 1]) and rise > (1.0 + limits.step_load) * design:
            bits[k] |= QUESTIONABLE


@compiled
def mark_hours(totals: Int64, bits: Int32, days: Int64, steps: Float64, designs: Float64, limits: HourLimits) -> None:
    """Mark a block. `totals`: (p, h+1), `bits`: (p, h) changed in place, `steps`, `designs`: (p,), 0 where unknown."""
    for p in range(len(totals)):
        total, own, step, design = totals[p], bits[p], steps[p], designs[p]
        for d in range(len(days) - 1):
            if not quiet(total[days[d] : days[d + 1] + 1], own[days[d] : days[d + 1]], step, design, limits):
                mark_day(total, own, days[d : d + 2], step, design, limits)
        for k in range(len(own)):
            own[k] |= VALIDATED if not own[k] & NOT_PASSED else 0
