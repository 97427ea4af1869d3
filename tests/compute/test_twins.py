"""Every kernel says what its slow twin in `compute.reference` says, on random input."""

import math
from fractions import Fraction

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from compute.consumption import intervals_of
from compute.kernels.daily import day_figures, empty_figures
from compute.kernels.differences import Anchors, scaled
from compute.kernels.medians import group_medians, medians_before
from compute.kernels.resampling import cadence, interval_bits, means, reshape_span, totals_at
from compute.kernels.signatures import line
from compute.kernels.verdicts import unit_ratio
from compute.quality import Quality
from compute.reference import totals as reference
from compute.series import grid, index_series
from compute.validation.limits import HourLimits, mark_day

HOUR = 3_600_000_000
START = 1_767_571_200_000_000
GRID = grid(START + HOUR * np.arange(73), START + 24 * HOUR * np.arange(4))
HOLE = int(Quality.MISSING)

instants = st.lists(st.integers(-10 * 60, 80 * 60), min_size=1, max_size=40, unique=True)
known_or_nan = st.one_of(st.floats(-50, 200, width=32), st.just(math.nan))


@settings(max_examples=200, deadline=None)
@given(instants, st.data())
def test_totals_at_bounds(when: list[int], data: st.DataObject) -> None:
    times = START + 60_000_000 * np.sort(np.array(when, np.int64))
    steps = data.draw(st.lists(st.integers(0, 10**9), min_size=len(when), max_size=len(when)))
    holes = data.draw(st.lists(st.booleans(), min_size=len(when), max_size=len(when)))
    totals = np.cumsum([0 if hole else step for hole, step in zip(holes, steps, strict=True)]).astype(np.int64)
    flags = np.array([HOLE if hole else 0 for hole in holes], np.int32)
    out = np.empty(73, np.int64)
    totals_at(Anchors(times, totals, flags), GRID.hours, out)
    plain = [reference.Anchor(int(t), int(v), int(f)) for t, v, f in zip(times, totals, flags, strict=True)]
    assert out.tolist() == [reference.total_at(plain, int(bound)) for bound in GRID.hours]


@settings(max_examples=150, deadline=None)
@given(instants, st.data())
def test_missing_and_partial_follow_the_covered_time(when: list[int], data: st.DataObject) -> None:
    times = START + 60_000_000 * np.sort(np.array(when, np.int64))
    holes = data.draw(st.lists(st.booleans(), min_size=len(when), max_size=len(when)))
    flags = np.array([HOLE if hole else 0 for hole in holes], np.int32)
    bits, method = np.empty(72, np.int32), np.empty(72, np.int8)
    interval_bits(Anchors(times, np.zeros(len(times), np.int64), flags), GRID.hours, HOUR, bits, method)
    plain = [reference.Anchor(int(t), 0, int(f)) for t, f in zip(times, flags, strict=True)]
    for k in range(72):
        covered = reference.covered_us(plain, int(GRID.hours[k]), int(GRID.hours[k + 1]))
        assert bool(bits[k] & Quality.MISSING) == (covered == 0)
        assert bool(bits[k] & Quality.PARTIAL) == (0 < covered < HOUR)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(0, 300), min_size=1, max_size=60),
    st.sampled_from([(1, 1), (36_000, 1), (20_934, 5), (3_600_000, 7)]),
    st.integers(0, 500),
)
def test_totals_of_a_plain_register(steps: list[int], worth: tuple[int, int], before: int) -> None:
    counts = (10**6 - before + np.concatenate(([0], np.cumsum(steps)))) % 10**6
    times = START + HOUR * np.arange(len(counts))
    series = index_series(times, counts, [0, len(counts)], numerator=worth[0], denominator=worth[1], capacity=10**6)
    totals = intervals_of(series, GRID).totals[0]
    plain = reference.plain_totals(times.tolist(), counts.tolist(), Fraction(*worth), 10**6)
    assert totals[: len(counts)].tolist() == [anchor.total for anchor in plain][:73]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(0, 9), min_size=72, max_size=72),
    st.lists(
        st.sampled_from([0, 0, 0, int(Quality.MISSING), int(Quality.PARTIAL), int(Quality.INTERPOLATED)]),
        min_size=72,
        max_size=72,
    ),
)
def test_figures_of_days(uses: list[int], bits: list[int]) -> None:
    uses = [0 if bit & Quality.MISSING else use for use, bit in zip(uses, bits, strict=True)]
    totals = np.concatenate(([0], np.cumsum(uses))).astype(np.int64)[None]
    out = empty_figures(1, 3)
    day_figures(totals, np.array([bits], np.int32), GRID.days, out)
    for d, plain in enumerate(reference.day_figures_of(uses, bits, GRID.days.tolist())):
        assert _same(out.advance[0, d], plain.advance)
        assert (out.known[0, d], out.shaped[0, d], out.zero_run[0, d]) == (plain.known, plain.shaped, plain.zero_run)
        assert _same(out.highest[0, d], plain.highest)
        assert _same(out.third[0, d], plain.third)
        assert _same(out.lowest[0, d], plain.lowest)


