"""Leakage: water runs in every hour of the day although nobody heats (H10).

Where the volume is read once a day, or its display is too coarse for an hour, its daily mean stands for the lowest
hour, as long as the area rests: tap water would drown a drip. Water that gives off heat circulates for hot taps or
heats on a cool day, unless it began to run after a rest and runs as evenly as only a leak does.
"""

from dataclasses import dataclass

import numpy as np

from compute.days import Days
from compute.findings import Finding, Kind, Severity, group_median, persistent, runs
from compute.kernels.compiled import Bool, Float64


@dataclass(frozen=True, slots=True)
class Leakage:
    """Lowest hourly volume above `min_steps` display steps and `qp_percent` of qp on `days` days off season; of daily
    readings `daily_qp_percent` on `daily_days` days while the area's median is below `rest_percent` of that.
    `circulation_k`: cooling of water that circulates; `even_percent`: of the day's mean flow, that the lowest hour of
    a leak has nevertheless; `mild_hdd_k`: degree days up to which nobody heats.
    """

    min_steps: float = 2.0
    qp_percent: float = 0.5
    days: int = 3
    daily_qp_percent: float = 2.0
    daily_days: int = 7
    rest_percent: float = 10.0
    circulation_k: float = 6.0
    even_percent: float = 75.0
    mild_hdd_k: float = 3.0


def detect(days: Days, limits: Leakage) -> list[Finding]:
    """One finding a run of days off season without an hour of rest."""
    qp = np.nan_to_num(days.points.qp_m3h)
    least = np.maximum(limits.min_steps * days.points.volume_step_m3, limits.qp_percent / 100.0 * qp)
    flow = days.lowest_m3.astype(np.float64)
    usual = group_median(days.volume_m3, days.points.area, least=5)
    mild = np.where(np.isfinite(days.hdd_k), days.hdd_k, 0.0) <= limits.mild_hdd_k
    master = np.isin(np.arange(len(qp)), days.points.parent)
    with np.errstate(invalid="ignore"):
        # Cold, but the network rests: only water that gives off no heat is no early heating.
        shut = (usual == 0) & ~(days.drop_k > limits.circulation_k)
        quiet = ~days.in_season & (mild | shut)
        rested = np.maximum.accumulate(quiet & (flow <= least[:, None]), axis=1)
        even = flow * 24.0 >= limits.even_percent / 100.0 * days.volume_m3
        circulates = (days.drop_k > limits.circulation_k) & ~(rested & even)
    able = quiet & ((least > 0) & ~master)[:, None] & days.active & ~circulates
    hourly = persistent(able & (flow > least[:, None]), limits.days, limits.days)
    daily = persistent(able & _by_day(days, limits, usual), limits.daily_days, limits.daily_days)
    flow = np.where(np.isfinite(flow), flow, days.volume_m3 / 24.0)
    found = []
    for row, first, end in runs(hourly | daily, bridge=2):
        begin = max(0, first - (limits.days if hourly[row, first] else limits.daily_days) + 1)
        lowest = float(np.nanmin(flow[row, begin:end]))
        volume = float(np.nansum(days.volume_m3[row, begin:end]))
        found.append(
            Finding(
                row, Kind.LEAKAGE, "H10", Severity.CRITICAL, int(days.bounds[begin]), int(days.bounds[end]),
                lowest, 0.0, float(least[row]), "m3/h", 40.0 * volume, 0.9, {"volume_m3": volume},
                int(days.bounds[first + 1]),
            )
        )  # fmt: skip
    return found


def _by_day(days: Days, limits: Leakage, usual: Float64) -> Bool:
    """Days without hourly volumes whose mean flow is a leak's while the area rests."""
    least = limits.daily_qp_percent / 100.0 * np.nan_to_num(days.points.qp_m3h)[:, None]
    with np.errstate(invalid="ignore"):
        rests = usual / 24.0 < limits.rest_percent / 100.0 * least
        # An hour that is less than two counts of the display says nothing; a day does.
        coarse = limits.min_steps * days.points.volume_step_m3 > limits.qp_percent / 100.0 * days.points.qp_m3h
        blunt = ~np.isfinite(days.lowest_m3) | coarse[:, None]
        result: Bool = blunt & days.usable & rests & (days.volume_m3 / 24.0 > least)
    return result & (least > 0)
