"""What reviewers' verdicts say of a threshold: the precision of a rule, and the smallest change that would better it.

Rules: a proposal is only ever shown, with its evidence; nothing here changes a rule set. Verdicts exist for alerts that
were raised, so they can show that a rule is too eager, never that it sleeps: proposals tighten, they never loosen.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compute.findings import Kind

Details = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Judged:
    """An alert that a person has decided: what was observed, and whether the rule was right."""

    kind: str
    rule: str
    observed: float
    details: Details
    right: bool


@dataclass(frozen=True, slots=True)
class Lever:
    """The threshold that findings of a kind and rule hang on, and how to read a finding on its scale.

    `name`, `threshold`: as in a rule set; `stricter`: 1 where a higher threshold finds less, -1 where a lower one does.
    """

    kind: Kind
    rule: str
    name: str
    threshold: str
    stricter: int
    reading: Callable[[float, Details], float]


def _observed(observed: float, details: Details) -> float:
    return observed


def _size(observed: float, details: Details) -> float:
    return abs(observed)


def _detail(name: str) -> Callable[[float, Details], float]:
    def read(observed: float, details: Details) -> float:
        return details.get(name, math.nan)

    return read


def _share_of(name: str) -> Callable[[float, Details], float]:
    def read(observed: float, details: Details) -> float:
        whole = details.get(name, math.nan)
        return 100.0 * observed / whole if whole else math.nan

    return read


def _a_day(observed: float, details: Details) -> float:
    days = details.get("days", math.nan)
    return observed / days if days else math.nan


# Kinds that hang on several thresholds at once (leakage, undercooling, garbage …) have no lever: people decide.
LEVERS: tuple[Lever, ...] = (
    Lever(Kind.ZERO_USE, "V13", "zero_use", "warn_h", 1, _detail("zero_h")),
    Lever(Kind.LOW_USE, "V12", "low_use", "warn_percent", -1, _detail("share_percent")),
    Lever(Kind.JUMP, "H17", "jump", "robust_z", 1, _detail("robust_z")),
    Lever(Kind.COMMS_LOSS, "V4", "comms_loss", "warn_h", 1, _observed),
    Lever(Kind.CLOCK, "V2", "clock", "warn_s", 1, _detail("worst_s")),
    Lever(Kind.STATIC, "V15", "static", "hours", 1, _observed),
    Lever(Kind.SWAPPED_SENSORS, "H6", "swapped_sensors", "difference_k", 1, _observed),
    Lever(Kind.SENSOR_FAULT, "H7", "sensor_fault", "broken_h", 1, _observed),
    Lever(Kind.SENSOR_FAULT, "H8", "sensor_fault", "drift_k", 1, _size),
    Lever(Kind.BEHIND, "H14", "behind", "percent", -1, _observed),
    Lever(Kind.FACTOR_ERROR, "H1", "factor_error", "percent", 1, _size),
    Lever(Kind.NEIGHBOURS, "H17", "neighbours", "percent", -1, _share_of("house_median")),
    Lever(Kind.BALANCE, "H15", "balance", "high_percent", 1, _observed),
    Lever(Kind.USE_WHILE_INACTIVE, "V14", "use_while_inactive", "min_kwh", 1, _a_day),
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a rule: `precision`, of at least `verdicts` decided alerts, and which share of the right ones
    (`kept`) a proposal must not lose.
    """

    precision: float = 0.9
    verdicts: int = 10
    kept: float = 0.95


@dataclass(frozen=True, slots=True)
class Proposal:
    """A tighter threshold and its evidence: verdicts with the present one, and which of them would have remained."""

    kind: str
    rule: str
    name: str
    threshold: str
    current: float
    proposed: float
    right: int
    wrong: int
    right_kept: int
    wrong_kept: int

    @property
    def precision_before(self) -> float:
        """Share of right alerts among the decided ones."""
        return self.right / (self.right + self.wrong)

    @property
    def precision_after(self) -> float:
        """The same over what would have remained."""
        return self.right_kept / max(self.right_kept + self.wrong_kept, 1)

    def as_settings(self) -> dict[str, dict[str, float]]:
        """The proposal as a rule set holds it."""
        return {self.name: {self.threshold: self.proposed}}


def propose(judged: Iterable[Judged], thresholds: Callable[[str], Any], wanted: Wanted | None = None) -> list[Proposal]:
    """Tighter thresholds for rules whose verdicts fall short of what is wanted.

    Parameters
    ----------
    judged
        Decided alerts; undecided ones say nothing.
    thresholds
        The thresholds in force of a rule by name, as `compute.rules.RuleSet.of` gives them.
    wanted
        What is asked of a rule.

    Returns
    -------
    list of Proposal
        At most one a kind and rule; none where a rule is good enough, has too few verdicts, or no threshold parts right
        from wrong without losing too many right ones.
    """
    asked = wanted or Wanted()
    groups: dict[tuple[str, str], list[Judged]] = {}
    for item in judged:
        groups.setdefault((item.kind, item.rule), []).append(item)
    found = []
    for lever in LEVERS:
        own = groups.get((lever.kind.value, lever.rule), [])
        current = float(getattr(thresholds(lever.name), lever.threshold))
        proposal = _tightened(lever, own, current, asked)
        if proposal is not None:
            found.append(proposal)
    return found


def _tightened(lever: Lever, judged: Sequence[Judged], current: float, wanted: Wanted) -> Proposal | None:
    # On a scale on which more is stricter, whichever way the threshold points.
    read = [(lever.stricter * lever.reading(item.observed, item.details), item.right) for item in judged]
    known = sorted((value, right) for value, right in read if math.isfinite(value))
    right = sum(item for _, item in known)
    wrong = len(known) - right
    if len(known) < wanted.verdicts or right >= wanted.precision * len(known):
        return None
    best: tuple[float, float] | None = None
    right_kept, wrong_kept = right, wrong
    for (value, is_right), (following, _) in itertools.pairwise(known):
        right_kept, wrong_kept = right_kept - is_right, wrong_kept - (not is_right)
        if right_kept < wanted.kept * right or right_kept == 0:
            break
        middle = lever.stricter * _between(value, following)
        if value == following or lever.stricter * (middle - current) <= 0:
            continue
        precision = right_kept / (right_kept + wrong_kept)
        if best is None or precision > best[0]:
            best = precision, middle
        if precision >= wanted.precision:
            break
    if best is None or best[0] <= right / len(known):
        return None
    kept = [item for value, item in known if value > lever.stricter * best[1]]
    return Proposal(
        lever.kind.value, lever.rule, lever.name, lever.threshold, current, best[1], right, wrong, sum(kept),
        len(kept) - sum(kept),
    )  # fmt: skip


def _between(low: float, high: float) -> float:
    """The number with the fewest digits strictly between two, towards the middle."""
    middle = (low + high) / 2.0
    for digits in range(1, 17):
        short = float(f"{middle:.{digits}g}")
        if low < short < high:
            return short
    return middle
