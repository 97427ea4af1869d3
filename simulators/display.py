"""From what a meter has accumulated to what its display shows: exact counts of the last digit, at any instant.

A counter shows whole steps, a momentary value is rounded. Between the edges of an hour the totals rise steadily.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
from numpy.typing import NDArray

from protocols.registers import Register
from protocols.units import Quantity, dimension, factor
from simulators.trace import Trace

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
HOUR_US = 3_600_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
PUMP_KWH_M3 = 0.32
PUMP_BASE_KW = 0.12
# What stood on the display before the simulated time, beside the index, for a meter of ordinary cooling.
KWH_A_M3, USUAL_C = 18.0, 40.0
TRACE_UNITS = {
    "energy": "kWh",
    "volume": "m3",
    "power": "kW",
    "flow": "m3/h",
    "temperature": "°C",
    "time": "h",
    "volume_temperature": "m3·°C",
}


def micros(at: datetime) -> int:
    """Epoch microseconds of an aware datetime."""
    return (at - EPOCH) // MICROSECOND


@cache
def count_size(unit: str, scale: int) -> float:
    """Size of one count in the trace's unit of that dimension (kWh, m3, kW, m3/h, °C, h)."""
    return float(factor(unit, TRACE_UNITS[dimension(unit)])) * 10.0**scale


@dataclass(frozen=True, slots=True)
class Source:
    """Where a display takes its values from: a row of a trace that begins at `start_us`, since `installed_us`."""

    trace: Trace
    row: int
    start_us: int
    installed_us: int
    first_index_kwh: float


class _Totals:
    """Totals of a source at (n,) instants, counted from the installation."""

    def __init__(self, source: Source, times_us: Ints) -> None:
        hours = source.trace.hours
        position = np.clip((times_us - source.start_us) / HOUR_US, 0.0, hours - 1e-9)
        self.hour = position.astype(np.int64)
        self.part = position - self.hour
        # Readings on every whole hour are a slice: the usual case of files, at a fraction of the cost.
        hours_on = len(times_us) > 1 and self.hour[-1] - self.hour[0] == len(times_us) - 1 and not self.part.any()
        self.run = slice(int(self.hour[0]), int(self.hour[-1]) + 1) if hours_on else None
        installed = min(max((source.installed_us - source.start_us) / HOUR_US, 0.0), float(hours))
        self.base, self.base_part = int(installed), installed % 1.0
        self.after = min(self.base + 1, hours)

    def of(self, total: Floats) -> Floats:
        """Interpolate a running total (h+1,)."""
        before = total[self.base] + (total[self.after] - total[self.base]) * self.base_part
        if self.run is not None:
            return np.asarray(total[self.run] - before)
        at = total[self.hour]
        return np.asarray(at + (total[self.hour + 1] - at) * self.part - before)


def counts_of(registers: tuple[Register, ...], source: Source, times_us: Ints, shown_us: Ints) -> dict[str, Ints]:
    """The display at (n,) instants.

    Parameters
    ----------
    registers : tuple of Register
    source : Source
    times_us, shown_us : (n,) int64
        Instants of the counters and of the momentary values (the same unless the display is stuck).

    Returns
    -------
    dict of str to (n,) int64
        By register name; counters are not yet wrapped at their capacity.
    """
    values = _values(source, times_us, shown_us, e8_e9=any(register.unit == "m3·°C" for register in registers))
    counts = {}
    for register in registers:
        value = values[register.quantity] / count_size(register.unit, register.scale)
        counts[register.name] = (np.floor(value + 1e-9) if register.cumulative else np.rint(value)).astype(np.int64)
    return counts


def _values(source: Source, times_us: Ints, shown_us: Ints, *, e8_e9: bool) -> dict[Quantity, Floats]:
    trace, row, first = source.trace, source.row, source.first_index_kwh
    totals = _Totals(source, times_us)
    moment = np.clip((shown_us - source.start_us) // HOUR_US, 0, trace.hours - 1)
    volume = totals.of(trace.volume_m3[row])
    on_time = (times_us - source.installed_us) / HOUR_US
    elapsed = on_time - totals.of(trace.lost_h[row]) if row in trace.lost_h else on_time
    values: dict[Quantity, Floats] = {
        Quantity.HEAT_ENERGY: first + totals.of(trace.energy_kwh[row]),
        Quantity.VOLUME: first / KWH_A_M3 + volume,
        Quantity.OPERATING_TIME: 24.0 + elapsed,
        Quantity.ON_TIME: 24.0 + on_time,
        Quantity.ELECTRIC_ENERGY: first + PUMP_KWH_M3 * volume + PUMP_BASE_KW * elapsed,
        Quantity.POWER: trace.power_kw[row][moment].astype(np.float64),
        Quantity.FLOW: trace.flow_m3h[row][moment].astype(np.float64),
        Quantity.SUPPLY_TEMPERATURE: trace.supply_c[row][moment].astype(np.float64),
        Quantity.RETURN_TEMPERATURE: trace.return_c[row][moment].astype(np.float64),
    }
    if e8_e9:
        increments = np.diff(trace.volume_m3[row])
        for quantity, degrees in (
            (Quantity.SUPPLY_TEMPERATURE_VOLUME, trace.supply_c[row]),
            (Quantity.RETURN_TEMPERATURE_VOLUME, trace.return_c[row]),
        ):
            total = np.concatenate(([0.0], np.cumsum(increments * degrees)))
            values[quantity] = first / KWH_A_M3 * USUAL_C + totals.of(total)
    return values
