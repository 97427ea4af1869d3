"""Factor error: energy does not fit volume and temperatures, so pulse value, factor or mounting side are wrong (H1, H2, H3).

Coarse displays and hourly temperatures blur a day; sums over a week and a month are sharp.
"""

from dataclasses import dataclass

import numpy as np

from compute.days import Days
from compute.findings import Finding, Kind, Severity, grade, runs, trailing_sum
from compute.kernels.compiled import Bool, Float64


@dataclass(frozen=True, slots=True)
class FactorError:
    """`percent` over `days` days; the other mounting side: within `side_percent` over `side_days`, difference `side_k`."""

    percent: float = 10.0
    fail_percent: float = 15.0
    days: int = 7
    min_kwh: float = 20.0
    min_steps: float = 60.0
    side_days: int = 28
    side_percent: float = 0.35
    side_k: float = 15.0


def detect(days: Days, limits: FactorError) -> list[Finding]:
    """One finding a run of days at whose end energy and heat balance disagree."""
    residual, sure = _residual(days, limits.days, limits)
    wrong = sure & (np.abs(residual) > limits.percent) & days.active
    found = [_finding(days, residual, span, limits) for span in runs(wrong, bridge=7)]
    return found + _other_side(days, limits)


def _residual(days: Days, window: int, limits: FactorError) -> tuple[Float64, Bool]:
    """(p, d) percent by which the measured energy exceeds the balance, and where the sums are large enough."""
    measured, balance = trailing_sum(days.measured_kwh, window), trailing_sum(days.balance_kwh, window)
    steps = limits.min_steps * np.maximum(days.points.energy_step_kwh, 1e-6)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        residual = 100.0 * (measured / balance - 1.0)
        volume = trailing_sum(days.volume_m3, window) > limits.min_steps * days.points.volume_step_m3[:, None]
    sure: Bool = (balance > np.maximum(limits.min_kwh, steps)) & (measured > steps) & volume & np.isfinite(residual)
    return residual, sure


def _finding(days: Days, residual: Float64, span: tuple[int, int, int], limits: FactorError) -> Finding:
    row, first, end = span
    begin = max(0, first - limits.days + 1)
    seen = float(np.nanmedian(residual[row, first:end]))
    stake = float(np.nansum(np.abs(days.measured_kwh[row, begin:end] - days.balance_kwh[row, begin:end])))
    return Finding(
        row, Kind.FACTOR_ERROR, "H1", grade(abs(seen) > limits.fail_percent), int(days.bounds[begin]), int(days.bounds[end]),
        seen, -limits.percent, limits.percent, "%", stake, 0.9, {"ratio": 1.0 + seen / 100.0},
    )  # fmt: skip


def _other_side(days: Days, limits: FactorError) -> list[Finding]:
    """A month in which the flow sensor on the other side explains the energy, and this side does not (H2)."""
    residual, sure = _residual(days, limits.side_days, limits)
    measured, other = trailing_sum(days.measured_kwh, limits.side_days), trailing_sum(days.other_kwh, limits.side_days)
    full = trailing_sum(np.isfinite(days.measured_kwh).astype(np.float64), limits.side_days) >= limits.side_days - 4
    with np.errstate(invalid="ignore", divide="ignore"):
        beside = 100.0 * (measured / other - 1.0)
        gap = np.abs(residual - beside)
        fits = (np.abs(beside) < limits.side_percent) & (np.abs(residual) > 3.0 * np.abs(beside) + 0.25) & (gap > 0.5)
        wide = days.supply_c - days.return_c > limits.side_k
    mask = (
        sure
        & full
        & fits
        & wide
        & days.active
        & days.in_season
        & (measured > 300.0 * days.points.energy_step_kwh[:, None])
    )
    found = []
    for row, first, end in runs(mask, bridge=14):
        if end - first < 7:
            continue
        begin = max(0, first - limits.side_days + 1)
        seen = float(np.nanmedian(residual[row, first:end]))
        stake = float(abs(seen) / 100.0 * np.nansum(days.measured_kwh[row, begin:end]))
        found.append(
            Finding(
                row, Kind.FACTOR_ERROR, "H2", Severity.WARNING, int(days.bounds[begin]), int(days.bounds[end]), seen,
                -limits.side_percent, limits.side_percent, "%", stake, 0.6, {"other_side_percent": float(beside[row, end - 1])},
            )
        )  # fmt: skip
    return found
