"""Rules and rule sets: what is checked, with which thresholds.

Rules: a threshold class is a frozen dataclass whose field names carry their units; its defaults are the catalogue's.
A rule set holds only what differs, as plain JSON, belongs to a group of meters and has a version. Unknown names and
wrong types are refused: a mistyped threshold must not silently leave the default.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from compute.days import Days
from compute.findings import Finding

T = TypeVar("T")
Settings = Mapping[str, Mapping[str, float | int | bool]]


class RuleError(ValueError):
    """A setting that no rule knows, or a value that does not fit it."""


class Named(Protocol):
    """Anything with a name in a rule set and a class of thresholds: a rule, or a part of the first stage."""

    @property
    def name(self) -> str:
        """Key of its settings."""

    @property
    def thresholds(self) -> type[Any]:
        """Dataclass or named tuple of numbers with defaults."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Thresholds that no rule over days owns: those of the first stage."""

    name: str
    thresholds: type[Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """One detector or validation over days: its `name`, the class of its thresholds, and the check itself.

    `check(days, thresholds)` returns findings with points as positions in `days`. Rules stand in the engine's order.
    """

    name: str
    thresholds: type[Any]
    check: Callable[[Days, Any], list[Finding]]


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Thresholds of a group of meters. `rule_set_id`: the stored version that results name."""

    rule_set_id: int = 0
    settings: Settings = field(default_factory=dict)

    def of(self, name: str, thresholds: type[T]) -> T:
        """The thresholds of the rule `name`: the defaults of its class, with this set's settings over them.

        Raises
        ------
        RuleError
            A setting's name or type does not fit.
        """
        known = defaults_of(thresholds)
        values: dict[str, Any] = {}
        for key, value in self.settings.get(name, {}).items():
            if key not in known:
                raise RuleError(f"{name}.{key}: no such threshold; there are {', '.join(sorted(known))}")
            default = known[key]
            number = isinstance(value, int | float) and math.isfinite(value)
            if isinstance(value, bool) != isinstance(default, bool) or not number:
                raise RuleError(f"{name}.{key}: {value!r} where {default!r} is the default")
            if isinstance(default, int) and value != int(value):
                raise RuleError(f"{name}.{key}: {value!r} where a whole number is needed")
            values[key] = type(default)(value)
        return thresholds(**values)

    def check(self, order: Iterable[Named]) -> None:
        """Refuse settings that no rule of `order` knows.

        Raises
        ------
        RuleError
            As `of`, or for the name of an unknown rule.
        """
        rules = {rule.name: rule for rule in order}
        for name in self.settings:
            if name not in rules or not isinstance(self.settings[name], Mapping):
                raise RuleError(f"{name}: no such rule; there are {', '.join(sorted(rules))}")
            self.of(name, rules[name].thresholds)


def defaults_of(thresholds: type[Any]) -> dict[str, Any]:
    """Names and defaults of a class of thresholds, a dataclass or a named tuple."""
    if dataclasses.is_dataclass(thresholds):
        return {item.name: item.default for item in dataclasses.fields(thresholds)}
    found: dict[str, Any] = dict(getattr(thresholds, "_field_defaults", {}))
    return found


def changed_settings(settings: Settings, order: Iterable[Named]) -> dict[str, dict[str, float | int | bool]]:
    """What in `settings` differs from the defaults: the form in which a rule set is stored."""
    rules = {rule.name: rule for rule in order}
    kept: dict[str, dict[str, float | int | bool]] = {}
    for name, values in settings.items():
        defaults = defaults_of(rules[name].thresholds)
        differing = {key: value for key, value in values.items() if defaults[key] != value}
        if differing:
            kept[name] = differing
    return kept
