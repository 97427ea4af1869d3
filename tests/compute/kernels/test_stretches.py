"""Readings and intervals that are decided many at a time come out as those that are decided one by one."""

from typing import Any

import numpy as np
import pytest

from compute.consumption import intervals_of
from compute.kernels import differences
from compute.kernels.differences import Anchors, keep
from compute.kernels.resampling import interval_bits, means, resample, totals_at
from compute.kernels.verdicts import Limits, Readings
from compute.quality import Quality
from compute.series import grid, index_series

HOUR = 3_600_000_000
START = 1_767_571_200_000_000
HOURS = 960


def a_register(seed: int) -> tuple[Any, Any]:
    """Times and counts of forty days with gaps, jitter, garbage, falls, repeats and a rollover here and there."""
    rng = np.random.default_rng(seed)
    counts = (10**6 - 2000 + np.cumsum(rng.integers(0, 6, HOURS))) % 10**6
    times = START + HOUR * np.arange(HOURS) + rng.integers(0, 90_000_000, HOURS) * rng.integers(0, 2)
    for at in rng.integers(1, HOURS - 1, 6):
        counts[at] = rng.choice([0, counts[at - 1] - 1, 999_999, 2 * 10**6, counts[at - 1]])
    if seed % 3 == 0:
        counts[HOURS // 2 :] -= counts[HOURS // 2] - 7
    kept = np.sort(np.concatenate((np.flatnonzero(rng.random(HOURS) > 0.01), rng.integers(0, HOURS, 3))))
    gone = rng.integers(0, HOURS - 60)
    kept = kept[(kept < gone) | (kept > gone + rng.integers(0, 60))]
    return times[kept], counts[kept]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("rate", [0.0, 30.0])
def test_readings_kept_many_at_a_time(seed: int, rate: float, monkeypatch: pytest.MonkeyPatch) -> None:
    times, counts = a_register(seed)
    readings = Readings(times, counts, np.zeros(len(times), np.int32))
    found = []
    for stretch in (differences.STRETCH, len(times) + 1):
        monkeypatch.setattr(differences, "STRETCH", stretch)
        kept, values, verdict = (np.zeros(len(times), dtype) for dtype in (np.int64, np.int64, np.int32))
        m = getattr(keep, "py_func", keep)(readings, Limits(10**6, 10**6, rate), kept, values, verdict)
        found.append((kept[:m].tolist(), values[:m].tolist(), verdict.tolist()))
    assert found[0] == found[1]


@pytest.mark.parametrize("seed", range(12))
def test_a_total_runs_on_over_many_readings_as_over_each(seed: int) -> None:
    times, counts = a_register(seed)
    bounds = grid(START + HOUR * np.arange(HOURS + 1), START + 24 * HOUR * np.arange(HOURS // 24 + 1))
    for numerator, denominator in ((36_000, 1), (20_934, 5)):
        worth: dict[str, Any] = {"numerator": numerator, "denominator": denominator, "capacity": 10**6, "rate": 30.0}
        whole = intervals_of(index_series(times, counts, [0, len(times)], **worth), bounds)
        one = intervals_of(index_series(times, counts, [0, len(times)], **worth | {"numerator": denominator}), bounds)
        expected = np.diff(one.totals[0, [0, -1]]) * numerator / denominator
        assert np.abs(np.diff(whole.totals[0, [0, -1]]) - expected) <= numerator / denominator + 1
        assert (np.diff(whole.totals[0]) >= 0).all()


@pytest.mark.parametrize("seed", range(12))
def test_intervals_filled_many_at_a_time(seed: int) -> None:
    rng = np.random.default_rng(seed)
    times, _ = a_register(seed)
    times = np.unique(times)
    marks = [0, int(Quality.JITTER), int(Quality.MISSING)]
    flags = rng.choice(marks, len(times), p=[0.98, 0.01, 0.01]).astype(np.int32)
    steps = np.where(flags & int(Quality.MISSING), 0, rng.integers(0, 10**9, len(times)))
    anchors = Anchors(times, np.cumsum(steps), flags)
    bounds = START - 3 * HOUR + HOUR * np.arange(HOURS + 9)
    quick, slow = (
        (np.full(len(bounds), -1), np.full(len(bounds) - 1, -1, np.int32), np.full(len(bounds) - 1, -1, np.int8))
        for _ in range(2)
    )
    resample(anchors, bounds, HOUR, *quick)
    totals_at(anchors, bounds, slow[0])
    interval_bits(anchors, bounds, HOUR, slow[1], slow[2])
    assert all(np.array_equal(one, other) for one, other in zip(quick, slow, strict=True))


@pytest.mark.parametrize("seed", range(6))
def test_means_of_hours_with_one_sample_or_none_or_many(seed: int) -> None:
    rng = np.random.default_rng(seed)
    times, _ = a_register(seed)
    values = rng.choice([np.nan, 20.5, 61.25], len(times)).astype(np.float32)
    bounds = START + HOUR * np.arange(HOURS + 1)
    out = np.empty(HOURS, np.float32)
    means(times, values, bounds, out)
    for k in range(HOURS):
        own = values[(times >= bounds[k]) & (times < bounds[k + 1])].astype(np.float64)
        known = own[np.isfinite(own)]
        assert np.isnan(out[k]) if len(known) == 0 else out[k] == np.float32(known.mean())
