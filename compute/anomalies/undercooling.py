"""Undercooling: the water goes back nearly as warm as it came (H9).

The temperature drop is taken from energy over volume, which needs no temperature reading; it is judged against the
point's own past, against the area, because a cold spell changes it for everybody, and against the house, whose
substation may.
"""

from dataclasses import dataclass

import numpy as np

from compute.days import Days
from compute.findings import Finding, Kind, grade, group_median, persistent, runs
from compute.signature import experienced


@dataclass(frozen=True, slots=True)
class Undercooling:
    """Drop below `own_percent` of the usual and `area_percent` of the area's on `days` days, and below `house_percent`
    of what the house does against its own usual; `fail_percent` of the area's; below `colder_percent` where no week
    of the weeks before was `cold_percent` as cold.
    """

    own_percent: float = 52.0
    area_percent: float = 65.0
    alone_percent: float = 40.0
    house_percent: float = 70.0
    cold_percent: float = 75.0
    colder_percent: float = 25.0
    fail_percent: float = 20.0
    days: int = 5


def detect(days: Days, limits: Undercooling) -> list[Finding]:
    """One finding a run of days with too small a temperature drop."""
    with np.errstate(invalid="ignore", divide="ignore"):
        drop, area, usual = days.drop_k, days.area_drop_k, days.usual_drop
        share = drop / area
        own = share < limits.own_percent / 100.0 * usual
        mask = days.in_season & np.where(
            np.isfinite(usual), own & (share < limits.area_percent / 100.0), share < limits.alone_percent / 100.0
        )
        # In a cold that it never saw, a heating at its limit cools less.
        cold = np.where(np.isfinite(days.hdd_k), days.hdd_k, np.nan_to_num(days.load_kwh))
        known = experienced(cold, days.in_season, days.points.area, share=0.01 * limits.cold_percent, least=7)
        mask &= known | ~np.isfinite(usual) | (share < limits.colder_percent / 100.0)
        changed = share / np.where(np.isfinite(usual), usual, 1.0)
        house = group_median(changed, days.points.building, least=4)
        mask &= ~(changed > limits.house_percent / 100.0 * house)
    found = []
    for row, first, end in runs(persistent(mask, limits.days, limits.days), bridge=3):
        begin = max(0, first - limits.days + 1)
        span = slice(begin, end)
        seen, norm = float(np.nanmedian(drop[row, span])), float(np.nanmedian(area[row, span]))
        volume = float(np.nansum(days.volume_m3[row, span]))
        found.append(
            Finding(
                row, Kind.UNDERCOOLING, "H9", grade(seen < limits.fail_percent / 100.0 * norm),
                int(days.bounds[begin]), int(days.bounds[end]),
                seen, 0.7 * norm, 1.5 * norm, "K", 0.02 * volume * max(norm - seen, 0.0), 0.8,
                {"volume_m3": volume, "area_difference_k": norm}, int(days.bounds[first + 1]),
            )
        )  # fmt: skip
    return found
