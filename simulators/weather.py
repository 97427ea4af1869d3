"""Hourly outside temperature and sunshine of a place, from a seed.

Climates are monthly means of public records condensed to a yearly wave, a daily wave and passing weather systems.
`held_day` stops the calendar on one day of the year: a demo then has its cold whatever the real date.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from simulators.randomness import stream

HOUR = timedelta(hours=1)
SYSTEM_MEMORY_H = 55.0  # how long a weather system lasts
TURBULENCE_MEMORY_H = 6.0


@dataclass(frozen=True, slots=True)
class Climate:
    """A place: yearly mean, half the yearly and daily swing, strength of weather systems (all °C or K), latitude,
    hours ahead of UTC, and the district-heating season as (month, day) of its first and last day, None for all year."""

    name: str
    mean_c: float
    yearly_k: float
    daily_k: float
    systems_k: float
    cloudiness: float
    latitude: float
    longitude: float
    utc_offset_h: int
    time_zone: str
    design_c: float
    season: tuple[tuple[int, int], tuple[int, int]] | None


CLIMATES: dict[str, Climate] = {
    climate.name: climate
    for climate in (
        Climate("harbin", 4.7, 21.2, 5.0, 3.9, 0.40, 45.76, 126.65, 8, "Asia/Shanghai", -24.2, ((10, 20), (4, 20))),
        Climate("beijing", 12.6, 15.2, 4.8, 3.1, 0.40, 39.92, 116.42, 8, "Asia/Shanghai", -7.6, ((11, 15), (3, 15))),
        Climate("copenhagen", 9.2, 8.6, 2.4, 3.0, 0.65, 55.68, 12.57, 1, "Europe/Copenhagen", -12.0, None),
    )
}
COLDEST_DAY = 17  # of the year


@dataclass(frozen=True, slots=True)
class Weather:
    """Hourly weather from `start` (aware UTC, a whole hour): `temperature_c` (h,) and `sun_w_m2` (h,), each the mean
    of the hour that begins at its index; `local_hour` (h,) 0-23 and `weekday` (h,) Monday 0."""

    climate: Climate
    start: datetime
    temperature_c: NDArray[np.float64]
    sun_w_m2: NDArray[np.float64]
    heating: NDArray[np.bool_]
    local_hour: NDArray[np.int64]
    weekday: NDArray[np.int64]

    @property
    def hours(self) -> int:
        """Number of hours covered."""
        return len(self.temperature_c)

    def times(self) -> list[datetime]:
        """The hours' beginnings as aware UTC datetimes."""
        return [self.start + HOUR * number for number in range(self.hours)]


def _remembering(noise: NDArray[np.float64], memory_h: float) -> NDArray[np.float64]:
    """First-order autoregression with unit variance."""
    keep = math.exp(-1.0 / memory_h)
    fresh = math.sqrt(1.0 - keep * keep)
    values, state = np.empty_like(noise), float(noise[0])
    for number, value in enumerate(noise.tolist()):
        state = keep * state + fresh * value
        values[number] = state
    return values


def _sun_elevation_sine(
    climate: Climate, day: NDArray[np.float64], local_hour: NDArray[np.int64]
) -> NDArray[np.float64]:
    declination = np.radians(-23.44) * np.cos(2 * np.pi * (day + 10) / 365.25)
    solar_hour = local_hour + 0.5 + climate.longitude / 15.0 - climate.utc_offset_h
    angle = np.radians(15.0 * (solar_hour - 12.0))
    latitude = math.radians(climate.latitude)
    return np.asarray(
        math.sin(latitude) * np.sin(declination) + math.cos(latitude) * np.cos(declination) * np.cos(angle)
    )


def _in_season(climate: Climate, start: datetime, hours: int) -> NDArray[np.bool_]:
    """Whether the network runs, for each hour, by the local calendar."""
    if climate.season is None:
        return np.ones(hours, dtype=bool)
    first, last = climate.season
    local = start + timedelta(hours=climate.utc_offset_h)
    days = [(local + HOUR * number).date() for number in range(0, hours + 24, 24)]
    states = np.array([(d.month, d.day) >= first or (d.month, d.day) <= last for d in days])
    return np.asarray(np.repeat(states, 24)[local.hour % 24 : local.hour % 24 + hours])


def weather_of(climate_name: str, start: datetime, hours: int, seed: int, held_day: int | None = None) -> Weather:
    """Weather of a place.

    Parameters
    ----------
    climate_name : str
        "harbin", "beijing" or "copenhagen".
    start : datetime
        Aware; the first hour, cut to a whole hour.
    hours : int
        How many hours; a longer series starts with the shorter one.
    seed : int
        Of the fleet.
    held_day : int, optional
        Day of the year at which the calendar stands still (and the network stays on); None lets it run.

    Raises
    ------
    KeyError
        Unknown climate.
    ValueError
        `start` is naive or `hours` is not positive.
    """
    if start.tzinfo is None or hours < 1:
        raise ValueError("start must be aware and hours positive")
    climate = CLIMATES[climate_name]
    start = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    local = start + timedelta(hours=climate.utc_offset_h)
    since_new_year = (local - datetime(local.year, 1, 1, tzinfo=UTC)).total_seconds() / 3600.0
    running = np.arange(hours)
    local_hour = (running + local.hour) % 24
    weekday = ((running + local.hour) // 24 + local.weekday()) % 7
    day: NDArray[np.float64] = np.asarray((since_new_year + running) / 24.0 % 365.25, dtype=np.float64)
    if held_day is not None:
        day = np.full(hours, float(held_day))
    noise = stream(seed, "weather", climate_name).standard_normal((hours, 3))
    clouds = np.clip(climate.cloudiness + 0.3 * _remembering(noise[:, 1], 30.0), 0.0, 1.0)
    yearly = -climate.yearly_k * np.cos(2 * np.pi * (day - COLDEST_DAY) / 365.25)
    daily = climate.daily_k * np.cos(2 * np.pi * (local_hour - 14.5) / 24.0) * (1.35 - 0.7 * clouds)
    # Winter systems swing wider than summer ones.
    strength = climate.systems_k * (1.0 - 0.3 * yearly / climate.yearly_k)
    systems = strength * _remembering(noise[:, 0], SYSTEM_MEMORY_H) + 0.5 * _remembering(
        noise[:, 2], TURBULENCE_MEMORY_H
    )
    sun = 950.0 * np.clip(_sun_elevation_sine(climate, day, local_hour), 0.0, None) * (1.0 - 0.75 * clouds)
    heating = np.ones(hours, dtype=bool) if held_day is not None else _in_season(climate, start, hours)
    return Weather(climate, start, climate.mean_c + yearly + daily + systems, sun, heating, local_hour, weekday)
