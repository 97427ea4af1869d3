"""What is usual of a point beside its use: the temperature drop and how it compares with the area's.

The drop is taken from energy over volume, so it needs no temperature reading. Usual is the median of the weeks
before, by the week, so that no day is judged by itself.
"""

import numpy as np

from compute.days import Days
from compute.findings import group_median
from compute.kernels.compiled import Float64
from compute.kernels.rolling import medians_before

KWH_PER_M3K = 1.15


def temperature_drop(days: Days, min_steps: float = 5.0) -> Float64:
    """(p, d) K: energy over volume on complete days of active points, NaN where either is within `min_steps` display
    steps.
    """
    volume_steps = np.maximum(min_steps * days.points.volume_step_m3[:, None], 1e-3)
    energy_steps = min_steps * days.points.energy_step_kwh[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        flows = (days.volume_m3 > volume_steps) & (days.energy_kwh > energy_steps) & days.complete & days.active
        return np.where(flows, days.energy_kwh / (KWH_PER_M3K * days.volume_m3), np.nan)


def drop_share(days: Days) -> Float64:
    """(p, d) the point's drop over the area's, relative to what that usually is; NaN where nothing is usual yet."""
    drop = temperature_drop(days)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = drop / group_median(drop, days.points.area, least=5)
        return share / usual_before(share)


def usual_before(values: Float64, window: int = 42, gap: int = 7, least: int = 10) -> Float64:
    """(p, d) median of the days from `window` to `gap` days ago, renewed every week; NaN where fewer than `least` are
    known.
    """
    result = np.empty(values.shape)
    medians_before(np.ascontiguousarray(values, np.float64), window, gap, least, result)
    return result
