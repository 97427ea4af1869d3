"""Intervals that no index covers: holes at exchanges without a final index, and days past the last reading.

Rules: only holes of whole hours between measured ones, or behind the last reading where the meter's switch says so; a
break in the index is no hole, it waits for a person. An estimate never touches a measured interval, and the sums of
bills tell it apart by its method. The same data give the same estimate, whichever window a run looked at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from compute.consumption import Intervals
from compute.days import Days
from compute.estimation_beyond import Beyond, BeyondLimits, YearAgo, estimate_beyond
from compute.quality import Method, Quality
from compute.scene import Hourly
from compute.series import Grid
from ingest.assessment.loading import Place
from ingest.assessment.rows import Computed
from ingest.store.consumption import DAY, UNKNOWN
from ingest.store.estimates import EstimateInput
from ingest.store.packing import instant_of, microseconds

Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]
MISSING, PARTIAL = int(Quality.MISSING), int(Quality.PARTIAL)
BROKEN = int(Quality.RESET | Quality.UNIT)
FLAGS = {
    int(Method.BALANCE): int(Quality.ESTIMATED | Quality.DERIVED),
    int(Method.LAST_YEAR): int(Quality.ESTIMATED | Quality.REFERENCE_DAY | Quality.WEATHER),
    int(Method.NEIGHBOURS): int(Quality.ESTIMATED | Quality.DERIVED),
    int(Method.CONTRACT): int(Quality.ESTIMATED | Quality.WEATHER),
    int(Method.EXTRAPOLATED): int(Quality.ESTIMATED),
}
# What the ladder is for: heat. Water and current have no degree days.
HEAT = (0, 1)
J_PER_KWH = 3_600_000


@dataclass(frozen=True, slots=True)
class Waiting:
    """Places whose intervals wait for the days of the others: their hours, and from when on they are written."""

    places: tuple[Place, ...]
    hourly: Hourly
    write_from: Int64


@dataclass(frozen=True, slots=True)
class Filled:
    """Estimated hours of one row: positions, joules, standard uncertainty in joules, method."""

    hours: Int64
    energy_j: Int64
    doubt_j: Int64
    method: Int64


def holes(bits: NDArray[np.int32], least: int) -> list[tuple[int, int]]:
    """Runs of at least `least` missing hours between known ones that no break of the index explains. `bits`: (h,)."""
    missing = (bits & MISSING) != 0
    known = np.flatnonzero(~missing)
    if len(known) == 0:
        return []
    gaps = np.flatnonzero(np.diff(known) > least)
    return [(int(known[at]) + 1, int(known[at + 1])) for at in gaps if not int(bits[known[at + 1]]) & BROKEN]


def needy(places: Sequence[Place], hourly: Hourly, switches: Mapping[int, datetime], least: int) -> Bool:
    """(p,) places of heat with a hole, or with a switch that reaches beyond their last reading."""
    result = np.zeros(len(places), np.bool_)
    for at, place in enumerate(places):
        if place.service not in HEAT or hourly.last_us[at] == 0:
            continue
        until = switches.get(place.newest["meter_id"])
        carried = until is not None and microseconds(until) > hourly.last_us[at]
        result[at] = carried or bool(holes(hourly.energy.bits[at], least))
    return result


def waiting_of(places: Sequence[Place], hourly: Hourly, write_from: Int64, rows: Bool) -> Waiting:
    """The chosen rows, with copies of their hours: the buffers are used again."""
    energy, volume = (
        Intervals(one.totals[rows], one.bits[rows], one.method[rows]) for one in (hourly.energy, hourly.volume)
    )
    chosen = tuple(places[int(at)] for at in np.flatnonzero(rows))
    part = replace(hourly, rows=hourly.rows[rows], energy=energy, volume=volume, last_us=hourly.last_us[rows])
    return Waiting(chosen, part, write_from[rows])


def fill_row(
    place: Place,
    hourly: Hourly,
    at: int,
    days: Days,
    year: YearAgo | None,
    until: datetime | None,
    limits: BeyondLimits,
) -> tuple[Filled, list[EstimateInput]]:
    """Estimated hours of one row of `hourly`, and what they were made of. `until`: its switch, None where none."""
    grid, bits, row = hourly.grid, hourly.energy.bits[at], int(hourly.rows[at])
    spans = [(first, last, False) for first, last in holes(bits, limits.least_h)]
    known = np.flatnonzero((bits & MISSING) == 0)
    if until is not None and len(known):
        end = min(microseconds(until), days.now_us)
        last = int(np.searchsorted(grid.hours, end, side="right")) - 1
        if last > known[-1] + 1:
            spans.append((int(known[-1]) + 1, last, True))
    shift = (len(days.bounds) - 1) - (len(grid.days) - 1)
    parts, inputs = [], []
    for first, last, carried in spans:
        opened, closed = (int(np.searchsorted(grid.days, hour, side="right")) - 1 for hour in (first, last - 1))
        made = estimate_beyond(days, row, (opened + shift, closed + 1 + shift), year, limits)
        filled = _hours(made, grid, (first, last), opened, carried)
        if len(filled.hours):
            parts.append(filled)
            inputs += _told(place, made, filled, grid, carried)
    return _joined(parts), inputs


def _hours(made: Beyond, grid: Grid, span: tuple[int, int], opened: int, carried: bool) -> Filled:
    """Days to hours: each missing hour of a day gets the same share of the day's estimate, in whole joules."""
    hours, energy, doubt, method = [], [], [], []
    for n in range(len(made.method)):
        if made.method[n] == 0:
            continue
        low, high = int(grid.days[opened + n]), int(grid.days[opened + n + 1])
        own = np.arange(max(low, span[0]), min(high, span[1]))
        cuts = np.rint(made.energy_kwh[n] * J_PER_KWH * np.arange(high - low + 1) / (high - low)).astype(np.int64)
        hours.append(own)
        energy.append(np.diff(cuts)[own - low])
        doubt.append(np.full(len(own), round(made.doubt_kwh[n] * J_PER_KWH / (high - low)), np.int64))
        method.append(np.full(len(own), int(Method.EXTRAPOLATED) if carried else int(made.method[n]), np.int64))
    return _joined([Filled(*columns) for columns in zip(hours, energy, doubt, method, strict=True)])


