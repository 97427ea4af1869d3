"""Sensor fault: end of scale, a drifted supply sensor, air in the flow sensor, flow without energy (H4, H7, H8,
V16).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compute.days import FLOW, SENSOR, Days
from compute.findings import Finding, Kind, Severity, group_median, persistent, runs, trailing_sum
from compute.kernels.compiled import Bool
from compute.signature import KWH_PER_M3K, usual_before

# rule -> unit of what it observes
UNITS = {"H7": "h", "V16": "d", "H8": "K", "H4": "m3"}


@dataclass(frozen=True, slots=True)
class SensorFault:
    """`broken_h`: hours at the end of scale, or every temperature of `broken_days` days; `drift_k`, `drift_days`:
    supply against the area's; `flow_steps`: without energy, though worth `energy_steps`.
    """

    broken_h: float = 12.0
    broken_days: int = 2
    drift_k: float = 6.0
    drift_days: int = 3
    robust_z: float = 3.5
    device_days: int = 2
    flow_steps: float = 5.0
    flow_days: int = 3
    energy_steps: float = 4.0


def detect(days: Days, limits: SensorFault) -> list[Finding]:
    """One finding a rule and run of days."""
    area = group_median(np.where(days.volume_m3 > 0, days.supply_c, np.nan), days.points.area, least=5)
    with np.errstate(invalid="ignore"):
        drift = days.supply_c - area
        spread = 1.4826 * group_median(np.abs(drift), days.points.area, least=5)
        drifted = (np.abs(drift) > np.maximum(limits.drift_k, limits.robust_z * spread)) & (days.volume_m3 > 0)
        usual = usual_before(drift)
        drifted &= np.abs(drift - np.nan_to_num(usual)) > limits.drift_k
        steps = limits.flow_steps * days.points.volume_step_m3[:, None]
        warm = days.supply_c - days.return_c > 3.0
        dry = (days.energy_kwh == 0) & (days.volume_m3 > steps) & warm & (days.reversed_h < 3)
        # What the water gave off must be worth several counts of the energy display, or zero is only its coarseness.
        heat = trailing_sum(np.where(dry, KWH_PER_M3K * days.volume_m3 * days.area_drop_k, 0.0), limits.flow_days)
        dry &= heat > limits.energy_steps * days.points.energy_step_kwh[:, None]
    reported = (days.device & (SENSOR | FLOW)) != 0
    observed: dict[str, NDArray[Any]] = {
        "H7": days.broken_h,
        "V16": np.ones(drift.shape),
        "H8": drift,
        "H4": days.volume_m3,
    }
    limit = {"H7": limits.broken_h, "V16": 0.0, "H8": limits.drift_k, "H4": 0.0}
    masks: dict[str, tuple[Bool, int]] = {
        "H7": (_broken(days, limits), 1),
        "V16": (persistent(reported & days.active, limits.device_days, limits.device_days), limits.device_days),
        "H8": (
            persistent(drifted & days.active & days.in_season, limits.drift_days, limits.drift_days),
            limits.drift_days,
        ),
        "H4": (persistent(dry & days.active & days.in_season, limits.flow_days, limits.flow_days), limits.flow_days),
    }
    found = []
    for rule, (mask, lead) in masks.items():
        for row, first, end in runs(mask, bridge=3):
            begin = max(0, first - lead + 1)
            span = slice(begin, end)
            lost = float(np.nansum(np.maximum(days.expected_kwh[row, span] - days.energy_kwh[row, span], 0.0)))
            values = np.asarray(observed[rule][row, span], np.float64)
            seen = float(np.nanmedian(values)) if np.isfinite(values).any() else np.nan
            found.append(
                Finding(
                    row, Kind.SENSOR_FAULT, rule, Severity.CRITICAL if rule == "H7" else Severity.WARNING,
                    int(days.bounds[begin]), int(days.bounds[end]), seen, -limit[rule], limit[rule], UNITS[rule],
                    lost, 0.9, {"days": float(end - begin)}, int(days.bounds[first + 1]),
                )
            )  # fmt: skip
    return found


def _broken(days: Days, limits: SensorFault) -> Bool:
    """Days of a sensor at its end of scale, by hours or, where temperatures are read a few times a day, by days."""
    always = (days.broken_h >= 1) & ~np.isfinite(days.supply_c)
    whole = persistent(always, limits.broken_days, limits.broken_days)
    result: Bool = ((days.broken_h >= limits.broken_h) | whole) & days.active
    return result
