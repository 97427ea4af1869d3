"""A new rule is a dataclass of thresholds, a function and one entry in the order: no migration, no change of the
API.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from compute import engine
from compute.days import Days, unknown_points
from compute.findings import Finding, Kind, Severity, runs
from compute.rules import Rule, RuleError, RuleSet, changed_settings
from compute.scene import Inputs, Scene
from compute.series import grid, index_series, no_index, no_samples

HOUR = 3_600_000_000
START = 1_767_571_200_000_000


@dataclass(frozen=True, slots=True)
class HungryDay:
    """A day that uses more than `limit_kwh`."""

    limit_kwh: float = 50.0


def hungry(days: Days, limits: HungryDay) -> list[Finding]:
    """One finding a run of hungry days."""
    return [
        Finding(
            row, Kind.JUMP, "X1", Severity.INFO, int(days.bounds[first]), int(days.bounds[end]),
            float(np.nanmax(days.energy_kwh[row, first:end])), 0.0, limits.limit_kwh, "kWh/d",
        )
        for row, first, end in runs(days.energy_kwh > limits.limit_kwh)
    ]  # fmt: skip


NEW = Rule("hungry_day", HungryDay, hungry)


def _findings(settings: dict[str, dict[str, float]]) -> list[Finding]:
    whole = grid(START + HOUR * np.arange(73), START + 24 * HOUR * np.arange(4))
    counts = np.cumsum([0] + [1] * 24 + [3] * 24 + [1] * 24)
    points, weather = unknown_points(1), np.full((1, 72), np.nan, np.float32)
    energy = index_series(whole.hours, counts, [0, 73], numerator=3_600_000)
    nothing, silent = no_index(1), no_samples(1)
    inputs = Inputs(whole, points, weather, energy, nothing, silent, silent, silent, nothing, nothing, nothing)
    scene = Scene(whole, points, np.zeros((1, 3), np.int8), weather, int(whole.hours[-1]))
    sets = {4: RuleSet(4, settings)}
    found = engine.run(scene, inputs, rule_sets=sets, order=(*engine.ORDER, NEW)).findings
    return [item for item in found if item.rule == "X1"]


def test_a_new_rule_runs_in_the_engines_order() -> None:
    found = _findings({})
    assert [(item.observed, item.expected_high) for item in found] == [(72.0, 50.0)]


def test_its_thresholds_come_from_the_rule_set() -> None:
    assert _findings({"hungry_day": {"limit_kwh": 80}}) == []


def test_a_mistyped_threshold_is_refused() -> None:
    with pytest.raises(RuleError, match="no such threshold"):
        _findings({"hungry_day": {"limit_kw": 80}})
    with pytest.raises(RuleError, match="no such rule"):
        RuleSet(1, {"hungry": {}}).check((NEW,))


def test_only_what_differs_is_stored() -> None:
    assert changed_settings({"hungry_day": {"limit_kwh": 50.0}}, (NEW,)) == {}
    assert changed_settings({"hungry_day": {"limit_kwh": 60.0}}, (NEW,)) == {"hungry_day": {"limit_kwh": 60.0}}
