"""Every rule over days finds what its plain twin in `compute.reference` finds, on random towns read by random meters.

A town is drawn from a seed: displays, distances of readings, weather, states, houses, gaps, roll-overs, and a story or
two for every flat; readings go through the whole engine, and the twins look at the days that come out. Thresholds are
drawn as well, so that rules speak often.
"""

import dataclasses
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from compute import engine
from compute.days import Days, Points, unknown_points
from compute.findings import Finding
from compute.reference import TWINS
from compute.reference.town import Told, town_of
from compute.reference.view import degree_days, differing
from compute.scene import Inputs, Scene
from compute.series import IndexSeries, SampleSeries, grid, index_series, no_samples, sample_series

HOUR, FLATS, LENGTH = 3_600_000_000, 14, 110
HOURS = 24 * LENGTH
START = 1_767_571_200_000_000
GRID = grid(START + HOUR * np.arange(HOURS + 1), START + 24 * HOUR * np.arange(LENGTH + 1))
Floats = NDArray[np.float64]
# What happens to a flat from some day on: factors on use, on water, on the energy that is counted of it.
STORIES = (
    (1.0, 1.0, 1.0), (0.0, 1.0, 1.0), (0.1, 1.0, 1.0), (0.3, 1.0, 1.0), (1.6, 1.0, 1.0), (4.0, 1.0, 1.0),
    (1.3, 2.0, 1.0), (1.0, 5.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, 1.4), (1.0, 1.0, 1.05), (1.0, 1.0, 0.6),
    (1.0, 1.0, 0.0), (40.0, 1.0, 1.0), (2.5, 1.0, 1.0),
)  # fmt: skip


