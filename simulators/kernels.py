"""The physics' inner loops, compiled: what a fleet's hours spend their time in.

Rules: flat arrays in, arrays filled, no objects; no fastmath, so that every machine says the same; callers may run
several on threads. `tests/simulators/physics/test_kernels.py` holds the plain twin of each.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])
Floats = NDArray[np.float64]
Hourly = NDArray[np.float32]

KJ_PER_KWH = 3600.0
STANDING_DECAY_H = 0.45  # how fast standing water takes the temperature of its surroundings


def compiled(function: F) -> F:
    """`function` compiled at its first call and kept in the cache for the next process."""
    return cast(F, numba.njit(nogil=True, cache=True, error_model="numpy")(function))


@compiled
def read_off(positions: Floats, values: Floats, highest: float, steps: float) -> Floats:
    """Linear look-up in a table with `steps` entries a unit from 0. `positions`: (n,), clipped to 0..`highest`."""
    found = np.empty(len(positions))
    for number in range(len(positions)):
        place = min(max(positions[number], 0.0), highest) * steps
        lower = int(place)
        below = values[lower]
        found[number] = below + (values[lower + 1] - below) * (place - lower)
    return found


@compiled
def warm_rooms(
    setpoint_c: Hourly, gains_kw: Hourly, house: NDArray[np.int64], fixed: Floats, outside: Floats, room_c: Floats,
    power_kw: Hourly, rooms_c: Hourly,
) -> None:  # fmt: skip
    """One thermal node a dwelling, hour by hour; fills `power_kw` and `rooms_c` (h, n).

    `house`: (n,) numbers from 0 in order. `fixed`: (10, n) rows gain, cap, loss, exchange, slowness, trickle, offset,
    share of its house, warmest room, coolest setpoint of an open valve. `outside`: (3, h) outside temperature, supply
    temperature, 1 where the network flows. `room_c`: (n,) at the beginning.
    """
    hours, count = setpoint_c.shape
    gain, cap, loss, exchange, slowness, trickle, offset, share, warmest, coolest = fixed
    room = room_c.copy()
    means = np.empty(int(house[-1]) + 1)
    for hour in range(hours):
        means[:] = 0.0
        for column in range(count):
            means[house[column]] += room[column] * share[column]
        for column in range(count):
            wanted, now = float(setpoint_c[hour, column]), room[column]
            heat = 0.0
            if outside[2, hour] > 0:
                heat = min((wanted - now) * gain[column], (outside[1, hour] + offset[column] - now) * cap[column])
                # A shut valve still lets a trickle through, unless the whole flat is turned off.
                heat = max(heat, trickle[column] if wanted > coolest[column] else 0.0)
            rooms_c[hour, column], power_kw[hour, column] = now, heat
            balance = heat + gains_kw[hour, column] - loss[column] * (now - outside[0, hour])
            balance += exchange[column] * (means[house[column]] - now)
            # People open windows.
            room[column] = min(now + balance * slowness[column], max(outside[0, hour], warmest[column]))


@compiled
def fill_pipes(
    demand: Hourly, room_c: Hourly, unrest: Hourly, network: Floats, fixed: Floats, table: Floats, limits: Floats,
    pipes: Floats,
) -> None:  # fmt: skip
    """Water that carries the heat; fills `pipes` (3, h, n): mass in kg/h, supply and return temperature.

    `demand`: (2, h, n) radiators, hot water in kW. `unrest`: (2, h, n) factor of the radiators' heat, K on the supply.
    `network`: (2, h) supply temperature, 1 where it flows. `fixed`: (3, n) supply offset, radiator kW, best return over
    the room. `table`: enthalpy in kJ/kg, `limits[5]` entries a kelvin from 0 °C. `limits`: excess of a radiator, least
    cooling, least supply for hot water, enthalpy behind the hot-water exchanger, highest temperature, entries a kelvin.
    """
    _, hours, count = demand.shape
    excess, least, tapping, tapped_kj, highest, steps = limits
    offset, radiator, best = fixed
    last, since_supply, since_return = np.zeros(count), np.zeros(count), np.zeros(count)
    for hour in range(hours):
        flows = network[1, hour] > 0
        for column in range(count):
            room = float(room_c[hour, column])
            heat = float(demand[0, hour, column]) * float(unrest[0, hour, column])
            sent = network[0, hour] + offset[column] + unrest[1, hour, column]
            back = 2.0 * (room + excess * heat / radiator[column]) - sent
            back = min(max(back, room + best[column]), sent - least)
            mass, mixed = 0.0, back
            if flows:
                above = _enthalpy(sent, table, highest, steps)
                mass = heat * KJ_PER_KWH / max(above - _enthalpy(back, table, highest, steps), 1.0)
                if sent > tapping:
                    heat += demand[1, hour, column]
                    mass += demand[1, hour, column] * KJ_PER_KWH / max(above - tapped_kj, 1.0)
                if mass > 0:
                    mixed = _temperature(above - heat * KJ_PER_KWH / mass, sent, table, highest, steps)
            if hour == 0 or mass > 0:
                last[column], since_supply[column], since_return[column] = hour, sent, back
            pipes[0, hour, column] = mass
            if mass > 0:
                pipes[1, hour, column], pipes[2, hour, column] = sent, mixed
            else:
                away = np.exp(-STANDING_DECAY_H * (hour - last[column]))
                pipes[1, hour, column] = room + (since_supply[column] - room) * away
                pipes[2, hour, column] = room - 0.3 + (since_return[column] - room + 0.3) * away


@compiled
def _enthalpy(celsius: float, table: Floats, highest: float, steps: float) -> float:
    place = min(max(celsius, 0.0), highest) * steps
    lower = int(place)
    return float(table[lower] + (table[lower + 1] - table[lower]) * (place - lower))


@compiled
def _temperature(wanted_kj: float, near_c: float, table: Floats, highest: float, steps: float) -> float:
    """The inverse of the table: a jump by the usual heat of water, then the neighbours."""
    guess = near_c + (wanted_kj - _enthalpy(near_c, table, highest, steps)) / 4.18
    lower = int(min(max(guess, 0.0), highest - 1.0 / steps) * steps)
    while lower > 0 and table[lower] > wanted_kj:
        lower -= 1
    while lower + 2 < len(table) and table[lower + 1] <= wanted_kj:
        lower += 1
    part = (wanted_kj - table[lower]) / (table[lower + 1] - table[lower])
    return float((lower + min(max(part, 0.0), 1.0)) / steps)
