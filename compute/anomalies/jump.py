"""Sudden jump: use far above what the point's own weather signature leads one to expect (V10, V12, H17).

Three ways to stand out: one day far beyond anything the signature or the building's size explains; two days in a row
well above the band; a level shift (the sum of what was used too much over days, as CUSUM sees it), which may be
smaller where the temperature drop fell with it. What the same house or area uses more on that day is weather or the
house's own habit. A signature that has not seen such cold yet is believed less.
"""

from dataclasses import dataclass

import numpy as np

from compute.days import Days
from compute.findings import Finding, Kind, Severity, group_median, persistent, runs, trailing_sum
from compute.kernels.compiled import Bool, Float64
from compute.quality import Quality
from compute.signature import experienced

ESTIMATED = int(Quality.ESTIMATED)
RANGE = int(Quality.RANGE)
# Days from which a signature learns.
LEARNED_DAYS = 56


@dataclass(frozen=True, slots=True)
class Jump:
    """`robust_z`: residual over spread; `load_percent`: of the design load; `min_percent`: over the expectation, on
    `days` days in a row. One day alone: `day_z`, `day_percent`, `day_load_percent`.

    A level shift: `lasting_percent` and `lasting_z` on each of `lasting_days` days while the temperature drop fell to
    `drop_percent` of the usual; `warm_share_percent` and `warm_z` together over `warm_days` days on which it was below
    `warm_percent`; or `shift_percent` and `shift_z` over `shift_days` days. `min_steps`; `learned_days`:
    that a signature must have seen, `cold_days` of them at least `cold_percent` as cold; `off_season_loads`: days of
    design load that one day off season must exceed.
    """

    robust_z: float = 5.0
    load_percent: float = 20.0
    min_percent: float = 60.0
    days: int = 2
    day_z: float = 8.0
    day_percent: float = 150.0
    day_load_percent: float = 60.0
    lasting_percent: float = 18.0
    lasting_days: int = 3
    lasting_z: float = 2.5
    drop_percent: float = 75.0
    warm_percent: float = 70.0
    warm_share_percent: float = 12.0
    warm_days: int = 5
    warm_z: float = 2.5
    shift_days: int = 10
    shift_percent: float = 30.0
    shift_z: float = 2.5
    fail_percent: float = 200.0
    min_steps: float = 5.0
    learned_days: int = 28
    cold_percent: float = 75.0
    cold_days: int = 7
    off_season_loads: float = 2.0


def detect(days: Days, limits: Jump) -> list[Finding]:
    """One finding a run of days above the band."""
    expected = _explained(days)
    with np.errstate(invalid="ignore"):
        excess = days.energy_kwh - expected
    masks = _masks(days, limits, expected, excess)
    return _findings(days, limits, masks, expected, excess)


def _explained(days: Days) -> Float64:
    """(p, d) kWh that the signature expects, raised by what everybody in the area or the house uses more today."""
    with np.errstate(invalid="ignore", divide="ignore"):
        house = group_median(days.energy_kwh / days.expected_kwh, days.points.building, least=4)
    shared = np.fmax(np.where(np.isfinite(days.common), days.common, 1.0), house)
    result: Float64 = days.expected_kwh * np.clip(shared, 1.0, 3.0)
    return result


def _design(days: Days) -> Float64:
    """(p, d) kWh of a day of design load; where nobody knows it, the largest day so far stands for it."""
    known = days.points.design_load_kw[:, None] * 24.0
    so_far = np.maximum.accumulate(np.nan_to_num(days.energy_kwh), axis=1)
    before = np.concatenate((np.zeros((len(so_far), 1)), so_far[:, :-1]), axis=1)
    return np.where(np.isfinite(known), known, np.fmax(before, np.nan_to_num(days.expected_kwh)))


def _learned(days: Days, limits: Jump) -> Bool:
    """Days whose signature has seen enough days, and enough of such cold."""
    counted = days.in_season & days.usable & np.isfinite(days.energy_kwh)
    seen = trailing_sum(counted.astype(np.float64), LEARNED_DAYS) - counted
    cold = np.where(np.isfinite(days.hdd_k), days.hdd_k, np.nan_to_num(days.load_kwh))
    known = experienced(
        cold, days.in_season, days.points.area, share=limits.cold_percent / 100.0, least=limits.cold_days
    )
    result: Bool = (seen >= limits.learned_days) & known
    return result


