"""One time zone's part of a run: load, compute, write what changed, judge.

Rules: readings are loaded only for the places to assess, in chunks; the judgement sees the days of every place of
the zone, because areas, buildings and neighbours explain each other. Findings are kept only for the places that were
assessed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from compute import engine
from compute.consumption import empty_intervals
from compute.days import Days, select_points
from compute.estimation_beyond import BeyondLimits
from compute.findings import Finding
from compute.first_stage import FirstStage, first_stage
from compute.kernels.daily import DayFigures
from compute.kernels.heat import HeatFigures
from compute.rules import RuleSet
from compute.scene import Hourly, Inputs, Scene
from compute.season import Season
from compute.series import Grid
from ingest.assessment.ahead import loaded
from ingest.assessment.beyond import Filled, Waiting, fill_row, laid_over, needy, waiting_of
from ingest.assessment.cluster import Cluster
from ingest.assessment.findings import publish
from ingest.assessment.loading import Place, grid_of, points_table, registers_of, states_table
from ingest.assessment.readings import inputs_of
from ingest.assessment.rows import changes, computed
from ingest.assessment.stored import history_of, last_years, weather_of
from ingest.assessment.windows import LOOK_BACK, trusted_from, window_start
from ingest.store import series
from ingest.store.consumption import DAY, HOUR, write_versions
from ingest.store.estimates import EstimateInput, drop_inputs, load_switches, write_inputs
from ingest.store.packing import instant_of, microseconds

Int64 = NDArray[np.int64]
Progress = Callable[[str, int, int], None]

# Hours of all places that are in memory at a time: about 1 GB with their readings and what is written of them.
CHUNK_HOURS = 2_000_000
# Days of stored consumption that the judgement sees before the earliest change: a signature's window and some weeks.
HISTORY = timedelta(days=75)


@dataclass(frozen=True, slots=True)
class ZoneResult:
    """Counts for the report."""

    points: int = 0
    intervals: int = 0
    changed: int = 0
    findings: int = 0
    alerts_opened: int = 0
    alerts_closed: int = 0
    incidents: int = 0


class Zone:
    """The places of one time zone."""

    def __init__(
        self,
        connection: Connection[Any],
        name: str,
        places: Sequence[Place],
        run_id: int,
        now: datetime,
        progress: Progress,
        cluster: Cluster | None = None,
        url: str | None = None,
    ) -> None:
        self.cluster, self.url = cluster, url
        self.connection, self.name, self.places = connection, name, places
        self.run_id, self.now, self.progress = run_id, now, progress
        # Where nobody reads any more (an imported history), the calendar ends with the last reading.
        self.beginning, self.end = series.reading_span(connection, now)
        self.registers = registers_of(connection, places)
        areas = sorted({place.newest["area_id"] for place in places})
        self.area_rows = {area: row for row, area in enumerate(areas)}
        self.points = points_table(places, self.registers, self.area_rows)
        self.rule_sets = series.load_rule_sets(connection)
        self.rule_set_of = np.array([self.rule_sets[place.newest["rule_group_id"]][0] for place in places], np.int64)
        self.sets = {number: RuleSet(number, settings) for number, settings in self.rule_sets.values()}
        self.switches = load_switches(connection)
        self.unit_changes = series.load_unit_changes(connection)
        self.waiting: list[Waiting] = []
        self.intervals = self.changed = 0

    def assess(self, work: Mapping[tuple[int, int], datetime]) -> ZoneResult:
        """Assess the places of `work`: (point, service) -> instant of the earliest change."""
        keys = [(place.point_id, place.service) for place in self.places]
        due = {at: work[key] for at, key in enumerate(keys) if key in work}
        if not due:
            return ZoneResult()
        parts = self._hours(due)
        start = min(int(part.grid.hours[0]) for part in parts)
        self.progress("judging", len(due), len(due))
        days = self._days(parts, instant_of(start) - HISTORY)
        self._write_waiting(days)
        found = self._judge(days, parts)
        published = publish(
            self.connection, self.places, days, found, self._assessed(parts), self.rule_set_of, self.run_id, self.now
        )
        return ZoneResult(
            len(due), self.intervals, self.changed, len(found), published.opened, published.closed, published.incidents
        )

    def replay(
        self, start: datetime, variants: Sequence[Mapping[int, RuleSet]], watch: Callable[[Sequence[Hourly]], None]
    ) -> list[Days]:
        """The days of every place from `start` on under each variant of the rule sets, computed and not written.

        `variants`: rule set number -> thresholds; `watch` sees the hours of each chunk of places, one result a variant
        (the same object where the first stage is the same).
        """
        # Readings after a change of the unit tell their unit only together with it.
        start = min([start, *(since - LOOK_BACK for since in self.unit_changes.values())])
        whole = self._grid(max(start, self.beginning))
        parts: list[list[Hourly]] = [[] for _ in variants]
        for rows, inputs in self._loaded(whole, range(len(self.places))):
            made: dict[tuple[FirstStage, ...], Hourly] = {}
            results = []
            for sets in variants:
                under = self._under(inputs, rows, sets)
                numbers = [] if under.stage_of is None else under.stage_of.tolist()
                used = tuple(under.stages[at] for at in numbers)
                if used not in made:
                    made[used] = engine.hourly(under, rows=rows)
                results.append(made[used])
            watch(results)
            everyone = np.ones(len(rows), np.bool_)
            for found, result in zip(parts, results, strict=True):
                found.append(_daily_only(result, everyone))
            self.progress("computing", int(rows[-1]) + 1, len(self.places))
        return [self._days(found, start) for found in parts]

    def _hours(self, due: Mapping[int, datetime]) -> list[Hourly]:
        """First stage for all places, window by window; what changed is written."""
        windows: dict[datetime, list[int]] = {}
        for at, since in due.items():
            # Readings after a change of the unit tell their unit only together with it.
            place = self.places[at]
            earliest = min(since, self.unit_changes.get((place.point_id, place.service), since))
            windows.setdefault(window_start(earliest, self.beginning, self.end), []).append(at)
        parts: list[Hourly] = []
        done = 0
        while windows:
            start, members = windows.popitem()
            whole = self._grid(start)
            for rows, inputs in self._loaded(whole, members):
                part, late = self._chunk(rows, inputs, {int(at): due[int(at)] for at in rows})
                if late and start > self.beginning:
                    windows.setdefault(self.beginning, []).extend(late)
                parts.append(part)
                done += len(rows) - len(late)
                self.progress("assessing", done, len(due))
        return parts

    def _grid(self, start: datetime) -> Grid:
        zone = ZoneInfo(self.name)
        return grid_of(self.name, start.astimezone(zone).date(), self.end.astimezone(zone).date())

    def _loaded(self, whole: Grid, members: Sequence[int]) -> Iterator[tuple[Int64, Inputs]]:
        """Positions of places, chunk by chunk, with their readings."""
        size = max(1, CHUNK_HOURS // len(whole.hours))
        chunks = [np.array(members[first : first + size], np.int64) for first in range(0, len(members), size)]
        weather, until = weather_of(self.connection, self.area_rows, whole), self.now + timedelta(microseconds=1)

        def load(connection: Connection[Any], rows: Int64) -> Inputs:
            places, own = [self.places[at] for at in rows], select_points(self.points, rows)
            return inputs_of(connection, places, self.registers, whole, own, weather, until)

        return loaded(self.connection, self.url, chunks, load)

    def _chunk(self, rows: Int64, inputs: Inputs, due: Mapping[int, datetime]) -> tuple[Hourly, list[int]]:
        """Consumption of some places; those whose window holds no reading before the change come back as late."""
        places, whole = [self.places[at] for at in rows], inputs.grid
        inputs = self._under(inputs, rows)
        since = np.array([microseconds(due[int(at)]) for at in rows], np.int64)
        trusted, late = trusted_from(inputs, since, int(whole.hours[0]))
        if instant_of(int(whole.hours[0])) <= self.beginning:
            late = np.zeros(len(rows), np.bool_)
        result = self.cluster.hourly(inputs, rows) if self.cluster else engine.hourly(inputs, rows=rows)
        # A day's marks are set when it is complete: they may reach back to its midnight.
        midnights = whole.day_bounds[np.maximum(np.searchsorted(whole.day_bounds, trusted, side="right") - 1, 0)]
        kept = np.where(late, np.int64(2**62), midnights)
        waiting = needy(places, result, self.switches, BeyondLimits().least_h) & ~late
        if waiting.any():
            # What no index covers needs the days of the others: it is written when they are known.
            self.waiting.append(waiting_of(places, result, kept, waiting))
            kept = np.where(waiting, np.int64(2**62), kept)
        measured = [(places[at].point_id, places[at].service) for at in np.flatnonzero(~waiting & ~late)]
        drop_inputs(self.connection, measured, instant_of(int(whole.hours[0])))
        self._write(places, result, kept, rows)
        self.intervals += result.energy.bits.size
        return _daily_only(result, ~late), [int(at) for at in rows[late]]

    def _write(
        self, places: Sequence[Place], hourly: Hourly, write_from: Int64, rows: Int64, filled: Sequence[Filled] = ()
    ) -> None:
        for resolution in (HOUR, DAY):
            made = computed(hourly, resolution)
            if filled:
                made = laid_over(made, resolution, hourly.grid.days, filled)
            new = changes(self.connection, places, made, resolution, write_from, self.rule_set_of[rows])
            self.changed += write_versions(self.connection, new, run_id=self.run_id, known_from=self.now)

    def _write_waiting(self, days: Days) -> None:
        """The places with holes, now that the days of the others are known."""
        for one in self.waiting:
            filled, made = self.beyond(one, days, self.sets)
            self._write(one.places, one.hourly, one.write_from, one.hourly.rows, filled)
            since = [(place.point_id, place.service, instant_of(int(one.hourly.grid.hours[0]))) for place in one.places]
            write_inputs(self.connection, made, since, self.run_id)

    def beyond(self, one: Waiting, days: Days, sets: Mapping[int, RuleSet]) -> tuple[list[Filled], list[EstimateInput]]:
        """What no index covers of places that waited for the `days` of the others, under the rule sets `sets`."""
        years = last_years(self.connection, self.name, one.places, self.area_rows, days, one.hourly.rows)
        filled, made = [], []
        for at, place in enumerate(one.places):
            limits = sets[int(self.rule_set_of[one.hourly.rows[at]])].of("beyond", BeyondLimits)
            until = self.switches.get(place.newest["meter_id"])
            part, inputs = fill_row(place, one.hourly, at, days, years[at], until, limits)
            filled.append(part)
            made += inputs
        return filled, made

    def _under(self, inputs: Inputs, rows: Int64, sets: Mapping[int, RuleSet] | None = None) -> Inputs:
        """The inputs of `rows` under the first-stage thresholds of their rule sets."""
        known = sets or self.sets
        numbers = sorted(known)
        stages = tuple(first_stage(known[number]) for number in numbers)
        return inputs.under(stages, np.searchsorted(numbers, self.rule_set_of[rows]).astype(np.int64))

    def _days(self, parts: Sequence[Hourly], start: datetime) -> Days:
        """The view of all places, stored days under the fresh ones."""
        whole = self._grid(max(start, self.beginning))
        states = states_table(self.connection, self.places, whole.day_bounds)
        weather = weather_of(self.connection, self.area_rows, whole)
        scene = Scene(whole, self.points, states, weather, microseconds(self.now))
        return engine.days_of(scene, parts, history_of(self.connection, self.places, whole), Season())

    def _assessed(self, parts: Sequence[Hourly]) -> Int64:
        """(p,) instant from which each place was assessed now; the far future where it was not."""
        since = np.full(len(self.places), 2**62, np.int64)
        for part in parts:
            since[part.rows] = np.minimum(since[part.rows], part.grid.hours[0])
        return since

    def _judge(self, days: Days, parts: Sequence[Hourly]) -> list[Finding]:
        since = self._assessed(parts)
        return [item for item in engine.judge(days, self.sets, self.rule_set_of) if item.to_us > since[item.point]]


def _daily_only(part: Hourly, keep: NDArray[np.bool_]) -> Hourly:
    """The daily figures of the rows to keep; hours are written and need no memory."""
    nothing = empty_intervals(0, 0)
    rows = [DayFigures(*columns) for columns in _kept((part.energy_days, part.volume_days), keep)]
    heat: list[Any] = [column[keep] for column in part.heat]
    return replace(
        part, rows=part.rows[keep], heat=HeatFigures(*heat), operating_s=part.operating_s[keep],
        difference=part.difference[keep], device=None if part.device is None else part.device[keep],
        clock_s=None if part.clock_s is None else part.clock_s[keep],
        rejected=None if part.rejected is None else part.rejected[keep], off_grid=part.off_grid[keep],
        energy=nothing, volume=nothing,
        energy_days=rows[0], volume_days=rows[1], last_us=part.last_us[keep],
    )  # fmt: skip


def _kept(figures: Sequence[DayFigures], keep: NDArray[np.bool_]) -> list[list[Any]]:
    return [[column[keep] for column in item] for item in figures]
