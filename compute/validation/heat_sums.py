"""Heat by the meter's own sums: energy against k·(E8 − E9), where the meter adds up volume times temperature (H1).

Far sharper than hourly temperatures: on a real meter a week is within ±0.7 %, a month within ±0.5 %. Coarse registers
are allowed their display steps.
"""

from dataclasses import dataclass

import numpy as np

from compute.days import Days
from compute.findings import Finding, Kind, grade, persistent, runs, trailing_sum
from compute.kernels.compiled import Float64
from compute.kernels.thermal import heat_coefficient


@dataclass(frozen=True, slots=True)
class HeatSums:
    """`percent`, `fail_percent`: energy over what the sums give, over `days` days of at least `min_kwh`, beyond
    `steps` display steps of energy and of both sums; on `lasting_days` days in a row.
    """

    percent: float = 3.0
    fail_percent: float = 6.0
    days: int = 28
    min_kwh: float = 300.0
    steps: float = 3.0
    lasting_days: int = 7


def detect(days: Days, limits: HeatSums) -> list[Finding]:
    """One finding a run of days at whose end the sums of the last weeks disagree."""
    given = days.difference_m3k * _coefficients(days)
    known = np.isfinite(given) & np.isfinite(days.energy_kwh) & days.usable
    if not known.any():
        return []
    energy = trailing_sum(np.where(known, days.energy_kwh, 0.0), limits.days)
    sums = trailing_sum(np.where(known, given, 0.0), limits.days)
    n = trailing_sum(known.astype(np.float64), limits.days)
    volume = trailing_sum(np.where(known, days.volume_m3, 0.0), limits.days)
    with np.errstate(invalid="ignore", divide="ignore"):
        residual = 100.0 * (energy / sums - 1.0)
        # A sum of m3·K counts whole units: its step is worth k, twice over for a difference.
        blur = limits.steps * (days.points.energy_step_kwh[:, None] + 2.0 * 1.15) / energy * 100.0
        mask = (np.abs(residual) > limits.percent + blur) & (energy > limits.min_kwh) & (n >= limits.days - 4)
        mask &= (sums > 0.1 * energy) & (volume > 0) & days.active & known
    found = []
    for row, first, end in runs(persistent(mask, limits.lasting_days, limits.lasting_days), bridge=7):
        begin = max(0, first - limits.days - limits.lasting_days + 2)
        seen = float(np.nanmedian(residual[row, first:end]))
        stake = abs(seen) / 100.0 * float(np.nansum(days.energy_kwh[row, begin:end]))
        found.append(
            Finding(
                row, Kind.FACTOR_ERROR, "H1", grade(abs(seen) > limits.fail_percent), int(days.bounds[begin]),
                int(days.bounds[end]), seen, -limits.percent, limits.percent, "%", stake, 0.9,
                {"ratio": 1.0 + seen / 100.0}, int(days.bounds[first + 1]),
            )
        )  # fmt: skip
    return found


def _coefficients(days: Days) -> Float64:
    """(p, d) k of each day at its own temperatures; at 70/40 °C where they are not known."""
    supply, back = days.supply_c.astype(np.float64), days.return_c.astype(np.float64)
    result = np.full(supply.shape, np.nan)
    for row in np.flatnonzero(np.isfinite(days.difference_m3k).any(axis=1)):
        side = bool(days.points.supply_mounted[row])
        usual = heat_coefficient(70.0, 40.0, side)
        for d in np.flatnonzero(np.isfinite(days.difference_m3k[row])):
            warm, cold = supply[row, d], back[row, d]
            fits = np.isfinite(warm) and np.isfinite(cold) and 5.0 < cold < warm - 1.0 < 180.0
            result[row, d] = heat_coefficient(warm, cold, side) if fits else usual
    return result
