"""An index that breaks is billed in pieces: what came before and after is conserved, the break is nobody's use."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute.billing import (
    BillingPeriod,
    CutOff,
    Gate,
    IndexReading,
    Segment,
    Sums,
    quantity_of,
    segment_advance,
)
from compute.consumption import hour_rows, intervals_of
from compute.quality import Quality
from compute.rescaling import rescaled
from compute.series import grid, index_series
from ingest.billing_breaks import _split

HOUR = timedelta(hours=1)
HOUR_US = 3_600_000_000
BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
DAYS = 6
GRID = grid(
    int(BEGIN.timestamp()) * 1_000_000 + HOUR_US * np.arange(24 * DAYS + 1),
    int(BEGIN.timestamp()) * 1_000_000 + 24 * HOUR_US * np.arange(DAYS + 1),
)


def _segment(start: datetime, end: datetime, **more: Any) -> Segment:
    nothing = CutOff(start, "missing"), CutOff(end, "missing")
    return Segment(
        1, "7", "KAM", "energy", 1, "kWh", -2, 8, Fraction(1), Fraction(36_000), start, end, *nothing, **more
    )


def _rows(readings: list[tuple[float, int]]) -> list[IndexReading]:
    return [IndexReading(BEGIN + hour * HOUR, count, number + 1) for number, (hour, count) in enumerate(readings)]


def _intervals(rows: list[IndexReading], first: int, last: int, **more: Any) -> int:
    times = [int(row.ts.timestamp() * 1e6 + 0.5) for row in rows]
    counts = [row.count for row in rows]
    series = index_series(times, counts, [0, len(rows)], numerator=36_000, capacity=10**8, **more)
    return int(hour_rows(intervals_of(rescaled(series), GRID)).values[0, first:last].sum())


def test_a_reset_makes_two_segments_and_both_are_billed() -> None:
    rows = _rows([(n, 5000 + 10 * n) for n in range(60)] + [(n, 3 + 7 * (n - 60)) for n in range(60, 120)])
    parts = _split(_segment(BEGIN + 6 * HOUR, BEGIN + 110 * HOUR), rows)
    assert [(part.start, part.end, part.break_before) for part in parts] == [
        (BEGIN + 6 * HOUR, BEGIN + 59 * HOUR, ""),
        (BEGIN + 60 * HOUR, BEGIN + 110 * HOUR, "reset"),
    ]
    assert [segment_advance(part) for part in parts] == [530 * 36_000, 350 * 36_000]
    assert (parts[0].last.basis, parts[1].first.basis) == ("break", "break")
    total = _intervals(rows, 6, 110)
    sums = Sums(total=total, seconds=104 * 3600, missing_s=3600, intervals=103)
    made = quantity_of(BillingPeriod("J", 104 * 3600.0, Gate()), parts, sums)
    assert (made.conserved, made.reason, made.energy_j) == (True, "", 880 * 36_000)


@pytest.mark.parametrize(("top", "bottom"), [(100, 1), (18, 5), (1, 10)])
def test_a_unit_that_changed_for_certain_is_billed_in_its_own(top: int, bottom: int) -> None:
    rows = _rows([(n, 500_000 + 10 * n if n < 60 else (500_000 + 10 * n) * top // bottom) for n in range(120)])
    parts = _split(_segment(BEGIN + 6 * HOUR, BEGIN + 110 * HOUR), rows)
    assert [(part.start, part.end, part.break_before) for part in parts] == [
        (BEGIN + 6 * HOUR, BEGIN + 59 * HOUR, ""),
        (BEGIN + 59 * HOUR, BEGIN + 110 * HOUR, "rescaled"),
    ]
    total = _intervals(rows, 6, 110)
    sums = Sums(total=total, seconds=104 * 3600, intervals=104, flags=int(Quality.RESCALED))
    made = quantity_of(BillingPeriod("J", 104 * 3600.0, Gate()), parts, sums)
    assert (made.conserved, made.reason) == (True, "")
    assert made.energy_j == pytest.approx(1040 * 36_000, abs=36_000 * max(1, bottom // top))


def test_a_period_after_the_change_waits_until_the_register_is_put_right() -> None:
    rows = _rows([(n, 100 * (500_000 + 10 * n)) for n in range(120)])
    parts = _split(_segment(BEGIN, BEGIN + 110 * HOUR), rows)
    sums = Sums(total=1100 * 36_000, seconds=396_000, intervals=110, flags=int(Quality.RESCALED))
    made = quantity_of(BillingPeriod("J", 110 * 3600.0, Gate()), parts, sums)
    assert (made.conserved, made.reason) == (False, "unit.changed")


@pytest.mark.parametrize(
    ("after", "rate", "reason"),
    [
        (lambda n: 100 * (502_000 + 10 * n), 0.0, "unit.changed"),
        (lambda n: 900_000 + 10 * n, 0.01, "advance.impossible"),
    ],
)
def test_a_leap_and_a_unit_that_is_not_certain_stand_apart_and_wait(after: Any, rate: float, reason: str) -> None:
    rows = _rows([(n, 500_000 + 10 * n) for n in range(60)] + [(n, after(n)) for n in range(60, 120)])
    parts = _split(_segment(BEGIN, BEGIN + 110 * HOUR, rate=rate), rows)
    assert segment_advance(parts[0]) == 590 * 36_000
    assert len(parts) >= 2
    total = _intervals(rows, 0, 110, rate=rate)
    made = quantity_of(BillingPeriod("J", 110 * 3600.0, Gate()), parts, Sums(total, seconds=396_000, intervals=110))
    assert (made.conserved, made.reason) == (True, reason)


def test_garbage_next_to_a_cut_off_is_not_taken_for_the_index() -> None:
    rows = _rows([(n, 9_999_999 if n == 24 else 5000 + 10 * n) for n in range(120)])
    (part,) = _split(_segment(BEGIN + 24 * HOUR, BEGIN + 100 * HOUR), rows)
    assert segment_advance(part) == 760 * 36_000 == _intervals(rows, 24, 100)


def test_a_meter_without_readings_stays_as_it_is() -> None:
    assert _split(_segment(BEGIN, BEGIN + HOUR), []) == []


steps = st.lists(st.integers(0, 60), min_size=8, max_size=60)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(steps, min_size=1, max_size=4),
    st.lists(st.integers(0, 2000), min_size=4, max_size=4),
    st.integers(20, 150),
    st.integers(0, 100),
    st.integers(1, 140),
)
def test_every_piece_conserves_its_energy_wherever_the_period_cuts(
    runs: list[list[int]], starts: list[int], minutes: int, first: int, length: int
) -> None:
    readings, at = [], 0
    for number, own in enumerate(runs):
        # Each run begins far below where the one before it ended: a fall that nothing explains.
        index = 2_000_000 // (number + 1) ** 2 + starts[number]
        for step in own:
            index += step
            readings.append((at * minutes / 60, index))
            at += 1
    rows = [row for row in _rows(readings) if row.ts <= BEGIN + DAYS * 24 * HOUR]
    last = min(first + length, 24 * DAYS)
    parts = _split(_segment(BEGIN + first * HOUR, BEGIN + last * HOUR), rows)
    assert sum(segment_advance(part) or 0 for part in parts) == _intervals(rows, first, last)
    assert all((segment_advance(part) or 0) >= 0 for part in parts)
