"""How the view of days comes together: fresh figures of the points just computed, laid over what is known of the
others.

Points without fresh figures keep their stored daily consumption, so that areas and neighbours are complete in every
run.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compute.days import ACTIVE, Days
from compute.findings import group_median
from compute.kernels.compiled import Float32, Float64, Int64
from compute.kernels.signatures import block_expectations
from compute.quality import Quality
from compute.scene import History, Hourly, Scene
from compute.season import Season, climate
from compute.signature import temperature_drop

J_PER_KWH = 3_600_000.0
ML_PER_M3 = 1_000_000.0
DAY_US = 86_400_000_000
# Points whose signatures a thread learns at a time.
LEARN_POINTS = 256
UNUSABLE = int(Quality.FAILED | Quality.ESTIMATED | Quality.PARTIAL | Quality.MISSING | Quality.RANGE | Quality.GARBAGE)

# name -> (dtype, value where nothing is known)
EMPTY: dict[str, tuple[type, float]] = {
    "energy_kwh": (np.float64, np.nan),
    "volume_m3": (np.float64, np.nan),
    "energy_bits": (np.int32, 0),
    "volume_bits": (np.int32, 0),
    "known_h": (np.int16, 0),
    "complete": (np.bool_, 0),
    "usable": (np.bool_, 0),
    "zero_run_h": (np.float32, 0),
    "highest_kwh": (np.float32, np.nan),
    "third_kwh": (np.float32, np.nan),
    "window_kwh": (np.float32, np.nan),
    "lowest_m3": (np.float32, np.nan),
    "highest_m3": (np.float32, np.nan),
    "off_grid": (np.int32, 0),
    "shaped_h": (np.int16, 0),
    "supply_c": (np.float32, np.nan),
    "return_c": (np.float32, np.nan),
    "measured_kwh": (np.float32, np.nan),
    "balance_kwh": (np.float32, np.nan),
    "other_kwh": (np.float32, np.nan),
    "reversed_h": (np.float32, np.nan),
    "broken_h": (np.float32, np.nan),
    "static_h": (np.float32, np.nan),
    "idle_h": (np.float32, np.nan),
    "operating_h": (np.float64, np.nan),
    "difference_m3k": (np.float64, np.nan),
    "device": (np.int32, 0),
    "clock_s": (np.float32, np.nan),
    "rejected": (np.int32, 0),
}


class View:
    """Arrays of `compute.days.Days` in the making, (p, d) each."""

    def __init__(self, points: int, days: int, history: History | None) -> None:
        self.days = days
        self.arrays: dict[str, NDArray[Any]] = {
            name: np.full((points, days), value, dtype) for name, (dtype, value) in EMPTY.items()
        }
        self.last_us = np.zeros(points, np.int64)
        if history is not None:
            self.arrays["energy_kwh"][:] = history.energy_kwh
            self.arrays["volume_m3"][:] = history.volume_m3
            self.arrays["complete"][:] = self.arrays["usable"][:] = history.usable
            self.last_us[:] = history.last_us

    def lay(self, part: Hourly) -> None:
        """Fresh figures over the last days of the part's points."""
        energy, volume = part.energy_days, part.volume_days
        fresh: dict[str, NDArray[Any]] = {
            "energy_kwh": energy.advance / J_PER_KWH,
            "volume_m3": volume.advance / ML_PER_M3,
            "energy_bits": energy.bits,
            "volume_bits": volume.bits,
            "known_h": energy.known,
            "complete": energy.known >= np.diff(part.grid.days),
            "zero_run_h": energy.zero_run,
            "shaped_h": energy.shaped,
            "highest_kwh": energy.highest * np.float32(1 / J_PER_KWH),
            "third_kwh": energy.third * np.float32(1 / J_PER_KWH),
            "window_kwh": energy.window * np.float32(1 / J_PER_KWH),
            "lowest_m3": volume.lowest * np.float32(1 / ML_PER_M3),
            "highest_m3": volume.highest * np.float32(1 / ML_PER_M3),
            "off_grid": part.off_grid,
        }
        fresh |= {name: getattr(part.heat, name) for name in part.heat._fields}
        fresh |= {"operating_h": part.operating_s / 3600.0, "difference_m3k": part.difference / 1e6}
        if part.device is not None:
            fresh["device"] = part.device
        if part.clock_s is not None:
            fresh["clock_s"] = part.clock_s
        if part.rejected is not None:
            fresh["rejected"] = part.rejected
        fresh["usable"] = fresh["complete"] & ((energy.bits & UNUSABLE) == 0)
        first = self.days - (len(part.grid.days) - 1)
        for name, values in fresh.items():
            self.arrays[name][part.rows, first:] = values
        self.last_us[part.rows] = np.maximum(self.last_us[part.rows], part.last_us)


