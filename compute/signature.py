"""What is usual of a point beside its use: the temperature drop and how it compares with the area's.

The drop is taken from energy over volume, so it needs no temperature reading. Usual is the median of the weeks
before, by the week, so that no day is judged by itself.
"""

from dataclasses import dataclass

import numpy as np

from compute.days import Points
from compute.findings import group_median, trailing_sum
from compute.kernels.compiled import Bool, Float64, Int64
from compute.kernels.medians import medians_before

KWH_PER_M3K = 1.15
MIN_STEPS = 5.0
# Days that a coarse display is read together.
POOLED_DAYS = (3, 7)


@dataclass(frozen=True, slots=True)
class Drop:
    """(p, d) each: see `compute.days.Days`."""

    drop_k: Float64
    area_drop_k: Float64
    usual_drop: Float64


def temperature_drop(energy_kwh: Float64, volume_m3: Float64, able: Bool, points: Points) -> Drop:
    """Drop of every point on the days that `able` (p, d) names: of the day, where its figures are within a few display
    steps of the last `POOLED_DAYS`; NaN where these are, too.
    """
    drop = np.full(energy_kwh.shape, np.nan)
    counted = able & np.isfinite(energy_kwh) & np.isfinite(volume_m3)
    with np.errstate(invalid="ignore", divide="ignore"):
        for n in (1, *POOLED_DAYS):
            energy, volume = (trailing_sum(np.where(counted, figures, 0.0), n) for figures in (energy_kwh, volume_m3))
            flows = counted & np.isnan(drop) & (volume > np.maximum(MIN_STEPS * points.volume_step_m3[:, None], 1e-3))
            flows &= energy > MIN_STEPS * points.energy_step_kwh[:, None]
            drop = np.where(flows, energy / (KWH_PER_M3K * volume), drop)
        area = group_median(drop, points.area, least=5)
        return Drop(drop, area, usual_before(drop / area))


def usual_before(values: Float64, window: int = 42, gap: int = 7, least: int = 10) -> Float64:
    """(p, d) median of the days from `window` to `gap` days ago, renewed every week; NaN where fewer than `least` are
    known.
    """
    result = np.empty(values.shape)
    medians_before(np.ascontiguousarray(values, np.float64), window, gap, least, result)
    return result


def experienced(cold: Float64, counted: Bool, group: Int64, *, share: float, least: int, window: int = 56) -> Bool:
    """(p, d) days before which a signature has seen enough of such weather: on at least `least` of the `window` days
    before, the counted ones, it was at least `share` as cold.

    Parameters
    ----------
    cold, counted
        (p, d) degree days, or what stands for them, and the days that count; alike for all points of a group.
    group
        (p,) int64.
    """
    result = np.zeros(cold.shape, np.bool_)
    for number in np.unique(group):
        rows = np.flatnonzero(group == number)
        level, seen = np.nan_to_num(cold[rows[0]]), counted[rows[0]]
        days = np.zeros(len(level), np.int64)
        for back in range(1, min(window + 1, len(level))):
            days[back:] += seen[:-back] & (level[:-back] >= share * level[back:])
        result[rows] = days >= least
    return result
