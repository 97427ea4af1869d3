"""Energy is conserved: intervals add up to index differences, whatever happened and in whatever order it arrived."""

import itertools
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute.consumption import day_rows, hour_rows, intervals_of
from compute.series import grid, index_series

HOUR = 3_600_000_000
START = 1_767_571_200_000_000
GRID = grid(START + HOUR * np.arange(24 * 8 + 1), START + 24 * HOUR * np.arange(9))

advances = st.lists(st.integers(0, 500), min_size=1, max_size=120)
minutes = st.lists(st.integers(1, 60 * 30), min_size=120, max_size=120)


def _series(steps: list[int], gaps: list[int], first: int = 10**6) -> tuple[Any, Any]:
    times = START + 60_000_000 * np.concatenate(([0], np.cumsum(gaps[: len(steps)])))
    inside = times <= GRID.hours[-1]
    counts = first + np.concatenate(([0], np.cumsum(steps)))
    return times[inside].astype(np.int64), counts[inside].astype(np.int64)


@settings(max_examples=150, deadline=None)
@given(
    advances,
    minutes,
    st.sampled_from([Fraction(1), Fraction(36_000), Fraction(20_934, 5), Fraction(3_600_000)]),
    st.randoms(),
)
def test_intervals_add_up_to_the_index_difference_in_any_order_of_arrival(
    steps: list[int], gaps: list[int], worth: Fraction, shuffle: Any
) -> None:
    times, counts = _series(steps, gaps)
    order = list(range(len(times)))
    shuffle.shuffle(order)
    series = index_series(
        times[order], counts[order], [0, len(times)], numerator=worth.numerator, denominator=worth.denominator
    )
    rows = intervals_of(series, GRID)
    expected = int(np.floor(Fraction(int(counts[-1] - counts[0])) * worth))
    assert hour_rows(rows).values.sum() == expected
    assert day_rows(rows, GRID.days).values.sum() == expected
    assert (hour_rows(rows).values >= 0).all()


@settings(max_examples=80, deadline=None)
@given(advances, minutes, st.integers(1, 100), st.integers(1000, 10**7))
def test_an_exchange_loses_nothing(steps: list[int], gaps: list[int], cut: int, first_of_new: int) -> None:
    times, counts = _series(steps, gaps)
    cut = min(cut, len(times))
    old, new = times[:cut], times[cut - 1 :]
    shown = np.concatenate((counts[:cut], counts[cut - 1 :] - counts[cut - 1] + first_of_new))
    series = index_series(np.concatenate((old, new)), shown, [0, len(old), len(old) + len(new)], point_offsets=[0, 2])
    assert hour_rows(intervals_of(series, GRID)).values.sum() == counts[-1] - counts[0]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=2, max_size=150), st.integers(1, 3000))
def test_a_rollover_loses_nothing(steps: list[int], before: int) -> None:
    counts = (10**8 - before + np.concatenate(([0], np.cumsum(steps)))) % 10**8
    times = START + HOUR * np.arange(len(counts))
    series = index_series(times, counts, [0, len(counts)], capacity=10**8)
    assert hour_rows(intervals_of(series, GRID)).values.sum() == sum(steps)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(1, 40), min_size=30, max_size=150),
    st.integers(5, 20),
    st.sampled_from([0, 3, 10**8 - 1, 10**18, -7]),
)
def test_a_garbage_reading_changes_no_sum(steps: list[int], place: int, shown: int) -> None:
    counts = 5000 + np.concatenate(([0], np.cumsum(steps)))
    clean = counts.copy()
    counts[place] = shown
    times = START + HOUR * np.arange(len(counts))
    rows = intervals_of(index_series(times, counts, [0, len(counts)], capacity=10**9, rate=1.0), GRID)
    assert hour_rows(rows).values.sum() == clean[-1] - clean[0]


@settings(max_examples=60, deadline=None)
@given(advances, minutes, st.lists(st.integers(1, 24 * 7), min_size=2, max_size=5, unique=True))
def test_any_period_is_the_sum_of_its_parts(steps: list[int], gaps: list[int], cuts: list[int]) -> None:
    times, counts = _series(steps, gaps)
    totals = intervals_of(index_series(times, counts, [0, len(times)]), GRID).totals[0]
    bounds = [0, *sorted(cuts), len(totals) - 1]
    parts = [totals[b] - totals[a] for a, b in itertools.pairwise(bounds)]
    assert sum(parts) == totals[-1] - totals[0]


@pytest.mark.parametrize("missing", [(30, 40), (30, 90), (3, 60)])
def test_a_gap_takes_the_shape_of_like_days_and_keeps_its_total(missing: tuple[int, int]) -> None:
    use = np.tile([10] * 6 + [60] * 4 + [20] * 14, 8)
    counts = 1000 + np.concatenate(([0], np.cumsum(use)))
    keep = [n for n in range(len(counts)) if not missing[0] < n < missing[1]]
    times = START + HOUR * np.arange(len(counts))
    rows = intervals_of(index_series(times[keep], counts[keep], [0, len(keep)]), GRID)
    values = hour_rows(rows).values[0]
    assert values.sum() == use.sum()
    assert values[missing[0] : missing[1]].sum() == use[missing[0] : missing[1]].sum()
    if missing[0] >= 24:
        np.testing.assert_allclose(values, use, atol=1)
