"""One time zone's part of a run: load, compute, write what changed, judge.

Rules: readings are loaded only for the places to assess, in chunks; the judgement sees the days of every place of
the zone, because areas, buildings and neighbours explain each other. Findings are kept only for the places that were
assessed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from compute import engine
from compute.consumption import empty_intervals
from compute.days import Days, select_points
from compute.estimation_beyond import BeyondLimits, YearAgo
from compute.findings import Finding
from compute.first_stage import FirstStage, first_stage
from compute.kernels.daily import DayFigures
from compute.kernels.heat import HeatFigures
from compute.rules import RuleSet
from compute.scene import History, Hourly, Inputs, Scene
from compute.season import Season, degree_days
from compute.series import Grid
from compute.view import UNUSABLE
from ingest.assessment_ahead import loaded
from ingest.assessment_beyond import Filled, Waiting, fill_row, laid_over, needy, waiting_of
from ingest.assessment_cluster import Cluster
from ingest.assessment_findings import publish
from ingest.assessment_loading import Place, grid_of, points_table, registers_of, states_table
from ingest.assessment_readings import inputs_of
from ingest.assessment_rows import DAY, HOUR, changes, computed
from ingest.store import series
from ingest.store.consumption import UNKNOWN, load_current, newest_hours, write_versions
from ingest.store.estimates import drop_inputs, load_switches, write_inputs
from ingest.store.packing import microseconds

Int64 = NDArray[np.int64]
Progress = Callable[[str, int, int], None]

# Hours of all places that are in memory at a time: about 1 GB with their readings and what is written of them.
CHUNK_HOURS = 2_000_000
# Readings this long before the earliest change are loaded again: look-ahead and look-back of the rules on sequences.
LOOK_BACK = timedelta(days=8)
# Days of stored consumption that the judgement sees before the earliest change: a signature's window and some weeks.
HISTORY = timedelta(days=75)
# Last year's same weekday.
YEAR = timedelta(weeks=52)
# Changes are grouped by age, so that one late reading does not load a month for everybody.
AGES = (timedelta(days=2), timedelta(days=10), timedelta(days=40))
# A new reading may change what the last readings before it were taken for.
LOOK_AHEAD_READINGS = 5
GAP_US, SHAPE_US = 36 * 3_600_000_000, 7 * 86_400_000_000


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
        days = self._days(parts, _instant(start) - HISTORY)
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
            windows.setdefault(self._window(since), []).append(at)
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

    def _window(self, since: datetime) -> datetime:
        for age in AGES:
            if self.end - since <= age:
                return max(self.beginning, self.end - age - LOOK_BACK)
        return self.beginning

    def _grid(self, start: datetime) -> Grid:
        zone = ZoneInfo(self.name)
        return grid_of(self.name, start.astimezone(zone).date(), self.end.astimezone(zone).date())

    def _loaded(self, whole: Grid, members: Sequence[int]) -> Iterator[tuple[Int64, Inputs]]:
        """Positions of places, chunk by chunk, with their readings."""
        size = max(1, CHUNK_HOURS // len(whole.hours))
        chunks = [np.array(members[first : first + size], np.int64) for first in range(0, len(members), size)]
        weather, until = self._weather(whole), self.now + timedelta(microseconds=1)

        def load(connection: Connection[Any], rows: Int64) -> Inputs:
            places, own = [self.places[at] for at in rows], select_points(self.points, rows)
            return inputs_of(connection, places, self.registers, whole, own, weather, until)

        return loaded(self.connection, self.url, chunks, load)

    def _chunk(self, rows: Int64, inputs: Inputs, due: Mapping[int, datetime]) -> tuple[Hourly, list[int]]:
        """Consumption of some places; those whose window holds no reading before the change come back as late."""
        places, whole = [self.places[at] for at in rows], inputs.grid
        inputs = self._under(inputs, rows)
        since = np.array([microseconds(due[int(at)]) for at in rows], np.int64)
        write_from, late = _write_from(inputs, since, int(whole.hours[0]))
        if _instant(int(whole.hours[0])) <= self.beginning:
            late = np.zeros(len(rows), np.bool_)
        result = self.cluster.hourly(inputs, rows) if self.cluster else engine.hourly(inputs, rows=rows)
        # A day's marks are set when it is complete: they may reach back to its midnight.
        midnights = whole.day_bounds[np.maximum(np.searchsorted(whole.day_bounds, write_from, side="right") - 1, 0)]
        kept = np.where(late, np.int64(2**62), midnights)
        waiting = needy(places, result, self.switches, BeyondLimits().least_h) & ~late
        if waiting.any():
            # What no index covers needs the days of the others: it is written when they are known.
            self.waiting.append(waiting_of(places, result, kept, waiting))
            kept = np.where(waiting, np.int64(2**62), kept)
        measured = [(places[at].point_id, places[at].service) for at in np.flatnonzero(~waiting & ~late)]
        drop_inputs(self.connection, measured, _instant(int(whole.hours[0])))
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
            years = self._last_years(one.places, days)
            filled, made = [], []
            for at, place in enumerate(one.places):
                limits = self.sets[int(self.rule_set_of[one.hourly.rows[at]])].of("beyond", BeyondLimits)
                until = self.switches.get(place.newest["meter_id"])
                part, inputs = fill_row(place, one.hourly, at, days, years.get(place.point_id), until, limits)
                filled.append(part)
                made += inputs
            self._write(one.places, one.hourly, one.write_from, one.hourly.rows, filled)
            since = [(place.point_id, place.service, _instant(int(one.hourly.grid.hours[0]))) for place in one.places]
            write_inputs(self.connection, made, since, self.run_id)

    def _last_years(self, places: Sequence[Place], days: Days) -> dict[int, YearAgo]:
        """The days 52 weeks before those of the view, of places that have any."""
        zone = ZoneInfo(self.name)
        first, last = (_instant(int(days.bounds[at])).astimezone(zone).date() - YEAR for at in (0, -2))
        before = grid_of(self.name, first, last)
        stored = load_current(
            self.connection, sorted({place.point_id for place in places}), DAY, _instant(int(before.hours[0])),
            _instant(int(before.hours[-1])),
        )  # fmt: skip
        if len(stored) == 0:
            return {}
        weather, bounds = self._weather(before), before.day_bounds
        found = {}
        for place in places:
            own = stored[(stored["point_id"] == place.point_id) & (stored["service"] == place.service)]
            fits = (own["energy_j"] != UNKNOWN) & ((own["flags"] & UNUSABLE) == 0)
            energy = np.full(len(bounds) - 1, np.nan)
            energy[np.searchsorted(bounds, own["start_us"][fits])] = own["energy_j"][fits] / 3.6e6
            if len(own):
                outdoor = weather[self.area_rows[place.newest["area_id"]]]
                found[place.point_id] = YearAgo(energy, degree_days(outdoor, before.days, Season().base_c))
        return found

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
        scene = Scene(whole, self.points, states, self._weather(whole), microseconds(self.now))
        return engine.days_of(scene, parts, self._history(whole), Season())

    def _history(self, whole: Grid) -> History:
        own = [(place.point_id, place.service) for place in self.places]
        points, services = sorted({point for point, _ in own}), {service for _, service in own}
        begin, end = _instant(int(whole.hours[0])), _instant(int(whole.hours[-1]))
        stored = load_current(self.connection, points, DAY, begin, end, services=sorted(services))
        place_of = {key: at for at, key in enumerate(own)}
        shape = (len(self.places), len(whole.days) - 1)
        energy, volume, usable = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape, np.bool_)
        if len(stored):
            keys = stored["point_id"].astype(np.int64) * 8 + stored["service"]
            numbers, inverse = np.unique(keys, return_inverse=True)
            row = np.array([place_of.get((int(key) // 8, int(key) % 8), -1) for key in numbers], np.int64)[inverse]
            column = np.searchsorted(whole.day_bounds, stored["start_us"])
            fits = (row >= 0) & (whole.day_bounds[column] == stored["start_us"])
            row, column, stored = row[fits], column[fits], stored[fits]
            energy[row, column] = np.where(stored["energy_j"] == UNKNOWN, np.nan, stored["energy_j"] / 3.6e6)
            volume[row, column] = np.where(stored["volume_ml"] == UNKNOWN, np.nan, stored["volume_ml"] / 1e6)
            usable[row, column] = (stored["flags"] & UNUSABLE) == 0
        newest = newest_hours(self.connection, own)
        last = [microseconds(newest[key]) if key in newest else 0 for key in own]
        return History(energy, volume, usable, np.array(last, np.int64))

    def _weather(self, whole: Grid) -> NDArray[np.float32]:
        """(a, h) outside temperature by hour."""
        result = np.full((len(self.area_rows), len(whole.hours) - 1), np.nan, np.float32)
        table = series.load_weather(self.connection, _instant(int(whole.hours[0])), _instant(int(whole.hours[-1])))
        if len(table):
            numbers, inverse = np.unique(table["area_id"], return_inverse=True)
            row = np.array([self.area_rows.get(int(number), -1) for number in numbers], np.int64)[inverse]
            column = np.searchsorted(whole.hours, table["ts"], side="right") - 1
            result[row[row >= 0], column[row >= 0]] = table["temperature_c"][row >= 0]
        return result

    def _assessed(self, parts: Sequence[Hourly]) -> Int64:
        """(p,) instant from which each place was assessed now; the far future where it was not."""
        since = np.full(len(self.places), 2**62, np.int64)
        for part in parts:
            since[part.rows] = np.minimum(since[part.rows], part.grid.hours[0])
        return since

    def _judge(self, days: Days, parts: Sequence[Hourly]) -> list[Finding]:
        since = self._assessed(parts)
        return [item for item in engine.judge(days, self.sets, self.rule_set_of) if item.to_us > since[item.point]]


def _write_from(inputs: Inputs, since: Int64, start: int) -> tuple[Int64, NDArray[np.bool_]]:
    """(p,) instant from which intervals can be trusted, and whether no reading before the change is in the window."""
    result = np.full(len(since), 2**62, np.int64)
    late = np.ones(len(since), np.bool_)
    for index in (inputs.energy, inputs.volume):
        ends = index.offsets[index.point_offsets]
        for at in range(len(since)):
            times = index.times[ends[at] : ends[at + 1]]
            before = int(np.searchsorted(times, since[at]))
            if before:
                result[at] = min(result[at], int(times[max(0, before - LOOK_AHEAD_READINGS)]))
                # The shape of a gap is learned from the days before it: they must be in the window.
                gap = since[at] - int(times[before - 1]) > GAP_US
                late[at] = bool(gap and int(times[before - 1]) - start < SHAPE_US)
    return np.where(late, start, result), late


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


def _instant(us: int) -> datetime:
    return datetime.fromtimestamp(us / 1e6, tz=UTC)
