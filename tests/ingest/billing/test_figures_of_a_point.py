"""Billing figures: exact integers, one rounding, sums that agree with the indexes or say that they don't."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.billing.tiers import schedules, tier_splits
from api.billing.window import window_of
from compute.billing import (
    BillingPeriod,
    CutOff,
    Gate,
    IndexReading,
    Segment,
    Sums,
    index_at,
    quantity_of,
    segment_advance,
)
from compute.kernels.resampling import share
from compute.rounding import J_PER_KWH, energy_units, rounded
from ingest.billing import count_size

START = datetime(2026, 1, 31, 16, tzinfo=UTC)
END = START + timedelta(days=28)
HOUR = timedelta(hours=1)


def reading(at, count):
    return IndexReading(at, count, delivery_id=1)


def segment(first, last, *, digits=None, factor=Fraction(1), unit="kWh", scale=-2):
    size = count_size(unit, scale, "J", factor)
    return Segment(1, "12345678", "KAM", "energy", 1, unit, scale, digits, factor, size, START, END, first, last)


def figures(segments, totals, period_s, gate=None):
    return quantity_of(BillingPeriod("J", period_s, gate or Gate()), segments, totals)


def exact(at, count):
    return CutOff(at, "target_date", reading(at, count), reading(at, count))


def sums(total, **more):
    return Sums(total=total, seconds=28 * 86_400, intervals=672, **more)


def test_the_advance_is_the_difference_of_the_indexes_to_the_joule():
    assert segment_advance(segment(exact(START, 100_000), exact(END, 183_457))) == 83_457 * 36_000


def test_a_rollover_between_the_cut_offs_loses_nothing():
    made = segment_advance(segment(exact(START, 9_999_900), exact(END, 100), digits=7))
    assert made == 200 * 36_000


def test_a_small_decrease_is_no_rollover_and_shows():
    assert segment_advance(segment(exact(START, 5_000), exact(END, 4_990), digits=7)) == -10 * 36_000


def test_a_transformer_ratio_multiplies_exactly():
    made = segment_advance(segment(exact(START, 0), exact(END, 7), factor=Fraction("1.5"), unit="GJ", scale=-3))
    assert made == 7 * 1_500_000


@given(
    low=st.integers(0, 10**12),
    advance=st.integers(0, 10**10),
    elapsed=st.integers(0, 10**12),
    span=st.integers(1, 10**12),
)
def test_a_cut_off_between_two_readings_lies_where_the_intervals_are_cut(low, advance, elapsed, span):
    elapsed = min(elapsed, span)
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    cut = CutOff(
        begin + timedelta(microseconds=elapsed),
        "interpolated",
        reading(begin, low),
        reading(begin + timedelta(microseconds=span), low + advance),
    )
    assert index_at(cut, low, Fraction(1), None) == share.py_func(0, advance, elapsed, span)


def test_a_quantity_that_adds_up_passes_the_gate():
    made = figures([segment(exact(START, 0), exact(END, 100))], sums(100 * 36_000), 28 * 86_400)
    assert (made.energy_j, made.conserved, made.reason, made.quality) == (3_600_000, True, "", "valid")


@pytest.mark.parametrize(
    ("totals", "period_s", "reason"),
    [
        (sums(100 * 36_000 + 1), 28 * 86_400, "sum.differs"),
        (sums(100 * 36_000), 31 * 86_400, "share.missing"),
        (sums(100 * 36_000, estimated=40 * 36_000), 28 * 86_400, "share.estimated"),
        (Sums(), 28 * 86_400, "intervals.missing"),
    ],
)
def test_the_gate_says_what_holds_a_quantity_back(totals, period_s, reason):
    made = figures([segment(exact(START, 0), exact(END, 100))], totals, period_s)
    assert made.reason == reason


def test_without_a_meter_or_an_index_nothing_is_billed():
    assert figures([], sums(5), 1.0).reason == "meter.missing"
    missing = segment(CutOff(START, "missing"), CutOff(END, "missing"))
    assert figures([missing], sums(5), 28 * 86_400).reason == "index.missing"


def test_energy_estimated_beyond_the_last_index_does_not_break_conservation():
    made = figures(
        [segment(exact(START, 0), exact(END, 90))],
        sums(100 * 36_000, beyond=10 * 36_000, estimated=10 * 36_000),
        28 * 86_400,
    )
    assert (made.conserved, made.quality, made.reason) == (True, "estimated", "")


@given(st.integers(-(10**15), 10**15))
def test_units_are_rounded_once_half_to_even(energy_j):
    units = energy_units(energy_j)
    assert abs(Fraction(units["energy_kwh"]) - Fraction(energy_j, J_PER_KWH)) <= Fraction(1, 2000)
    assert abs(Fraction(units["energy_gj"]) - Fraction(energy_j, 10**9)) <= Fraction(1, 2_000_000)


@pytest.mark.parametrize(("value", "expected"), [(1800, "0.000"), (5400, "0.002"), (1801, "0.001"), (-5400, "-0.002")])
def test_a_half_goes_to_the_even_neighbour(value, expected):
    assert rounded(value, J_PER_KWH, 3) == Decimal(expected)


@given(st.integers(0, 10**13), st.lists(st.integers(1, 10**6), max_size=4, unique=True))
def test_tiers_add_up_to_the_quantity_in_joules_and_in_kwh(energy_j, bounds):
    tiers = [{"tier": str(n), "upto_kwh": bound} for n, bound in enumerate(sorted(bounds))]
    lists = schedules([*tiers, {"tier": "rest"}], date(2026, 2, 1), date(2026, 3, 1))
    made = tier_splits(lists, [energy_j])
    assert sum(tier["energy_j"] for tier in made) == energy_j
    assert sum(Decimal(tier["energy_kwh"]) for tier in made) == rounded(energy_j, J_PER_KWH, 3)


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [("2026-03-29", "2026-03-30", 23), ("2026-10-25", "2026-10-26", 25), ("2026-03-01", "2026-04-01", 743)],
)
def test_a_period_across_a_daylight_saving_change_has_its_real_hours(start, end, hours):
    now = datetime(2027, 1, 1, tzinfo=UTC)
    first, last = (datetime.fromisoformat(day).date() for day in (start, end))
    assert window_of(first, last, "Europe/Berlin", now).seconds == hours * 3600


def test_a_running_period_counts_whole_hours_up_to_now():
    now = START + timedelta(days=3, hours=5, minutes=40)
    window = window_of(datetime(2026, 2, 1).date(), datetime(2026, 3, 1).date(), "Asia/Shanghai", now)  # noqa: DTZ001
    assert (window.start, window.end, window.planned_end) == (START, START + timedelta(days=3, hours=5), END)
    early = window_of(datetime(2026, 5, 1).date(), datetime(2026, 6, 1).date(), "Asia/Shanghai", now)  # noqa: DTZ001
    assert early.seconds == 0
