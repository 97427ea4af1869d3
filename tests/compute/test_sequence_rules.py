"""What the sequence rules take a falling, leaping or impossible index for (V3, V7, V8, V17)."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from compute.consumption import hour_rows, intervals_of
from compute.quality import Quality

Meter = Callable[..., Any]

CASES = [
    # counts at successive hours, what they are in all, bits that must show, limits
    ("plain", [100, 110, 120, 130], 30, Quality.NONE, {}),
    ("jitter", [100, 110, 109, 120, 130], 30, Quality.JITTER, {}),
    ("dip that recovers", [1000, 1010, 4, 1020, 1030], 30, Quality.GARBAGE, {}),
    ("dip of two readings", [1000, 1010, 990, 995, 1020, 1030], 30, Quality.GARBAGE, {}),
    ("spike", [1000, 1010, 900_000, 1020, 1030], 30, Quality.GARBAGE, {}),
    ("spike with a known pipe", [1000, 1010, 1900, 1020, 1030], 30, Quality.GARBAGE, {"rate": 0.01}),
    ("all nines", [1000, 1010, 99_999_999, 1020, 1030], 30, Quality.GARBAGE, {"capacity": 10**8}),
    ("first reading garbage", [90_000_000, 1010, 1020, 1030], 20, Quality.GARBAGE, {}),
    ("10^18", [1000, 10**18, 1020, 1030], 30, Quality.GARBAGE, {}),
    ("negative", [1000, -5, 1020, 1030], 30, Quality.GARBAGE, {}),
    ("rollover", [99_999_990, 99_999_998, 5, 12], 22, Quality.ROLLOVER, {"capacity": 10**8}),
    ("reset", [5000, 5010, 3, 10, 17, 30], 10 + 27, Quality.RESET | Quality.FAILED, {}),
    ("unit change", [500_000, 500_010, 500_020_000, 500_030_000], 10 + 10_000, Quality.UNIT | Quality.FAILED, {}),
    ("back to kWh", [500_000, 500_010, 500, 510], 10 + 10, Quality.UNIT | Quality.FAILED, {}),
    ("faster than the pipe, and stays", [1000, 1010, 1900, 1910, 1920, 1930, 1940], 940, Quality.RANGE, {"rate": 0.01}),
    ("all equal", [7, 7, 7, 7], 0, Quality.NONE, {}),
]


@pytest.mark.parametrize(("name", "counts", "total", "bits", "limits"), CASES, ids=[case[0] for case in CASES])
def test_verdicts(
    name: str, counts: list[int], total: int, bits: Quality, limits: dict[str, Any], hours: Any, meter: Meter
) -> None:
    rows = hour_rows(intervals_of(meter(range(len(counts)), counts, **limits), hours(1)))
    assert rows.values.sum() == total
    found = int(np.bitwise_or.reduce(rows.bits[0, : len(counts) - 1]))
    assert found & int(bits) == int(bits)
    odd = Quality.GARBAGE | Quality.RESET | Quality.UNIT | Quality.ROLLOVER | Quality.RANGE | Quality.JITTER
    assert found & int(odd & ~bits) == 0


def test_of_two_versions_of_an_instant_the_later_that_fits_counts(hours: Any, meter: Meter) -> None:
    fitting = intervals_of(meter([0, 1, 1, 2], [100, 110, 112, 120]), hours(1))
    assert hour_rows(fitting).values[0, :2].tolist() == [12, 8]
    assert fitting.bits[0, 0] & Quality.CONFLICT
    absurd = intervals_of(meter([0, 1, 1, 2], [100, 110, 990, 120]), hours(1))
    assert hour_rows(absurd).values[0, :2].tolist() == [10, 10]


def test_an_identical_repetition_is_dropped(hours: Any, meter: Meter) -> None:
    rows = intervals_of(meter([0, 1, 1, 2], [100, 110, 110, 120]), hours(1))
    assert hour_rows(rows).values[0, :2].tolist() == [10, 10]
    assert not rows.bits[0, 0] & Quality.CONFLICT


def test_a_stale_reading_never_counts(hours: Any, meter: Meter) -> None:
    flags = [0, 0, int(Quality.STALE), 0]
    rows = intervals_of(meter([0, 1, 2, 3], [100, 110, 110, 130], flags=flags), hours(1))
    assert hour_rows(rows).values[0, :3].tolist() == [10, 10, 10]


def test_missing_is_never_zero(hours: Any, meter: Meter) -> None:
    rows = hour_rows(intervals_of(meter([5, 6], [100, 110]), hours(1)))
    assert rows.known[0].tolist() == [False] * 5 + [True] + [False] * 18
    nothing = hour_rows(intervals_of(meter([], []), hours(1)))
    assert not nothing.known.any()


def test_a_single_reading_tells_nothing_but_its_hour(hours: Any, meter: Meter) -> None:
    rows = hour_rows(intervals_of(meter([5.5], [100]), hours(1)))
    assert rows.values.sum() == 0
    assert not rows.known.any()
