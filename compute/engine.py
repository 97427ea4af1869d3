"""The running order: readings to consumption, hour by hour and in blocks of points; then rules and detectors over days.

The first stage knows one point at a time and may run anywhere (threads, machines): results do not depend on the
partition. The second stage sees the days of all points together, because areas, buildings and neighbours explain
each other.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from compute.anomalies import (
    balance,
    behind,
    clock,
    comms_loss,
    factor_error,
    inactive,
    jump,
    leakage,
    low_use,
    neighbours,
    sensor_fault,
    sequence,
    static,
    swapped_sensors,
    undercooling,
    zero,
)
from compute.consumption import Intervals, consume, empty_intervals, plan_of, readings_of, segments_of
from compute.days import Days
from compute.findings import Finding
from compute.first_stage import FirstStage
from compute.incidents import causes
from compute.kernels.compiled import Float64, Int64
from compute.kernels.daily import DayFigures, empty_figures
from compute.kernels.heat import Temperatures, empty_heat
from compute.kernels.thermal import water_table
from compute.memory import keep_freed
from compute.point_hours import Mounting, Register, block_hours, rows_of
from compute.quality import Quality
from compute.rescaling import rescaled
from compute.rules import Rule, RuleSet
from compute.scene import History, Hourly, Inputs, Scene
from compute.season import Season
from compute.series import Grid, IndexSeries, last_times
from compute.validation import heat_sums, interval_size, long_estimation, siblings, size
from compute.validation.interval_size import off_grid
from compute.view import J_PER_KWH, ML_PER_M3, daily_mean, days_of

UNCOVERED = int(Quality.MISSING | Quality.PARTIAL)
# Points a thread takes at a time: so many that what Python does around a block hardly counts.
BLOCK_POINTS = 64

ORDER: tuple[Rule, ...] = (
    Rule("unit_error", sequence.Sequence, sequence.unit_error),
    Rule("decrease", sequence.Sequence, sequence.decrease),
    Rule("garbage", sequence.Sequence, sequence.garbage),
    Rule("comms_loss", comms_loss.CommsLoss, comms_loss.detect),
    Rule("clock", clock.Clock, clock.detect),
    Rule("static", static.Static, static.detect),
    Rule("swapped_sensors", swapped_sensors.SwappedSensors, swapped_sensors.detect),
    Rule("sensor_fault", sensor_fault.SensorFault, sensor_fault.detect),
    Rule("behind", behind.Behind, behind.detect),
    Rule("factor_error", factor_error.FactorError, factor_error.detect),
    Rule("zero_use", zero.ZeroUse, zero.detect),
    Rule("low_use", low_use.LowUse, low_use.detect),
    Rule("jump", jump.Jump, jump.detect),
    Rule("use_while_inactive", inactive.Inactive, inactive.detect),
    Rule("leakage", leakage.Leakage, leakage.detect),
    Rule("undercooling", undercooling.Undercooling, undercooling.detect),
    Rule("neighbours", neighbours.Neighbours, neighbours.detect),
    Rule("balance", balance.Balance, balance.detect),
    Rule("siblings", siblings.Siblings, siblings.detect),
    Rule("heat_sums", heat_sums.HeatSums, heat_sums.detect),
    Rule("long_estimation", long_estimation.LongEstimation, long_estimation.detect),
    Rule("size", size.Size, size.detect),
    Rule("interval_size", interval_size.IntervalSize, interval_size.detect),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gives: consumption of all hours, the days, the findings."""

    hours: Hourly
    days: Days
    findings: tuple[Finding, ...]


def hourly(inputs: Inputs, *, rows: Int64 | None = None, threads: int = 2, reuse: Hourly | None = None) -> Hourly:
    """First stage: consumption and daily figures of every point, in blocks on `threads` threads.

    `rows`: (p,) positions of the points in the scene. `reuse`: a result of the same shape that is needed no more; its
    arrays are written over, which saves the time that fresh memory costs.
    """
    keep_freed()
    p, h, d = inputs.energy.points, len(inputs.grid.hours) - 1, len(inputs.grid.days) - 1
    positions = np.arange(p) if rows is None else rows
    last = np.maximum(last_times(inputs.energy), last_times(inputs.volume))
    if reuse is None:
        result = Hourly(
            rows=positions,
            grid=inputs.grid,
            energy=empty_intervals(p, h),
            volume=empty_intervals(p, h),
            energy_days=empty_figures(p, d),
            volume_days=empty_figures(p, d),
            heat=empty_heat(p, d),
            operating_s=np.full((p, d), np.nan),
            difference=np.full((p, d), np.nan),
            device=inputs.device,
            clock_s=inputs.clock_s,
            rejected=inputs.rejected,
            off_grid=np.zeros((p, d), np.int32),
            last_us=last,
        )
    else:
        result = replace(
            reuse, rows=positions, grid=inputs.grid, last_us=last, device=inputs.device, clock_s=inputs.clock_s,
            rejected=inputs.rejected,
        )  # fmt: skip
    table, outdoor = water_table(), daily_mean(inputs.outdoor_c, inputs.grid.days)

    def work(start: int) -> None:
        for own, stage in _stages(inputs, start, min(p, start + BLOCK_POINTS)):
            _block(inputs, result, own, stage, table, outdoor)

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, range(0, p, BLOCK_POINTS)):
            pass
    return result


