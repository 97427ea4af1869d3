"""What the index itself says: it fell, its unit changed, it was garbage for a while (V6, V7, H3).

The sequence rules have decided on every reading already; here their marks become findings.
"""

from dataclasses import dataclass

import numpy as np

from compute.days import Days
from compute.findings import Finding, Kind, Severity, runs
from compute.kernels.compiled import Bool
from compute.quality import Quality

UNIT, RESET, GARBAGE, RESCALED = (
    int(flag) for flag in (Quality.UNIT, Quality.RESET, Quality.GARBAGE, Quality.RESCALED)
)


@dataclass(frozen=True, slots=True)
class Sequence:
    """`rejected`: answers a day that could not be read before a bus is called disturbed; `rejected_days`."""

    rejected: int = 3
    rejected_days: int = 1


def unit_error(days: Days, limits: Sequence) -> list[Finding]:
    """The index changed by what a unit or decimal place makes (V6, H3): the change itself where the bill waits for a
    person, every day since where it is counted in its own unit.
    """
    mask = _marked(days, UNIT | RESCALED)
    return [_finding(days, span, Kind.UNIT_ERROR, "V6", Severity.CRITICAL) for span in runs(mask)]


def decrease(days: Days, limits: Sequence) -> list[Finding]:
    """The index fell and stayed down, and no exchange is recorded (V7 e)."""
    # A volume that starts anew while the energy goes on has rolled over: few registries know its digits.
    counts_heat = np.isfinite(days.energy_kwh) @ np.ones((days.energy_kwh.shape[1], 1)) > 0
    mask = (((days.energy_bits & RESET) != 0) | (~counts_heat & _marked(days, RESET))) & ~_marked(days, UNIT)
    return [_finding(days, span, Kind.DECREASE, "V7", Severity.CRITICAL) for span in runs(mask)]


def garbage(days: Days, limits: Sequence) -> list[Finding]:
    """The index showed impossible values for a while, or the line delivers rubbish (V7 b, V17)."""
    mask = _marked(days, GARBAGE) | (days.rejected >= limits.rejected)
    return [_finding(days, span, Kind.GARBAGE, "V7", Severity.WARNING) for span in runs(mask, bridge=2)]


def _marked(days: Days, bit: int) -> Bool:
    result: Bool = ((days.energy_bits | days.volume_bits) & bit) != 0
    return result


def _finding(days: Days, span: tuple[int, int, int], kind: Kind, rule: str, severity: Severity) -> Finding:
    row, first, end = span
    stake = float(np.nansum(np.maximum(days.expected_kwh[row, first:end], 0.0)))
    return Finding(
        row, kind, rule, severity, int(days.bounds[first]), int(days.bounds[end]), float(end - first), 0.0, 0.0, "d",
        stake, 0.9, {"rejected": float(np.sum(days.rejected[row, first:end]))}, int(days.bounds[first + 1]),
    )  # fmt: skip
