"""Factor error: energy does not fit volume and temperatures, so pulse value, factor or mounting side are wrong (H1,
H2, H3).

Coarse displays and hourly temperatures blur a day; sums over a week and a month are sharp.
"""

from dataclasses import dataclass

import numpy as np

from compute.days import Days
from compute.findings import Finding, Kind, Severity, grade, group_median, persistent, runs, trailing_sum
from compute.kernels.compiled import Bool, Float64
from compute.signature import usual_before


@dataclass(frozen=True, slots=True)
class FactorError:
    """`percent` over `days` days with at most `idle_h` hours a day without flow; the other mounting side: a move of
    at least `side_percent` over `side_days` that fits to a share of `side_fit`.
    """

    percent: float = 10.0
    fail_percent: float = 15.0
    days: int = 7
    idle_h: float = 2.0
    min_kwh: float = 20.0
    min_steps: float = 60.0
    side_days: int = 28
    side_percent: float = 0.6
    side_fit: float = 0.3
    side_idle_h: float = 0.5
    side_hdd_k: float = 6.0


def detect(days: Days, limits: FactorError) -> list[Finding]:
    """One finding a run of days at whose end energy and heat balance disagree."""
    residual, sure = _residual(days, limits.days, limits)
    # Where the flow comes and goes within the hour, hourly temperatures do not belong to it: everybody's balance
    # shifts.
    idle = trailing_sum(days.idle_h, limits.days) <= limits.idle_h * limits.days
    common = group_median(np.where(sure, residual, np.nan), days.points.area, least=5)
    with np.errstate(invalid="ignore"):
        apart = np.abs(residual - np.nan_to_num(common)) > limits.percent
        wrong = sure & idle & apart & (np.abs(residual) > limits.percent) & days.active & days.in_season
    wrong = persistent(wrong, 3, 3)
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
        row, Kind.FACTOR_ERROR, "H1", grade(abs(seen) > limits.fail_percent),
        int(days.bounds[begin]), int(days.bounds[end]),
        seen, -limits.percent, limits.percent, "%", stake, 0.9, {"ratio": 1.0 + seen / 100.0},
    )  # fmt: skip


def _other_side(days: Days, limits: FactorError) -> list[Finding]:
    """A month whose balance has moved by what the flow sensor on the other side would move it (H2)."""
    window = limits.side_days
    residual, sure = _residual(days, window, limits)
    balance, other = trailing_sum(days.balance_kwh, window), trailing_sum(days.other_kwh, window)
    full = trailing_sum(np.isfinite(days.measured_kwh).astype(np.float64), window) >= window - 4
    idle = trailing_sum(days.idle_h, window) <= limits.side_idle_h * window
    cold = trailing_sum(days.hdd_k, window) >= limits.side_hdd_k * window
    able = sure & full & idle & cold & days.active & days.in_season
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = np.where(able, residual, np.nan)
        apart = apart - group_median(apart, days.points.area, least=5)
        move = 100.0 * (other / balance - 1.0)
        moved = apart - usual_before(apart, window=window + 35, gap=window, least=7)
        fits = np.abs(moved - move) < limits.side_fit * np.abs(move)
        mask = able & fits & (np.abs(move) > limits.side_percent)
        mask &= trailing_sum(days.measured_kwh, window) > 300.0 * days.points.energy_step_kwh[:, None]
    found = []
    for row, first, end in runs(persistent(mask, 10, 10), bridge=14):
        begin = max(0, first - window + 1)
        seen = float(np.nanmedian(residual[row, first:end]))
        stake = float(abs(seen) / 100.0 * np.nansum(days.measured_kwh[row, begin:end]))
        found.append(
            Finding(
                row, Kind.FACTOR_ERROR, "H2", Severity.WARNING, int(days.bounds[begin]), int(days.bounds[end]), seen,
                -limits.side_percent, limits.side_percent, "%", stake, 0.6,
                {"other_side_percent": float(move[row, end - 1])},
            )
        )  # fmt: skip
    return found
