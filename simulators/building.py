"""Rooms that lose heat and radiators that give it: the heat each dwelling draws, hour by hour, and the water it takes.

One thermal node a dwelling: capacity, loss to the outside, exchange with the rest of the building, sun, people, a
thermostat with a proportional band and night setback, radiators whose power depends on the supply temperature.
Dwellings are columns of arrays and all dwellings of a block advance together; time is the first axis here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators import kernels, water
from simulators.network import Supply
from simulators.randomness import stream
from simulators.weather import Weather

Floats = NDArray[np.float64]
Hourly = NDArray[np.float32]

RADIATOR_EXCESS_K = 30.0  # mean water over room at nominal power
OPEN_VALVE_K = 12.0  # cooling of the water through a valve that is fully open: balancing valves see to it
COLD_WATER_C = 10.0
MOOD_K = 0.55
WINDOWS_OPEN_C = 27.0
TAPPING_FROM_C = 48.0  # a hot-water exchanger needs that much
VALVE_SHUT_BELOW_C = 8.0
VALVE_CLOSED_C = -60.0  # setpoint of a closed valve: no frost opens it


@dataclass(frozen=True, slots=True)
class Dwellings:
    """Heated spaces behind one meter each, columns of (n,).

    `house` numbers the building within the block; all of one house share its envelope and exchange heat.
    """

    house: NDArray[np.int64]
    area_m2: Floats
    loss_kw_k: Floats  # to the outside
    exchange_kw_k: Floats  # to the rest of the house
    capacity_kwh_k: Floats
    setpoint_c: Floats
    setback_k: Floats
    setback_from: NDArray[np.int64]  # local hour
    setback_to: NDArray[np.int64]
    working_week: NDArray[np.bool_]  # set back at weekends too
    band_k: Floats  # thermostat's proportional band
    radiator_kw: Floats
    trickle_kw: Floats  # through valves that look shut
    gains_kw: Floats  # people and appliances, mean
    glass_m2: Floats
    hot_water_l_day: Floats  # drawn through the heat meter; 0 where the meter sees space heating only
    supply_offset_k: Floats
    return_best_c: Floats  # what the return approaches at low load, above the room

    def __len__(self) -> int:
        return len(self.house)


@dataclass(slots=True)
class Controls:
    """What people do, (h, n) each: `setpoint_c` of the thermostat, `gains_kw` and `draw_kw` of hot water.

    Faults of behaviour and of valves act here, before the physics.
    """

    setpoint_c: Hourly
    gains_kw: Hourly
    draw_kw: Hourly


@dataclass(slots=True)
class Pipes:
    """Water through each meter, (h, n): `mass_kgh`, `supply_c`, `return_c`; `room_c` of the dwelling.

    The heat is mass times the enthalpy difference, so E = k·V·ΔT holds by construction.
    """

    mass_kgh: Floats
    supply_c: Floats
    return_c: Floats
    room_c: Hourly


def controls_of(dwellings: Dwellings, weather: Weather, seed: int, block: int) -> Controls:
    """Ordinary life: setback by the clock, gains by the hour, showers in the morning and evening."""
    hours, count = weather.hours, len(dwellings)
    hour, weekend = weather.local_hour[:, None], (weather.weekday >= 5)[:, None]
    since = (hour - dwellings.setback_from) % 24
    low = since < (dwellings.setback_to - dwellings.setback_from) % 24
    low |= weekend & dwellings.working_week
    noise = stream(seed, "people", block)
    setpoint = (dwellings.setpoint_c - dwellings.setback_k * low).astype(np.float32)
    setpoint += _moods(hours, weather.local_hour[0], count, stream(seed, "moods", block))
    habits = np.array([0.5, 0.45, 0.4, 0.4, 0.4, 0.5, 0.9, 1.2, 1.0, 0.9, 0.9, 1.0, 1.2, 1.0, 0.9, 0.9, 1.0, 1.4])
    habits = np.concatenate([habits, [1.8, 2.0, 1.9, 1.7, 1.2, 0.8]]).astype(np.float32)
    unrest = noise.standard_gamma(4.0, size=(hours, count), dtype=np.float32) / np.float32(4.0)
    gains = dwellings.gains_kw.astype(np.float32) * habits[weather.local_hour][:, None] * unrest
    gains += (weather.sun_w_m2[:, None] * (dwellings.glass_m2 * 0.00045)).astype(np.float32)
    draw = np.zeros((hours, count), dtype=np.float32)
    if np.any(dwellings.hot_water_l_day > 0):
        demand = np.array(
            [0.1, 0.05, 0.02, 0.02, 0.05, 0.5, 2.2, 2.6, 1.6, 0.9, 0.7, 0.7, 0.9, 0.7, 0.6, 0.6, 0.9, 1.6]
        )
        demand = np.concatenate([demand, [2.2, 2.0, 1.6, 1.3, 0.9, 0.4]]) / 22.74 * 24.0
        litres = dwellings.hot_water_l_day / 24.0 * demand[weather.local_hour][:, None]
        lumps = stream(seed, "showers", block).standard_gamma(0.5, size=(hours, count), dtype=np.float32) * 2.0
        draw += (litres * lumps * (55.0 - COLD_WATER_C) * 1.163e-3).astype(np.float32)
    return Controls(setpoint, gains, draw)


def _moods(hours: int, first_hour: int, count: int, rng: np.random.Generator) -> Hourly:
    """What people want differs from day to day: (h, n) in K, drifting from one midnight to the next."""
    days = (hours + int(first_hour)) // 24 + 2
    anchors = MOOD_K * rng.standard_normal((days, count), dtype=np.float32)
    since = np.arange(hours) + int(first_hour)
    day, part = since // 24, (since % 24 / 24.0).astype(np.float32)[:, None]
    return np.asarray(anchors[day] * (1.0 - part) + anchors[day + 1] * part, dtype=np.float32)


def _house_of(house: NDArray[np.int64]) -> tuple[NDArray[np.int64], Floats]:
    """Each column's house, numbered from 0, and its share of the house's mean. Columns are grouped."""
    first = np.flatnonzero(np.r_[True, house[1:] != house[:-1]])
    sizes = np.diff(np.r_[first, len(house)])
    return np.repeat(np.arange(len(first)), sizes), np.repeat(1.0 / sizes, sizes)


def heat_of(
    dwellings: Dwellings, controls: Controls, weather: Weather, supply: Supply
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Radiator power (h, n) in kW and room temperature (h, n) in °C, one hour a step."""
    hours, count = controls.setpoint_c.shape
    power = np.empty((hours, count), dtype=np.float32)
    rooms = np.empty((hours, count), dtype=np.float32)
    house, share = _house_of(dwellings.house)
    fixed = np.stack([
        dwellings.radiator_kw / dwellings.band_k, dwellings.radiator_kw / RADIATOR_EXCESS_K, dwellings.loss_kw_k,
        dwellings.exchange_kw_k, 1.0 / dwellings.capacity_kwh_k, dwellings.trickle_kw,
        dwellings.supply_offset_k - OPEN_VALVE_K / 2.0, share, np.full(count, WINDOWS_OPEN_C),
        np.full(count, VALVE_SHUT_BELOW_C),
    ])  # fmt: skip
    outside = np.stack([weather.temperature_c, supply.temperature_c, supply.flowing.astype(np.float64)])
    room = np.maximum(controls.setpoint_c[0].astype(np.float64), 12.0) + 0.5
    kernels.warm_rooms(controls.setpoint_c, controls.gains_kw, house, fixed, outside, room, power, rooms)
    return power, rooms


