"""Marks of hours, the heat balance, like days and signatures in plain Python, slow and obvious. Imported by tests only.

Rules: lists, no NumPy; of the kernels only the water's formulas are shared, which are checked against IAPWS.
"""

import itertools
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from compute.quality import Quality

UNFIT = Quality.MISSING | Quality.PARTIAL | Quality.ESTIMATED | Quality.FAILED | Quality.INTERPOLATED
UNMEASURED = Quality.MISSING | Quality.PARTIAL | Quality.INTERPOLATED | Quality.FAILED
NOT_PASSED = (
    Quality.MISSING | Quality.PARTIAL | Quality.FAILED | Quality.QUESTIONABLE | Quality.RANGE | Quality.RESET
    | Quality.UNIT
)  # fmt: skip


def marks_of(uses: Sequence[int], bits: Sequence[int], days: Sequence[int], step: float, design: float) -> list[int]:
    """Bits of the hours of one point after V9 (spike), V10 (step) and the mark of what passed."""
    result = list(bits)
    for first, last in itertools.pairwise(days):
        if any(bits[k] & (Quality.MISSING | Quality.PARTIAL) for k in range(first, last)):
            continue
        ordered = sorted(uses[first:last], reverse=True)
        # A spike must be several display steps, and more than the house can use.
        large = ordered[0] >= 5.0 * step and (design <= 0 or ordered[0] > design)
        if large and len(ordered) > 2 and ordered[0] - ordered[2] > 1.8 * max(ordered[2], step):
            result[first + list(uses[first:last]).index(ordered[0])] |= Quality.SPIKE | Quality.QUESTIONABLE
        for k in range(max(first, 1), last):
            rise = uses[k] - uses[k - 1]
            if design > 0 and rise > 2.0 * uses[k - 1] and rise > 1.2 * design:
                result[k] |= Quality.QUESTIONABLE
    return [own if own & NOT_PASSED else own | Quality.VALIDATED for own in result]


@dataclass(frozen=True, slots=True)
class HeatHour:
    """One hour: mean temperatures (NaN unknown), use in kWh and m3, bits of both."""

    supply_c: float
    return_c: float
    energy_kwh: float
    volume_m3: float
    energy_bits: int = 0
    volume_bits: int = 0

    @property
    def told(self) -> bool:
        """Whether both sensors told something."""
        return not (math.isnan(self.supply_c) or math.isnan(self.return_c))

    @property
    def broken(self) -> bool:
        """Whether a sensor is at its end of scale."""
        return any(value == 0.0 or value >= 180.0 or value <= -20.0 for value in (self.supply_c, self.return_c))

    @property
    def flow_m3(self) -> float:
        """Measured volume, NaN where it was not measured."""
        return math.nan if self.volume_bits & UNMEASURED else self.volume_m3


@dataclass(frozen=True, slots=True)
class HeatDay:
    """As `compute.kernels.heat.HeatFigures` has it, None where nothing is known."""

    supply_c: float | None
    return_c: float | None
    measured_kwh: float
    balance_kwh: float
    reversed_h: int | None
    broken_h: int
    static_h: int
    idle_h: int | None


def heat_days_of(
    hours: Sequence[HeatHour], days: Sequence[int], heat_kwh: Callable[[float, float, float], float]
) -> list[HeatDay]:
    """Figures of each day. `heat_kwh`: heat of a volume between two temperatures at the meter's mounting side."""
    result, static = [], 0
    for first, last in itertools.pairwise(days):
        own = hours[first:last]
        good = [hour for hour in own if hour.told and not hour.broken]
        for k in range(first, last):
            if hours[k].told and not hours[k].broken:
                same = k > 0 and (hours[k].supply_c, hours[k].return_c) == (
                    hours[k - 1].supply_c,
                    hours[k - 1].return_c,
                )
                static = static + 1 if same else 0
        flowing = [hour for hour in good if hour.flow_m3 > 0]
        both = [hour for hour in flowing if not hour.energy_bits & UNMEASURED]
        known = [hour.flow_m3 for hour in own if not math.isnan(hour.flow_m3)]
        weight = [(hour.flow_m3, hour) for hour in flowing] or [(1.0, hour) for hour in good]
        whole = sum(share for share, _ in weight)
        result.append(
            HeatDay(
                sum(share * hour.supply_c for share, hour in weight) / whole if good else None,
                sum(share * hour.return_c for share, hour in weight) / whole if good else None,
                sum(hour.energy_kwh for hour in both),
                sum(heat_kwh(hour.volume_m3, hour.supply_c, hour.return_c) for hour in both),
                sum(hour.return_c > hour.supply_c + 0.5 for hour in flowing) if good else None,
                sum(hour.told and hour.broken for hour in own),
                static,
                sum(volume == 0 for volume in known) if known else None,
            )
        )
    return result


def like_days_of(
    fit: Sequence[bool],
    weekend: Sequence[bool],
    outdoor_c: Sequence[float],
    day: int,
    before: int,
    limits: tuple[int, int, float] = (6, 3, 5.0),
) -> list[int]:
    """The nearest days before `before` that are like `day`: the same class and temperature first, then the same
    temperature, then any. `limits`: days searched, wanted, and how much warmer or colder they may have been.
    """
    search, wanted, near_k = limits
    near = [other for other in range(before - 1, max(before - 1 - search, -1), -1) if fit[other]]

    def apart(other: int) -> bool:
        return abs(outdoor_c[other] - outdoor_c[day]) > near_k

    ranked = [other for other in near if not apart(other) and weekend[other] == weekend[day]]
    ranked += [other for other in near if not apart(other) and other not in ranked]
    ranked += [other for other in near if other not in ranked]
    return ranked[:wanted]


def fit_days_of(bits: Sequence[int], days: Sequence[int]) -> list[bool]:
    """Whether every hour of each day was measured."""
    return [not any(bits[k] & UNFIT for k in range(first, last)) for first, last in itertools.pairwise(days)]


def expectations_of(
    use: Sequence[float],
    x: Sequence[float],
    fit: Sequence[bool],
    season: Sequence[bool],
    numbers: Sequence[int],
    fitted: Callable[[list[float], list[float]], tuple[float, float]],
    floor: float,
) -> list[tuple[float, float] | None]:
    """Expectation and spread of each day from the 56 days before its week; None where fewer than 14 days teach.

    `fitted`: intercept and slope of a line through (x, use).
    """
    result: list[tuple[float, float] | None] = []
    for d in range(len(use)):
        begin = d
        while begin > 0 and numbers[begin] % 7:
            begin -= 1
        # A class that appears later in the week learns from the week's beginning, too.
        past = [e for e in range(max(0, begin - 56), begin) if fit[e] and season[e] == season[d]]
        if len(past) < 14 or math.isnan(x[d]):
            result.append(None)
            continue
        intercept, slope = fitted([use[e] for e in past], [x[e] for e in past])
        expected = max(0.0, intercept + slope * x[d])
        spread = 1.4826 * statistics.median(abs(use[e] - intercept - slope * x[e]) for e in past)
        result.append((expected, max(spread, floor, 0.03 * expected)))
    return result
