"""What temperatures, volume and energy of a day say of each other: the hourly heat balance and the sensors' state.

Temperatures are hourly means; a day's balance sums only hours in which everything was measured, so that both sides of
it cover the same hours.
"""

from typing import Any, NamedTuple

import numpy as np

from compute.kernels.compiled import Bool, Float32, Float64, Int32, Int64, compiled
from compute.kernels.resampling import means
from compute.kernels.thermal import looked_up
from compute.quality import Quality

UNMEASURED = int(Quality.MISSING | Quality.PARTIAL | Quality.INTERPOLATED | Quality.FAILED)
# A sensor's end of scale: short circuit, open circuit (field failures of the catalogue), and what no network has.
SHORT_C, OPEN_C, COLDEST_C = 0.0, 180.0, -20.0
REVERSED_K = 0.5


class Temperatures(NamedTuple):
    """Samples of a block of points: `supply_*` and `return_*` as in `compute.series.SampleSeries`."""

    supply_times: Int64
    supply_values: Float32
    supply_offsets: Int64
    return_times: Int64
    return_values: Float32
    return_offsets: Int64


class Measured(NamedTuple):
    """Totals (p, h+1) joules and millilitres, and bits (p, h) of both."""

    energy: Int64
    volume: Int64
    energy_bits: Int32
    volume_bits: Int32


class HeatFigures(NamedTuple):
    """Figures of days, each (p, d) float32, NaN where nothing was measured.

    `supply_c`, `return_c`: weighted by volume where there is any; `measured_kwh`, `balance_kwh`: energy counted and
    energy that volume and temperatures give, over the same hours; `other_kwh`: the same for the flow sensor on the
    other side; `reversed_h`: hours with flow and the return warmer than the supply; `broken_h`: hours with a sensor
    at its end of scale; `static_h`: hours in a row with the same pair of temperatures, at the end of the day;
    `idle_h`: hours without flow.
    """

    supply_c: Float32
    return_c: Float32
    measured_kwh: Float32
    balance_kwh: Float32
    other_kwh: Float32
    reversed_h: Float32
    broken_h: Float32
    static_h: Float32
    idle_h: Float32


@compiled
def broken(temperature_c: float) -> bool:
    """Whether a sensor shows its end of scale rather than a temperature."""
    return bool(temperature_c == SHORT_C or temperature_c >= OPEN_C or temperature_c <= COLDEST_C)


@compiled
def heat_day(
    supply: Float32,
    back: Float32,
    measured: Measured,
    point: int,
    span: Int64,
    supply_mounted: bool,
    table: Float64,
    row: Float64,
) -> None:
    """Figures of one day, hours `span[0]` to `span[1]`; `row`: (9,) as in `HeatFigures`, `row[7]` carried over from
    the eve.
    """
    weight, weighted_supply, weighted_return = 0.0, 0.0, 0.0
    plain, plain_supply, plain_return = 0, 0.0, 0.0
    energy, balance, other = 0.0, 0.0, 0.0
    reversed_h, broken_h, idle_h, static_h, flowing = 0, 0, 0, row[7], 0
    for k in range(span[0], span[1]):
        volume_known = not measured.volume_bits[point, k] & UNMEASURED
        volume = (measured.volume[point, k + 1] - measured.volume[point, k]) * 1e-6 if volume_known else 0.0
        idle_h += volume_known and volume == 0.0
        flowing += volume_known
        if np.isnan(supply[k]) or np.isnan(back[k]):
            continue
        if broken(supply[k]) or broken(back[k]):
            broken_h += 1
            continue
        static_h = static_h + 1 if k > 0 and supply[k] == supply[k - 1] and back[k] == back[k - 1] else 0
        plain += 1
        plain_supply += supply[k]
        plain_return += back[k]
        if volume <= 0.0:
            continue
        weight += volume
        weighted_supply += volume * supply[k]
        weighted_return += volume * back[k]
        reversed_h += back[k] > supply[k] + REVERSED_K
        if not measured.energy_bits[point, k] & UNMEASURED:
            energy += (measured.energy[point, k + 1] - measured.energy[point, k]) / 3.6e6
            drop = volume * (looked_up(table[1], supply[k]) - looked_up(table[1], back[k])) / 3600.0
            dense_supply, dense_return = looked_up(table[0], supply[k]), looked_up(table[0], back[k])
            balance += drop * (dense_supply if supply_mounted else dense_return)
            other += drop * (dense_return if supply_mounted else dense_supply)
    if plain:
        row[0] = weighted_supply / weight if weight > 0.0 else plain_supply / plain
        row[1] = weighted_return / weight if weight > 0.0 else plain_return / plain
        row[5] = reversed_h
    else:
        row[0], row[1], row[5] = np.nan, np.nan, np.nan
    row[2], row[3], row[4] = energy, balance, other
    row[6], row[7], row[8] = broken_h, static_h, idle_h if flowing else np.nan


@compiled
def heat_figures(
    samples: Temperatures,
    measured: Measured,
    bounds: Int64,
    days: Int64,
    supply_mounted: Bool,
    table: Float64,
    out: HeatFigures,
) -> None:
    """Figures of a block of points. `bounds`: (h+1,), `days`: (d+1,) positions, `table`: `thermal.water_table()`."""
    h = len(bounds) - 1
    supply, back, row = np.empty(h, np.float32), np.empty(h, np.float32), np.zeros(9)
    for p in range(len(supply_mounted)):
        a, b = samples.supply_offsets[p], samples.supply_offsets[p + 1]
        c, e = samples.return_offsets[p], samples.return_offsets[p + 1]
        means(samples.supply_times[a:b], samples.supply_values[a:b], bounds, supply)
        means(samples.return_times[c:e], samples.return_values[c:e], bounds, back)
        row[:] = 0.0
        for d in range(len(days) - 1):
            heat_day(supply, back, measured, p, days[d : d + 2], supply_mounted[p], table, row)
            out.supply_c[p, d], out.return_c[p, d] = row[0], row[1]
            out.measured_kwh[p, d], out.balance_kwh[p, d], out.other_kwh[p, d] = row[2], row[3], row[4]
            out.reversed_h[p, d], out.broken_h[p, d] = row[5], row[6]
            out.static_h[p, d], out.idle_h[p, d] = row[7], row[8]


def empty_heat(points: int, days: int) -> HeatFigures:
    """Buffers for `heat_figures`."""
    return HeatFigures(*(np.full((points, days), np.nan, np.float32) for _ in HeatFigures._fields))


def cut_heat(figures: HeatFigures, start: int, stop: int) -> HeatFigures:
    """Views of the rows `start` to `stop`."""
    columns: list[Any] = [column[start:stop] for column in figures]
    return HeatFigures(*columns)
