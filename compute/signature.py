"""What is usual of a point beside its use: the temperature drop and how it compares with the area's.

The drop is taken from energy over volume, so it needs no temperature reading. Usual is the median of the weeks
before, by the week, so that no day is judged by itself.
"""

from dataclasses import dataclass

import numpy as np

from compute.days import Points
from compute.findings import group_median
from compute.kernels.compiled import Bool, Float64
from compute.kernels.rolling import medians_before

KWH_PER_M3K = 1.15
MIN_STEPS = 5.0


@dataclass(frozen=True, slots=True)
class Drop:
    """(p, d) each: see `compute.days.Days`."""

    drop_k: Float64
    area_drop_k: Float64
    usual_drop: Float64


def temperature_drop(energy_kwh: Float64, volume_m3: Float64, able: Bool, points: Points) -> Drop:
    """Drop of every point on the days that `able` (p, d) names; NaN where a figure is within a few display steps."""
    with np.errstate(invalid="ignore", divide="ignore"):
        flows = able & (volume_m3 > np.maximum(MIN_STEPS * points.volume_step_m3[:, None], 1e-3))
        flows &= energy_kwh > MIN_STEPS * points.energy_step_kwh[:, None]
        drop = np.where(flows, energy_kwh / (KWH_PER_M3K * volume_m3), np.nan)
        area = group_median(drop, points.area, least=5)
        return Drop(drop, area, usual_before(drop / area))


def usual_before(values: Float64, window: int = 42, gap: int = 7, least: int = 10) -> Float64:
    """(p, d) median of the days from `window` to `gap` days ago, renewed every week; NaN where fewer than `least` are
    known.
    """
    result = np.empty(values.shape)
    medians_before(np.ascontiguousarray(values, np.float64), window, gap, least, result)
    return result


def coldest_before(cold: Float64, counted: Bool, window: int = 56) -> Float64:
    """(p, d) greatest `cold` (degree days, or what stands for them) of the counted days among the `window` before
    each day: what a signature has seen; 0 where there was none.
    """
    seen = np.where(counted, np.nan_to_num(cold), 0.0)
    result = np.zeros(cold.shape)
    for back in range(1, min(window + 1, cold.shape[1])):
        np.maximum(result[:, back:], seen[:, :-back], out=result[:, back:])
    return result
