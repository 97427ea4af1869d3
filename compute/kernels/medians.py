"""Medians of many columns at once: every column is sorted by the same network of comparisons, none of which is a
branch, so that the processor orders eight columns with one instruction.

NaN is "unknown" and never counts; it is put last as infinity. Results are those of sorting.
"""

import numpy as np

from compute.kernels.compiled import Float64, Int64, compiled

# Columns sorted together; a column too many costs as much as all of them.
LANES = 64
# Rows up to which all are sorted; of more, a sample of so many tells between which values the median lies.
SORTED_ROWS, SAMPLE_ROWS = 256, 128
# Ranks of the sample on either side of its middle: about three times what chance moves the middle.
SAMPLE_REACH = 18


@compiled
def sort_columns(rows: Float64, n: int) -> None:
    """Sort the first `n` of the rows (m, LANES) in each column: Batcher's network (Knuth 3, algorithm 5.2.2M)."""
    p = 1
    while p < n:
        k = p
        while k > 0:
            for j in range(k % p, n - k, 2 * k):
                for i in range(j, min(j + k, n - k)):
                    if i // (2 * p) == (i + k) // (2 * p):
                        for lane in range(LANES):
                            a, b = rows[i, lane], rows[i + k, lane]
                            rows[i, lane] = min(b, a)
                            rows[i + k, lane] = max(a, b)
            k //= 2
        p *= 2


