"""The hours of a block of points in one kernel, one point after the other, so that a point's hours stay in the cache
from its readings to its figures.

What each step does is told where it stands; the result of a point does not depend on the others of its block.
"""

from typing import Any, NamedTuple, TypeVar

import numpy as np

from compute.consumption import Intervals, Plan, fill_point
from compute.kernels.compiled import Bool, Float64, Int32, compiled
from compute.kernels.daily import DayFigures, day_figures
from compute.kernels.differences import Anchors, Segments
from compute.kernels.heat import HeatFigures, Measured, Temperatures, heat_figures
from compute.kernels.verdicts import Readings
from compute.validation.limits import HourLimits, mark_hours

T = TypeVar("T", Intervals, DayFigures, HeatFigures)


class Register(NamedTuple):
    """An index of p points and where its figures go. `steps`, `designs`: (p,) a display count and the hourly design
    use, in the unit of the totals, 0 where unknown; `hours`: (p, h) and `days`: (p, d) buffers.
    """

    readings: Readings
    segments: Segments
    steps: Float64
    designs: Float64
    hours: Intervals
    days: DayFigures


class Mounting(NamedTuple):
    """`supply_mounted`: (p,) where the flow sensor sits; `table`: `thermal.water_table()`."""

    supply_mounted: Bool
    table: Float64


@compiled
def day_row(figures: DayFigures, point: int) -> DayFigures:
    """The figures of one point, (1, d) each."""
    own = slice(point, point + 1)
    return DayFigures(
        figures.advance[own], figures.bits[own], figures.known[own], figures.shaped[own], figures.zero_run[own],
        figures.highest[own], figures.third[own], figures.lowest[own], figures.window[own],
    )  # fmt: skip


@compiled
def heat_row(figures: HeatFigures, point: int) -> HeatFigures:
    """The figures of one point, (1, d) each."""
    own = slice(point, point + 1)
    return HeatFigures(
        figures.supply_c[own], figures.return_c[own], figures.measured_kwh[own], figures.balance_kwh[own],
        figures.other_kwh[own], figures.reversed_h[own], figures.broken_h[own], figures.static_h[own],
        figures.idle_h[own],
    )  # fmt: skip


@compiled
def register_point(
    register: Register, point: int, plan: Plan, limits: HourLimits, scratch: Anchors, verdict: Int32
) -> None:
    """Totals, marks and figures of days of one register of one point. `scratch`, `verdict`: as in `fill_point`."""
    own = slice(point, point + 1)
    fill_point(register.readings, register.segments, point, plan, scratch, verdict, register.hours)
    totals, bits, days = register.hours.totals[own], register.hours.bits[own], plan.calendar.days
    mark_hours(totals, bits, days, register.steps[own], register.designs[own], limits)
    day_figures(totals, bits, days, day_row(register.days, point))


@compiled
def most_readings(segments: Segments) -> int:
    """Most readings of one point."""
    most = 0
    for point in range(len(segments.point_offsets) - 1):
        first, last = segments.point_offsets[point], segments.point_offsets[point + 1]
        most = max(most, segments.offsets[last] - segments.offsets[first])
    return most


@compiled
def block_hours(
    energy: Register,
    volume: Register,
    samples: Temperatures,
    plan: Plan,
    limits: HourLimits,
    mounting: Mounting,
    heat: HeatFigures,
) -> None:
    """Everything of the hours of p points, written to the buffers of `energy` and `volume` and to `heat` (p, d)."""
    size = max(most_readings(energy.segments), most_readings(volume.segments))
    scratch = Anchors(np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int32))
    verdict = np.empty(max(len(energy.readings.times), len(volume.readings.times)), np.int32)
    for point in range(len(mounting.supply_mounted)):
        register_point(energy, point, plan, limits, scratch, verdict)
        register_point(volume, point, plan, limits, scratch, verdict)
        own, ends = slice(point, point + 1), slice(point, point + 2)
        one, other = energy.hours, volume.hours
        heat_figures(
            Temperatures(
                samples.supply_times, samples.supply_values, samples.supply_offsets[ends],
                samples.return_times, samples.return_values, samples.return_offsets[ends],
            ),
            Measured(one.totals[own], other.totals[own], one.bits[own], other.bits[own]),
            plan.bounds,
            plan.calendar.days,
            mounting.supply_mounted[own],
            mounting.table,
            heat_row(heat, point),
        )  # fmt: skip


def rows_of(figures: T, own: slice) -> T:
    """Views of some rows of a named tuple of arrays."""
    columns: list[Any] = [column[own] for column in figures]
    return type(figures)(*columns)
