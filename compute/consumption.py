"""Consumption of a block of points: totals at every interval bound, and what each interval rests on.

An interval is a difference of two totals, a day is a difference over the same totals: hours, days and any period in
between add up to the index differences exactly.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from compute.estimation import Calendar, GapLimits, shape_gaps, weekends
from compute.kernels.compiled import Bool, Float64, Int8, Int32, Int64, compiled
from compute.kernels.differences import Anchors, Segments, chain
from compute.kernels.resampling import cadence, resample
from compute.kernels.verdicts import Readings
from compute.quality import Method, Quality
from compute.series import Grid, IndexSeries

MISSING = int(Quality.MISSING)
PARTIAL = int(Quality.PARTIAL)


class Intervals(NamedTuple):
    """Buffers of a block: `totals` (p, h+1) int64 joules or millilitres, `bits` (p, h) int32, `method` (p, h) int8."""

    totals: Int64
    bits: Int32
    method: Int8


@dataclass(frozen=True, slots=True)
class Rows:
    """Consumption of one resolution, (p, n) each; `values` count only where `known`."""

    values: Int64
    known: Bool
    bits: Int32
    method: Int8


class Plan(NamedTuple):
    """How a block is to be resampled: `bounds` (h+1,), `cadences_us` (p,) usual distance of readings, 0 where it is
    to be found out, `area` (p,) rows in the calendar's weather, and the calendar for the shape of gaps.
    """

    bounds: Int64
    cadences_us: Int64
    area: Int64
    calendar: Calendar


@compiled
def fill_point(
    readings: Readings, segments: Segments, point: int, plan: Plan, scratch: Anchors, verdict: Int32, out: Intervals
) -> None:
    """Totals and bits of one point, gaps shaped, to its row of `out`. `scratch`, `verdict`: room for the readings of
    one point, of the block.
    """
    m = chain(readings, segments, point, scratch, verdict)
    anchors = Anchors(scratch.times[:m], scratch.totals[:m], scratch.flags[:m])
    usual = plan.cadences_us[point]
    if usual <= 0:
        usual = cadence(anchors.times, np.empty(64, np.int64))
    totals, bits, method = out.totals[point], out.bits[point], out.method[point]
    resample(anchors, plan.bounds, usual, totals, bits, method)
    shape_gaps(anchors, plan.bounds, plan.calendar, plan.area[point], totals, bits, method)


@compiled
def fill(readings: Readings, segments: Segments, plan: Plan, scratch: Anchors, verdict: Int32, out: Intervals) -> None:
    """`fill_point` for every point of a block."""
    for point in range(len(segments.point_offsets) - 1):
        fill_point(readings, segments, point, plan, scratch, verdict, out)


def plan_of(
    grid: Grid,
    points: int,
    *,
    cadences_us: Int64 | None = None,
    area: Int64 | None = None,
    outdoor_c: Float64 | None = None,
    gaps: GapLimits | None = None,
) -> Plan:
    """A plan for `points` points on a grid. `outdoor_c`: (a, d) daily mean outside temperature, unknown where None;
    `gaps`: which days are like, the catalogue's where None.
    """
    days = len(grid.days) - 1
    weather = np.full((1, days), np.nan) if outdoor_c is None else np.ascontiguousarray(outdoor_c, np.float64)
    return Plan(
        grid.hours,
        np.zeros(points, np.int64) if cadences_us is None else cadences_us,
        np.zeros(points, np.int64) if area is None or outdoor_c is None else area,
        Calendar(grid.days, weekends(grid.day_bounds), weather, gaps or GapLimits()),
    )


def intervals_of(series: IndexSeries, grid: Grid, plan: Plan | None = None) -> Intervals:
    """Consumption of `series` on `grid`.

    Parameters
    ----------
    series
        Index readings of p points.
    grid
        h hours.
    plan
        What is known beside readings, see `plan_of`.
    """
    out = empty_intervals(series.points, len(grid.hours) - 1)
    consume(series, plan or plan_of(grid, series.points), out)
    return out


def consume(series: IndexSeries, plan: Plan, out: Intervals) -> None:
    """`fill` with scratch of the right size. `out`: buffers of as many points and intervals."""
    size = longest(series)
    scratch = Anchors(np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int32))
    fill(readings_of(series), segments_of(series), plan, scratch, np.empty(len(series.times), np.int32), out)


def empty_intervals(points: int, hours: int) -> Intervals:
    """Buffers of a block."""
    return Intervals(
        np.zeros((points, hours + 1), np.int64), np.zeros((points, hours), np.int32), np.zeros((points, hours), np.int8)
    )


def readings_of(series: IndexSeries) -> Readings:
    """The readings as kernels take them."""
    return Readings(series.times, series.counts, series.flags)


def segments_of(series: IndexSeries) -> Segments:
    """The segments as kernels take them."""
    return Segments(
        series.offsets,
        series.point_offsets,
        series.numerator,
        series.denominator,
        series.capacity,
        series.limit,
        series.rate,
    )


def longest(series: IndexSeries) -> int:
    """Most readings of one point."""
    ends = series.offsets[series.point_offsets]
    return int(np.diff(ends).max(initial=0))


def hour_rows(intervals: Intervals) -> Rows:
    """Hourly consumption of the block."""
    return Rows(np.diff(intervals.totals, axis=1), (intervals.bits & MISSING) == 0, intervals.bits, intervals.method)


def day_rows(intervals: Intervals, days: Int64) -> Rows:
    """Consumption of the local days. `days`: (d+1,) positions of the midnights in the hours.

    A day is measured where both its bounds are, whatever happened inside it: its total is then the meter's own.
    """
    totals = intervals.totals[:, days]
    hours, starts = slice(int(days[0]), int(days[-1])), days[:-1] - days[0]
    bits = np.bitwise_or.reduceat(intervals.bits[:, hours], starts, axis=1)
    missed = np.add.reduceat(((intervals.bits[:, hours] & MISSING) != 0).astype(np.int32), starts, axis=1)
    whole = missed == np.diff(days)
    bits = np.where(whole, bits, np.where(missed > 0, (bits & ~MISSING) | PARTIAL, bits))
    inside = _estimated_bounds(intervals.method)[:, days]
    shape = np.maximum.reduceat(intervals.method[:, hours], starts, axis=1)
    estimated = (inside[:, :-1] | inside[:, 1:]) & ~whole
    inner = int(Quality.ESTIMATED | Quality.INTERPOLATED)
    bits = np.where(estimated, bits, bits & ~inner)
    method = np.where(estimated | (shape >= int(Method.LAST_YEAR)), shape, 0)
    return Rows(np.diff(totals, axis=1), ~whole, bits.astype(np.int32), method.astype(np.int8))


def _estimated_bounds(method: Int8) -> Bool:
    """(p, h+1): bounds inside a distributed span, so with a distributed hour on both sides."""
    inside = np.zeros((method.shape[0], method.shape[1] + 1), np.bool_)
    inside[:, 1:-1] = (method[:, :-1] != 0) & (method[:, 1:] != 0)
    return inside
