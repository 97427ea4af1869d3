"""Findings: what a rule or detector saw, in numbers that explain it.

A finding never says more than it knows: the observed value, the band that was expected, the energy at stake and how
sure the rule is. Whether a person must look at it is decided by whoever keeps the alerts.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from compute.kernels.compiled import Bool, Int64


class Kind(StrEnum):
    """Kinds of alerts; the public names."""

    ZERO_USE = "zero_use"
    LOW_USE = "low_use"
    JUMP = "jump"
    STATIC = "static"
    LEAKAGE = "leakage"
    UNDERCOOLING = "undercooling"
    SWAPPED_SENSORS = "swapped_sensors"
    SENSOR_FAULT = "sensor_fault"
    UNIT_ERROR = "unit_error"
    FACTOR_ERROR = "factor_error"
    BEHIND = "behind"
    USE_WHILE_INACTIVE = "use_while_inactive"
    NEIGHBOURS = "neighbours"
    BALANCE = "balance"
    DECREASE = "decrease"
    GARBAGE = "garbage"
    COMMS_LOSS = "comms_loss"
    CLOCK = "clock"


class Severity(StrEnum):
    """How urgent: info explains, warning is for the queue, critical blocks a bill or loses money every day."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Finding:
    """One occurrence at one point. `point`: position in the block; times are int64 epoch microseconds, half-open.

    `observed`, `expected_low`, `expected_high` are in `unit`; `details`: further numbers by name, units in the names.
    """

    point: int
    kind: Kind
    rule: str
    severity: Severity
    from_us: int
    to_us: int
    observed: float
    expected_low: float
    expected_high: float
    unit: str
    energy_at_stake_kwh: float = 0.0
    confidence: float = 0.5
    details: dict[str, float] = field(default_factory=dict)


def runs(mask: Bool, *, bridge: int = 0) -> Iterator[tuple[int, int, int]]:
    """Runs of True in each row of a (p, d) mask: (row, first, end), end exclusive, gaps of up to `bridge` closed."""
    for row in np.flatnonzero(mask.any(axis=1)):
        days: Int64 = np.flatnonzero(mask[row])
        breaks = np.flatnonzero(np.diff(days) > 1 + bridge)
        starts = np.concatenate(([0], breaks + 1))
        ends = np.concatenate((breaks, [len(days) - 1]))
        for first, last in zip(starts, ends, strict=True):
            yield int(row), int(days[first]), int(days[last]) + 1
