"""Bad input is refused at the door by name, or handled with a flag; kernels never read out of bounds."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compute import engine
from compute.consumption import hour_rows, intervals_of
from compute.days import unknown_points
from compute.scene import Inputs, Scene
from compute.series import SeriesError, grid, index_series, no_index, no_samples, sample_series

# Between them these call nearly every kernel; whole runs would compile for minutes.
CHECKED = ("test_sequence_rules.py", "test_twins_of_days.py", "test_twins_of_sequences.py")
HOUR = 3_600_000_000
START = 1_767_571_200_000_000


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        ("series.dtype", ([START], [1.5], [0, 1])),
        ("series.dtype", ([START], ["7"], [0, 1])),
        ("series.shape", ([START, START], [1], [0, 2])),
        ("series.shape", ([[START]], [[1]], [0, 1])),
        ("series.offsets", ([START], [1], [0, 2])),
        ("series.offsets", ([START], [1], [1, 1])),
        ("series.time", ([-1], [1], [0, 1])),
        ("series.time", ([2**62], [1], [0, 1])),
    ],
)
def test_the_door_names_what_it_refuses(code: str, arguments: Any) -> None:
    with pytest.raises(SeriesError) as caught:
        index_series(*arguments)
    assert caught.value.code == code


def test_a_grid_must_ascend_and_hold_its_midnights() -> None:
    with pytest.raises(SeriesError, match="ascending"):
        grid([START, START], [START, START])
    with pytest.raises(SeriesError) as caught:
        grid(START + HOUR * np.arange(48), [START, START + 1])
    assert caught.value.code == "grid.days"


def test_nan_and_infinity_are_missing_values() -> None:
    series = sample_series(START + HOUR * np.arange(4), np.array([20.0, np.nan, np.inf, -np.inf]), [0, 4])
    assert np.isnan(series.values).tolist() == [False, True, True, True]


@pytest.mark.parametrize(
    "counts", [[], [5], [7, 7, 7], [10**18, 10**18], [-3, -2, -1], [0, 10**15 - 1, 2**62], list(range(100, 0, -1))]
)
def test_strange_series_pass_without_harm(counts: list[int], hours: Any, meter: Any) -> None:
    rows = hour_rows(intervals_of(meter(range(len(counts)), counts), hours(3)))
    assert (rows.values >= 0).all()


def test_a_century_of_gap_keeps_its_total(hours: Any, meter: Any) -> None:
    series = index_series([START - 40 * 365 * 24 * HOUR, START + 40 * 365 * 24 * HOUR], [0, 10**6], [0, 2])
    rows = hour_rows(intervals_of(series, hours(2)))
    assert 0 < rows.values.sum() < 10**6
    assert rows.known.all()


def test_an_engine_run_without_points_or_readings_finds_nothing() -> None:
    whole = grid(START + HOUR * np.arange(49), START + 24 * HOUR * np.arange(3))
    for count in (0, 3):
        points, weather = unknown_points(count), np.full((1, 48), np.nan, np.float32)
        inputs = Inputs(
            whole, points, weather, no_index(count), no_index(count), no_samples(count), no_samples(count),
            no_samples(count), no_index(count), no_index(count), no_index(count),
        )  # fmt: skip
        scene = Scene(whole, points, np.zeros((count, 2), np.int8), weather, int(whole.hours[-1]))
        assert engine.run(scene, inputs).findings == ()


@pytest.mark.timeout(600)
def test_kernels_stay_inside_their_arrays(tmp_path: Path) -> None:
    """Sequences with every fault and days of the oddest figures once more, every access checked."""
    here = Path(__file__).parent
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(str(here / name) for name in CHECKED)],
        env=environment, capture_output=True, text=True, check=False, cwd=here.parent.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
