"""A large town in the depth of winter, for the engine's speed and memory: many meters, the season's rates of faults."""

from simulators.fleet import Fleet
from simulators.season import season_wanted
from simulators.wanted import Wanted

TOWN_DAYS = 120


def town(wanted: Wanted) -> Fleet:
    """The season's fleet at town size; written block by block, so its size is bounded by the disk alone."""
    return season_wanted(wanted)
