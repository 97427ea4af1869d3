"""Sudden jump: use far above what the point's own weather signature leads one to expect (V10, V12, H17).

A jump must stand out of the signature's spread and be large for the building; six hours in a row are enough.
"""

from dataclasses import dataclass

import numpy as np

from compute.days import Days
from compute.findings import Finding, Kind, Severity, runs


@dataclass(frozen=True, slots=True)
class Jump:
    """`robust_z`: residual over spread; `load_percent`: of the design load; `min_percent`: over the expectation;
    `min_steps`: display steps.
    """

    robust_z: float = 5.0
    load_percent: float = 20.0
    min_percent: float = 60.0
    fail_percent: float = 200.0
    min_steps: float = 5.0


def detect(days: Days, limits: Jump) -> list[Finding]:
    """One finding a run of days above the band."""
    expected, sigma = days.expected_kwh, days.sigma_kwh
    points = days.points
    # Without a design load, the largest use that the signature expects of the season stands for it.
    design = np.where(np.isfinite(points.design_load_kw), points.design_load_kw * 24.0, np.nan)[:, None]
    design = np.where(np.isfinite(design), design, expected)
    with np.errstate(invalid="ignore"):
        excess = days.energy_kwh - expected
        needed = np.maximum(limits.robust_z * sigma, limits.load_percent / 100.0 * design)
        needed = np.maximum(needed, limits.min_percent / 100.0 * expected)
        needed = np.maximum(needed, limits.min_steps * points.energy_step_kwh[:, None])
        mask = days.active & days.complete & (excess > needed)
    found = []
    for row, first, end in runs(mask, bridge=1):
        span = slice(first, end)
        over = float(np.nansum(np.maximum(excess[row, span], 0.0)))
        peak = first + int(np.nanargmax(np.where(mask[row, span], excess[row, span], -np.inf)))
        ratio = 100.0 * float(excess[row, peak]) / max(float(expected[row, peak]), 1e-9)
        z = float(excess[row, peak] / sigma[row, peak])
        found.append(
            Finding(
                row,
                Kind.JUMP,
                "H17",
                Severity.CRITICAL if ratio > limits.fail_percent else Severity.WARNING,
                int(days.bounds[first]),
                int(days.bounds[end]),
                float(days.energy_kwh[row, peak]),
                max(0.0, float(expected[row, peak] - limits.robust_z * sigma[row, peak])),
                float(expected[row, peak] + limits.robust_z * sigma[row, peak]),
                "kWh/d",
                over,
                float(min(0.99, 0.6 + 0.02 * z)),
                {"robust_z": z, "expected_kwh": float(expected[row, peak]), "days": float(end - first)},
            )
        )
    return found
