"""How far back a change reaches: the window of readings to load again, and from when on its intervals can be trusted.

Rules: windows come in a few lengths, so that one late reading does not load a month for everybody.
"""

from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from compute.scene import Inputs

Int64 = NDArray[np.int64]

# Readings this long before the earliest change are loaded again: look-ahead and look-back of the rules on sequences.
LOOK_BACK = timedelta(days=8)
# Changes are grouped by age.
AGES = (timedelta(days=2), timedelta(days=10), timedelta(days=40))
# A new reading may change what the last readings before it were taken for.
LOOK_AHEAD_READINGS = 5
GAP_US, SHAPE_US = 36 * 3_600_000_000, 7 * 86_400_000_000


def window_start(since: datetime, beginning: datetime, end: datetime) -> datetime:
    """Start of the window for a change at `since` among readings from `beginning` to `end`."""
    for age in AGES:
        if end - since <= age:
            return max(beginning, end - age - LOOK_BACK)
    return beginning


def trusted_from(inputs: Inputs, since: Int64, start: int) -> tuple[Int64, NDArray[np.bool_]]:
    """(p,) instant from which intervals can be trusted, and whether no reading before the change is in the window."""
    result = np.full(len(since), 2**62, np.int64)
    late = np.ones(len(since), np.bool_)
    for index in (inputs.energy, inputs.volume):
        ends = index.offsets[index.point_offsets]
        for at in range(len(since)):
            times = index.times[ends[at] : ends[at + 1]]
            before = int(np.searchsorted(times, since[at]))
            if before:
                result[at] = min(result[at], int(times[max(0, before - LOOK_AHEAD_READINGS)]))
                # The shape of a gap is learned from the days before it: they must be in the window.
                gap = since[at] - int(times[before - 1]) > GAP_US
                late[at] = bool(gap and int(times[before - 1]) - start < SHAPE_US)
    return np.where(late, start, result), late