def _same(value: float, plain: float | None) -> bool:
    return math.isnan(value) if plain is None else value == plain


@settings(max_examples=100, deadline=None)
@given(instants, st.data())
def test_hourly_means(when: list[int], data: st.DataObject) -> None:
    times = START + 60_000_000 * np.sort(np.array(when, np.int64))
    values = np.array(data.draw(st.lists(known_or_nan, min_size=len(when), max_size=len(when))), np.float32)
    out = np.empty(72, np.float32)
    means(times, values, GRID.hours, out)
    plain = reference.means_of(times.tolist(), values.tolist(), GRID.hours.tolist())
    np.testing.assert_allclose(out, np.array(plain), rtol=1e-5, atol=1e-4)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(known_or_nan, min_size=20, max_size=20), min_size=1, max_size=12), st.data())
def test_group_medians(rows: list[list[float]], data: st.DataObject) -> None:
    values = np.array(rows, np.float64)
    groups = data.draw(st.lists(st.integers(-1, 3), min_size=len(rows), max_size=len(rows)))
    members = np.flatnonzero(np.array(groups) >= 0)
    order = members[np.argsort(np.array(groups)[members], kind="stable")]
    starts = np.flatnonzero(np.diff(np.array(groups)[order], prepend=-1))
    out = np.full(values.shape, np.nan)
    group_medians(values, order, np.append(starts, len(order)).astype(np.int64), 2, out)
    for d in range(20):
        np.testing.assert_allclose(out[:, d], reference.group_median_of(values[:, d].tolist(), groups, 2))


@settings(max_examples=60, deadline=None)
@given(st.lists(known_or_nan, min_size=1, max_size=80))
def test_medians_of_the_weeks_before(values: list[float]) -> None:
    out = np.empty((1, len(values)))
    medians_before(np.array([values], np.float64), 42, 7, 5, out)
    plain = [reference.median_before_of(values, at, 42, 7, 5) for at in range(len(values))]
    np.testing.assert_allclose(out[0], plain)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.floats(0.5, 5), st.floats(0, 20))
@example(39461, 1.234375, 0.0).via("outliers that turn the line of least squares downwards")
def test_the_signature_is_the_line_of_least_deviations(seed: int, slope: float, intercept: float) -> None:
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 25, 25)
    use = intercept + slope * x + rng.normal(0, 0.5, 25)
    use[:4] = rng.uniform(0, 200, 4)
    floor = 0.01
    intercept, slope = line(use, x, floor, np.empty(25), np.empty(25))
    best = reference.least_deviations(use.tolist(), x.tolist())

    def deviation(a: float, b: float) -> float:
        return float(np.abs(use - a - b * x).sum())

    assert slope >= 0.0
    assert deviation(intercept, slope) <= 1.03 * deviation(*best) + len(use) * floor


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=24, max_size=24), st.sampled_from([1.0, 10.0, 30.0]))
def test_spikes(uses: list[int], step: float) -> None:
    totals = np.concatenate(([0], np.cumsum(uses))).astype(np.int64)
    bits = np.zeros(24, np.int32)
    mark_day(totals, bits, np.array([0, 24]), step, 0.0, HourLimits())
    found = np.flatnonzero(bits & int(Quality.SPIKE)).tolist()
    plain = reference.spike_of(uses, step)
    assert found == ([] if plain is None else [plain])


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 60 * 60), st.integers(3 * 60, 60 * 60), st.integers(0, 10**9),
    st.lists(st.floats(0, 100), min_size=72, max_size=72),
)  # fmt: skip
def test_shaping_a_span(start: int, length: int, rise: int, weights: list[float]) -> None:
    low, first = 1000, START + 60_000_000 * start
    last = min(first + 60_000_000 * length, int(GRID.hours[-1]))
    out = np.zeros(73, np.int64)
    reshape_span(GRID.hours, np.array([first, last, low, low + rise]), np.array(weights), out)
    plain = reference.shaped_bounds(first, last, low, low + rise, GRID.hours.tolist(), weights)
    for k, bound in enumerate(GRID.hours.tolist()):
        if bound in plain:
            assert abs(int(out[k]) - plain[bound]) <= 1 + rise * 1e-12


@given(st.integers(0, 10**15), st.integers(1, 4000), st.integers(1, 1000))
def test_scaling_is_exact(count: int, numerator: int, denominator: int) -> None:
    assert scaled(count, numerator, denominator) == math.floor(Fraction(count * numerator, denominator))


def test_the_usual_distance_of_readings() -> None:
    times = START + HOUR * np.array([0, 1, 2, 3, 50, 51, 52, 53, 54])
    assert cadence(times, np.empty(64, np.int64)) == HOUR
    assert cadence(times[:1], np.empty(64, np.int64)) == 0


def test_a_changed_unit_is_recognised_by_its_ratio() -> None:
    assert unit_ratio(123_456, 123_456_700)
    assert unit_ratio(277_778, 1000)
    assert not unit_ratio(123_456, 223_456)
    assert not unit_ratio(5, 50)
