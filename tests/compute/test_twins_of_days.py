"""Marks, heat balance, like days and signatures say what their plain twins say, on random input."""

import math
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from compute.estimation import Calendar, GapLimits, like_days
from compute.kernels.heat import Measured, Temperatures, empty_heat, heat_figures
from compute.kernels.signatures import block_expectations, line
from compute.kernels.thermal import heat_kwh, water_table
from compute.quality import Quality
from compute.reference import hours as plain
from compute.validation.limits import HourLimits, mark_hours

HOUR = 3_600_000_000
START = 1_767_571_200_000_000
DAYS = np.array([0, 24, 48, 72])
TABLE = water_table()
odd_bits = st.sampled_from(
    [0] * 8 + [int(Quality.MISSING), int(Quality.INTERPOLATED), int(Quality.FAILED), int(Quality.PARTIAL)]
)
bits72 = st.lists(odd_bits, min_size=72, max_size=72)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([0, 1, 5, 6, 7, 40, 300]), min_size=72, max_size=72),
    bits72,
    st.sampled_from([0.5, 1.0, 10.0]),
    st.sampled_from([0.0, 8.0, 50.0]),
)
def test_marks_of_hours(uses: list[int], bits: list[int], step: float, design: float) -> None:
    totals = np.concatenate(([0], np.cumsum(uses))).astype(np.int64)[None]
    out = np.array([bits], np.int32)
    mark_hours(totals, out, DAYS, np.array([step]), np.array([design]), HourLimits())
    assert out[0].tolist() == [int(own) for own in plain.marks_of(uses, bits, DAYS.tolist(), step, design)]


temperature = st.sampled_from([math.nan, 0.0, 185.0, -30.0, 35.0, 40.5, 60.25, 70.0, 70.0, 35.0])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(temperature, min_size=72, max_size=72),
    st.lists(temperature, min_size=72, max_size=72),
    st.lists(st.integers(0, 3), min_size=72, max_size=72),
    st.lists(st.integers(0, 5), min_size=72, max_size=72),
    bits72,
    bits72,
    st.booleans(),
)
def test_the_heat_balance(
    supply: list[float], back: list[float], volume: list[int], energy: list[int], e_bits: list[int], v_bits: list[int],
    at_supply: bool,
) -> None:  # fmt: skip
    times, out = START + HOUR * np.arange(72), empty_heat(1, 3)
    values = [np.array(own, np.float32) for own in (supply, back)]
    offsets = np.array([0, 72])
    totals = [np.concatenate(([0], np.cumsum(own))).astype(np.int64)[None] for own in (energy, volume)]
    heat_figures(
        Temperatures(times, values[0], offsets, times, values[1], offsets),
        Measured(totals[0] * 360_000, totals[1] * 100_000, np.array([e_bits], np.int32), np.array([v_bits], np.int32)),
        START + HOUR * np.arange(73), DAYS, np.array([at_supply]), TABLE, out,
    )  # fmt: skip
    hours = [plain.HeatHour(*row) for row in zip(supply, back, [e / 10 for e in energy], [v / 10 for v in volume], e_bits, v_bits, strict=True)]  # fmt: skip  # noqa: E501
    told = plain.heat_days_of(hours, DAYS.tolist(), lambda m3, warm, cool: heat_kwh(TABLE, m3, warm, cool, at_supply))
    for d, day in enumerate(told):
        for name in plain.HeatDay.__slots__:
            _close(getattr(out, name)[0, d], getattr(day, name), name)


def _close(value: Any, expected: float | None, name: str) -> None:
    assert math.isnan(value) if expected is None else math.isclose(value, expected, rel_tol=1e-5, abs_tol=1e-5), name


@settings(max_examples=200, deadline=None)
@given(
    st.lists(odd_bits, min_size=20 * 4, max_size=20 * 4),
    st.lists(st.sampled_from([-5.0, 0.0, 4.0, 6.0, 12.0, math.nan]), min_size=20, max_size=20),
    st.integers(0, 19),
    st.integers(0, 20),
    st.tuples(st.integers(1, 12), st.integers(1, 5), st.sampled_from([1.0, 5.0])),
)
def test_like_days(
    bits: list[int], outdoor: list[float], day: int, before: int, limits: tuple[int, int, float]
) -> None:
    days, weekend = np.arange(0, 84, 4), np.arange(20) % 7 >= 5
    chosen = np.empty(limits[1], np.int64)
    calendar = Calendar(days, weekend, np.array([outdoor]), GapLimits(*limits))
    n = like_days(np.array(bits, np.int32), calendar, 0, day, before, chosen)
    fit = plain.fit_days_of(bits, days.tolist())
    assert chosen[:n].tolist() == plain.like_days_of(fit, weekend.tolist(), outdoor, day, before, limits)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 6), st.sampled_from([0.01, 5.0]))
def test_signatures_learn_from_the_weeks_before(seed: int, shift: int, floor: float) -> None:
    rng = np.random.default_rng(seed)
    n = 120
    x = np.where(rng.random(n) < 0.05, np.nan, rng.uniform(0, 25, n))
    use = 5.0 + 2.0 * np.nan_to_num(x) + rng.normal(0, 1, n)
    fit, season = (rng.random(n) < 0.8) & np.isfinite(x), rng.random(n) < 0.7
    numbers, block = np.arange(n) + shift, [np.empty((2, n)) for _ in range(2)]
    # A point that knows nothing must not be told what the other knows.
    rows = [
        np.stack((own, other)) for own, other in ((use, use), (x, x), (fit, np.zeros(n, np.bool_)), (season, season))
    ]
    block_expectations(rows[0], rows[1], rows[2], rows[3], numbers, np.full(2, floor), block[0], block[1])
    assert np.isnan(block[0][1]).all()
    expected, sigma = block[0][0], block[1][0]

    def fitted(own: list[float], cold: list[float]) -> tuple[float, float]:
        return line(np.array(own), np.array(cold), floor, np.empty(len(own)), np.empty(len(own)))

    told = plain.expectations_of(
        use.tolist(), x.tolist(), fit.tolist(), season.tolist(), numbers.tolist(), fitted, floor
    )
    for d, item in enumerate(told):
        _close(expected[d], None if item is None else item[0], f"expected {d}")
        _close(sigma[d], None if item is None else item[1], f"sigma {d}")
