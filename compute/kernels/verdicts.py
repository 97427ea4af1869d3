"""What one reading of an index is taken for, beside those kept before it: an advance, a rollover, garbage, a reset (V3,
V6, V7, V8, V17).

The bits are those of `compute.quality`; which readings carry the index in the end is decided in `differences`.
"""

from typing import NamedTuple

from compute.kernels.compiled import Int32, Int64, compiled
from compute.quality import Quality

FIRST = int(Quality.FIRST)
HOLE = int(Quality.MISSING)  # at an anchor: nothing is known of the span before it
ROLLOVER = int(Quality.ROLLOVER)
RESET = int(Quality.RESET)
JITTER = int(Quality.JITTER)
GARBAGE = int(Quality.GARBAGE)
DUPLICATE = int(Quality.DUPLICATE)
CONFLICT = int(Quality.CONFLICT)
STALE = int(Quality.STALE)
UNIT = int(Quality.UNIT)
EXCHANGE = int(Quality.EXCHANGE)
RANGE = int(Quality.RANGE)
FAILED = int(Quality.FAILED)
RESCALED = int(Quality.RESCALED)
UNUSABLE = STALE | GARBAGE | DUPLICATE | UNIT

GARBAGE_READINGS = 3
# As long as three readings of an hourly meter.
GARBAGE_US = 3 * 3_600_000_000
# Kept readings that tell the usual pace.
PACE_READINGS = 8
ROLLOVER_SHARE = 0.95
# A spike must stand out this much against the advance it interrupts, else a fall is for a person.
SPIKE_RATIO = 20
# Wrong decimal, x1000, MWh/GJ, kWh/MJ and kWh/GJ: what a changed unit does to an index (H3).
UNIT_RATIOS = (10.0, 100.0, 1000.0, 3.6, 277.7777777777778, 1_000_000.0)
UNIT_TOLERANCE = 0.01
UNIT_MIN_COUNTS = 1000


class Readings(NamedTuple):
    """One series: `times` and `counts` (n,) int64, `flags` (n,) int32."""

    times: Int64
    counts: Int64
    flags: Int32


class Limits(NamedTuple):
    """What a register can show: counts, counts, counts a second (0 unknown)."""

    capacity: int
    limit: int
    rate: float


@compiled
def reachable(advance: int, elapsed_us: int, rate: float) -> bool:
    """Whether the pipe can deliver `advance` counts in the time: V8, always with two display steps of allowance."""
    return advance >= 0 and (rate <= 0.0 or advance <= rate * (elapsed_us * 1e-6) + 2.0)


@compiled
def unit_ratio(before: int, after: int) -> bool:
    """Whether an index was multiplied or divided by what a unit change does: V6, H3."""
    if before < UNIT_MIN_COUNTS and after < UNIT_MIN_COUNTS:
        return False
    low, high = min(before, after), max(before, after)
    if low < 10:
        return False
    for ratio in UNIT_RATIOS:  # noqa: SIM110 - Numba compiles no generators
        if abs(high / (low * ratio) - 1.0) <= max(UNIT_TOLERANCE, 1.0 / low):
            return True
    return False


@compiled
def recovers(readings: Readings, at: int, kept: Int64, values: Int64, m: int, limits: Limits) -> bool:
    """V7 b: whether the value before the fall at `at` is passed again within three readings or three hours, and by more
    than use at the usual pace makes up for.
    """
    n, last_time, last_value = len(readings.times), readings.times[kept[m - 1]], values[m - 1]
    first = max(m - 1 - PACE_READINGS, 0)
    span = last_time - readings.times[kept[first]]
    pace = (last_value - values[first]) / span if span > 0 else 0.0
    for later in range(at + 1, n):
        if later > at + GARBAGE_READINGS and readings.times[later] - readings.times[at] > GARBAGE_US:
            return False
        value = readings.counts[later]
        if readings.flags[later] & UNUSABLE or value >= limits.limit or value < last_value:
            continue
        # Without a known rate an upward spike further on must not pass for a recovery.
        near = limits.rate > 0.0 or value - last_value <= max(1000, last_value - readings.counts[at])
        carried_on = last_value + pace * (readings.times[later] - last_time)
        began_anew = readings.counts[at] + pace * (readings.times[later] - readings.times[at])
        near = near and abs(value - carried_on) <= 2.0 * abs(value - began_anew)
        if near and reachable(value - last_value, readings.times[later] - last_time, limits.rate):
            return True
    return False