def _masks(days: Days, limits: Jump, expected: Float64, excess: Float64) -> tuple[Bool, Bool, dict[str, Bool]]:
    """Days above the band, those of them beyond what the pipe can deliver, and the ways in which a day stands out."""
    sigma, points, design = days.sigma_kwh, days.points, _design(days)
    steps = limits.min_steps * points.energy_step_kwh[:, None]
    # A building's master jumps with its flats or with what no flat counts: that is the balance's business.
    master = np.isin(np.arange(len(points)), points.parent)
    able = days.active & ~master[:, None] & days.complete & ((days.energy_bits & ESTIMATED) == 0)
    known = _learned(days, limits)
    learned = known | ~days.in_season
    with np.errstate(invalid="ignore", divide="ignore"):
        able &= excess > steps
        day = (excess > limits.day_z * sigma) & (excess > limits.day_percent / 100.0 * expected)
        day &= excess > np.where(days.in_season, limits.day_load_percent / 100.0, limits.off_season_loads) * design
        high = (excess > limits.robust_z * sigma) & (excess > limits.min_percent / 100.0 * expected)
        high &= able & learned & (excess > limits.load_percent / 100.0 * design)
        # Where nobody knows the building's size, only a signature that knows such days can tell.
        day &= learned | np.isfinite(points.design_load_kw)[:, None]
        lasting = (excess > limits.lasting_z * sigma) & (excess > limits.lasting_percent / 100.0 * expected)
        cools = days.drop_k / days.area_drop_k / days.usual_drop
        lasting &= able & known & (cools < limits.drop_percent / 100.0)
        warm = able & known & (cools < limits.warm_percent / 100.0)
        # More than the meter's pipe can deliver (V8) is a jump whatever the weather: no signature is needed to say so.
        impossible = ((days.energy_bits & RANGE) != 0) & (days.energy_kwh > steps)
    needed = np.where(days.in_season, limits.days, limits.days + 1)
    ways = {
        "day": day & able,
        "days": persistent(high, limits.days, limits.days)
        & (trailing_sum(high.astype(np.float64), limits.days + 1) >= needed - 0.5),
        "lasting": persistent(lasting, limits.lasting_days, limits.lasting_days),
        "warm": _warm(limits, expected, excess, sigma, warm),
        "shift": _shifted(limits, expected, excess, sigma, design, able & learned & days.in_season),
        "impossible": impossible,
    }
    mask: Bool = np.logical_or.reduce(list(ways.values()))
    return mask, impossible, ways


def _warm(limits: Jump, expected: Float64, excess: Float64, sigma: Float64, able: Bool) -> Bool:
    """Days at whose end the water has come back warmer for days, and the excess of all of them is beyond chance."""
    n = limits.warm_days
    # One day far out is no warm week: a day counts for its band at most.
    most = np.minimum(np.nan_to_num(excess), limits.robust_z * np.nan_to_num(sigma))
    total = trailing_sum(np.where(able, most, 0.0), n)
    due = trailing_sum(np.where(able, np.nan_to_num(expected), 0.0), n)
    # Days that spread by chance spread together by the root of their squares.
    spread = np.sqrt(trailing_sum(np.where(able, np.nan_to_num(sigma), 0.0) ** 2, n))
    mask = (total > limits.warm_share_percent / 100.0 * due) & (total > limits.warm_z * spread)
    result: Bool = mask & persistent(able, n, n)
    return result


def _shifted(limits: Jump, expected: Float64, excess: Float64, sigma: Float64, design: Float64, able: Bool) -> Bool:
    """Days at whose end the excess of the last days has added up to a shift of the level."""
    n = limits.shift_days
    total = trailing_sum(np.where(able, np.nan_to_num(excess), 0.0), n)
    due = trailing_sum(np.where(able, np.nan_to_num(expected), 0.0), n)
    spread = trailing_sum(np.where(able, np.nan_to_num(sigma), 0.0), n)
    mask = (total > limits.shift_percent / 100.0 * due) & (total > limits.shift_z * spread)
    mask &= total > limits.load_percent / 100.0 * n * design
    result: Bool = mask & persistent(able, n, n - 1)
    return result


def _findings(
    days: Days, limits: Jump, masks: tuple[Bool, Bool, dict[str, Bool]], expected: Float64, excess: Float64
) -> list[Finding]:
    mask, impossible, ways = masks
    lead = {
        "days": limits.days - 1,
        "lasting": limits.lasting_days - 1,
        "warm": limits.warm_days - 1,
        "shift": limits.shift_days - 1,
    }
    excess = np.where(np.isfinite(excess), excess, np.nan_to_num(days.energy_kwh))
    expected = np.nan_to_num(expected)
    sigma = np.where(np.isfinite(days.sigma_kwh), days.sigma_kwh, np.inf)
    found = []
    for row, first, end in runs(mask, bridge=1):
        alone = ways["day"][row, first] or impossible[row, first]
        begin = (
            first if alone else max(0, first - max(lead.get(name, 0) for name, way in ways.items() if way[row, first]))
        )
        span = slice(begin, end)
        over = float(np.sum(np.maximum(excess[row, span], 0.0)))
        peak = begin + int(np.argmax(excess[row, span]))
        ratio = 100.0 * float(excess[row, peak]) / max(float(expected[row, peak]), 1e-9)
        z = float(excess[row, peak] / sigma[row, peak])
        band = limits.robust_z * float(sigma[row, peak]) if np.isfinite(sigma[row, peak]) else 0.0
        found.append(
            Finding(
                row,
                Kind.JUMP,
                "H17",
                Severity.CRITICAL if ratio > limits.fail_percent else Severity.WARNING,
                int(days.bounds[begin]),
                int(days.bounds[end]),
                float(days.energy_kwh[row, peak]),
                max(0.0, float(expected[row, peak] - band)),
                float(expected[row, peak] + band),
                "kWh/d",
                over,
                0.9 if impossible[row, peak] else float(min(0.99, 0.6 + 0.02 * z)),
                {"robust_z": z, "expected_kwh": float(expected[row, peak]), "days": float(end - begin)},
                int(days.bounds[first + 1]),
            )
        )
    return found
