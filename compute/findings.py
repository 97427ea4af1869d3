"""Findings: what a rule or detector saw, in numbers that explain it.

A finding never says more than it knows: the observed value, the band that was expected, the energy at stake and how
sure the rule is. Whether a person must look at it is decided by whoever keeps the alerts.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from compute.kernels.compiled import Bool, Float64, Int64
from compute.kernels.medians import group_medians
from compute.kernels.rolling import lasting, trailing_sums


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
    # Noted, never raised as alerts.
    SIZE = "size"
    INTERVAL_SIZE = "interval_size"


class Severity(StrEnum):
    """How urgent: info explains, warning is for the queue, critical blocks a bill or loses money every day."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Finding:
    """One occurrence at one point. `point`: position in the block; times are int64 epoch microseconds, half-open.

    `observed`, `expected_low`, `expected_high` are in `unit`; `details`: further numbers by name, units in the names.
    `noticed_us`: the instant from which the evidence sufficed; 0 where nobody knows.
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
    noticed_us: int = 0


def grade(failed: bool) -> Severity:
    """Critical for a FAIL, warning for a WARN."""
    return Severity.CRITICAL if failed else Severity.WARNING


def runs(mask: Bool, *, bridge: int = 0) -> Iterator[tuple[int, int, int]]:
    """Runs of True in each row of a (p, d) mask: (row, first, end), end exclusive, gaps of up to `bridge` closed."""
    for row in np.flatnonzero(mask.any(axis=1)):
        days: Int64 = np.flatnonzero(mask[row])
        breaks = np.flatnonzero(np.diff(days) > 1 + bridge)
        starts = np.concatenate(([0], breaks + 1))
        ends = np.concatenate((breaks, [len(days) - 1]))
        for first, last in zip(starts, ends, strict=True):
            yield int(row), int(days[first]), int(days[last]) + 1


def trailing_sum(values: NDArray[np.floating], days: int) -> Float64:
    """(p, d) sum of each day and the days before it, `days` in all; NaN counts as nothing."""
    figures = values if values.dtype == np.float32 else np.asarray(values, np.float64)
    result = np.empty(values.shape)
    trailing_sums(np.ascontiguousarray(figures), days, result)
    return result


def persistent(mask: Bool, days: int, needed: int) -> Bool:
    """Days on which the mask held on at least `needed` of the last `days` days, and holds."""
    result = np.empty(mask.shape, np.bool_)
    lasting(np.ascontiguousarray(mask), days, needed - 0.5, result)
    return result


def group_median(values: NDArray[np.floating], group: Int64, *, least: int = 4) -> Float64:
    """(p, d) median of each row's group on each day; NaN where fewer than `least` members are known. Group -1 has
    none.
    """
    result = np.full(values.shape, np.nan)
    members = np.flatnonzero(group >= 0)
    order = members[np.argsort(group[members], kind="stable")]
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    bounds = np.append(starts, len(order)).astype(np.int64)
    group_medians(np.ascontiguousarray(values, np.float64), order, bounds, least, result)
    return result