def pipes_of(
    dwellings: Dwellings, power_kw: Hourly, room_c: Hourly, controls: Controls, supply: Supply, seed: int, block: int
) -> Pipes:
    """Water that carries the heat: radiators and the hot-water heat exchanger mix their returns.

    Returns
    -------
    Pipes
        Arrays (h, n). Where nothing flows both temperatures drift to the room's.
    """
    shape = power_kw.shape
    unrest = np.stack([
        np.exp(0.12 * stream(seed, "valves", block).standard_normal(shape, dtype=np.float32)),
        0.15 * stream(seed, "mixing", block).standard_normal(shape, dtype=np.float32),
    ])  # fmt: skip
    network = np.stack([supply.temperature_c, supply.flowing.astype(np.float64)])
    fixed = np.stack([dwellings.supply_offset_k, dwellings.radiator_kw, dwellings.return_best_c])
    tapped_kj = float(water.enthalpy(np.full(1, COLD_WATER_C + 14.0))[0])
    limits = np.array(
        [RADIATOR_EXCESS_K, OPEN_VALVE_K - 3.0, TAPPING_FROM_C, tapped_kj, water.HIGHEST_C, 1.0 / water.STEP_K]
    )
    pipes = np.empty((3, *shape))
    demand = np.stack([power_kw, controls.draw_kw])
    kernels.fill_pipes(demand, room_c, unrest, network, fixed, water.enthalpies(), limits, pipes)
    return Pipes(pipes[0], pipes[1], pipes[2], room_c)


def standing(temperature_c: Floats, ambient_c: NDArray[np.floating], flowing: NDArray[np.bool_]) -> Floats:
    """Temperature of standing water, (h, n): falls from the last flowing hour's towards the surroundings."""
    hours = np.arange(len(flowing), dtype=np.int32)[:, None]
    last = np.maximum.accumulate(np.where(flowing, hours, 0), axis=0)
    start = np.take_along_axis(temperature_c, last, axis=0)
    away = np.exp(-kernels.STANDING_DECAY_H * (hours - last).astype(np.float32))
    return np.asarray(ambient_c + (start - ambient_c) * away)