def _stages(inputs: Inputs, start: int, stop: int) -> Iterator[tuple[slice, FirstStage]]:
    """Runs of points from `start` to `stop` under one rule set."""
    if inputs.stage_of is None:
        yield slice(start, stop), inputs.stages[0]
        return
    of = inputs.stage_of[start:stop]
    cuts = [start, *(start + 1 + int(at) for at in np.flatnonzero(np.diff(of))), stop]
    for low, high in itertools.pairwise(cuts):
        yield slice(low, high), inputs.stages[int(inputs.stage_of[low])]


def _block(inputs: Inputs, result: Hourly, own: slice, stage: FirstStage, table: Float64, outdoor: Float64) -> None:
    """Everything of the points of a slice."""
    start, stop = own.start, own.stop
    points, grid = inputs.points, inputs.grid
    plan = plan_of(
        grid, stop - start, cadences_us=points.cadence_us[own], area=np.maximum(points.area[own], 0),
        outdoor_c=outdoor, gaps=stage.gaps,
    )  # fmt: skip
    supply, back = inputs.supply_c.select(start, stop), inputs.return_c.select(start, stop)
    block_hours(
        _register(
            inputs.energy.select(start, stop), points.energy_step_kwh[own] * J_PER_KWH,
            points.design_load_kw[own] * J_PER_KWH, rows_of(result.energy, own), rows_of(result.energy_days, own),
        ),
        _register(
            inputs.volume.select(start, stop), points.volume_step_m3[own] * ML_PER_M3, points.qp_m3h[own] * ML_PER_M3,
            rows_of(result.volume, own), rows_of(result.volume_days, own),
        ),
        Temperatures(supply.times, supply.values, supply.offsets, back.times, back.values, back.offsets),
        plan,
        stage.hours,
        Mounting(points.supply_mounted[own], table),
        rows_of(result.heat, own),
    )  # fmt: skip
    _distances(inputs, result, own)
    result.operating_s[own] = _daily(inputs.operating_s.select(start, stop), grid)
    result.difference[own] = _daily(inputs.supply_volume.select(start, stop), grid)
    result.difference[own] -= _daily(inputs.return_volume.select(start, stop), grid)


def _distances(inputs: Inputs, result: Hourly, own: slice) -> None:
    """Readings at an odd distance, of the points of a slice that have a schedule."""
    cadence, bounds = inputs.points.cadence_us, inputs.grid.day_bounds
    result.off_grid[own] = 0
    for point in range(own.start, own.stop):
        if cadence[point] > 0:
            low, high = inputs.energy.offsets[inputs.energy.point_offsets[point : point + 2]]
            off_grid(inputs.energy.times[low:high], cadence[point], bounds, result.off_grid[point])


def _register(series: IndexSeries, steps: Float64, designs: Float64, hours: Intervals, days: DayFigures) -> Register:
    """An index as the kernel takes it, in units of its own where they changed."""
    own = rescaled(series)
    return Register(readings_of(own), segments_of(own), steps, np.nan_to_num(designs), hours, days)


def _daily(series: IndexSeries, grid: Grid) -> Float64:
    """(p, d) advance of each day, NaN where the day is not wholly covered."""
    points, bounds = series.points, grid.day_bounds
    if len(series.times) == 0:
        return np.full((points, len(bounds) - 1), np.nan)
    out = empty_intervals(points, len(bounds) - 1)
    consume(series, plan_of(Grid(bounds, np.arange(len(bounds))), points), out)
    return np.where((out.bits & UNCOVERED) == 0, np.diff(out.totals, axis=1), np.nan)


def run(
    scene: Scene,
    inputs: Inputs,
    *,
    rule_sets: Mapping[int, RuleSet] | None = None,
    rule_set_of: Int64 | None = None,
    history: History | None = None,
    season: Season | None = None,
    order: Sequence[Rule] = ORDER,
    threads: int = 2,
) -> Outcome:
    """Both stages.

    Parameters
    ----------
    scene, inputs
        What is known of p points, and their readings.
    rule_sets, rule_set_of
        Rule sets by number and (p,) the number of each point's; the catalogue's defaults where None.
    history
        Days before the grid, so that a run over the last days sees what a run over everything sees.
    order
        Rules and detectors to run.
    """
    first = hourly(inputs, threads=threads)
    days = days_of(scene, (first,), history, season or Season(), threads=threads)
    return Outcome(first, days, tuple(judge(days, rule_sets, rule_set_of, order)))


def judge(
    days: Days,
    rule_sets: Mapping[int, RuleSet] | None,
    rule_set_of: Int64 | None,
    order: Sequence[Rule] = ORDER,
    *,
    threads: int = 2,
) -> list[Finding]:
    """Findings of every rule of `order`, each point under its own rule set, symptoms left out."""
    keep_freed()
    sets = rule_sets or {0: RuleSet()}
    owner = np.full(len(days.points), next(iter(sets)), np.int64) if rule_set_of is None else rule_set_of
    found: list[Finding] = []
    with ThreadPoolExecutor(threads) as pool:
        for number in np.unique(owner):
            rows = np.flatnonzero(owner == number)
            own = days if len(rows) == len(owner) else days.select(rows)
            limits = [sets[int(number)].of(rule.name, rule.thresholds) for rule in order]
            for items in pool.map(lambda rule, limit, own=own: rule.check(own, limit), order, limits):
                found.extend(replace(item, point=int(rows[item.point])) for item in items)
    return causes(found, days.points.parent)


__all__ = ["ORDER", "Outcome", "days_of", "hourly", "judge", "run"]
