"""Faults of what a meter shows: its counters and momentary values, after the physics and before the wire.

Each function gets the instants (n,) in epoch microseconds, the mask of the fault's window and the counts by register,
and changes the counts in place. It depends on nothing but those, so single telegrams and whole years agree.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from protocols.registers import Register
from simulators.faults import Fault
from simulators.randomness import uniform_hashes

Ints = NDArray[np.int64]
QUARTER_US = 900_000_000


@dataclass(frozen=True, slots=True)
class Shown:
    """The display of one meter at (n,) instants. `index_at_start` is the undisturbed index when the fault began."""

    times_us: Ints
    mask: NDArray[np.bool_]
    counts: dict[str, Ints]
    index: Register
    index_at_start: int

    def kwh_in_counts(self, energy_kwh: float) -> int:
        """How many counts of the index an energy is."""
        return round(energy_kwh / float(self.index.count_size("kWh")))


def _scaled(shown: Shown, fault: Fault) -> None:
    index = shown.counts[shown.index.name]
    index[shown.mask] = np.floor(index[shown.mask] * fault.magnitude).astype(np.int64)


def _raised(shown: Shown, fault: Fault) -> None:
    shown.counts[shown.index.name][shown.mask] += shown.kwh_in_counts(fault.magnitude)


def _lowered(shown: Shown, fault: Fault) -> None:
    step = min(shown.kwh_in_counts(fault.magnitude), shown.index_at_start)
    shown.counts[shown.index.name][shown.mask] -= step


def _reset(shown: Shown, fault: Fault) -> None:
    shown.counts[shown.index.name][shown.mask] -= shown.index_at_start


def _garbage(shown: Shown, fault: Fault) -> None:
    """Runs of a quarter of an hour: zero, a few counts, all nines, a wild number."""
    quarters = shown.times_us // QUARTER_US
    chance = uniform_hashes(fault.seed, quarters)
    hit = shown.mask & (chance < fault.magnitude)
    capacity = shown.index.capacity or 10**8
    wild = (uniform_hashes(fault.seed + 1, quarters) * capacity).astype(np.int64)
    choice = (uniform_hashes(fault.seed + 2, quarters) * 4).astype(np.int64)
    values = np.choose(choice, [np.zeros_like(wild), np.full_like(wild, 3), np.full_like(wild, capacity - 1), wild])
    index = shown.counts[shown.index.name]
    index[hit] = values[hit]


def _jitter(shown: Shown, fault: Fault) -> None:
    chance = uniform_hashes(fault.seed, shown.times_us // QUARTER_US)
    index = shown.counts[shown.index.name]
    index[shown.mask & (chance < fault.magnitude) & (index > 0)] -= 1


def _rollover(shown: Shown, fault: Fault) -> None:
    """The whole life of the index is shifted so that it passes zero when the fault begins."""
    shown.counts[shown.index.name] += (shown.index.capacity or 10**8) - shown.index_at_start


DISPLAY_FAULTS: dict[str, Callable[[Shown, Fault], None]] = {
    "wrong_decimal": _scaled,
    "unit_change": _scaled,
    "thousandfold": _scaled,
    "index_jump": _raised,
    "decrease": _lowered,
    "reset": _reset,
    "transient_dip": _lowered,
    "transient_garbage": _garbage,
    "jitter": _jitter,
    "rollover": _rollover,
}
