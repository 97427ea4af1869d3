"""Weather is plausible, comes from its seed, and a longer series begins with the shorter one."""

from datetime import UTC, datetime

import numpy as np
import pytest

from simulators.network import supply_of
from simulators.weather import CLIMATES, weather_of

YEAR = datetime(2024, 9, 1, tzinfo=UTC)


@pytest.mark.parametrize("place", CLIMATES)
def test_a_longer_series_begins_with_the_shorter_one(place: str) -> None:
    short, longer = weather_of(place, YEAR, 500, 7), weather_of(place, YEAR, 900, 7)
    assert np.array_equal(longer.temperature_c[:500], short.temperature_c)
    assert np.array_equal(longer.sun_w_m2[:500], short.sun_w_m2)
    supplied = supply_of(longer, 7, "a").temperature_c[:500]
    assert np.array_equal(supplied, supply_of(short, 7, "a").temperature_c)


def test_another_seed_gives_other_weather() -> None:
    assert not np.array_equal(
        weather_of("harbin", YEAR, 100, 1).temperature_c, weather_of("harbin", YEAR, 100, 2).temperature_c
    )


@pytest.mark.parametrize(
    ("place", "january_c", "july_c"), [("harbin", -17.0, 24.0), ("beijing", -2.6, 27.0), ("copenhagen", 1.0, 18.0)]
)
def test_january_and_july_are_those_of_the_place(place: str, january_c: float, july_c: float) -> None:
    means = []
    for seed in range(6):
        year = weather_of(place, datetime(2025, 1, 1, tzinfo=UTC), 8760, seed).temperature_c
        means.append((year[: 31 * 24].mean(), year[181 * 24 : 212 * 24].mean()))
    january, july = np.mean(means, axis=0)
    assert january == pytest.approx(january_c, abs=3.0)
    assert july == pytest.approx(july_c, abs=3.0)


def test_the_network_of_harbin_rests_in_summer_and_its_pipes_cool() -> None:
    weather = weather_of("harbin", YEAR, 8760, 1)
    supply = supply_of(weather, 1, "a")
    july = slice(310 * 24, 330 * 24)
    assert not supply.flowing[july].any()
    assert supply.temperature_c[july].max() < 20.0
    assert 0.45 < weather.heating.mean() < 0.55
    assert weather_of("copenhagen", YEAR, 8760, 1).heating.all()


def test_a_held_calendar_keeps_the_winter() -> None:
    summer = weather_of("harbin", datetime(2026, 7, 1, tzinfo=UTC), 24 * 200, 1, held_day=15)
    assert summer.temperature_c.mean() < -12.0
    assert summer.heating.all()


def test_colder_weather_gets_hotter_supply() -> None:
    weather = weather_of("beijing", YEAR, 8760, 1)
    supply = supply_of(weather, 1, "a")
    on = supply.flowing
    cold, mild = on & (weather.temperature_c < -8), on & (weather.temperature_c > 8)
    assert supply.temperature_c[cold].mean() > supply.temperature_c[mild].mean() + 8


def test_a_naive_start_or_an_unknown_place_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        weather_of("harbin", datetime(2024, 9, 1), 10, 1)  # noqa: DTZ001 - the point of the test
    with pytest.raises(KeyError):
        weather_of("atlantis", YEAR, 10, 1)
