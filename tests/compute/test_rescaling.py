"""A unit that changes for certain is counted in its own unit; everything else stays a break."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute.anomalies import sequence
from compute.consumption import intervals_of
from compute.quality import Quality
from compute.reference.readings import leaps_of
from compute.rescaling import changes_of, leaps, rescaled
from compute.series import Grid, IndexSeries, grid, index_series

HOUR = 3_600_000_000
START = 1_767_571_200_000_000
DAYS = 8
KWH = 3_600_000
# New counts for an old one, and the index in kWh from which the change is certain.
RATIOS = ((10.0, 20_000), (100.0, 20_000), (1000.0, 20_000), (3.6, 20_000), (1 / 3.6, 20_000), (0.1, 100_000),
          (0.001, 2_000_000), (9 / 2500, 150_000), (2500 / 9, 20_000))  # fmt: skip


def _grid() -> Grid:
    return grid(START + HOUR * np.arange(24 * DAYS + 1), START + 24 * HOUR * np.arange(DAYS + 1))


def _index(kwh: Any, ratio: float, change: int, back: int | None = None) -> Any:
    place = np.arange(len(kwh))
    changed = (place >= change) & (place < (len(kwh) if back is None else back))
    return np.floor(np.where(changed, kwh * ratio, kwh) + 1e-7).astype(np.int64)


def _series(counts: Any, **more: Any) -> IndexSeries:
    return index_series(START + HOUR * np.arange(len(counts)), counts, [0, len(counts)], numerator=KWH, **more)


def _used(seed: int, start: float) -> Any:
    return start + np.concatenate(([0.0], np.cumsum(np.random.default_rng(seed).uniform(0, 5, 24 * DAYS))))


@pytest.mark.parametrize(("ratio", "start"), RATIOS)
@pytest.mark.parametrize("rate", [0.0, 0.05])
def test_nothing_is_lost_or_made_across_a_change(ratio: float, start: int, rate: float) -> None:
    kwh = _used(3, start + 0.4)
    out = intervals_of(rescaled(_series(_index(kwh, ratio, 100), rate=rate)), _grid())
    total = out.totals[0, -1] / KWH
    assert abs(total - (kwh[-1] - kwh[0])) <= 1.0 + 1.0 / ratio
    before, after = out.totals[0, 99] / KWH, out.totals[0, 101] / KWH
    assert abs(before - (kwh[99] - kwh[0])) <= 1.0
    assert abs(after - (kwh[101] - kwh[0])) <= 1.0 + 1.0 / ratio
    flags = out.bits[0]
    assert not (flags[:98] & int(Quality.RESCALED)).any()
    assert (flags[100:] & int(Quality.RESCALED)).all()
    assert not (flags & int(Quality.UNIT | Quality.FAILED | Quality.EXCHANGE | Quality.MISSING)).any()


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(RATIOS), st.integers(20, 90), st.integers(100, 180))
def test_a_unit_that_changes_and_is_put_right_again_adds_up(
    seed: int, case: tuple[float, int], change: int, back: int
) -> None:
    ratio, start = case
    kwh = _used(seed, float(start))
    out = intervals_of(rescaled(_series(_index(kwh, ratio, change, back))), _grid())
    assert abs(out.totals[0, -1] / KWH - (kwh[-1] - kwh[0])) <= 1.0 + 1.0 / ratio
    assert (np.diff(out.totals[0]) >= 0).all()
    assert not out.bits[0, -1] & int(Quality.RESCALED)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("a reset", lambda counts: np.concatenate((counts[:100], counts[100:] - counts[100] + 7))),
        ("another meter", lambda counts: np.concatenate((counts[:100], counts[100:] // 7))),
        ("twice as much", lambda counts: np.concatenate((counts[:100], counts[100:] * 4))),
        ("a decimal and some use too much", lambda counts: np.concatenate((counts[:100], counts[100:] * 10 + 9_000))),
        ("one garbled answer", lambda counts: np.where(np.arange(len(counts)) == 100, counts * 10, counts)),
        ("too few readings to be sure", lambda counts: np.where(np.arange(len(counts)) > 189, counts * 10, counts)),
    ],
)
def test_what_is_not_certain_stays_a_break(name: str, change: Callable[[Any], Any]) -> None:
    series = _series(change(_index(_used(3, 20_000.4), 1.0, 0)))
    assert changes_of(series.times, series.counts, series.flags) == []
    assert rescaled(series) is series


def test_a_small_index_tells_no_unit() -> None:
    series = _series(_index(_used(3, 900.0), 1 / 3.6, 100))
    assert rescaled(series) is series


def test_points_keep_their_own_series() -> None:
    """Three points with two, one and one installation; a change in the first and the last."""
    kwh = _used(5, 30_000.0)
    plain, changed = _index(kwh, 1.0, 0), _index(kwh, 10.0, 100)
    n = len(kwh)
    times = np.tile(START + HOUR * np.arange(n), 4)
    times[:n] -= HOUR * n
    counts = np.concatenate((changed, plain, plain, changed))
    series = index_series(times, counts, n * np.arange(5), point_offsets=[0, 2, 3, 4], numerator=KWH, capacity=10**9)
    made = rescaled(series)
    assert made.point_offsets.tolist() == [0, 3, 4, 6]
    whole = grid(START + HOUR * np.arange(-n, n), START + HOUR * np.array([-n, n - 1]))
    totals = intervals_of(made, whole).totals[:, -1] / KWH
    assert totals[1] == pytest.approx(kwh[-1] - kwh[0], abs=1.0)
    assert totals[0] == pytest.approx(2 * (kwh[-1] - kwh[0]), abs=2.0)
    assert totals[2] == pytest.approx(kwh[-1] - kwh[0], abs=1.0)


def test_every_day_in_a_changed_unit_belongs_to_one_alert() -> None:
    from compute import engine
    from compute.days import unknown_points
    from compute.findings import Severity
    from compute.scene import Inputs, Scene
    from compute.series import no_index, no_samples

    energy, weather = _series(_index(_used(3, 20_000.4), 10.0, 100)), np.full((1, 24 * DAYS), np.nan, np.float32)
    points, nothing, silent = unknown_points(1), no_index(1), no_samples(1)
    inputs = Inputs(_grid(), points, weather, energy, nothing, silent, silent, silent, nothing, nothing, nothing)
    scene = Scene(_grid(), points, np.zeros((1, DAYS), np.int8), weather, int(_grid().hours[-1]))
    found = engine.run(scene, inputs).findings
    (alert,) = [item for item in found if item.rule == "V6"]
    assert alert.severity is Severity.CRITICAL
    assert alert.to_us == _grid().hours[-1]
    assert [item.kind.value for item in found] == ["unit_error"]
    assert sequence.unit_error(engine.run(scene, inputs).days, sequence.Sequence())[0].from_us == alert.from_us


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 10**6), st.sampled_from([0, 0, 32, 8192])), max_size=30))
def test_leaps_are_what_the_plain_twin_takes_for_leaps(rows: list[tuple[int, int, int]]) -> None:
    times = np.cumsum([step for step, _, _ in rows]).astype(np.int64)
    counts, flags = np.array([row[1] for row in rows], np.int64), np.array([row[2] for row in rows], np.int32)
    out = np.empty(len(rows), np.int64)
    n = leaps(times, counts, flags, out)
    assert out[:n].tolist() == leaps_of(times.tolist(), counts.tolist(), flags.tolist())
