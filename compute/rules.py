"""Rules and rule sets: what is checked, with which thresholds.

Rules: a threshold class is a frozen dataclass whose field names carry their units; its defaults are the catalogue's.
A rule set holds only what differs, as plain JSON, belongs to a group of meters and has a version. Unknown names and
wrong types are refused: a mistyped threshold must not silently leave the default.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from compute.days import Days
from compute.findings import Finding

T = TypeVar("T")
Settings = Mapping[str, Mapping[str, float | int | bool]]


class RuleError(ValueError):
    """A setting that no rule knows, or a value that does not fit it."""


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
        known = {item.name: item for item in dataclasses.fields(thresholds)}  # type: ignore[arg-type]
        values: dict[str, Any] = {}
        for key, value in self.settings.get(name, {}).items():
            if key not in known:
                raise RuleError(f"{name}.{key}: no such threshold; there are {', '.join(sorted(known))}")
            default: Any = known[key].default
            if isinstance(value, bool) != isinstance(default, bool) or not isinstance(value, int | float):
                raise RuleError(f"{name}.{key}: {value!r} where {default!r} is the default")
            values[key] = type(default)(value)
        return thresholds(**values)

    def check(self, order: Iterable[Rule]) -> None:
        """Refuse settings that no rule of `order` knows.

        Raises
        ------
        RuleError
            As `of`, or for the name of an unknown rule.
        """
        rules = {rule.name: rule for rule in order}
        for name in self.settings:
            if name not in rules:
                raise RuleError(f"{name}: no such rule; there are {', '.join(sorted(rules))}")
            self.of(name, rules[name].thresholds)


def changed_settings(settings: Settings, order: Iterable[Rule]) -> dict[str, dict[str, float | int | bool]]:
    """What in `settings` differs from the defaults: the form in which a rule set is stored."""
    rules = {rule.name: rule for rule in order}
    kept: dict[str, dict[str, float | int | bool]] = {}
    for name, values in settings.items():
        defaults = rules[name].thresholds()
        differing = {key: value for key, value in values.items() if getattr(defaults, key) != value}
        if differing:
            kept[name] = differing
    return kept
