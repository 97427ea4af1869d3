"""Medians over groups and over the weeks before, and sums over the days before, on daily figures.

NaN is "unknown" and never counts; a median of too few known values is unknown, too.
"""

import numpy as np

from compute.kernels.compiled import Float32, Float64, Int64, compiled

# Stands for infinity in a sum, so that it leaves the sum again with its day.
LARGEST = float(np.finfo(np.float64).max)


@compiled
def group_medians(values: Float64, order: Int64, bounds: Int64, least: int, out: Float64) -> None:
    """Median of each group on each day, written to the rows of its members.

    `values`, `out`: (p, d); `order`: (n,) rows sorted by group; `bounds`: (g+1,) where each group begins in `order`.
    Rows that are in no group keep what `out` holds.
    """
    most = 0
    for g in range(len(bounds) - 1):
        most = max(most, bounds[g + 1] - bounds[g])
    # Days are taken eight at a time, so that each row is read along its line.
    scratch, counts = np.empty((8, most)), np.empty(8, np.int64)
    for g in range(len(bounds) - 1):
        for start in range(0, values.shape[1], 8):
            stop = min(start + 8, values.shape[1])
            counts[:] = 0
            for i in range(bounds[g], bounds[g + 1]):
                for d in range(start, stop):
                    value = values[order[i], d]
                    if value == value:
                        scratch[d - start, counts[d - start]] = value
                        counts[d - start] += 1
            for d in range(start, stop):
                n = counts[d - start]
                middle = np.median(scratch[d - start, :n]) if n >= least and n > 0 else np.nan
                for i in range(bounds[g], bounds[g + 1]):
                    out[order[i], d] = middle


@compiled
def ranked(values: Float64, rank: int) -> float:
    """The value with `rank` others below it in order, of a few values without NaN.

    Counting how many are below and equal has no branch, so that many are compared at a time: a third of the time of
    sorting for the forty days of a window.
    """
    for i in range(len(values)):
        below, equal = 0, 0
        for k in range(len(values)):
            below += values[k] < values[i]
            equal += values[k] == values[i]
        if below <= rank < below + equal:
            return float(values[i])
    return float(np.nan)


@compiled
def small_median(values: Float64) -> float:
    """Median of a few values without NaN; of an even number the mean of the two in the middle."""
    n = len(values)
    if n % 2:
        return float(ranked(values, n // 2))
    return float((ranked(values, n // 2 - 1) + ranked(values, n // 2)) * 0.5)


@compiled
def trailing_sums(values: Float64 | Float32, days: int, out: Float64) -> None:
    """Sum of each day and the days before it, `days` in all; NaN counts as nothing. `values`, `out`: (p, d)."""
    running = np.empty(values.shape[1])
    for row in range(len(values)):
        own, sums, total = values[row], out[row], 0.0
        for d in range(len(own)):
            value = own[d]
            total += min(max(value, -LARGEST), LARGEST) if value == value else 0.0
            running[d] = total
        # A difference of running sums, as far back as there are days.
        for d in range(min(days, len(own))):
            sums[d] = running[d]
        for d in range(len(own) - days):
            sums[d + days] = running[d + days] - running[d]


@compiled
def medians_before(values: Float64, window: int, gap: int, least: int, out: Float64) -> None:
    """Median of the days from `window` to `gap` days before, renewed every seven days. `values`, `out`: (p, d)."""
    scratch = np.empty(window)
    p, d = values.shape
    for row in range(p):
        for at in range(0, d, 7):
            n = 0
            for day in range(max(0, at - window), max(0, at - gap)):
                value = values[row, day]
                if value == value:
                    scratch[n] = value
                    n += 1
            middle = small_median(scratch[:n]) if n >= least and n > 0 else np.nan
            out[row, at : min(at + 7, d)] = middle
