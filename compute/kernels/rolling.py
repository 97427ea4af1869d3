"""Sums over the days before, on daily figures. NaN is "unknown" and counts as nothing."""

import numpy as np

from compute.kernels.compiled import Bool, Float32, Float64, compiled

# Stands for infinity in a sum, so that it leaves the sum again with its day.
LARGEST = float(np.finfo(np.float64).max)


@compiled
def trailing_sums(values: Float64 | Float32, days: int, out: Float64) -> None:
    """Sum of each day and the days before it, `days` in all; NaN counts as nothing. `values`, `out`: (p, d)."""
    p, d = values.shape
    running = np.empty((4, d))
    for first in range(0, p, 4):
        # Four rows at a time wait for each other's sums no longer than one.
        one, two, three, four = 0.0, 0.0, 0.0, 0.0
        b, c, e = min(first + 1, p - 1), min(first + 2, p - 1), min(first + 3, p - 1)
        for at in range(d):
            one += counted(values[first, at])
            two += counted(values[b, at])
            three += counted(values[c, at])
            four += counted(values[e, at])
            running[0, at], running[1, at], running[2, at], running[3, at] = one, two, three, four
        for row in range(first, min(first + 4, p)):
            own, sums = running[row - first], out[row]
            # A difference of running sums, as far back as there are days.
            for at in range(min(days, d)):
                sums[at] = own[at]
            for at in range(d - days):
                sums[at + days] = own[at + days] - own[at]


@compiled
def counted(value: float) -> float:
    """A value as a sum takes it: 0 for what is unknown, the largest number for infinity, so that it leaves again."""
    return min(max(value, -LARGEST), LARGEST) if value == value else 0.0


@compiled
def lasting(mask: Bool, days: int, needed: float, out: Bool) -> None:
    """Days on which the mask holds and held on `needed` or more of the last `days` days. `mask`, `out`: (p, d)."""
    for row in range(len(mask)):
        own, told, n = mask[row], out[row], 0
        for at in range(len(own)):
            n += own[at]
            if at >= days:
                n -= own[at - days]
            told[at] = own[at] & (n >= needed)
