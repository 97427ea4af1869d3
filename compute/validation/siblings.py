"""Siblings: registers of one meter that must move together (V18, H5).

Heat needs water: energy that advances while the volume stands still was not measured. Operating hours that stand still
are the business of `compute.anomalies.behind`.
"""

from dataclasses import dataclass

import numpy as np

from compute.days import Days
from compute.findings import Finding, Kind, Severity, persistent, runs
from compute.signature import KWH_PER_M3K


@dataclass(frozen=True, slots=True)
class Siblings:
    """Energy above `energy_steps` display steps a day without any volume on `days` days, where even at a difference of
    `difference_max_k` the water would have been worth `volume_steps` display steps.
    """

    energy_steps: float = 2.0
    volume_steps: float = 3.0
    difference_max_k: float = 90.0
    days: int = 2


def detect(days: Days, limits: Siblings) -> list[Finding]:
    """One finding a run of days with energy and without flow."""
    points = days.points
    with np.errstate(invalid="ignore"):
        used = days.energy_kwh > limits.energy_steps * points.energy_step_kwh[:, None]
        least_m3 = days.energy_kwh / (KWH_PER_M3K * limits.difference_max_k)
        seen = least_m3 > limits.volume_steps * points.volume_step_m3[:, None]
        dry = used & seen & (days.volume_m3 == 0.0) & days.complete & (points.volume_step_m3 > 0)[:, None]
    mask = persistent(dry & days.active, limits.days, limits.days)
    found = []
    for row, first, end in runs(mask, bridge=2):
        begin = max(0, first - limits.days + 1)
        energy = float(np.nansum(days.energy_kwh[row, begin:end]))
        found.append(
            Finding(
                row, Kind.SENSOR_FAULT, "H5", Severity.CRITICAL, int(days.bounds[begin]), int(days.bounds[end]), 0.0,
                energy / (KWH_PER_M3K * limits.difference_max_k), energy / KWH_PER_M3K, "m3", energy, 0.9,
                {"days": float(end - begin), "expected_kwh": energy}, int(days.bounds[first + 1]),
            )
        )  # fmt: skip
    return found
