"""Leakage: water runs in every hour of the day although nobody heats (H10)."""

from dataclasses import dataclass

import numpy as np

from compute.days import Days
from compute.findings import Finding, Kind, Severity, persistent, runs


@dataclass(frozen=True, slots=True)
class Leakage:
    """Lowest hourly volume above `min_steps` display steps and `qp_percent` of qp on `days` days off season."""

    min_steps: float = 2.0
    qp_percent: float = 0.5
    days: int = 3


def detect(days: Days, limits: Leakage) -> list[Finding]:
    """One finding a run of days off season without an hour of rest."""
    qp = np.nan_to_num(days.points.qp_m3h)
    least = np.maximum(limits.min_steps * days.points.volume_step_m3, limits.qp_percent / 100.0 * qp)
    flow = days.lowest_m3.astype(np.float64)
    quiet = ~days.in_season & (np.where(np.isfinite(days.hdd_k), days.hdd_k, 0.0) <= 3.0)
    master = np.isin(np.arange(len(qp)), days.points.parent)
    mask = quiet & (flow > least[:, None]) & ((least > 0) & ~master)[:, None] & days.active
    found = []
    for row, first, end in runs(persistent(mask, limits.days, limits.days), bridge=2):
        begin = max(0, first - limits.days + 1)
        lowest = float(np.nanmin(flow[row, begin:end]))
        volume = float(np.nansum(days.volume_m3[row, begin:end]))
        found.append(
            Finding(
                row, Kind.LEAKAGE, "H10", Severity.CRITICAL, int(days.bounds[begin]), int(days.bounds[end]),
                lowest, 0.0, float(least[row]), "m3/h", 40.0 * volume, 0.9, {"volume_m3": volume},
            )
        )  # fmt: skip
    return found
