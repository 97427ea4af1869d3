"""Supply temperature of a heat network by the weather: the curve an operator sets, and what outages do to it.

A network off season or in an outage cools towards the ground; nothing flows.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.randomness import stream
from simulators.weather import Weather

GROUND_C = 12.0
COOLING_MEMORY_H = 14.0


@dataclass(frozen=True, slots=True)
class SupplyCurve:
    """Supply temperature: `highest_c` at the design temperature, down to `lowest_c` at `knee_c` and above."""

    highest_c: float
    lowest_c: float
    knee_c: float = 15.0


CURVES: dict[str, SupplyCurve] = {
    "harbin": SupplyCurve(62.0, 36.0),
    "beijing": SupplyCurve(58.0, 38.0),
    "copenhagen": SupplyCurve(88.0, 64.0, 12.0),
}


@dataclass(frozen=True, slots=True)
class Supply:
    """What arrives at an area: `temperature_c` (h,) and `flowing` (h,), False off season and in an outage."""

    temperature_c: NDArray[np.float64]
    flowing: NDArray[np.bool_]


def supply_of(weather: Weather, seed: int, area: str, outages: tuple[tuple[int, int], ...] = ()) -> Supply:
    """Supply side of an area under its weather.

    Parameters
    ----------
    weather : Weather
        Of the area, (h,) hours.
    seed, area : int, str
        Name the random stream of the plant's own unrest.
    outages : tuple of (first, last) hours, half-open
        Hours in which the network stands still.
    """
    curve, design = CURVES[weather.climate.name], weather.climate.design_c
    # Operators follow the mean of about the last half day, not the hour.
    outside = smoothed(weather.temperature_c, 10.0)
    share = np.clip((curve.knee_c - outside) / (curve.knee_c - design), 0.0, 1.1)
    noise = stream(seed, "supply", area).standard_normal(weather.hours)
    target = curve.lowest_c + (curve.highest_c - curve.lowest_c) * share + smoothed(noise, 8.0) * 1.6
    flowing = weather.heating.copy()
    for first, last in outages:
        flowing[max(first, 0) : max(last, 0)] = False
    temperature, state = np.empty(weather.hours), float(target[0]) if flowing[0] else GROUND_C + 6.0
    for number, (goal, on) in enumerate(zip(target.tolist(), flowing.tolist(), strict=True)):
        memory = 1.5 if on else COOLING_MEMORY_H
        state += ((goal if on else GROUND_C) - state) * (1.0 - math.exp(-1.0 / memory))
        temperature[number] = state
    return Supply(temperature, flowing)


def smoothed(values: NDArray[np.float64], memory_h: float) -> NDArray[np.float64]:
    """Exponentially weighted running mean, causal, same length."""
    keep = math.exp(-1.0 / memory_h)
    result, state = np.empty(len(values)), float(values[0])
    for number, value in enumerate(values.tolist()):
        state += (value - state) * (1.0 - keep)
        result[number] = state
    return result