def _joined(parts: Sequence[Filled]) -> Filled:
    if not parts:
        return Filled(*(np.empty(0, np.int64) for _ in range(4)))
    columns = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("hours", "energy_j", "doubt_j", "method")
    )
    return Filled(*columns)


def _told(place: Place, made: Beyond, filled: Filled, grid: Grid, carried: bool) -> list[EstimateInput]:
    start, end = instant_of(int(grid.hours[filled.hours[0]])), instant_of(int(grid.hours[filled.hours[-1] + 1]))
    if carried:
        return [_input(place, start, end, Method.EXTRAPOLATED, filled.energy_j, filled.doubt_j, made.inputs)]
    result = []
    for name, inputs in made.inputs.items():
        method = Method[name.upper()]
        own = filled.method == int(method)
        if own.any():
            result.append(_input(place, start, end, method, filled.energy_j[own], filled.doubt_j[own], inputs))
    return result


def _input(
    place: Place,
    start: datetime,
    end: datetime,
    method: Method,
    energy: Int64,
    doubt: Int64,
    inputs: Mapping[str, object],
) -> EstimateInput:
    # Days err together (the same neighbours, the same weather): their doubts add up.
    return EstimateInput(
        place.point_id, place.service, start, end, int(method), float(energy.sum()) / J_PER_KWH,
        float(doubt.sum()) / J_PER_KWH, dict(inputs),
    )  # fmt: skip


def laid_over(rows: Computed, resolution: int, days: Int64, filled: Sequence[Filled]) -> Computed:
    """Computed hours or days with the estimates in the places where nothing is known. `days`: (d+1,) positions."""
    energy, flags, method = rows.energy_j.copy(), rows.flags.copy(), rows.method.copy()
    inside, doubt = rows.inside.copy(), np.full(energy.shape, UNKNOWN, np.int64)
    for at, part in enumerate(filled):
        if len(part.hours) == 0:
            continue
        marks = np.array([FLAGS[int(number)] for number in part.method], np.int64)
        place = np.searchsorted(days, part.hours, side="right") - 1 if resolution == DAY else part.hours
        whole = np.unique(place)
        for n in whole:
            own = place == n
            before = 0 if energy[at, n] == UNKNOWN else int(energy[at, n])
            energy[at, n] = before + int(part.energy_j[own].sum())
            doubt[at, n] = int(part.doubt_j[own].sum())
            flags[at, n] = (flags[at, n] & ~MISSING) | int(np.bitwise_or.reduce(marks[own]))
            method[at, n] = int(part.method[own].max())
        if resolution == DAY:
            _complete(flags, at, whole, part.hours, days)
        known = np.flatnonzero(inside[at] | np.isin(np.arange(inside.shape[1]), whole))
        inside[at, known[0] : known[-1] + 1] = True
    return replace(rows, energy_j=energy, flags=flags, method=method, inside=inside, doubt_j=doubt)


def _complete(flags: Int64, at: int, whole: Int64, hours: Int64, days: Int64) -> None:
    """A day of which only the first or last hours are estimated, and nothing else known, stays partial."""
    for n in whole:
        estimated = int(((hours >= days[n]) & (hours < days[n + 1])).sum())
        if estimated == int(days[n + 1] - days[n]):
            flags[at, n] &= ~PARTIAL
