"""Undercooling: the water goes back nearly as warm as it came (H9).

The temperature drop is taken from energy over volume, which needs no temperature reading; it is judged against the point's
own past and against the area, because a cold spell changes it for everybody.
"""

from dataclasses import dataclass

import numpy as np

from compute.days import Days
from compute.findings import Finding, Kind, Severity, group_median, persistent, runs
from compute.kernels.compiled import Float64

KWH_PER_M3K = 1.15


@dataclass(frozen=True, slots=True)
class Undercooling:
    """Drop below `own_percent` of the usual and `area_percent` of the area's on `days` days."""

    own_percent: float = 65.0
    area_percent: float = 75.0
    alone_percent: float = 40.0
    days: int = 5
    min_steps: float = 5.0


def detect(days: Days, limits: Undercooling) -> list[Finding]:
    """One finding a run of days with too small a temperature drop."""
    steps = limits.min_steps * days.points.volume_step_m3[:, None]
    energy_steps = limits.min_steps * days.points.energy_step_kwh[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        flows = (days.volume_m3 > np.maximum(steps, 1e-3)) & (days.energy_kwh > energy_steps) & days.complete
        drop = np.where(flows & days.active, days.energy_kwh / (KWH_PER_M3K * days.volume_m3), np.nan)
        area = group_median(drop, days.points.area, least=5)
        share = drop / np.where(np.isfinite(area), area, np.nan)
        usual = _usual(share)
        own = share < limits.own_percent / 100.0 * usual
        mask = days.in_season & np.where(
            np.isfinite(usual), own & (share < limits.area_percent / 100.0), share < limits.alone_percent / 100.0
        )
    found = []
    for row, first, end in runs(persistent(mask, limits.days, limits.days), bridge=3):
        begin = max(0, first - limits.days + 1)
        span = slice(begin, end)
        seen, norm = float(np.nanmedian(drop[row, span])), float(np.nanmedian(area[row, span]))
        volume = float(np.nansum(days.volume_m3[row, span]))
        found.append(
            Finding(
                row, Kind.UNDERCOOLING, "H9", Severity.WARNING, int(days.bounds[begin]), int(days.bounds[end]),
                seen, 0.7 * norm, 1.5 * norm, "K", 0.02 * volume * max(norm - seen, 0.0), 0.8,
                {"volume_m3": volume, "area_difference_k": norm},
            )
        )  # fmt: skip
    return found


def _usual(share: Float64, window: int = 42, gap: int = 7, least: int = 10) -> Float64:
    """(p, d) median of the days from `window` to `gap` days ago, by weeks; NaN where fewer than `least` are known."""
    result = np.full(share.shape, np.nan)
    for at in range(0, share.shape[1], gap):
        past = share[:, max(0, at - window) : max(0, at - gap)]
        if past.shape[1] == 0:
            continue
        rows = np.isfinite(past).sum(axis=1) >= least
        if rows.any():
            result[rows, at : at + gap] = np.nanmedian(past[rows], axis=1)[:, None]
    return result
