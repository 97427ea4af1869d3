"""Sums over days, and days whose hours were all measured, against what plain Python says."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from compute.findings import persistent, trailing_sum
from compute.kernels.daily import any_day, whole_day
from compute.validation.limits import HourLimits, mark_day, quiet

known_or_nan = st.one_of(st.integers(-1000, 1000).map(float), st.just(math.nan))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(known_or_nan, min_size=12, max_size=12), min_size=1, max_size=4), st.integers(1, 15))
def test_a_trailing_sum_adds_the_known_days_and_no_others(rows: list[list[float]], days: int) -> None:
    for dtype in (np.float64, np.float32):
        found = trailing_sum(np.array(rows, dtype), days)
        for row, sums in zip(rows, found, strict=True):
            for day, seen in enumerate(sums):
                last = row[max(0, day - days + 1) : day + 1]
                assert seen == sum(value for value in last if not math.isnan(value))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(st.booleans(), min_size=20, max_size=20), min_size=1, max_size=3), st.integers(1, 24), st.data()
)
def test_what_lasts_holds_and_held_on_so_many_days(rows: list[list[bool]], days: int, data: st.DataObject) -> None:
    needed = data.draw(st.integers(1, days))
    for row, told in zip(rows, persistent(np.array(rows), days, needed), strict=True):
        for day, seen in enumerate(told):
            assert seen == (row[day] and sum(row[max(0, day - days + 1) : day + 1]) >= needed)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=29, max_size=54), st.integers(0, 90))
def test_a_day_without_gaps_has_the_figures_of_any_day(uses: list[int], run: int) -> None:
    totals = np.concatenate(([0], np.cumsum(uses))).astype(np.int64)
    quick, slow = np.zeros(7), np.zeros(7)
    quick[2] = slow[2] = run
    whole_day(totals, len(uses) - 5, quick)
    any_day(totals, np.zeros(len(uses), np.int32), np.array([5, len(uses)]), slow)
    assert quick.tolist() == slow.tolist()


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(0, 40), min_size=25, max_size=25),
    st.sampled_from([0.0, 5.0, 12.0]),
    st.sampled_from([0.0, 1.0, 3.0]),
    st.sampled_from([-0.5, 0.2, 1.0]),
)
def test_a_quiet_day_is_one_in_which_nothing_is_marked(
    uses: list[int], design: float, step: float, load: float
) -> None:
    limits = HourLimits(step_load=load)
    totals, bits = np.concatenate(([0], np.cumsum(uses))).astype(np.int64), np.zeros(25, np.int32)
    mark_day(totals, bits, np.array([1, 25]), step, design, limits)
    if quiet(totals[1:], np.zeros(24, np.int32), step, design, limits):
        assert not bits.any()
