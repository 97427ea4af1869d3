"""Factor error: energy does not fit volume and temperatures, so pulse value, factor or mounting side are wrong (H1,
H2, H3).

Coarse displays and hourly temperatures blur a day; sums over a week and a month are sharp. Where the meter sums volume
times temperature itself (E8, E9), the other mounting side is told by that; else by the temperatures, if the water
never rests. Where nothing is read by the hour, days are balanced with the difference of their temperatures, which is
blunt: only a large move tells that the point's use made as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from compute.days import Days
from compute.findings import Finding, Kind, Severity, grade, group_median, persistent, runs, trailing_sum
from compute.kernels.compiled import Bool, Float64
from compute.signature import KWH_PER_M3K, usual_before


@dataclass(frozen=True, slots=True)
class FactorError:
    """`percent` over `days` days with at most `idle_h` hours a day without flow; `idle_percent` more for every hour
    beyond, and then it must have moved from the point's usual and the flowing hours must show `flow_steps`; and by what
    `blur_steps` counts of the display are of the energy, of which there must be `min_steps`.

    The other mounting side: a move of at least `side_percent` over `side_days` that fits to a share of `side_fit`, for
    `side_told_days` with the meter's own sums or `side_days_in_a_row` without, at `side_difference_k` between supply
    and return. Daily readings: `daily_percent` (`blunt_percent` where only the volume is coarse) away from the area and
    from the point's usual over `days` days, `daily_in_a_row` times in a row, that fits what the use moved from its
    expectation to a share of `daily_fit`.
    """

    percent: float = 10.0
    fail_percent: float = 15.0
    days: int = 7
    idle_h: float = 2.0
    idle_percent: float = 1.5
    flow_steps: float = 5.0
    min_kwh: float = 20.0
    min_steps: float = 12.0
    blur_steps: float = 1.5
    side_days: int = 28
    side_percent: float = 0.6
    side_fit: float = 0.3
    side_idle_h: float = 0.5
    side_hdd_k: float = 6.0
    side_difference_k: float = 28.0
    side_steps: float = 500.0
    daily_percent: float = 25.0
    blunt_percent: float = 12.0
    daily_in_a_row: int = 5
    daily_fit: float = 0.4
    side_told_days: int = 10
    side_days_in_a_row: int = 14


def detect(days: Days, limits: FactorError) -> list[Finding]:
    """One finding a run of days at whose end energy and heat balance disagree."""
    residual, sure = _residual(days, limits.days, limits)
    # Where the flow comes and goes within the hour, hourly temperatures do not belong to it: everybody's balance
    # shifts, and the point's own in a way that only its past tells.
    resting_h = np.maximum(trailing_sum(days.idle_h, limits.days) / limits.days - limits.idle_h, 0.0)
    limit = limits.percent + limits.idle_percent * resting_h
    limit += _blur(days, trailing_sum(days.measured_kwh, limits.days), limits)
    common = group_median(np.where(sure, residual, np.nan), days.points.area, least=5)
    usual = usual_before(np.where(sure, residual, np.nan))
    with np.errstate(invalid="ignore"):
        wrong = sure & (np.abs(residual - np.nan_to_num(common)) > limit) & (np.abs(residual) > limit)
        wrong &= (resting_h == 0.0) | ((np.abs(residual - usual) > limit) & _sharp(days, limits))
    wrong = persistent(wrong & days.active & days.in_season, 3, 3)
    found = [_finding(days, residual, span, limits) for span in runs(wrong, bridge=7)]
    return found + _by_day(days, limits) + _other_side(days, limits)


def _residual(days: Days, window: int, limits: FactorError) -> tuple[Float64, Bool]:
    """(p, d) percent by which the measured energy exceeds the balance, and where the sums are large enough."""
    measured, balance = trailing_sum(days.measured_kwh, window), trailing_sum(days.balance_kwh, window)
    steps = limits.min_steps * np.maximum(days.points.energy_step_kwh, 1e-6)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        residual = 100.0 * (measured / balance - 1.0)
        volume = trailing_sum(days.volume_m3, window) > limits.min_steps * days.points.volume_step_m3[:, None]
    sure: Bool = (balance > np.maximum(limits.min_kwh, steps)) & (measured > steps) & volume & np.isfinite(residual)
    return residual, sure


def _blur(days: Days, energy: Float64, limits: FactorError) -> Float64:
    """(p, d) percent that the display of an energy hides."""
    with np.errstate(invalid="ignore", divide="ignore"):
        result: Float64 = 100.0 * limits.blur_steps * days.points.energy_step_kwh[:, None] / np.maximum(energy, 1e-9)
    return result


def _sharp(days: Days, limits: FactorError) -> Bool:
    """Days at whose end a flowing hour of the last ones was many counts of the volume."""
    flowing_h = np.maximum(24.0 * limits.days - trailing_sum(days.idle_h, limits.days), 1.0)
    steps = limits.flow_steps * days.points.volume_step_m3[:, None] * flowing_h
    result: Bool = trailing_sum(days.volume_m3, limits.days) > steps
    return result


def _finding(days: Days, residual: Float64, span: tuple[int, int, int], limits: FactorError) -> Finding:
    row, first, end = span
    begin = max(0, first - limits.days + 1)
    seen = float(np.nanmedian(residual[row, first:end]))
    stake = float(np.nansum(np.abs(days.measured_kwh[row, begin:end] - days.balance_kwh[row, begin:end])))
    return Finding(
        row, Kind.FACTOR_ERROR, "H1", grade(abs(seen) > limits.fail_percent),
        int(days.bounds[begin]), int(days.bounds[end]),
        seen, -limits.percent, limits.percent, "%", stake, 0.9, {"ratio": 1.0 + seen / 100.0},
        int(days.bounds[first + 1]),
    )  # fmt: skip


def _by_day(days: Days, limits: FactorError) -> list[Finding]:
    """Points without a sharp hourly balance: energy against k·V·ΔT of whole days."""
    given = KWH_PER_M3K * days.volume_m3 * (days.supply_c - days.return_c)
    hourly = days.balance_kwh > 0
    # Where a flowing hour is a few counts of the volume, hours with a count stand for those without: only days tell.
    blunt = ~hourly | ~_sharp(days, limits)
    able = days.active & days.in_season & days.usable & blunt & (days.drop_k > 0) & (given > 0)
    if not able.any():
        return []
    measured, balance = (trailing_sum(np.where(able, values, 0.0), limits.days) for values in (days.energy_kwh, given))
    percent = np.where(hourly, limits.blunt_percent, limits.daily_percent) + _blur(days, measured, limits)
    enough = able & (trailing_sum(able.astype(np.float64), limits.days) >= limits.days - 2)
    steps = limits.min_steps * np.maximum(days.points.energy_step_kwh, 1e-6)[:, None]
    enough &= measured > np.maximum(limits.min_kwh, steps)
    with np.errstate(invalid="ignore", divide="ignore"):
        residual = np.where(enough, 100.0 * (measured / balance - 1.0), np.nan)
        apart = residual - group_median(residual, days.points.area, least=5)
        moved = apart - usual_before(apart)
        wrong = (np.abs(moved) > percent) & (np.abs(apart) > percent)
        due = trailing_sum(np.where(able, days.expected_kwh, 0.0), limits.days)
        use, factor = np.log(measured / due), np.log1p(moved / 100.0)
        wrong &= (np.sign(moved) == np.sign(apart)) & (np.abs(use - factor) < limits.daily_fit * np.abs(factor))
    found = []
    needed = limits.daily_in_a_row
    for row, first, end in runs(persistent(wrong, needed, needed), bridge=7):
        begin = max(0, first - needed + 1 - limits.days // 2)
        seen = float(np.nanmedian(moved[row, first:end]))
        stake = float(abs(seen) / max(100.0 + seen, 1.0) * np.nansum(days.energy_kwh[row, begin:end]))
        found.append(
            Finding(
                row, Kind.FACTOR_ERROR, "H1", Severity.WARNING, int(days.bounds[begin]), int(days.bounds[end]),
                seen, -float(percent[row, first]), float(percent[row, first]), "%", stake, 0.7,
                {"ratio": 1.0 + seen / 100.0}, int(days.bounds[first + 1]),
            )
        )  # fmt: skip
    return found


def _other_side(days: Days, limits: FactorError) -> list[Finding]:
    """A month whose balance has moved by what the flow sensor on the other side would move it (H2)."""
    window = limits.side_days
    balance, other = trailing_sum(days.balance_kwh, window), trailing_sum(days.other_kwh, window)
    warmth = trailing_sum(days.supply_c - days.return_c, window)
    able = days.active & days.in_season & (trailing_sum(days.hdd_k, window) >= limits.side_hdd_k * window)
    able &= warmth >= limits.side_difference_k * window
    able &= trailing_sum(days.measured_kwh, window) > limits.side_steps * days.points.energy_step_kwh[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        move = np.where(balance > 0, 100.0 * (other / balance - 1.0), np.nan)
    running = trailing_sum(days.idle_h, window) <= limits.side_idle_h * window
    by_temperature = _moved(days, window, _whole(days.measured_kwh), _whole(days.balance_kwh), able & running)
    by_meter = _moved(days, window, days.energy_kwh, KWH_PER_M3K * days.difference_m3k, able)
    masks = []
    for moved, needed in (
        (by_meter, limits.side_told_days),
        (np.where(np.isfinite(by_meter), np.nan, by_temperature), limits.side_days_in_a_row),
    ):
        with np.errstate(invalid="ignore"):
            fits = np.abs(moved - move) < limits.side_fit * np.abs(move)
            masks.append((moved, persistent(fits & (np.abs(move) > limits.side_percent), needed, needed), needed))
    return _side_findings(days, limits, masks, move)


def _whole(values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Float64:
    return values.astype(np.float64)


def _moved(days: Days, window: int, measured: Float64, balance: Float64, able: Bool) -> Float64:
    """(p, d) percent by which measured over balance of the last days moved from the weeks before, the area's own move
    taken out; NaN where fewer than all but four of the days are known.
    """
    known = np.isfinite(measured) & np.isfinite(balance)
    if not known.any():
        return np.full(known.shape, np.nan)
    full = able & (trailing_sum(known.astype(np.float64), window) >= window - 4)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = trailing_sum(np.where(known, measured, 0.0), window) / trailing_sum(
            np.where(known, balance, 0.0), window
        )
        residual = np.where(full, 100.0 * (ratio - 1.0), np.nan)
        apart = residual - group_median(residual, days.points.area, least=5)
        return apart - usual_before(apart, window=window + 35, gap=window, least=7)


def _side_findings(
    days: Days, limits: FactorError, masks: Sequence[tuple[Float64, Bool, int]], move: Float64
) -> list[Finding]:
    found = []
    for moved, mask, needed in masks:
        for row, first, end in runs(mask, bridge=14):
            begin = max(0, first - limits.side_days - needed // 2)
            seen = float(np.nanmedian(moved[row, first:end]))
            stake = float(abs(seen) / 100.0 * np.nansum(days.measured_kwh[row, begin:end]))
            found.append(
                Finding(
                    row, Kind.FACTOR_ERROR, "H2", Severity.WARNING, int(days.bounds[begin]), int(days.bounds[end]),
                    seen, -limits.side_percent, limits.side_percent, "%", stake, 0.6,
                    {"other_side_percent": float(move[row, end - 1])}, int(days.bounds[first + 1]),
                )
            )  # fmt: skip
    return found
