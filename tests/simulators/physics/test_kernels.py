"""The compiled loops say what their plain twins say, on houses drawn at random."""

from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.typing import NDArray

from simulators import water
from simulators.building import (
    COLD_WATER_C,
    OPEN_VALVE_K,
    RADIATOR_EXCESS_K,
    TAPPING_FROM_C,
    VALVE_CLOSED_C,
    VALVE_SHUT_BELOW_C,
    WINDOWS_OPEN_C,
    Controls,
    Dwellings,
    controls_of,
    heat_of,
    pipes_of,
    standing,
)
from simulators.network import Supply, supply_of
from simulators.randomness import stream
from simulators.town import House, dwellings_of
from simulators.weather import Weather, weather_of

AUTUMN = datetime(2024, 10, 10, tzinfo=UTC)
HOURS = 24 * 30
Case = tuple[Dwellings, Controls, Weather, Supply]


@pytest.fixture(scope="module", params=["harbin", "copenhagen"])
def case(request: pytest.FixtureRequest) -> Case:
    """Houses with a shut flat in a month with an outage."""
    weather = weather_of(request.param, AUTUMN, HOURS, 3)
    dwellings = dwellings_of(
        (House("a", "flats", 9), House("b", "villas", 3), House("c", "shops", 5)), request.param, 3, 0
    )
    controls = controls_of(dwellings, weather, 3, 0)
    controls.setpoint_c[:, 4] = VALVE_CLOSED_C
    return dwellings, controls, weather, supply_of(weather, 3, "x", ((400, 430),))


def plain_rooms(case: Case) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One step an hour with whole rows of dwellings."""
    dwellings, controls, weather, supply = case
    power, rooms = np.empty((2, HOURS, len(dwellings)))
    room = np.maximum(controls.setpoint_c[0].astype(float), 12.0) + 0.5
    for hour in range(HOURS):
        wanted, outside = controls.setpoint_c[hour].astype(float), weather.temperature_c[hour]
        means = np.array([room[dwellings.house == house].mean() for house in dwellings.house])
        heat = (wanted - room) * dwellings.radiator_kw / dwellings.band_k
        reach = supply.temperature_c[hour] + dwellings.supply_offset_k - OPEN_VALVE_K / 2 - room
        heat = np.minimum(heat, reach * dwellings.radiator_kw / RADIATOR_EXCESS_K)
        heat = np.maximum(heat, np.where(wanted > VALVE_SHUT_BELOW_C, dwellings.trickle_kw, 0.0))
        heat = heat * supply.flowing[hour]
        power[hour], rooms[hour] = heat, room
        balance = heat + controls.gains_kw[hour] - dwellings.loss_kw_k * (room - outside)
        room = room + (balance + dwellings.exchange_kw_k * (means - room)) / dwellings.capacity_kwh_k
        room = np.minimum(room, max(outside, WINDOWS_OPEN_C))
    return power, rooms


def test_rooms_and_radiators(case: Case) -> None:
    power, rooms = heat_of(*case)
    plain_power, plain = plain_rooms(case)
    assert rooms == pytest.approx(plain, abs=1e-4)
    assert power == pytest.approx(plain_power, abs=1e-4)


def test_water_through_the_meters(case: Case) -> None:
    dwellings, controls, _, supply = case
    power, rooms = heat_of(*case)
    pipes = pipes_of(dwellings, power, rooms, controls, supply, 3, 0)

    flows = supply.flowing[:, None]
    heat = power * np.exp(0.12 * stream(3, "valves", 0).standard_normal(power.shape, dtype=np.float32))
    sent = supply.temperature_c[:, None] + dwellings.supply_offset_k
    sent = sent + 0.15 * stream(3, "mixing", 0).standard_normal(power.shape, dtype=np.float32)
    back = 2.0 * (rooms + RADIATOR_EXCESS_K * heat / dwellings.radiator_kw) - sent
    back = np.minimum(np.maximum(back, rooms + dwellings.return_best_c), sent - OPEN_VALVE_K + 3.0)
    above, tapped = water.enthalpy(sent), water.enthalpy(np.full(1, COLD_WATER_C + 14.0))
    draw = np.where(flows & (sent > TAPPING_FROM_C), controls.draw_kw, 0.0)
    mass = heat * 3600.0 / np.maximum(above - water.enthalpy(back), 1.0) + draw * 3600.0 / np.maximum(
        above - tapped, 1.0
    )
    mass = np.where(flows, mass, 0.0)
    moving = mass > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        mixed = water.temperature(above - (heat + draw) * 3600.0 / mass)
    assert pipes.mass_kgh == pytest.approx(mass, rel=1e-5, abs=1e-6)
    assert pipes.supply_c == pytest.approx(np.where(moving, sent, standing(sent, rooms, moving)), abs=1e-4)
    assert pipes.return_c == pytest.approx(np.where(moving, mixed, standing(back, rooms - 0.3, moving)), abs=1e-4)
    assert moving.any()
    assert (~moving).any()


def test_reading_off_a_table_clips_at_its_ends() -> None:
    celsius = np.array([[-5.0, 0.0], [17.003, 400.0]])
    found = water.enthalpy(celsius)
    assert found[0, 0] == found[0, 1]
    assert found[1, 0] == pytest.approx(float(water.enthalpy_by_equation(celsius[1:, :1])[0, 0]), rel=1e-6)
    assert found[1, 1] == pytest.approx(float(water.enthalpy_by_equation(np.array([water.HIGHEST_C]))[0]), rel=1e-6)
