"""Scenario names and what they make: the one table that `heatbook simulate` and tests ask."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from simulators.chaos import chaos
from simulators.fleet import Fleet
from simulators.scenarios import DEMO_HISTORY, DEMO_SMALLEST, demo
from simulators.season import SEASON_DAYS, SEASON_START, season
from simulators.town_scenario import TOWN_DAYS, town
from simulators.training import TRAINING_DAYS, training


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario: what it is for, its usual size and length, and its maker (seed, meters, days, start)."""

    title: str
    meters: int
    days: int
    make: Callable[[int, int, int, datetime], Fleet]


def _demo(seed: int, meters: int, days: int, start: datetime) -> Fleet:
    return demo(seed=seed, meters=meters, origin=start + timedelta(days=days), ahead=timedelta(0))


def _season(seed: int, meters: int, days: int, start: datetime) -> Fleet:
    return season(seed=seed, meters=meters, days=days, start=start)


def _season_rich(seed: int, meters: int, days: int, start: datetime) -> Fleet:
    return season(seed=seed, meters=meters, days=days, start=start, rich=True)


SCENARIOS: dict[str, Scenario] = {
    "demo": Scenario("every protocol, two weeks of winter", DEMO_SMALLEST, DEMO_HISTORY.days, _demo),
    "season": Scenario("a heating year with true-to-life rates of faults", 10_000, SEASON_DAYS, _season),
    "season-rich": Scenario("the same with ten times the faults", 10_000, SEASON_DAYS, _season_rich),
    "chaos": Scenario("everything that goes wrong on the wire", 200, 30, chaos),
    "town": Scenario("a large town for the engine", 100_000, TOWN_DAYS, town),
    "training": Scenario("an exercise with answers for technicians", 60, TRAINING_DAYS, training),
}


def fleet_of(
    scenario: str, *, seed: int = 1, meters: int | None = None, days: int | None = None, start: datetime | None = None
) -> Fleet:
    """The fleet of a scenario.

    Raises
    ------
    KeyError
        Unknown scenario.
    ValueError
        Too few meters or days for it.
    """
    entry = SCENARIOS[scenario]
    return entry.make(seed, meters or entry.meters, days or entry.days, start or SEASON_START)
