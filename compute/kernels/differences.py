"""From displayed indexes to a running total that never falls: rollover, jitter, garbage, resets, exchanges (V7, V8,
V17).

An advance is never thrown away. What a reading was taken for stands in its verdict, `compute.quality` bits; the bits
of a span (between two kept readings) stand at its end. Energy in joules is floored from the cumulative count, so
differences telescope exactly whatever the unit.
"""

from typing import NamedTuple

import numpy as np

from compute.kernels.compiled import Float64, Int32, Int64, compiled
from compute.kernels.verdicts import (
    CONFLICT,
    DUPLICATE,
    EXCHANGE,
    FIRST,
    GARBAGE,
    HOLE,
    JITTER,
    RESCALED,
    RESET,
    UNIT,
    UNIT_MIN_COUNTS,
    UNUSABLE,
    Limits,
    Readings,
    fall,
    plain,
    rise,
    same_instant,
    spike_depth,
)

# Readings looked at together: loops without a branch take many at a time, one that is out of order costs this many.
STRETCH = 128


class Anchors(NamedTuple):
    """Kept readings of a point: `times` and `totals` (n,) int64, `flags` (n,) int32, verdict bits of the span
    before.
    """

    times: Int64
    totals: Int64
    flags: Int32


class Segments(NamedTuple):
    """All series of a block of points, as in `compute.series.IndexSeries`."""

    offsets: Int64
    point_offsets: Int64
    numerator: Int64
    denominator: Int64
    capacity: Int64
    limit: Int64
    rate: Float64


@compiled
def keep(readings: Readings, limits: Limits, kept: Int64, values: Int64, verdict: Int32) -> int:
    """Which readings of a segment carry its index: their number.

    `kept`: (n,) int64 positions and `values`: (n,) int64 clamped counts, filled up to the number returned;
    `verdict`: (n,) int32, what each reading was taken for.
    """
    m, pending, last_time, last_value = 0, 0, 0, 0
    times, counts, flags = readings.times, readings.counts, readings.flags
    limit, rate = limits.limit, limits.rate
    at, ahead, one_by_one = -1, 0, 0
    while ahead < len(times):
        at, ahead = ahead, ahead + 1
        # Nearly every reading is a plain advance: many are decided together, and the rest of them without a call.
        if at >= one_by_one and at + STRETCH <= len(times) and m > 0 and pending == 0 and kept[m - 1] == at - 1:
            ahead = at + STRETCH
            if last_value == counts[at - 1] and plain(
                times[at - 1 : ahead], counts[at - 1 : ahead], flags[at - 1 : ahead], limit, rate
            ):
                own, to, told, verdicts = counts[at:ahead], values[m:], kept[m:], verdict[at:ahead]
                for i in range(STRETCH):
                    told[i], to[i], verdicts[i] = at + i, own[i], 0
                m += STRETCH
                last_time, last_value = times[ahead - 1], counts[ahead - 1]
                continue
            one_by_one, ahead = ahead, at + 1
        count = counts[at]
        if m > 0 and flags[at] == 0 and pending == 0 and last_value <= count < limit and times[at] > last_time:
            advance = count - last_value
            if advance <= rate * ((times[at] - last_time) * 1e-6) + 2.0 or (
                rate <= 0.0 and advance <= 2 * last_value + UNIT_MIN_COUNTS
            ):
                verdict[at], kept[m], values[m] = 0, at, count
                last_time, last_value = times[at], count
                m += 1
                continue
        verdict[at] = readings.flags[at]
        if readings.flags[at] & UNUSABLE or count < 0 or count >= limits.limit:
            verdict[at] |= 0 if readings.flags[at] & UNUSABLE else GARBAGE
            pending |= verdict[at] & GARBAGE
            continue
        found, value = 0, count
        if m == 0:
            found = FIRST
        elif readings.times[at] == readings.times[kept[m - 1]]:
            if count == values[m - 1]:
                verdict[at] |= DUPLICATE
                continue
            pending |= CONFLICT
            if not same_instant(readings, at, kept, values, m, limits):
                verdict[at] |= CONFLICT
                continue
            verdict[kept[m - 1]] |= CONFLICT
            found = verdict[kept[m - 1]] & FIRST
            m -= 1
        elif count < values[m - 1]:
            found = fall(readings, at, kept, values, m, limits)
            if found == 0:
                depth = spike_depth(readings, at, kept, values, m, limits)
                for back in range(depth):
                    verdict[kept[m - 1 - back]] |= GARBAGE
                found = FIRST if m == depth else 0
                m -= depth
                pending |= GARBAGE
        else:
            found = rise(readings, at, readings.times[kept[m - 1]], values[m - 1], limits)
        if found & GARBAGE:
            verdict[at] |= GARBAGE
            pending |= GARBAGE
            continue
        if found & JITTER:
            value = values[m - 1]
        verdict[at] |= found | pending
        pending = 0
        kept[m], values[m] = at, value
        last_time, last_value = times[at], value
        m += 1
    return m


