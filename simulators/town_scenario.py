"""A large town in the depth of winter, for the engine's speed and memory: many meters, the season's rates of faults."""

from datetime import datetime

from simulators.fleet import Fleet
from simulators.season import season

TOWN_DAYS = 120


def town(seed: int, meters: int, days: int, start: datetime) -> Fleet:
    """The season's fleet at town size; written block by block, so its size is bounded by the disk alone."""
    return season(seed=seed, meters=meters, days=days, start=start)