@compiled
def middles(rows: Float64, counts: Int64, least: int, out: Float64) -> None:
    """Median of each sorted column, whose first `counts` (LANES,) rows are known; NaN where fewer than `least` are."""
    for lane in range(LANES):
        n = counts[lane]
        if n == 0 or n < least:
            out[lane] = np.nan
        elif n % 2:
            out[lane] = rows[n // 2, lane]
        else:
            out[lane] = (rows[n // 2 - 1, lane] + rows[n // 2, lane]) * 0.5


@compiled
def known_last(rows: Float64, n: int, counts: Int64) -> None:
    """Put infinity for NaN in the first `n` rows; `counts`: (LANES,) what is left in each column."""
    counts[:] = n
    for i in range(n):
        for lane in range(LANES):
            value = rows[i, lane]
            unknown = value != value
            rows[i, lane] = np.inf if unknown else value
            counts[lane] -= unknown


@compiled
def gather(values: Float64, members: Int64, start: int, rows: Float64) -> None:
    """Columns `start` to `start + LANES` of the members' rows, NaN where `values` (p, d) ends."""
    width = min(LANES, values.shape[1] - start)
    for i in range(len(members)):
        row = members[i]
        for lane in range(width):
            rows[i, lane] = values[row, start + lane]
        for lane in range(width, LANES):
            rows[i, lane] = np.nan


@compiled
def bracket(rows: Float64, n: int, sample: Float64, low: Float64, high: Float64) -> None:
    """Values between which the median of each column lies, nearly always. `rows`: as `known_last` left them; `sample`:
    room for `SAMPLE_ROWS` of them; `low`, `high`: (LANES,) filled.
    """
    for i in range(SAMPLE_ROWS):
        own = i * n // SAMPLE_ROWS
        for lane in range(LANES):
            sample[i, lane] = rows[own, lane]
    sort_columns(sample, SAMPLE_ROWS)
    for lane in range(LANES):
        known = 0
        for i in range(SAMPLE_ROWS):
            known += sample[i, lane] < np.inf
        at = known // 2
        low[lane] = sample[at - SAMPLE_REACH, lane] if at >= SAMPLE_REACH else -np.inf
        high[lane] = sample[at + SAMPLE_REACH, lane] if at + SAMPLE_REACH < known else np.inf


@compiled
def spread(rows: Float64, n: int, low: Float64, high: Float64, seen: Int64, inside: Float64) -> int:
    """What lies strictly between `low` and `high`, to the first rows of `inside`, infinity below it; the most rows of a
    column. `seen`: (4, LANES), how many are less than low, low itself, between, high itself.
    """
    seen[:] = 0
    less, at_low, between, at_high = seen[0], seen[1], seen[2], seen[3]
    for i in range(n):
        for lane in range(LANES):
            less[lane] += rows[i, lane] < low[lane]
        for lane in range(LANES):
            at_low[lane] += rows[i, lane] == low[lane]
        for lane in range(LANES):
            at_high[lane] += rows[i, lane] == high[lane]
        for lane in range(LANES):
            value = rows[i, lane]
            inside[between[lane], lane] = value
            between[lane] += (value > low[lane]) & (value < high[lane])
    most = between.max()
    for lane in range(LANES):
        inside[between[lane] : most, lane] = np.inf
    return int(most)


@compiled
def ranked(rank: int, seen: Int64, lane: int, ends: tuple[float, float], inside: Float64) -> float:
    """The value with `rank` others before it in order; NaN where it lies outside the bracket. `inside`: sorted."""
    at = rank - seen[0, lane]
    if at < 0:
        return float(np.nan)
    if at < seen[1, lane]:
        return float(ends[0])
    at -= seen[1, lane]
    if at < seen[2, lane]:
        return float(inside[at, lane])
    return float(ends[1] if at - seen[2, lane] < seen[3, lane] else np.nan)


@compiled
def middles_of_many(rows: Float64, n: int, counts: Int64, least: int, scratch: Float64, out: Float64) -> None:
    """`middles` of unsorted columns of many rows. `scratch`: (n+1, LANES)."""
    low, high, seen = np.empty(LANES), np.empty(LANES), np.empty((4, LANES), np.int64)
    bracket(rows, n, scratch, low, high)
    sort_columns(scratch, spread(rows, n, low, high, seen, scratch))
    for lane in range(LANES):
        known, ends = counts[lane], (low[lane], high[lane])
        first = ranked((known - 1) // 2, seen, lane, ends, scratch)
        second = ranked(known // 2, seen, lane, ends, scratch)
        if known == 0 or known < least:
            out[lane] = np.nan
        elif first != first or second != second:
            out[lane] = np.median(np.sort(rows[:n, lane])[:known])
        else:
            out[lane] = first if known % 2 else (first + second) * 0.5


@compiled
def group_medians(values: Float64, order: Int64, bounds: Int64, least: int, out: Float64) -> None:
    """Median of each group on each day, written to the rows of its members.

    `values`, `out`: (p, d); `order`: (n,) rows sorted by group; `bounds`: (g+1,) where each group begins in `order`.
    Rows that are in no group keep what `out` holds.
    """
    most = 0
    for g in range(len(bounds) - 1):
        most = max(most, bounds[g + 1] - bounds[g])
    rows, counts, middle = np.empty((most, LANES)), np.empty(LANES, np.int64), np.empty(LANES)
    scratch = np.empty((most + 1 if most > SORTED_ROWS else 0, LANES))
    for g in range(len(bounds) - 1):
        members = order[bounds[g] : bounds[g + 1]]
        n = len(members)
        for start in range(0, values.shape[1], LANES):
            gather(values, members, start, rows)
            known_last(rows, n, counts)
            if n <= SORTED_ROWS:
                sort_columns(rows, n)
                middles(rows, counts, least, middle)
            else:
                middles_of_many(rows, n, counts, least, scratch, middle)
            width = min(LANES, values.shape[1] - start)
            for i in range(n):
                row = members[i]
                for lane in range(width):
                    out[row, start + lane] = middle[lane]


@compiled
def medians_before(values: Float64, window: int, gap: int, least: int, out: Float64) -> None:
    """Median of the days from `window` to `gap` days before, renewed every seven days. `values`, `out`: (p, d)."""
    p, d = values.shape
    # Days lie in rows here, points side by side in columns.
    turned = np.full((d, LANES), np.nan)
    rows, counts, middle = np.empty((window, LANES)), np.empty(LANES, np.int64), np.empty(LANES)
    for start in range(0, p, LANES):
        width = min(LANES, p - start)
        for lane in range(width):
            for day in range(d):
                turned[day, lane] = values[start + lane, day]
        for at in range(0, d, 7):
            first, n = max(0, at - window), max(0, at - gap) - max(0, at - window)
            for i in range(n):
                for lane in range(LANES):
                    rows[i, lane] = turned[first + i, lane]
            known_last(rows, n, counts)
            sort_columns(rows, n)
            middles(rows, counts, least, middle)
            for lane in range(width):
                for day in range(at, min(at + 7, d)):
                    out[start + lane, day] = middle[lane]
