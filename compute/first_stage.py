"""Thresholds of the first stage: what a rule set says about readings and hours before any day is judged.

Rules: these thresholds change consumption itself (marks, the shape of gaps, what passes for an advance), so a trial of
them is a trial of bills. Kernels get them as plain tuples of numbers.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from compute.estimation import GapLimits
from compute.estimation_beyond import BeyondLimits
from compute.rules import Rule, RuleSet, Thresholds
from compute.validation.limits import HourLimits


@dataclass(frozen=True, slots=True)
class Range:
    """V8: `difference_max_k`: widest temperature difference, P_max = 1.16·qs·ΔT_max."""

    difference_max_k: float = 120.0


# What a rule set may hold beside the rules over days.
FIRST_STAGE: tuple[Thresholds, ...] = (
    Thresholds("hours", HourLimits),
    Thresholds("gaps", GapLimits),
    Thresholds("range", Range),
    Thresholds("beyond", BeyondLimits),
)


@dataclass(frozen=True, slots=True)
class FirstStage:
    """The first stage's thresholds of one rule set. `rate_share`: allowed rate over that of the default difference."""

    hours: HourLimits = field(default_factory=HourLimits)
    gaps: GapLimits = field(default_factory=GapLimits)
    rate_share: float = 1.0


def first_stage(rules: RuleSet) -> FirstStage:
    """The first stage under a rule set.

    Raises
    ------
    RuleError
        A setting's name or type does not fit.
    """
    widest = rules.of("range", Range).difference_max_k
    return FirstStage(
        rules.of("hours", HourLimits), rules.of("gaps", GapLimits), max(widest, 0.0) / Range().difference_max_k
    )


def every_threshold(order: Iterable[Rule]) -> tuple[Thresholds, ...]:
    """Everything that a rule set may hold: the first stage's thresholds, then the rules' in the engine's order.

    Rules that share a class share their settings under each of their names.
    """
    known: dict[str, type[Any]] = {item.name: item.thresholds for item in FIRST_STAGE}
    known |= {rule.name: rule.thresholds for rule in order}
    return tuple(Thresholds(name, thresholds) for name, thresholds in known.items())
