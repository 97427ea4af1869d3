"""A town in plain Python: points as objects, their days as lists, and the few words in which the rules' twins speak.

Rules: no NumPy, no kernels; a day is a position, a stretch is [first, end); NaN is "unknown" and never counts.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, TypeVar

from compute.days import Days

HOUR_US, DAY_US = 3_600_000_000, 86_400_000_000
NAN = math.nan
Marks = list[bool]
T = TypeVar("T")


class Flat(SimpleNamespace):
    """A point: what the registry knows as plain numbers, its days as lists; names as in `compute.days`."""


@dataclass(frozen=True, slots=True, order=True)
class Told:
    """A finding without its words: who, which rule, how urgent, when, from when on it could be known, and its
    numbers.
    """

    point: int
    rule: str
    severity: str
    from_us: int
    to_us: int
    noticed_us: int
    observed: float
    low: float
    high: float
    stake_kwh: float = 0.0


@dataclass(frozen=True, slots=True)
class Town:
    """Points in order, and the midnights: one more than days."""

    flats: list[Flat]
    midnights: list[int]
    now_us: int

    @property
    def days(self) -> range:
        """Positions of the days."""
        return range(len(self.midnights) - 1)

    def hours_of(self, d: int) -> float:
        """Length of a day; the change to summer time makes one of 23."""
        return (self.midnights[d + 1] - self.midnights[d]) / HOUR_US

    def each(self, of: Callable[[Flat, int], float]) -> list[list[float]]:
        """A figure of every flat and day."""
        return [[of(flat, d) for d in self.days] for flat in self.flats]

    def median(self, figures: Sequence[Sequence[float]], group: str, least: int) -> list[list[float]]:
        """What is usual in each flat's `group` ("area", "building") that day; NaN where fewer than `least` are
        known.
        """
        numbers = [getattr(flat, group) for flat in self.flats]
        usual = {
            number: [
                median([row[d] for row, own in zip(figures, numbers, strict=True) if own == number], least)
                for d in self.days
            ]
            for number in set(numbers)
        }
        return [usual[number] if number >= 0 else [NAN] * len(self.days) for number in numbers]

    def told(
        self,
        at: int,
        rule: tuple[str, str],
        days: tuple[int, int],
        noticed: int,
        seen: tuple[float, float, float],
        stake_kwh: float = 0.0,
    ) -> Told:
        """A finding of whole days. `rule`: its name and how urgent; `noticed`: the midnight from which it could be
        known; `seen`: what was observed and the band that was expected.
        """
        first, end = (self.midnights[day] for day in days)
        return Told(at, *rule, first, end, self.midnights[noticed], *seen, stake_kwh)

    def children(self, at: int) -> list[int]:
        """The flats below a building's own meter."""
        return [other for other, flat in enumerate(self.flats) if flat.parent == at]


def town_of(days: Days) -> Town:
    """The view of days as a town."""
    facts = {name: getattr(days.points, name).tolist() for name in type(days.points).__slots__}
    columns: dict[str, Any] = {
        name: getattr(days, name).tolist()
        for name in type(days).__slots__
        if name not in ("bounds", "now_us", "points")
    }
    flats = [
        Flat(number=at, **{name: own[at] for name, own in (facts | columns).items()}) for at in range(len(days.points))
    ]
    for flat in flats:
        flat.active = [state == 0 for state in flat.state]
    return Town(flats, days.bounds.tolist(), days.now_us)


def known(value: float) -> bool:
    """Whether there is a value."""
    return math.isfinite(value)


def or_zero(value: float) -> float:
    """A value, 0 where it is unknown."""
    return 0.0 if math.isnan(value) else value


def total(values: Sequence[float]) -> float:
    """Sum of what is known."""
    return math.fsum(or_zero(value) for value in values)


def over(value: float, by: float) -> float:
    """A division that knows no error: nothing by nothing is unknown."""
    if by == 0.0:
        return NAN if value == 0.0 or math.isnan(value) else math.copysign(math.inf, value)
    return value / by


def median(values: Sequence[float], least: int = 1) -> float:
    """Median of what is known, NaN where that is fewer than `least`."""
    own = [value for value in values if not math.isnan(value)]
    return statistics.median(own) if own and len(own) >= least else NAN


def last(values: Sequence[T], d: int, days: int) -> Sequence[T]:
    """The values of a day and of the days before it, `days` in all."""
    return values[max(0, d - days + 1) : d + 1]


def lasting(marks: Sequence[bool], days: int, needed: int) -> Marks:
    """Days that are marked, as are at least `needed` of the last `days`."""
    return [own and sum(last(marks, d, days)) >= needed for d, own in enumerate(marks)]


def stretches(marks: Sequence[bool], bridge: int = 0) -> list[tuple[int, int]]:
    """Stretches of marked days, gaps of up to `bridge` days closed."""
    found: list[tuple[int, int]] = []
    for d, own in enumerate(marks):
        if own and found and d - found[-1][1] <= bridge:
            found[-1] = (found[-1][0], d + 1)
        elif own:
            found.append((d, d + 1))
    return found


def weeks_before(values: Sequence[float], d: int, window: int = 42, gap: int = 7, least: int = 10) -> float:
    """What was usual from `window` to `gap` days before the week of a day; NaN where fewer than `least` are known."""
    week = d - d % 7
    return median(values[max(0, week - window) : max(0, week - gap)], least)


def has_seen(flat: Flat, d: int, share: float, least: int) -> bool:
    """Whether of the 56 days before, at least `least` heating days were `share` as cold as this one."""
    cold = [hdd if known(hdd) else or_zero(load) for hdd, load in zip(flat.hdd_k, flat.load_kwh, strict=True)]
    seen = [e for e in range(max(0, d - 56), d) if flat.in_season[e] and cold[e] >= share * cold[d]]
    return len(seen) >= least


def cold_enough(flat: Flat, d: int, hdd_k: float) -> bool:
    """Whether a day is a cold one; where nobody knows the weather it may be."""
    return not known(flat.hdd_k[d]) or bool(flat.hdd_k[d] > hdd_k)
