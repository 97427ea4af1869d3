"""Zero use: nothing counted on an active point while the network heats (V13, H17).

A zero hour is noise on a coarse register: the run must be long enough for so many display steps at the use that is
expected that low use would have shown.
"""

from dataclasses import dataclass

import numpy as np

from compute.days import Days
from compute.findings import Finding, Kind, Severity, runs
from compute.kernels.compiled import Bool, Float64

HOUR_US = 3_600_000_000
# Of the area's points: zero of so many is an incident of its own.
SHARE = 0.5


@dataclass(frozen=True, slots=True)
class ZeroUse:
    """`warn_h`, `fail_h`: hours without use; `peer_h`, `peer_percent`: where only the neighbours' use tells what to
    expect, and how little of it a thrifty point takes; `low_percent`: of its own habit, which is low use and not zero;
    `min_steps`: display steps that so little would show; `hdd_k`: degree
    days of a heating day; `robust_z`: spreads of the signature that the missing use is worth;
    `area_percent`: of the expectation, below which the area's median use means the network.
    """

    warn_h: float = 24.0
    peer_h: float = 48.0
    peer_percent: float = 25.0
    low_percent: float = 33.0
    fail_h: float = 72.0
    min_steps: float = 4.0
    hdd_k: float = 3.0
    robust_z: float = 3.0
    area_percent: float = 50.0


def detect(days: Days, limits: ZeroUse) -> list[Finding]:
    """One finding a run of zero use, from the last use to the end of the last day that saw none."""
    run_h = days.zero_run_h.astype(np.float64)
    expected = usual_use(days)
    hours = np.diff(days.bounds) / HOUR_US
    due = expected * run_h / hours
    # What neighbours use is no habit of the point's own.
    own = np.isfinite(days.expected_kwh)
    sure = due * np.where(own, limits.low_percent, limits.peer_percent) / 100.0
    steps = sure > limits.min_steps * np.maximum(days.points.energy_step_kwh, 1e-9)[:, None]
    # Where nothing is known of the point's use, only the long run counts.
    known = np.isfinite(expected)
    needed = np.where(own, limits.warn_h, np.where(known, limits.peer_h, limits.fail_h))
    cold = np.where(np.isfinite(days.hdd_k), days.hdd_k > limits.hdd_k, True)
    heating = days.active & days.in_season & cold
    # A run that readings no longer confirm is silence, not zero; and a day may be low by the point's own habits.
    confirmed = days.known_h * 2 >= hours
    spread = np.nan_to_num(days.sigma_kwh) * np.maximum(run_h / hours, 1.0)
    steps &= due > limits.robust_z * spread
    mask = heating & confirmed & (run_h >= needed) & (steps | ~known) & _heating_throughout(heating, run_h)
    mask &= ~_area_low(days, mask, limits)
    found = []
    for row, first, end in runs(mask, bridge=1):
        last = end - 1
        hours_zero = float(run_h[row, last])
        # The last day may not be over, and then nobody's use tells what to expect of it.
        told = expected[row, first:end][known[row, first:end]]
        usual = float(told[-1]) if len(told) else 0.0
        lost = usual * hours_zero / float(hours[last])
        failed = hours_zero >= limits.fail_h
        found.append(
            Finding(
                row,
                Kind.ZERO_USE,
                "V13",
                Severity.CRITICAL if failed else Severity.WARNING,
                int(days.bounds[first + 1] - run_h[row, first] * HOUR_US),
                int(days.bounds[end]),
                0.0,
                usual * 0.25,
                usual * 2.0,
                "kWh/d",
                lost,
                (0.95 if failed else 0.85) if len(told) else 0.6,
                {"zero_h": hours_zero, "expected_kwh": lost, "hdd_k": float(np.nan_to_num(days.hdd_k[row, last]))},
                int(days.bounds[first + 1]),
            )
        )
    return found


def _area_low(days: Days, mask: Bool, limits: ZeroUse) -> Bool:
    """Days on which the whole area uses little though few of its displays are fine enough to prove zero: the network.

    Where most of the points prove it, their findings stand and become one incident.
    """
    proven = np.zeros(mask.shape)
    for area in np.unique(days.points.area):
        rows = np.flatnonzero(days.points.area == area)
        proven[rows] = mask[rows].sum(axis=0) / np.maximum(days.active[rows].sum(axis=0), 1)
    with np.errstate(invalid="ignore"):
        result: Bool = (days.common < limits.area_percent / 100.0) & (proven < SHARE)
    return result


def usual_use(days: Days) -> Float64:
    """(p, d) kWh a day to expect: the signature's, else what the neighbours' median use means for the point, else
    NaN.
    """
    return np.where(np.isfinite(days.expected_kwh), days.expected_kwh, days.peer_kwh)


def _heating_throughout(heating: Bool, run_h: Float64) -> Bool:
    """Whether the point was to be heated on every day that the run touches: zero before that is no anomaly."""
    d = heating.shape[1]
    count = np.cumsum(heating, axis=1)
    back = np.minimum(np.ceil(run_h / 24.0).astype(np.int64), np.arange(1, d + 1)[None, :])
    before = np.arange(d)[None, :] - back
    earlier = np.where(before >= 0, np.take_along_axis(count, np.maximum(before, 0), axis=1), 0)
    result: Bool = count - earlier >= np.minimum(back, 3)
    return result