def days_of(
    scene: Scene, parts: Sequence[Hourly], history: History | None, season: Season, *, threads: int = 2
) -> Days:
    """The view that detectors share: fresh figures of `parts` laid over history.

    `scene`: its grid gives the days of the view; the grid of a part must end with the same day.
    """
    with ThreadPoolExecutor(threads) as pool:
        return _viewed(scene, parts, history, season, pool)


def _viewed(
    scene: Scene, parts: Sequence[Hourly], history: History | None, season: Season, pool: ThreadPoolExecutor
) -> Days:
    p, d = len(scene.points), len(scene.grid.days) - 1
    view = View(p, d, history)
    # Parts have no point in common.
    list(pool.map(view.lay, parts))
    arrays, bounds, active = view.arrays, scene.grid.day_bounds, scene.state == ACTIVE
    energy_kwh, volume_m3 = arrays["energy_kwh"], arrays["volume_m3"]
    dropping = pool.submit(temperature_drop, energy_kwh, volume_m3, arrays["complete"] & active, scene.points)
    around = climate(
        np.where(arrays["complete"], energy_kwh, np.nan),
        active,
        scene.points.area,
        scene.points.heated_area_m2,
        daily_mean(scene.outdoor_c, scene.grid.days),
        season,
    )
    expected, sigma = np.empty((p, d)), np.empty((p, d))
    x = np.where(np.isfinite(around.hdd_k), around.hdd_k, np.nan_to_num(around.load_kwh))
    fit = arrays["usable"] & active & np.isfinite(energy_kwh)
    floors = np.maximum(scene.points.energy_step_kwh, 1e-6)
    use, numbers = np.nan_to_num(energy_kwh), bounds[:-1] // DAY_US

    def learn(own: slice) -> None:
        block_expectations(
            use[own], x[own], fit[own], around.in_season[own], numbers, floors[own], expected[own], sigma[own]
        )

    list(pool.map(learn, (slice(start, start + LEARN_POINTS) for start in range(0, p, LEARN_POINTS))))
    with np.errstate(invalid="ignore", divide="ignore"):
        common = group_median(energy_kwh / expected, scene.points.area, least=8)
    drop = dropping.result()
    return Days(
        common=common,
        drop_k=drop.drop_k,
        area_drop_k=drop.area_drop_k,
        usual_drop=drop.usual_drop,
        bounds=bounds,
        now_us=scene.now_us,
        points=scene.points,
        state=scene.state,
        hdd_k=around.hdd_k,
        load_kwh=around.load_kwh,
        peer_kwh=around.peer_kwh,
        in_season=around.in_season,
        expected_kwh=expected,
        sigma_kwh=sigma,
        last_us=view.last_us,
        **arrays,
    )


def daily_mean(hourly_values: Float32, days: Int64) -> Float64:
    """(a, d) mean of the hours of each day that are known, NaN where fewer than half are."""
    known = np.isfinite(hourly_values)
    hours = slice(int(days[0]), int(days[-1]))
    starts = days[:-1] - days[0]
    total = np.add.reduceat(np.where(known, hourly_values, 0.0)[:, hours].astype(np.float64), starts, axis=1)
    count = np.add.reduceat(known[:, hours].astype(np.int64), starts, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(2 * count >= np.diff(days), total / count, np.nan)
