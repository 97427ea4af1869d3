"""The running order: readings to consumption, hour by hour and in blocks of points; then rules and detectors over days.

The first stage knows one point at a time and may run anywhere (threads, machines): results do not depend on the
partition. The second stage sees the days of all points together, because areas, buildings and neighbours explain
each other.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from compute.anomalies import jump, zero
from compute.consumption import Intervals, empty_intervals, fill, longest, readings_of, segments_of
from compute.days import ACTIVE, Days
from compute.findings import Finding
from compute.kernels.compiled import Float32, Float64, Int64
from compute.kernels.daily import DayFigures, cut, day_figures, empty_figures
from compute.kernels.differences import Anchors
from compute.kernels.signatures import block_expectations
from compute.rules import Rule, RuleSet
from compute.scene import History, Hourly, Inputs, Scene
from compute.season import Season, climate
from compute.series import IndexSeries, last_times
from compute.view import View

DAY_US = 86_400_000_000
# Points a thread takes at a time: their hours stay in its cache.
BLOCK_POINTS = 16

ORDER: tuple[Rule, ...] = (
    Rule("zero_use", zero.ZeroUse, zero.detect),
    Rule("jump", jump.Jump, jump.detect),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gives: consumption of all hours, the days, the findings."""

    hours: Hourly
    days: Days
    findings: tuple[Finding, ...]


def hourly(inputs: Inputs, *, rows: Int64 | None = None, threads: int = 2) -> Hourly:
    """First stage: consumption and daily figures of every point, in blocks on `threads` threads."""
    p, h, d = inputs.energy.points, len(inputs.grid.hours) - 1, len(inputs.grid.days) - 1
    result = Hourly(
        np.arange(p) if rows is None else rows,
        inputs.grid,
        empty_intervals(p, h),
        empty_intervals(p, h),
        empty_figures(p, d),
        empty_figures(p, d),
        np.maximum(last_times(inputs.energy), last_times(inputs.volume)),
    )
    size = max(longest(inputs.energy), longest(inputs.volume))

    def work(start: int) -> None:
        stop = min(p, start + BLOCK_POINTS)
        for series, out, figures in (
            (inputs.energy, result.energy, result.energy_days),
            (inputs.volume, result.volume, result.volume_days),
        ):
            _consume(series, inputs, (start, stop), size, out, figures)

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, range(0, p, BLOCK_POINTS)):
            pass
    return result


def _consume(
    series: IndexSeries, inputs: Inputs, span: tuple[int, int], size: int, out: Intervals, figures: DayFigures
) -> None:
    start, stop = span
    own = series.select(start, stop)
    scratch = Anchors(np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int32))
    block = Intervals(out.totals[start:stop], out.bits[start:stop], out.method[start:stop])
    verdict = np.empty(len(own.times), np.int32)
    cadences = inputs.cadence_us[start:stop]
    fill(readings_of(own), segments_of(own), cadences, inputs.grid.hours, scratch, verdict, block)
    rows = cut(figures, start, stop)
    day_figures(block.totals, block.bits, inputs.grid.days, rows)


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
    days = days_of(scene, (first,), history, season or Season())
    return Outcome(first, days, tuple(judge(days, rule_sets, rule_set_of, order)))


def judge(
    days: Days, rule_sets: Mapping[int, RuleSet] | None, rule_set_of: Int64 | None, order: Sequence[Rule] = ORDER
) -> list[Finding]:
    """Findings of every rule of `order`, each point under its own rule set."""
    sets = rule_sets or {0: RuleSet()}
    owner = np.full(len(days.points), next(iter(sets)), np.int64) if rule_set_of is None else rule_set_of
    found: list[Finding] = []
    for number in np.unique(owner):
        rows = np.flatnonzero(owner == number)
        own = days if len(rows) == len(owner) else days.select(rows)
        for rule in order:
            limits = sets[int(number)].of(rule.name, rule.thresholds)
            found.extend(replace(item, point=int(rows[item.point])) for item in rule.check(own, limits))
    return found


def days_of(scene: Scene, parts: Sequence[Hourly], history: History | None, season: Season) -> Days:
    """The view that detectors share: fresh figures of `parts` laid over history.

    `scene`: its grid gives the days of the view; the grid of a part must end with the same day.
    """
    p, d = len(scene.points), len(scene.grid.days) - 1
    view = View(p, d, history)
    outdoor = _daily_mean(scene.outdoor_c, scene.grid.days)
    for part in parts:
        view.lay(part)
    arrays = view.arrays
    bounds = scene.grid.day_bounds
    active = scene.state == ACTIVE
    around = climate(
        np.where(arrays["complete"], arrays["energy_kwh"], np.nan),
        active,
        scene.points.area,
        scene.points.heated_area_m2,
        outdoor,
        season,
    )
    expected, sigma = np.empty((p, d)), np.empty((p, d))
    x = np.where(np.isfinite(around.hdd_k), around.hdd_k, np.nan_to_num(around.load_kwh))
    fit = arrays["usable"] & active & np.isfinite(arrays["energy_kwh"])
    floors = np.maximum(scene.points.energy_step_kwh, 1e-6)
    block_expectations(
        np.nan_to_num(arrays["energy_kwh"]), x, fit, around.in_season, bounds[:-1] // DAY_US, floors, expected, sigma
    )
    return Days(
        bounds=bounds,
        points=scene.points,
        state=scene.state,
        hdd_k=around.hdd_k,
        load_kwh=around.load_kwh,
        peer_kwh=around.peer_kwh,
        in_season=around.in_season,
        expected_kwh=expected,
        sigma_kwh=sigma,
        last_us=view.last_us,
        **arrays,
    )


def _daily_mean(hourly_values: Float32, days: Int64) -> Float64:
    """(a, d) mean of the hours of each day that are known, NaN where fewer than half are."""
    known = np.isfinite(hourly_values)
    hours = slice(int(days[0]), int(days[-1]))
    starts = days[:-1] - days[0]
    total = np.add.reduceat(np.where(known, hourly_values, 0.0)[:, hours].astype(np.float64), starts, axis=1)
    count = np.add.reduceat(known[:, hours].astype(np.int64), starts, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(2 * count >= np.diff(days), total / count, np.nan)
