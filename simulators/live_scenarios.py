"""The scenarios as fleets that live now: a month around the instant they are served at, its faults in the midst of it.

Rules: physics of the whole month are kept in memory (32 bytes a meter and hour); the training keeps its own calendar.
"""

from datetime import UTC, datetime, timedelta

from simulators.catalogue import SCENARIOS, fleet_of
from simulators.fleet import Fleet
from simulators.scenarios import demo

LEAD, SPAN_DAYS = timedelta(days=15), 30
# The exercise is served when all of its cases but the leak are there to be found.
TRAINING_LEAD = timedelta(days=50)


def live_fleet(
    scenario: str, *, seed: int = 1, meters: int | None = None, climates: tuple[str, ...] = (), at: datetime
) -> tuple[Fleet, datetime]:
    """A scenario to be served from an instant on.

    Parameters
    ----------
    at : datetime
        Aware; the training takes the next fitting day of its calendar instead.

    Returns
    -------
    Fleet, datetime
        The fleet and the instant it is served at.

    Raises
    ------
    ValueError
        The scenario is unknown, too small, or cannot be had there.
    """
    if scenario not in SCENARIOS:
        raise ValueError(f"no scenario is named {scenario!r}; known: {', '.join(SCENARIOS)}")
    at = at.astimezone(UTC)
    hour = at.replace(minute=0, second=0, microsecond=0)
    if scenario == "demo" and not climates:
        return demo(seed=seed, meters=meters or SCENARIOS[scenario].meters, origin=hour), at
    if scenario == "training":
        fleet = fleet_of(scenario, seed=seed, meters=meters, start=hour - TRAINING_LEAD, climates=climates)
        return fleet, fleet.start + TRAINING_LEAD
    fleet = fleet_of(scenario, seed=seed, meters=meters, days=SPAN_DAYS, start=hour - LEAD, climates=climates)
    fleet.keep_all()
    return fleet, at
