"""Neighbours: far less heat per square metre than the same house uses, for weeks (H17).

Where the house is unknown or small, the area stands in, with a lower bound: its buildings differ.

Finds what was wrong from the first day on, which no signature of the point can show. A point that used its share
before and less now is the business of its own signature. Days whose use is estimated are not judged.
"""

from dataclasses import dataclass

import numpy as np

from compute.days import Days
from compute.findings import Finding, Kind, Severity, group_median, persistent, runs, trailing_sum
from compute.signature import usual_before


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Intensity over `days` heating days, `lasting_days` in a row, below `percent` of the house's median and `robust_z`
    spreads (of logarithms) away, and never `usual_percent` of it in the weeks before; without a house, below
    `area_percent` of the area's, where the heated areas of `area_least` points are known.
    """

    percent: float = 30.0
    robust_z: float = 3.0
    days: int = 28
    lasting_days: int = 7
    least: int = 6
    usual_percent: float = 60.0
    area_percent: float = 20.0
    area_least: int = 20
    hdd_k: float = 8.0


def detect(days: Days, limits: Neighbours) -> list[Finding]:
    """One finding a run of days on which the last four weeks stand out."""
    cold = np.where(np.isfinite(days.hdd_k), days.hdd_k > limits.hdd_k, True)
    counted = days.active & days.in_season & cold & days.usable & np.isfinite(days.energy_kwh)
    size = np.where(np.isfinite(days.points.heated_area_m2), days.points.heated_area_m2, 1.0)[:, None]
    use = trailing_sum(np.where(counted, days.energy_kwh / size, 0.0), limits.days)
    n = trailing_sum(counted.astype(np.float64), limits.days)
    with np.errstate(invalid="ignore", divide="ignore"):
        intensity = np.where(n >= 0.75 * limits.days, use / n, np.nan)
        house = group_median(intensity, days.points.building, least=limits.least)
        measured = np.where(np.isfinite(days.points.heated_area_m2)[:, None], intensity, np.nan)
        area = group_median(measured, days.points.area, least=limits.area_least)
        alone = ~np.isfinite(house)
        median = np.where(alone, np.where(np.isfinite(measured), area, np.nan), house)
        percent = np.where(alone, limits.area_percent, limits.percent)
        away = np.log(np.maximum(intensity, 1e-9) / median)
        spread = 1.4826 * np.where(
            alone,
            group_median(np.abs(away), days.points.area, least=limits.area_least),
            group_median(np.abs(away), days.points.building, least=limits.least),
        )
        mask = (intensity < percent / 100.0 * median) & (away < -limits.robust_z * np.maximum(spread, 0.1))
        mask &= counted & (intensity > 0.02 * median)
        usual = usual_before(away, window=limits.days + 56, gap=limits.days)
        mask &= ~(usual > np.log(limits.usual_percent / 100.0))
    found = []
    lasting = persistent(mask, limits.lasting_days, limits.lasting_days)
    for row, first, end in runs(lasting, bridge=14):
        begin = max(0, first - limits.days - limits.lasting_days + 2)
        seen, norm = float(intensity[row, end - 1]), float(median[row, end - 1])
        missing = max(norm - seen, 0.0) * float(size[row, 0]) * (end - begin)
        found.append(
            Finding(
                row, Kind.NEIGHBOURS, "H17", Severity.WARNING, int(days.bounds[begin]), int(days.bounds[end]), seen,
                float(percent[row, end - 1]) / 100.0 * norm, 3.0 * norm, "kWh/m2/d", missing, 0.7,
                {"house_median": norm}, int(days.bounds[first + 1]),
            )
        )  # fmt: skip
    return found
