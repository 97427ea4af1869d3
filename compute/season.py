"""Weather and season of the points: degree days, what stands in for them, and whether the network heats.

Where no weather is known, the area's own median use stands in. The network heats where it is cold and at least half
of the area's points use heat; so the day on which it starts is no anomaly of anybody.
"""

from dataclasses import dataclass

import numpy as np

from compute.findings import group_median
from compute.kernels.compiled import Bool, Float32, Float64, Int64

MIN_POINTS = 5


@dataclass(frozen=True, slots=True)
class Season:
    """`base_c`: heating limit for degree days; `heating_hdd_k`: degree days of a heating day; `users_percent`: of an
    area.
    """

    base_c: float = 18.0
    heating_hdd_k: float = 3.0
    users_percent: float = 50.0


@dataclass(frozen=True, slots=True)
class Climate:
    """(p, d) each: `hdd_k` NaN without weather, `load_kwh`, `peer_kwh`, `in_season`; see `compute.days.Days`."""

    hdd_k: Float64
    load_kwh: Float64
    peer_kwh: Float64
    in_season: Bool


def climate(
    energy_kwh: Float64, active: Bool, area: Int64, heated_area_m2: Float64, outdoor_c: Float64, limits: Season
) -> Climate:
    """Climate of every point's area.

    Parameters
    ----------
    energy_kwh, active
        (p, d) daily use and whether the point takes part.
    area
        (p,) int64, row of the point's area in `outdoor_c`.
    heated_area_m2
        (p,) NaN where unknown.
    outdoor_c
        (a, d) daily mean outside temperature, NaN where unknown.
    """
    p, d = energy_kwh.shape
    result = Climate(np.empty((p, d)), np.empty((p, d)), np.empty((p, d)), np.empty((p, d), np.bool_))
    for number in np.unique(area):
        rows = np.flatnonzero(area == number)
        hdd = np.maximum(0.0, limits.base_c - outdoor_c[number])
        use = np.where(active[rows], energy_kwh[rows], np.nan)
        counted = np.isfinite(use).sum(axis=0)
        users = (np.nan_to_num(use) > 0).sum(axis=0)
        enough = counted >= MIN_POINTS
        heats = users * 100.0 >= limits.users_percent * counted
        cold = np.where(np.isfinite(hdd), hdd > limits.heating_hdd_k, True)
        result.in_season[rows] = cold & np.where(enough, heats, True)
        result.hdd_k[rows] = hdd
        load = _median(use)
        result.load_kwh[rows] = load
        size = heated_area_m2[rows, None]
        per_m2 = _median(use / size) if np.isfinite(size).sum() >= MIN_POINTS else np.full(d, np.nan)
        result.peer_kwh[rows] = np.where(enough, np.where(np.isfinite(size), per_m2 * size, load), np.nan)
    return result


def degree_days(outdoor_c: Float32, days: Int64, base_c: float) -> Float64:
    """(d,) heating degree days of hourly outside temperatures (h,); NaN where fewer than half of a day is known."""
    result = np.full(len(days) - 1, np.nan)
    for d in range(len(result)):
        own = outdoor_c[days[d] : days[d + 1]]
        known = own[np.isfinite(own)]
        if 2 * len(known) >= len(own):
            result[d] = max(0.0, base_c - float(known.mean()))
    return result


def _median(values: Float64) -> Float64:
    """Median of each column over what is known and above zero; NaN where nothing is."""
    known = np.where(values > 0, values, np.nan)
    medians = group_median(known, np.zeros(len(known), np.int64), least=1)
    first: Float64 = medians[0]
    return first
