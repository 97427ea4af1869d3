"""Where an index breaks: it fell and nothing explains it, its unit changed, or it leapt beyond what the pipe delivers.

The sequence rules decide which readings count (V7, V8); here they are handed out in pieces, so that everything before
and after a break stays what it was: energy is conserved in each piece, and the break belongs to a person.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from compute.kernels.compiled import Int64
from compute.kernels.differences import keep
from compute.kernels.verdicts import Limits, Readings
from compute.quality import Quality
from compute.series import IndexSeries

# What opens a piece, most telling first.
_KINDS = ((Quality.UNIT, "unit"), (Quality.RESET, "reset"), (Quality.RANGE, "range"))
_BREAKS = int(Quality.UNIT | Quality.RESET | Quality.RANGE)


@dataclass(frozen=True, slots=True)
class Piece:
    """Successive readings that carry the index, without a break between them.

    `at`: (n,) positions in the series, `counts`: (n,) int64 as they count (a step of jitter clamped). `opened_by`: what
    stands before the first: "" for the beginning of the series, else "unit", "reset" or "range".
    """

    at: Int64
    counts: Int64
    opened_by: str


def pieces_of(series: IndexSeries, number: int = 0) -> list[Piece]:
    """Pieces of one series (a register of one installation) in order; none where no reading counts.

    `number`: which of the series. The span between two pieces is the break; a leap beyond the pipe counts (an advance
    is never thrown away) but it stands between two pieces, too, so that it can be seen by itself.
    """
    low, high = int(series.offsets[number]), int(series.offsets[number + 1])
    readings = Readings(series.times[low:high], series.counts[low:high], series.flags[low:high])
    limits = Limits(int(series.capacity[number]), int(series.limit[number]), float(series.rate[number]))
    size = high - low
    kept, values, verdict = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int32)
    count = int(keep(readings, limits, kept, values, verdict))
    kept, values = kept[:count], values[:count]
    opens = np.flatnonzero((verdict[kept] & _BREAKS) != 0)
    cuts = [0, *(int(at) for at in opens if at > 0), count]
    return [
        Piece(kept[a:b], values[a:b], _kind(int(verdict[kept[a]])) if a else "")
        for a, b in itertools.pairwise(cuts)
        if b > a
    ]


def _kind(bits: int) -> str:
    return next(name for bit, name in _KINDS if bits & bit)