class _Town:
    """One random town: what is true, and what its meters show."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        rng = self.rng
        self.step_h = float(rng.choice([0.25, 1.0, 1.0, 24.0]))
        self.energy_j = int(rng.choice([360_000, 1_000_000, 3_600_000, 36_000_000]))
        self.volume_ml = int(rng.choice([1_000, 10_000, 100_000]))
        hour = np.arange(HOURS)
        swing = rng.uniform(5, 14) * np.cos(2 * np.pi * (hour / HOURS * rng.uniform(0.3, 1.2) + rng.uniform()))
        self.outdoor = 9.0 + swing + 2.0 * rng.normal(size=HOURS // 24).repeat(24)
        self.heats = np.where(self.outdoor < 15.0, 1.0, 0.02 * (rng.random() < 0.5))
        self.points = self._points()

    def _points(self) -> Points:
        rng, points = self.rng, unknown_points(FLATS)
        points.energy_step_kwh[:], points.volume_step_m3[:] = self.energy_j / 3.6e6, self.volume_ml / 1e6
        if rng.random() < 0.8:
            points.heated_area_m2[:] = rng.uniform(40, 160, FLATS)
        if rng.random() < 0.7:
            points.design_load_kw[:] = rng.uniform(2, 6, FLATS)
            points.qp_m3h[:], points.qs_m3h[:] = rng.choice([0.6, 1.5, 6.0]), 3.0
        points.area[:] = rng.permutation(FLATS) % 2 if rng.random() < 0.3 else 0
        points.building[:] = np.where(np.arange(FLATS) < 8, 0, rng.choice([-1, 1]))
        points.parent[:5] = FLATS - 1 if rng.random() < 0.8 else -1
        points.supply_mounted[:] = rng.random(FLATS) < 0.5
        points.cadence_us[:] = int(self.step_h * HOUR) if rng.random() < 0.7 else 0
        return points

    def _story(self) -> tuple[Floats, Floats, Floats]:
        """(h,) factors of one flat."""
        rng, shape = self.rng, (3, HOURS)
        result = np.ones(shape)
        for _ in range(int(rng.integers(0, 3))):
            first = 24 * int(rng.integers(0, LENGTH - 3))
            last = first + 24 * int(rng.choice([1, 3, 8, 20, 60, LENGTH]))
            result[:, first:last] *= np.array(STORIES[int(rng.integers(len(STORIES)))])[:, None]
        return result[0], result[1], result[2]

    def _times(self) -> NDArray[np.int64]:
        """Instants of readings: those of the schedule, some of them late, some spans missing."""
        rng = self.rng
        times = START + (np.arange(0.0, HOURS + 0.01, self.step_h) * HOUR).astype(np.int64)
        if rng.random() < 0.2:
            times += rng.integers(0, int(0.4 * self.step_h * HOUR), len(times))
        keep = np.ones(len(times), np.bool_)
        for _ in range(int(rng.integers(0, 3))):
            first = int(rng.integers(len(times)))
            keep[first : first + int(rng.choice([1, 4, 90, 900]) / max(self.step_h, 1.0)) + 1] = False
        if rng.random() < 0.15:
            keep[int(rng.integers(len(times))) :] = False
        return times[keep]

    def read(self) -> tuple[Inputs, Scene]:
        """The readings of all flats."""
        rng = self.rng
        energy, volume, running, sums = _Registers(), _Registers(), _Registers(), (_Registers(), _Registers())
        supply, back = _Samples(), _Samples()
        for at in range(FLATS):
            use, water, counted = self._story()
            level = rng.uniform(0.02, 0.25) * (6.0 if at == FLATS - 1 else 1.0)
            kwh = level * np.maximum(18.0 - self.outdoor, 0.0) * self.heats * rng.normal(1, 0.06, HOURS).clip(0.5) * use
            warm = 55.0 + rng.normal(0, 1.0, HOURS)
            cool = warm - rng.uniform(12, 30) + rng.normal(0, 0.5, HOURS)
            m3 = kwh / (1.15 * (warm - cool)) * water + (rng.random() < 0.15) * rng.uniform(0.001, 0.03)
            times = self._times()
            self._index(energy, times, kwh * counted, self.energy_j / 3.6e6, odd=True)
            self._index(volume, times, m3, self.volume_ml / 1e6, odd=False)
            asleep = np.where(rng.random(HOURS) < float(rng.choice([0.0, 0.0, 0.1])), 0.0, 3600.0)
            self._index(running, times, asleep, 3600.0, odd=False)
            for register, degrees in zip(sums, (warm, cool), strict=True):
                self._index(register, times if at % 2 else times[:0], m3 * degrees, 1.0, odd=False)
            self._temperatures(supply, back, times, warm, cool)
        shape = (FLATS, LENGTH)
        device = np.where(rng.random(shape) < 0.03, rng.integers(0, 16, shape), 0).astype(np.int32)
        device[3, 40:50] = 1
        clock = np.where(rng.random((FLATS, 1)) < 0.3, rng.normal(0, 1500, shape), np.nan).astype(np.float32)
        rejected = (rng.integers(0, 8, shape) * (rng.random(shape) < 0.02)).astype(np.int32)
        told = np.nan if rng.random() < 0.2 else 1.0
        weather = np.full((2, HOURS), told, np.float32) * self.outdoor.astype(np.float32)
        j, ml = self.energy_j, self.volume_ml
        capacity = int(rng.choice([0, 10**6]))
        inputs = Inputs(
            GRID, self.points, weather, energy.series(j, capacity), volume.series(ml, capacity), supply.series(),
            back.series(), no_samples(FLATS), running.series(3600), sums[0].series(10**6), sums[1].series(10**6),
            device, clock, rejected,
        )  # fmt: skip
        return inputs, Scene(GRID, self.points, self._states(), weather, int(GRID.hours[-1]))

    def _states(self) -> NDArray[np.int8]:
        states = np.zeros((FLATS, LENGTH), np.int8)
        for at in np.flatnonzero(self.rng.random(FLATS) < 0.3):
            states[at, int(self.rng.integers(LENGTH)) :] = self.rng.integers(1, 5)
        return states

    def _index(self, into: "_Registers", times: Any, use: Floats, count: float, *, odd: bool) -> None:
        """Counts at the instants; some meters roll over, jump, fall, change their unit or show garbage."""
        rng = self.rng
        whole = np.concatenate(([0.0], np.cumsum(use)))
        shown = np.interp((times - START) / HOUR, np.arange(HOURS + 1), whole) / count
        counts = np.floor(shown + rng.choice([0.0, 5_000.0, 999_700.0])).astype(np.int64)
        change = rng.random() if odd and len(times) > 9 else 1.0
        at = int(rng.integers(len(counts) or 1))
        if change < 0.08:
            counts[at:] = np.floor(counts[at:] * rng.choice([10.0, 3.6, 0.001])).astype(np.int64)
        elif change < 0.16:
            counts[at:] -= min(int(rng.integers(1, 900)), int(counts[at]))
        elif change < 0.22:
            counts[at : at + 2] = 10**9
        into.add(times, counts)

    def _temperatures(self, supply: "_Samples", back: "_Samples", times: Any, warm: Floats, cool: Floats) -> None:
        rng, story = self.rng, self.rng.random()
        hour = np.minimum((times - START) // HOUR, HOURS - 1)
        warm, cool = warm[hour].astype(np.float32), cool[hour].astype(np.float32)
        late = slice(int(rng.integers(len(times))) if len(times) else 0, None)
        if story < 0.1:
            warm[late], cool[late] = cool[late].copy(), warm[late].copy()
        elif story < 0.2:
            warm[late], cool[late] = 61.5, 40.25
        elif story < 0.3:
            warm[late] = 185.0
        elif story < 0.4:
            warm[late] += np.float32(rng.choice([-9.0, 9.0]))
        supply.add(times, warm)
        back.add(times, cool)


class _Registers:
    """Index readings of points after each other."""

    def __init__(self) -> None:
        self.times: list[Any] = []
        self.counts: list[Any] = []

    def add(self, times: Any, counts: Any) -> None:
        self.times.append(times)
        self.counts.append(counts)

    def series(self, numerator: int, capacity: int = 0) -> IndexSeries:
        counts = np.concatenate(self.counts)
        if capacity:
            counts = np.where(counts < 10**9, counts % capacity, counts)
        offsets = np.concatenate(([0], np.cumsum([len(own) for own in self.times])))
        return index_series(np.concatenate(self.times), counts, offsets, numerator=numerator, capacity=capacity)


class _Samples(_Registers):
    """Measured values of points after each other."""

    def series(self, numerator: int = 1, capacity: int = 0) -> SampleSeries:  # type: ignore[override]
        offsets = np.concatenate(([0], np.cumsum([len(own) for own in self.times])))
        return sample_series(np.concatenate(self.times), np.concatenate(self.counts), offsets)


def days_of(seed: int) -> Days:
    inputs, scene = _Town(seed).read()
    return engine.run(scene, inputs, order=()).days


def drawn(thresholds: type[Any], rng: np.random.Generator) -> Any:
    """Thresholds, every other time moved at random."""
    values = {}
    for item in dataclasses.fields(thresholds):
        factor = float(rng.choice([1.0, 1.0, rng.uniform(0.4, 1.3)]))
        moved: Any = item.default * factor if isinstance(item.default, float) else max(1, round(item.default * factor))
        values[item.name] = moved
    return thresholds(**values)


def plain(found: list[Finding]) -> list[Told]:
    return sorted(
        Told(
            item.point, item.rule, item.severity.value, item.from_us, item.to_us, item.noticed_us, item.observed,
            item.expected_low, item.expected_high, item.energy_at_stake_kwh,
        )
        for item in found
    )  # fmt: skip


def same(one: Told, other: Told) -> bool:
    words, numbers = dataclasses.astuple(one)[:6], dataclasses.astuple(one)[6:]
    if words != dataclasses.astuple(other)[:6]:
        return False
    return all(
        (a != a and b != b) or math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-4)
        for a, b in zip(numbers, dataclasses.astuple(other)[6:], strict=True)
    )


def compared(seed: int) -> Counter[str]:
    """How often each rule spoke; fails where a rule and its twin differ."""
    days, rng, spoke = days_of(seed), np.random.default_rng(seed + 1), Counter[str]()
    for rule in engine.ORDER:
        limits = drawn(rule.thresholds, rng)
        town = town_of(days)
        told, expected = plain(rule.check(days, limits)), sorted(TWINS[rule.name](town, limits))
        assert [dataclasses.astuple(item)[:6] for item in told] == [dataclasses.astuple(item)[:6] for item in expected]
        assert all(map(same, told, expected)), (rule.name, limits, told, expected)
        spoke[rule.name] += len(told)
    return spoke


@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1))
def test_rules_find_what_their_twins_find(seed: int) -> None:
    compared(seed)


def test_the_towns_are_so_wild_that_every_rule_speaks() -> None:
    spoke = sum((compared(seed) for seed in range(8)), Counter[str]())
    assert {name for name in TWINS if not spoke[name]} == set()


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_season_neighbours_and_temperature_drops_are_what_they_should_be(seed: int) -> None:
    inputs, scene = _Town(seed).read()
    days = engine.run(scene, inputs, order=()).days
    assert differing(town_of(days), days) == []
    for d in range(LENGTH):
        mean = float(np.mean(inputs.outdoor_c[0, 24 * d : 24 * d + 24], dtype=np.float64))
        assert days.hdd_k[0, d] == pytest.approx(degree_days(mean), abs=1e-9, nan_ok=True)
