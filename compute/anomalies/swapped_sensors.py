"""Swapped sensors: water flows and the return is warmer than the supply (H6)."""

from dataclasses import dataclass

import numpy as np

from compute.days import Days
from compute.findings import Finding, Kind, Severity, persistent, runs


@dataclass(frozen=True, slots=True)
class SwappedSensors:
    """`hours` a day with flow and a reversed difference, on `days` days; `difference_k` on average. Where
    temperatures come a few times a day only, every one of them, on `sparse_days` days.
    """

    hours: float = 6.0
    days: int = 2
    sparse_days: int = 4
    difference_k: float = 1.0
    flow_steps: float = 5.0


def detect(days: Days, limits: SwappedSensors) -> list[Finding]:
    """One finding a run of days with a reversed difference; in summer standby there is no flow."""
    reverse = days.return_c - days.supply_c
    # Without hourly volumes, the day's volume says whether water flowed.
    steps = limits.flow_steps * days.points.volume_step_m3[:, None]
    flows = (days.reversed_h >= 1) | (~np.isfinite(days.idle_h) & days.usable & (days.volume_m3 > steps))
    mask = flows & (reverse > limits.difference_k) & days.active & days.in_season
    often = persistent(mask & (days.reversed_h >= limits.hours), limits.days, limits.days)
    sparse = persistent(mask, limits.sparse_days, limits.sparse_days)
    found = []
    for row, first, end in runs(often | sparse, bridge=2):
        begin = max(0, first - (limits.days if often[row, first] else limits.sparse_days) + 1)
        span = slice(begin, end)
        stake = float(np.nansum(np.maximum(days.expected_kwh[row, span] - days.energy_kwh[row, span], 0.0)))
        found.append(
            Finding(
                row, Kind.SWAPPED_SENSORS, "H6", Severity.CRITICAL, int(days.bounds[begin]), int(days.bounds[end]),
                float(np.nanmedian(reverse[row, span])), -100.0, 0.5, "K", stake, 0.95,
                {"reversed_h": float(np.nansum(days.reversed_h[row, span]))}, int(days.bounds[first + 1]),
            )
        )  # fmt: skip
    return found
