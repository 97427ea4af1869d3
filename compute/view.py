"""How the view of days comes together: fresh figures of the points just computed, laid over what is known of the
others.

Points without fresh figures keep their stored daily consumption, so that areas and neighbours are complete in every
run.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from compute.quality import Quality
from compute.scene import History, Hourly

J_PER_KWH = 3_600_000.0
ML_PER_M3 = 1_000_000.0
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
