"""Hourly readings of whole fleets as arrays: exact counts by register, with what did not arrive marked.

The same faults as in the bytes: a reading that is silent, garbled or frozen on the wire is so here.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from simulators.display import HOUR_US, micros
from simulators.faults_transport import heard
from simulators.fleet import Fleet
from simulators.meter import VirtualMeter

Ints = NDArray[np.int64]
CENTURY_START = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class MeterSeries:
    """One meter's readings. `times_us` (n,) epoch microseconds of those that arrived, in time order; `counts` (n,) by
    register name; `info` (n,) the fleet's info bits; `clock_error_s` (n,) meter clock minus true time."""

    meter: VirtualMeter
    times_us: Ints
    counts: dict[str, Ints]
    info: Ints
    clock_error_s: Ints
    repeated: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))  # positions delivered twice


def series_of(meter: VirtualMeter, times_us: Ints) -> MeterSeries:
    """Readings of a meter at the given instants (n,), as far as they arrive."""
    keep = times_us >= micros(meter.installed_at)
    if meter.removed_at is not None:
        keep &= times_us < micros(meter.removed_at)
    arrives, spoken = heard(meter.faults, times_us)
    keep &= arrives
    times, spoken = times_us[keep], spoken[keep]
    repeated = np.zeros(len(times), dtype=bool)
    for fault in meter.faults:
        if fault.name == "duplicates":
            repeated |= (times >= micros(fault.start)) & (times < micros(fault.end))
    return MeterSeries(
        meter,
        times,
        meter.counts_at(spoken),
        meter.infos_at(spoken),
        meter.clock_errors_at(spoken) + (spoken - times) // 1_000_000,
        np.flatnonzero(repeated),
    )


def fleet_series(fleet: Fleet, step_us: int = HOUR_US) -> Iterator[list[MeterSeries]]:
    """All readings of a fleet, block by block: the physics of the next block runs beside what is done with this one,
    so the arrays of two are in memory at a time.
    """
    start, end = micros(fleet.start), micros(fleet.start) + fleet.hours * HOUR_US
    times = np.arange(start, end, step_us, dtype=np.int64)
    by_block: dict[int, list[VirtualMeter]] = {}
    for meter in fleet.meters:
        by_block.setdefault(meter.block, []).append(meter)
    with ThreadPoolExecutor(1, "physics") as ahead:
        waiting = deque(sorted(by_block))
        coming = ahead.submit(fleet.trace, waiting[0]) if waiting else None
        while coming is not None:
            coming.result()
            block = waiting.popleft()
            coming = ahead.submit(fleet.trace, waiting[0]) if waiting else None
            yield [series_of(meter, times) for meter in by_block[block]]
