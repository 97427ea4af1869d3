"""Use while suspended, vacant or closed: zero is normal there, use is the anomaly (V14)."""

from dataclasses import dataclass

import numpy as np

from compute.days import CLOSED, SUSPENDED, VACANT, Days
from compute.findings import Finding, Kind, grade, persistent, runs
from compute.quality import Quality

ESTIMATED = int(Quality.ESTIMATED)


@dataclass(frozen=True, slots=True)
class Inactive:
    """Energy above `min_steps` display steps and `min_kwh` a day on `days` days."""

    min_steps: float = 2.0
    min_kwh: float = 1.0
    days: int = 2
    fail_days: int = 7


def detect(days: Days, limits: Inactive) -> list[Finding]:
    """One finding a run of days with use."""
    least = np.maximum(limits.min_steps * days.points.energy_step_kwh, limits.min_kwh)
    shut = (days.state == SUSPENDED) | (days.state == VACANT) | (days.state == CLOSED)
    with np.errstate(invalid="ignore"):
        # A day of an estimated spread says nothing about when the energy was used.
        used = shut & (days.energy_kwh > least[:, None]) & ((days.energy_bits & ESTIMATED) == 0)
    found = []
    for row, first, end in runs(persistent(used, limits.days, limits.days), bridge=5):
        begin = max(0, first - limits.days + 1)
        total = float(np.nansum(days.energy_kwh[row, begin:end]))
        found.append(
            Finding(
                row, Kind.USE_WHILE_INACTIVE, "V14", grade(end - begin >= limits.fail_days), int(days.bounds[begin]),
                int(days.bounds[end]), total, 0.0, float(least[row]) * (end - begin), "kWh", total, 0.9,
                {"state": float(days.state[row, end - 1]), "days": float(end - begin)}, int(days.bounds[first + 1]),
            )
        )  # fmt: skip
    return found