@compiled
def scaled(count: int, numerator: int, denominator: int) -> int:
    """Joules or millilitres of a cumulative count, floored: exact for every whole-joule unit."""
    if denominator == 1:
        return count * numerator
    whole = count // denominator
    return whole * numerator + (count - whole * denominator) * numerator // denominator


@compiled
def in_a_row(kept: Int64, verdict: Int32) -> bool:
    """Whether kept readings follow each other and are plain advances. `verdict`: of all readings of the segment."""
    first = kept[0]
    if kept[-1] - first != len(kept) - 1:
        return False
    own, found = verdict[first : first + len(kept)], np.int32(0)
    for i in range(len(own)):
        found |= own[i]
    return bool(found == 0)


@compiled
def chain(readings: Readings, segments: Segments, point: int, anchors: Anchors, verdict: Int32) -> int:
    """Anchors of one point over all its segments; the number of anchors.

    The total runs on over exchanges: a new segment starts where the old one ended. A span that no index covers (between
    segments, at a reset) carries HOLE at its end and no advance. `verdict`: (n,) int32 for all readings of the block.
    """
    filled, base, ended = 0, 0, -1
    for series in range(segments.point_offsets[point], segments.point_offsets[point + 1]):
        low, high = segments.offsets[series], segments.offsets[series + 1]
        own = Readings(readings.times[low:high], readings.counts[low:high], readings.flags[low:high])
        limits = Limits(segments.capacity[series], segments.limit[series], segments.rate[series])
        kept, values = anchors.times[filled:], anchors.totals[filled:]
        m = keep(own, limits, kept, values, verdict[low:high])
        numerator, denominator = segments.numerator[series], segments.denominator[series]
        count, last_value, following, one_by_one = 0, 0, 0, 1
        while following < m:
            i, following = following, following + 1
            if i >= one_by_one and i + STRETCH <= m:
                if in_a_row(kept[i : i + STRETCH], verdict[low:high]):
                    following = i + STRETCH
                    seen, offset = kept[i], count - last_value
                    count, last_value = offset + values[following - 1], values[following - 1]
                    to, told, bits_to = values[i:following], kept[i:following], anchors.flags[filled + i :]
                    instants = own.times[seen : seen + STRETCH]
                    for k in range(len(to)):
                        to[k] = base + scaled(offset + to[k], numerator, denominator)
                        told[k], bits_to[k] = instants[k], 0
                    continue
                one_by_one = i + STRETCH
            at, value = kept[i], values[i]
            bits = verdict[low + at]
            if i == 0:
                bits &= ~EXCHANGE
                if ended >= 0:
                    bits = (bits & ~FIRST) | (HOLE if own.times[at] > ended else 0)
                    bits |= 0 if bits & RESCALED else EXCHANGE
            elif bits & (RESET | UNIT):
                bits |= HOLE
            elif value >= last_value:
                count += value - last_value
            else:
                count += limits.capacity - last_value + value
            last_value = value
            anchors.times[filled + i] = own.times[at]
            anchors.totals[filled + i] = base + scaled(count, numerator, denominator)
            anchors.flags[filled + i] = bits
        filled += m
        if filled:
            base, ended = anchors.totals[filled - 1], anchors.times[filled - 1]
    return filled
