"""Scenario names and what they make: the one table that `heatbook simulate` and tests ask."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from simulators.chaos import chaos
from simulators.fleet import Fleet
from simulators.scenarios import DEMO_HISTORY, DEMO_SMALLEST, demo
from simulators.season import SEASON_DAYS, SEASON_START, season_wanted
from simulators.town_scenario import TOWN_DAYS, town
from simulators.training import TRAINING_DAYS, training
from simulators.wanted import Display, Wanted


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario: what it is for, its usual size and length, and its maker."""

    title: str
    meters: int
    days: int
    make: Callable[[Wanted], Fleet]


def _demo(wanted: Wanted) -> Fleet:
    if wanted.climates or wanted.display:
        raise ValueError("the demo has its own places and displays")
    return demo(seed=wanted.seed, meters=wanted.meters, origin=wanted.end, ahead=timedelta(0))


def _season_rich(wanted: Wanted) -> Fleet:
    return season_wanted(wanted, rich=True)


SCENARIOS: dict[str, Scenario] = {
    "demo": Scenario("every protocol, two weeks of winter", DEMO_SMALLEST, DEMO_HISTORY.days, _demo),
    "season": Scenario("a heating year with true-to-life rates of faults", 10_000, SEASON_DAYS, season_wanted),
    "season-rich": Scenario("the same with ten times the faults", 10_000, SEASON_DAYS, _season_rich),
    "chaos": Scenario("everything that goes wrong on the wire", 200, 30, chaos),
    "town": Scenario("a large town for the engine", 100_000, TOWN_DAYS, town),
    "training": Scenario("an exercise with answers for technicians", 60, TRAINING_DAYS, training),
}


def fleet_of(
    scenario: str,
    *,
    seed: int = 1,
    meters: int | None = None,
    days: int | None = None,
    start: datetime | None = None,
    climates: tuple[str, ...] = (),
    display: Display | None = None,
    faults_per_kind: int | None = None,
) -> Fleet:
    """The fleet of a scenario; what is None is the scenario's own.

    Raises
    ------
    KeyError
        Unknown scenario.
    ValueError
        Too few meters or days for it, or a wish that it cannot fulfil.
    """
    entry = SCENARIOS[scenario]
    if faults_per_kind is not None and not scenario.startswith(("season", "town")):
        raise ValueError(f"{scenario} has its own faults")
    meters, days = meters or entry.meters, days or entry.days
    return entry.make(Wanted(seed, meters, days, start or SEASON_START, climates, display, faults_per_kind))
