"""Runs every kernel once on a little invented data, so that a first assessment does not wait for the compiler.

Nothing of the result is used; the compiled kernels stay in Numba's cache on disk.
"""

from typing import Any

import numpy as np

from compute import engine
from compute.days import unknown_points
from compute.scene import Inputs, Scene
from compute.series import grid, index_series, no_index, no_samples, sample_series

HOUR_US = 3_600_000_000
_START_US = 1_700_000_000_000_000 // HOUR_US * HOUR_US
_METERS, _DAYS = 3, 45


def warm() -> int:
    """Compile what is not compiled yet; the number of findings, which means nothing."""
    hours = 24 * _DAYS
    bounds = _START_US + HOUR_US * np.arange(hours + 1)
    times, offsets = np.tile(bounds, _METERS), np.arange(_METERS + 1) * (hours + 1)
    outdoor = 2.0 + 6.0 * np.sin(np.arange(hours + 1) / 24.0 * 2.0 * np.pi)
    use = np.tile(np.maximum(18.0 - outdoor, 0.5), (_METERS, 1))

    def index(steps: Any, numerator: int, rate: float) -> Any:
        counts = np.cumsum(steps, axis=1).astype(np.int64)
        return index_series(times, counts.ravel(), offsets, numerator=numerator, capacity=10**8, rate=rate)

    def samples(values: Any) -> Any:
        return sample_series(times, values.astype(np.float32).ravel(), offsets)

    points = unknown_points(_METERS)
    points.area[:], points.building[:] = 0, 0
    points.energy_step_kwh[:], points.volume_step_m3[:] = 0.01, 0.001
    supply = np.tile(60.0 - outdoor, (_METERS, 1))
    weather = outdoor[None, :-1].astype(np.float32)
    whole = grid(bounds, _START_US + 24 * HOUR_US * np.arange(_DAYS + 1))
    nothing, silent = no_index(_METERS), no_samples(_METERS)
    inputs = Inputs(
        whole, points, weather, index(use * 10.0, 36_000, 60.0), index(use * 5.0, 1000, 400.0),
        samples(supply), samples(supply - 20.0), silent, nothing, nothing, nothing,
    )  # fmt: skip
    scene = Scene(whole, points, np.zeros((_METERS, _DAYS), np.int8), weather, int(bounds[-1]))
    return len(engine.run(scene, inputs).findings)
