"""What a meter says about itself: its info bits and how wrong its clock is."""

from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from simulators.display import HOUR_US, micros
from simulators.faults import Fault
from simulators.faults_sensor import INFO_BATTERY
from simulators.randomness import uniform_hash

Ints = NDArray[np.int64]
DAY_S = 86_400.0
USUAL_ERROR_S = 40.0


def infos(faults: tuple[Fault, ...], hourly: Ints | None, start_us: int, times_us: Ints) -> Ints:
    """Info bits at (n,) instants; `hourly`: (h,) bits of the sensors from `start_us` on, None where all is well."""
    bits = np.zeros(len(times_us), dtype=np.int64)
    if hourly is not None:
        bits |= hourly[np.clip((times_us - start_us) // HOUR_US, 0, len(hourly) - 1)]
    for fault in faults:
        if fault.name == "low_battery":
            bits[(times_us >= micros(fault.start)) & (times_us < micros(fault.end))] |= INFO_BATTERY
    return bits


def clock_errors(faults: tuple[Fault, ...], seed: int, utc_offset_h: int, times_us: Ints) -> Ints:
    """Meter clock minus true time in whole seconds at (n,) instants: some seconds, more with a clock fault."""
    errors = np.full(len(times_us), USUAL_ERROR_S * (uniform_hash(seed, 1) - 0.5))
    for fault in faults:
        if fault.name not in ("clock_drift", "clock_reset"):
            continue
        mask = (times_us >= micros(fault.start)) & (times_us < micros(fault.end))
        since = (times_us - micros(fault.start)) / 1e6
        if fault.name == "clock_drift":
            errors[mask] += fault.magnitude * since[mask] / DAY_S
        else:
            # It began again at midnight of 2000-01-01, local time, when it fell back.
            begin = datetime(2000, 1, 1, tzinfo=UTC) - timedelta(hours=utc_offset_h)
            errors[mask] = (begin - fault.start).total_seconds()
    return np.asarray(np.rint(errors), dtype=np.int64)
