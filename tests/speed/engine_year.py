"""The complete engine on a year of hourly readings, beside the same rules written in pandas, in one run.

``python -m tests.speed.engine_year [meters] [pandas meters]``. Every meter has an energy index, a volume index and two
temperatures; index values are the two indexes. Prints a table by meters (linear growth), peak memory and the warm
start. Processor time stands beside wall time: on a machine that others use, it is the honest one.
"""

import resource
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np

from compute import engine
from compute.consumption import empty_intervals
from compute.days import Points, unknown_points
from compute.scene import Hourly, Inputs, Scene
from compute.season import Season
from compute.series import grid, index_series, no_index, no_samples, sample_series

HOUR, DAYS, CHUNK = 3_600_000_000, 365, 1000
START = 1_756_684_800_000_000  # 2025-09-01
WARM = """
import time; began = time.perf_counter()
from tests_speed import chunk, scene_of
from compute import engine
points, inputs, weather = chunk(8, 30, 1)
engine.run(scene_of(points, inputs, weather), inputs)
print(time.perf_counter() - began)
"""


def chunk(meters: int, days: int, seed: int) -> tuple[Points, Inputs, Any]:
    """Noisy heat and volume indexes of flats, with temperatures: realistic displays of 0.01 kWh and a litre."""
    rng, hours = np.random.default_rng(seed), 24 * days
    bounds = START + HOUR * np.arange(hours + 1)
    outdoor = 8 - 10 * np.sin(np.arange(hours + 1) / 24 / 365 * 2 * np.pi) + rng.normal(0, 2, hours + 1)
    use = rng.gamma(4, 0.25, (meters, hours + 1)) * np.maximum(18 - outdoor, 0.5) * 10
    supply = 50 - 0.6 * outdoor + rng.normal(0, 0.5, (meters, hours + 1))
    drop = 18 + rng.normal(0, 1, (meters, hours + 1))
    volume = use / 100 / (1.15 * drop) * 1000
    times, offsets = np.tile(bounds, meters), np.arange(meters + 1) * (hours + 1)

    def index(steps: Any, numerator: int, rate: float) -> Any:
        counts = rng.integers(0, 10**6, (meters, 1)) + np.cumsum(steps, axis=1).astype(np.int64)
        return index_series(times, counts.ravel(), offsets, numerator=numerator, capacity=10**8, rate=rate)

    def samples(values: Any) -> Any:
        return sample_series(times, np.round(values, 1).astype(np.float32).ravel(), offsets)

    whole = grid(bounds, START + 24 * HOUR * np.arange(days + 1))
    points = unknown_points(meters)
    points.building[:], points.area[:] = np.arange(meters) // 40, 0
    points.energy_step_kwh[:], points.volume_step_m3[:] = 0.01, 0.001
    points.heated_area_m2[:], points.design_load_kw[:], points.qp_m3h[:] = 80, 6, 0.6
    weather = outdoor[None, :-1].astype(np.float32)
    nothing, silent = no_index(meters), no_samples(meters)
    inputs = Inputs(
        whole, points, weather, index(use, 36_000, 60.0), index(volume, 1000, 400.0),
        samples(supply), samples(supply - drop), silent, nothing, nothing, nothing,
    )  # fmt: skip
    return points, inputs, weather


def scene_of(points: Points, inputs: Inputs, weather: Any) -> Scene:
    """The scene of one chunk."""
    days = len(inputs.grid.days) - 1
    return Scene(inputs.grid, points, np.zeros((len(points), days), np.int8), weather, int(inputs.grid.hours[-1]))


class _Watch:
    """Sums the wall and processor seconds of `with` blocks."""

    def __init__(self) -> None:
        self.wall = self.processor = 0.0

    def __enter__(self) -> None:
        self.wall -= time.perf_counter()
        self.processor -= time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall += time.perf_counter()
        self.processor += time.process_time()


def run_engine(meters: int) -> tuple[float, float]:
    """Seconds of wall and processor time of both stages for so many meters; making the readings is not counted."""
    parts, tables, buffers = [], [], None
    spent = _Watch()
    inputs, weather = None, None
    for number, first in enumerate(range(0, meters, CHUNK)):
        count = min(CHUNK, meters - first)
        points, inputs, weather = chunk(count, DAYS, number)
        if buffers is None or len(buffers.rows) != count:
            buffers = engine.hourly(inputs)  # touches the memory once, as a running service has
        with spent:
            buffers = engine.hourly(inputs, rows=np.arange(first, first + count), reuse=buffers)
        parts.append(_kept(buffers))
        tables.append(points)
    assert inputs is not None
    points = _joined(tables)
    scene = Scene(inputs.grid, points, np.zeros((meters, DAYS), np.int8), weather, int(inputs.grid.hours[-1]))
    with spent:
        engine.judge(engine.days_of(scene, parts, None, Season()), None, None)
    return spent.wall, spent.processor


def _kept(part: Hourly) -> Hourly:
    nothing = empty_intervals(0, 0)
    figures: list[Any] = [
        type(item)(*(column.copy() for column in item)) for item in (part.energy_days, part.volume_days, part.heat)
    ]
    return replace(
        part, energy=nothing, volume=nothing, energy_days=figures[0], volume_days=figures[1], heat=figures[2],
        operating_s=part.operating_s.copy(), difference=part.difference.copy(),
    )  # fmt: skip


def _joined(tables: list[Points]) -> Points:
    whole = unknown_points(sum(len(table) for table in tables))
    for name in Points.__slots__:
        getattr(whole, name)[:] = np.concatenate([getattr(table, name) for table in tables])
    whole.building[:] = np.arange(len(whole)) // 40
    return whole


def warm_start() -> float:
    """Seconds from a new process' first import to its first findings, kernels in the cache."""
    code = WARM.replace("tests_speed", "engine_year")
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {__file__.rpartition('/')[0]!r})\n{code}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(done.stdout)


def main(meters: int = 2000, pandas_meters: int = 20) -> None:
    """Print the tables."""
    run_engine(40)
    print(f"{'meters':>8} {'wall s':>8} {'cpu s':>8} {'M values/s':>11} {'of 2 free cores':>16} {'µs a meter-day':>15}")
    rate = 0.0
    for size in sorted({max(250, meters // 8), meters // 4, meters // 2, meters}):
        wall, processor = min(run_engine(size) for _ in range(2))
        values = 2 * size * 24 * DAYS
        rate = values / processor
        per_day = processor / size / DAYS * 1e6
        print(
            f"{size:>8} {wall:>8.2f} {processor:>8.2f} {values / wall / 1e6:>11.1f}"
            f" {2 * rate / 1e6:>16.1f} {per_day:>15.2f}"
        )
    from tests.speed.engine_year_pandas import run_pandas

    _, inputs, weather = chunk(pandas_meters, DAYS, 0)
    slow_rate = 2 * pandas_meters * 24 * DAYS / run_pandas(inputs, weather[0])
    ratio = rate / slow_rate
    print(f"pandas, {pandas_meters} meters: {slow_rate / 1e6:.3f} M values/s; core for core {ratio:.0f} x")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")
    print(f"warm start {min(warm_start() for _ in range(3)):.2f} s to the first findings of 8 meters and 30 days")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
