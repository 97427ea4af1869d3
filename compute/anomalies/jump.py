"""Sudden jump: use far above what the point's own weather signature leads one to expect (V10, V12, H17).

A jump must stand out of the signature's spread and be large for the building; six hours in a row are enough.
"""

from dataclasses import dataclass

import numpy as np

from compute.days import Days
from compute.findings import Finding, Kind, Severity, persistent, runs
from compute.quality import Quality

ESTIMATED = int(Quality.ESTIMATED)
RANGE = int(Quality.RANGE)


@dataclass(frozen=True, slots=True)
class Jump:
    """`robust_z`: residual over spread; `load_percent`: of the design load; `min_percent`: over the expectation in
    one day, `lasting_percent` on `lasting_days` days; `drop_percent`: to which the temperature drop fell with it;
    `min_steps`; `off_season_loads`: days of design load that one day off season must exceed.
    """

    robust_z: float = 5.0
    load_percent: float = 20.0
    min_percent: float = 60.0
    lasting_percent: float = 18.0
    lasting_days: int = 3
    lasting_z: float = 4.0
    drop_percent: float = 85.0
    fail_percent: float = 200.0
    min_steps: float = 5.0
    off_season_loads: float = 2.0


def detect(days: Days, limits: Jump) -> list[Finding]:
    """One finding a run of days above the band: at once and large, or smaller, lasting and with an open valve's
    signs.
    """
    sigma, points = days.sigma_kwh, days.points
    with np.errstate(invalid="ignore", divide="ignore"):
        # What everybody in the area uses more today is weather.
        common = days.common
        expected = days.expected_kwh * np.clip(np.where(np.isfinite(common), common, 1.0), 1.0, 3.0)
        # Without a design load, the largest use that the signature expects of the season stands for it.
        design = np.where(np.isfinite(points.design_load_kw), points.design_load_kw * 24.0, np.nan)[:, None]
        design = np.where(np.isfinite(design), design, expected)
        excess = days.energy_kwh - expected
        steps = limits.min_steps * points.energy_step_kwh[:, None]
        # A building's master jumps with its flats or with what no flat counts: that is the balance's business.
        master = np.isin(np.arange(len(points)), points.parent)
        able = days.active & ~master[:, None] & days.complete & (excess > steps) & ((days.energy_bits & ESTIMATED) == 0)
        sudden = excess > np.maximum(limits.robust_z * sigma, limits.load_percent / 100.0 * design)
        sudden &= able & (excess > limits.min_percent / 100.0 * expected)
        # Off season a bath is a jump: only what lasts, or what no bath can be.
        sudden &= days.in_season | persistent(sudden, 3, 3) | (excess > limits.off_season_loads * design)
        lasting = (excess > limits.lasting_z * sigma) & (excess > limits.lasting_percent / 100.0 * expected)
        lasting &= able & (days.drop_k / days.area_drop_k / days.usual_drop < limits.drop_percent / 100.0)
        # More than the meter's pipe can deliver (V8) is a jump whatever the weather: no signature is needed to say so.
        impossible = ((days.energy_bits & RANGE) != 0) & (days.energy_kwh > steps)
        mask = sudden | persistent(lasting, limits.lasting_days, limits.lasting_days) | impossible
    excess = np.where(np.isfinite(excess), excess, np.nan_to_num(days.energy_kwh))
    expected, sigma = np.nan_to_num(expected), np.where(np.isfinite(sigma), sigma, np.inf)
    found = []
    for row, first, end in runs(mask, bridge=1):
        span = slice(first, end)
        over = float(np.sum(np.maximum(excess[row, span], 0.0)))
        peak = first + int(np.argmax(np.where(mask[row, span], excess[row, span], -np.inf)))
        ratio = 100.0 * float(excess[row, peak]) / max(float(expected[row, peak]), 1e-9)
        z = float(excess[row, peak] / sigma[row, peak])
        band = limits.robust_z * float(sigma[row, peak]) if np.isfinite(sigma[row, peak]) else 0.0
        found.append(
            Finding(
                row,
                Kind.JUMP,
                "H17",
                Severity.CRITICAL if ratio > limits.fail_percent else Severity.WARNING,
                int(days.bounds[first]),
                int(days.bounds[end]),
                float(days.energy_kwh[row, peak]),
                max(0.0, float(expected[row, peak] - band)),
                float(expected[row, peak] + band),
                "kWh/d",
                over,
                0.9 if impossible[row, peak] else float(min(0.99, 0.6 + 0.02 * z)),
                {"robust_z": z, "expected_kwh": float(expected[row, peak]), "days": float(end - first)},
            )
        )
    return found