@compiled
def falls_back(readings: Readings, at: int, last_value: int, limits: Limits) -> bool:
    """Whether the series returns below the reading at `at`, but not below `last_value`, within three readings."""
    n = len(readings.times)
    for later in range(at + 1, n):
        if later > at + GARBAGE_READINGS and readings.times[later] - readings.times[at] > GARBAGE_US:
            return False
        value = readings.counts[later]
        if readings.flags[later] & UNUSABLE or value < 0 or value >= limits.limit:
            continue
        if last_value <= value < readings.counts[at]:
            return True
    return False


@compiled
def spike_depth(readings: Readings, at: int, kept: Int64, values: Int64, m: int, limits: Limits) -> int:
    """How many kept readings before a fall are a spike: 0 for none. The reading under it must carry on plausibly."""
    value, time = readings.counts[at], readings.times[at]
    for depth in range(1, GARBAGE_READINGS + 1):
        under = m - 1 - depth
        if under < 0:
            break
        if readings.flags[kept[under + 1]] & EXCHANGE:
            return 0
        advance = value - values[under]
        if advance < 0 or not reachable(advance, time - readings.times[kept[under]], limits.rate):
            continue
        if values[under + 1] - values[under] > SPIKE_RATIO * (advance + 1):
            return depth
    if m == 1 and not readings.flags[kept[0]] & EXCHANGE and at + 2 < len(readings.times):
        following = min(readings.counts[at + 1], readings.counts[at + 2])
        highest = max(readings.counts[at + 1], readings.counts[at + 2])
        if value <= following and highest < values[0] and values[0] - value > SPIKE_RATIO * (highest - value + 1):
            return 1
    return 0


@compiled
def fall(readings: Readings, at: int, kept: Int64, values: Int64, m: int, limits: Limits) -> int:
    """Verdict on a reading below the last kept one: V7 a, b, d, e in the catalogue's order; 0 means "the last was a
    spike".
    """
    last = kept[m - 1]
    if values[m - 1] - readings.counts[at] == 1:
        return JITTER
    if recovers(readings, at, kept, values, m, limits):
        return GARBAGE
    if limits.capacity > 0 and values[m - 1] > ROLLOVER_SHARE * limits.capacity:
        wrapped = limits.capacity - values[m - 1] + readings.counts[at]
        known = limits.rate > 0.0
        if reachable(wrapped, readings.times[at] - readings.times[last], limits.rate) and (
            known or wrapped <= (1.0 - ROLLOVER_SHARE) * limits.capacity
        ):
            return ROLLOVER
    if spike_depth(readings, at, kept, values, m, limits):
        return 0
    if unit_ratio(values[m - 1], readings.counts[at]):
        return UNIT | FAILED
    return RESET | FAILED


@compiled
def rise(readings: Readings, at: int, last_time: int, last_value: int, limits: Limits) -> int:
    """Verdict on a reading at or above the last kept one: 0 for a plain advance."""
    advance, elapsed = readings.counts[at] - last_value, readings.times[at] - last_time
    plausible = reachable(advance, elapsed, limits.rate)
    if plausible and (limits.rate > 0.0 or advance <= 2 * last_value + UNIT_MIN_COUNTS):
        return 0
    if falls_back(readings, at, last_value, limits):
        return GARBAGE
    if unit_ratio(last_value, readings.counts[at]):
        return UNIT | FAILED
    return 0 if plausible else RANGE | FAILED


@compiled
def same_instant(readings: Readings, at: int, kept: Int64, values: Int64, m: int, limits: Limits) -> bool:
    """Whether another version of the last kept instant should replace it: the latest that fits its neighbours (V3)."""
    value = readings.counts[at]
    if readings.flags[kept[m - 1]] & EXCHANGE:
        return False
    if m >= 2 and (
        value < values[m - 2]
        or not reachable(value - values[m - 2], readings.times[at] - readings.times[kept[m - 2]], limits.rate)
    ):
        return False
    for later in range(at + 1, len(readings.times)):
        if readings.times[later] == readings.times[at] or readings.flags[later] & UNUSABLE:
            continue
        return bool(value <= readings.counts[later] or values[m - 1] > readings.counts[later])
    return True


@compiled
def plain(times: Int64, counts: Int64, flags: Int32, limit: int, rate: float) -> bool:
    """Whether each reading but the first, which was kept as it is, is a plain advance over the one before it: what
    `keep` asks of one reading, without a branch.
    """
    off, unrated = 0, rate <= 0.0
    for i in range(len(times) - 1):
        advance, elapsed = counts[i + 1] - counts[i], times[i + 1] - times[i]
        far = advance > rate * (elapsed * 1e-6) + 2.0
        far = far & ((not unrated) | (advance > 2 * counts[i] + UNIT_MIN_COUNTS))
        off += (flags[i + 1] != 0) | (advance < 0) | (counts[i + 1] >= limit) | (elapsed <= 0) | far
    return off == 0
