"""What temperatures, volume and energy of a day say of each other: the hourly heat balance and the sensors' state.

Temperatures are hourly means; a day's balance sums only hours in which everything was measured, so that both sides of
it cover the same hours.
"""

from typing import NamedTuple

import numpy as np

from compute.kernels.compiled import Bool, Float32, Float64, Int32, Int64, compiled
from compute.kernels.resampling import means
from compute.kernels.thermal import TABLE_STEP_K
from compute.quality import Quality

UNMEASURED = int(Quality.MISSING | Quality.PARTIAL | Quality.INTERPOLATED | Quality.FAILED)
# A sensor's end of scale: short circuit, open circuit (field failures of the catalogue), and what no network has.
SHORT_C, OPEN_C, COLDEST_C = 0.0, 180.0, -20.0
REVERSED_K = 0.5
# Positions in the table of water are unsigned: they need no care for counting from the end.
ONE = np.uint64(1)


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


class Hours(NamedTuple):
    """The hours of one point, (h,) each: temperatures float32, the rest float64.

    `volume_m3`: NaN where it was not measured; `energy_kwh`, `balance_kwh`, `other_kwh`: as in `HeatFigures`, 0 where
    anything of the hour is unknown.
    """

    supply_c: Float32
    return_c: Float32
    volume_m3: Float64
    energy_kwh: Float64
    balance_kwh: Float64
    other_kwh: Float64


@compiled
def weigh(measured: Measured, point: int, supply_mounted: bool, table: Float64, hours: Hours) -> None:
    """Fill the hours of `point` from its totals and its temperatures, which are there already."""
    # Arrays are taken out of their tuples first: inside a loop each access would count references.
    supply_c, return_c, volume_m3 = hours.supply_c, hours.return_c, hours.volume_m3
    energy_kwh, balance_kwh, other_kwh = hours.energy_kwh, hours.balance_kwh, hours.other_kwh
    total, bits = measured.volume[point], measured.volume_bits[point]
    for k in range(len(bits)):
        volume_m3[k] = (total[k + 1] - total[k]) * 1e-6 if not bits[k] & UNMEASURED else np.nan
    total, bits = measured.energy[point], measured.energy_bits[point]
    densities, enthalpies, top = table[0], table[1], table.shape[1] - 1
    for k in range(len(bits)):
        energy_kwh[k], balance_kwh[k], other_kwh[k] = 0.0, 0.0, 0.0
        supply, back, volume = supply_c[k], return_c[k], volume_m3[k]
        if bits[k] & UNMEASURED or not volume > 0.0 or np.isnan(supply) or np.isnan(back):
            continue
        if broken(supply) or broken(back):
            continue
        energy_kwh[k] = (total[k + 1] - total[k]) / 3.6e6
        # `thermal.looked_up` four times, with one search for the place of each temperature.
        warm, cool = supply / TABLE_STEP_K, back / TABLE_STEP_K
        if not (0.0 <= warm <= top and 0.0 <= cool <= top):
            balance_kwh[k], other_kwh[k] = np.nan, np.nan
            continue
        i, j = np.uint64(min(int(warm), top - 1)), np.uint64(min(int(cool), top - 1))
        warm, cool = warm - i, cool - j
        drop = enthalpies[i] + (enthalpies[i + ONE] - enthalpies[i]) * warm
        drop -= enthalpies[j] + (enthalpies[j + ONE] - enthalpies[j]) * cool
        drop = volume * drop / 3600.0
        at_supply = drop * (densities[i] + (densities[i + ONE] - densities[i]) * warm)
        at_return = drop * (densities[j] + (densities[j + ONE] - densities[j]) * cool)
        balance_kwh[k] = at_supply if supply_mounted else at_return
        other_kwh[k] = at_return if supply_mounted else at_supply


@compiled
def sensors(hours: Hours, days: Int64, point: int, out: HeatFigures) -> None:
    """What the temperatures of each day tell, written to the row of `point`."""
    supply, back, volume, static_h = hours.supply_c, hours.return_c, hours.volume_m3, 0
    for d in range(len(days) - 1):
        weight, weighted_supply, weighted_return = 0.0, 0.0, 0.0
        plain, plain_supply, plain_return = 0, 0.0, 0.0
        reversed_h, broken_h = 0, 0
        for k in range(days[d], days[d + 1]):
            if np.isnan(supply[k]) or np.isnan(back[k]):
                continue
            if broken(supply[k]) or broken(back[k]):
                broken_h += 1
                continue
            static_h = static_h + 1 if k > 0 and supply[k] == supply[k - 1] and back[k] == back[k - 1] else 0
            plain += 1
            plain_supply += supply[k]
            plain_return += back[k]
            if volume[k] > 0.0:
                weight += volume[k]
                weighted_supply += volume[k] * supply[k]
                weighted_return += volume[k] * back[k]
                reversed_h += back[k] > supply[k] + REVERSED_K
        out.broken_h[point, d], out.static_h[point, d] = broken_h, static_h
        if plain == 0:
            out.supply_c[point, d], out.return_c[point, d], out.reversed_h[point, d] = np.nan, np.nan, np.nan
            continue
        out.supply_c[point, d] = weighted_supply / weight if weight > 0.0 else plain_supply / plain
        out.return_c[point, d] = weighted_return / weight if weight > 0.0 else plain_return / plain
        out.reversed_h[point, d] = reversed_h


@compiled
def balances(hours: Hours, days: Int64, point: int, out: HeatFigures) -> None:
    """Sums of each day, written to the row of `point`."""
    volume_m3, energy_kwh, balance_kwh, other_kwh = (
        hours.volume_m3, hours.energy_kwh, hours.balance_kwh, hours.other_kwh
    )  # fmt: skip
    for d in range(len(days) - 1):
        energy, balance, other = 0.0, 0.0, 0.0
        idle_h, flowing = 0, 0
        for k in range(days[d], days[d + 1]):
            energy += energy_kwh[k]
            balance += balance_kwh[k]
            other += other_kwh[k]
            idle_h += volume_m3[k] == 0.0
            flowing += volume_m3[k] == volume_m3[k]
        out.measured_kwh[point, d], out.balance_kwh[point, d], out.other_kwh[point, d] = energy, balance, other
        out.idle_h[point, d] = idle_h if flowing else np.nan


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
    hours = Hours(np.empty(h, np.float32), np.empty(h, np.float32), np.empty(h), np.empty(h), np.empty(h), np.empty(h))
    for p in range(len(supply_mounted)):
        a, b = samples.supply_offsets[p], samples.supply_offsets[p + 1]
        c, e = samples.return_offsets[p], samples.return_offsets[p + 1]
        means(samples.supply_times[a:b], samples.supply_values[a:b], bounds, hours.supply_c)
        means(samples.return_times[c:e], samples.return_values[c:e], bounds, hours.return_c)
        weigh(measured, p, supply_mounted[p], table, hours)
        sensors(hours, days, p, out)
        balances(hours, days, p, out)


def empty_heat(points: int, days: int) -> HeatFigures:
    """Buffers for `heat_figures`."""
    return HeatFigures(*(np.full((points, days), np.nan, np.float32) for _ in HeatFigures._fields))
