"""What a day's hours tell about the day: sums, extremes and runs, in one pass over the hours of a point.

Missing hours neither end nor lengthen a run of zeros: nothing is known of them.
"""

from typing import NamedTuple

import numpy as np

from compute.kernels.compiled import Float32, Float64, Int16, Int32, Int64, compiled
from compute.quality import Quality

MISSING = int(Quality.MISSING)
PARTIAL = int(Quality.PARTIAL)
INTERPOLATED = int(Quality.INTERPOLATED)
WINDOW_H = 6
# Places of a day's figures in the row they travel in.
KNOWN, SHAPED, RUN, HIGHEST, THIRD, LOWEST, WINDOW = range(7)


class DayFigures(NamedTuple):
    """Figures of the days of a block of points, each (p, d).

    `advance`: energy or volume in the unit of the totals, NaN where nothing is known; `bits`: OR of the hours' bits;
    `known`: hours fully covered by readings; `shaped`: of these, hours measured rather than distributed; `zero_run`:
    known hours since the last use, at the end of the day; `highest`, `third`: highest and third-highest hour;
    `lowest`: lowest measured hour; `window`: highest sum of six successive hours that ends in the day. NaN where no
    hour was measured.
    """

    advance: Float64
    bits: Int32
    known: Int16
    shaped: Int16
    zero_run: Float32
    highest: Float32
    third: Float32
    lowest: Float32
    window: Float32


@compiled
def day_sums(totals: Int64, bits: Int32, days: Int64, advance: Float64, day_bits: Int32) -> None:
    """Advance and bits of each day. `totals`: (h+1,), `bits`: (h,), `days`: (d+1,) positions; out: (d,) each.

    A day is missing only where all of its hours are, and partial where only some are.
    """
    for d in range(len(days) - 1):
        first, last = days[d], days[d + 1]
        # A slice counts from zero: the compiler needs no care for negative positions and takes many hours at a time.
        own = bits[first:last]
        found, missing = np.int32(0), 0
        for k in range(len(own)):
            found |= own[k]
        if found & MISSING:
            for k in range(len(own)):
                missing += (own[k] & MISSING) != 0
        if missing == last - first:
            advance[d] = np.nan
        else:
            advance[d] = totals[last] - totals[first]
            if missing:
                found = (found & ~MISSING) | PARTIAL
        day_bits[d] = found


@compiled
def whole_day(totals: Int64, hours: int, row: Float64) -> None:
    """`any_day` of a day whose hours were all measured, as were those before it.

    `totals`: at the bounds of the last `hours` of these hours, which are the day's, and of the few before them. Loops
    without a branch are done many hours at a time.
    """
    day, highest, lowest, window = totals[len(totals) - 1 - hours :], np.int64(-1), np.int64(2**62), np.int64(-1)
    for k in range(hours):
        lowest = min(lowest, day[k + 1] - day[k])
    for k in range(len(totals) - WINDOW_H):
        window = max(window, totals[k + WINDOW_H] - totals[k])
    second, third = np.int64(-1), np.int64(-1)
    for k in range(hours):
        use = day[k + 1] - day[k]
        pushed, highest = min(highest, use), max(highest, use)
        third = max(third, min(second, pushed))
        second = max(second, pushed)
    run = row[RUN] if lowest <= 0 else 0.0
    if lowest <= 0:
        for k in range(hours):
            run = 0.0 if day[k + 1] > day[k] else run + 1.0
    row[KNOWN], row[SHAPED], row[RUN], row[HIGHEST], row[LOWEST] = hours, hours, run, highest, lowest
    row[THIRD] = third if hours > 2 else np.nan
    row[WINDOW] = window if window >= 0 else np.nan


@compiled
def any_day(totals: Int64, bits: Int32, span: Int64, row: Float64) -> None:
    """Runs and extremes of the hours `span[0]` to `span[1]`. `row`: (7,), its run carried over from the eve."""
    known, shaped, run = 0, 0, row[RUN]
    first_hour, second_hour, third_hour = -1, -1, -1
    lowest, window = np.int64(2**62), np.int64(-1)
    for k in range(span[0], span[1]):
        use = totals[k + 1] - totals[k]
        if use > 0:
            run = 0.0
        if bits[k] & (MISSING | PARTIAL):
            continue
        known += 1
        run += use == 0
        if k + 1 >= WINDOW_H and not bits[k + 1 - WINDOW_H] & (MISSING | PARTIAL):
            window = max(window, totals[k + 1] - totals[k + 1 - WINDOW_H])
        if bits[k] & INTERPOLATED:
            continue
        shaped += 1
        lowest = min(lowest, use)
        if use > third_hour:
            third_hour = use
            if third_hour > second_hour:
                second_hour, third_hour = third_hour, second_hour
            if second_hour > first_hour:
                first_hour, second_hour = second_hour, first_hour
    row[KNOWN], row[SHAPED], row[RUN] = known, shaped, run
    row[HIGHEST] = first_hour if shaped > 0 else np.nan
    row[THIRD] = third_hour if shaped > 2 else np.nan
    row[LOWEST] = lowest if shaped > 0 else np.nan
    row[WINDOW] = window if window >= 0 else np.nan


@compiled
def day_extremes(totals: Int64, bits: Int32, days: Int64, point: int, out: DayFigures) -> None:
    """Runs and extremes of each day of point `point`, written to its row of `out`, whose bits `day_sums` filled."""
    # A day's figures travel in a row: handing all of `out` to a function costs more than the day.
    row = np.zeros(7)
    for d in range(len(days) - 1):
        first, last = days[d], days[d + 1]
        # Hours of the eve that a window of six may reach back to; there are none before the grid begins.
        before = WINDOW_H - 1 if d > 0 and first - days[d - 1] >= WINDOW_H else 0
        whole = not out.bits[point, d] & (MISSING | PARTIAL | INTERPOLATED)
        if whole and ((before > 0 and not out.bits[point, d - 1] & (MISSING | PARTIAL)) or first == 0):
            whole_day(totals[first - before : last + 1], last - first, row)
        else:
            any_day(totals, bits, days[d : d + 2], row)
        out.known[point, d], out.shaped[point, d], out.zero_run[point, d] = row[KNOWN], row[SHAPED], row[RUN]
        out.highest[point, d], out.third[point, d] = row[HIGHEST], row[THIRD]
        out.lowest[point, d], out.window[point, d] = row[LOWEST], row[WINDOW]


@compiled
def day_figures(totals: Int64, bits: Int32, days: Int64, out: DayFigures) -> None:
    """Figures of a block of points. `totals`: (p, h+1) int64, `bits`: (p, h) int32, `days`: (d+1,) positions."""
    for point in range(len(totals)):
        day_sums(totals[point], bits[point], days, out.advance[point], out.bits[point])
        day_extremes(totals[point], bits[point], days, point, out)


def empty_figures(points: int, days: int) -> DayFigures:
    """Buffers for `day_figures`."""
    shape = (points, days)
    return DayFigures(
        np.full(shape, np.nan),
        np.full(shape, MISSING, np.int32),
        np.zeros(shape, np.int16),
        np.zeros(shape, np.int16),
        np.zeros(shape, np.float32),
        *(np.full(shape, np.nan, np.float32) for _ in range(4)),
    )
