"""Density, enthalpy and heat coefficient against the `iapws` package and the published checkpoints."""

import numpy as np
import pytest
from iapws import IAPWS97

from simulators import water

TEMPERATURES_C = (1.0, 10.0, 25.0, 37.5, 60.0, 82.3, 95.0, 120.0, 150.0)


@pytest.mark.parametrize("celsius", TEMPERATURES_C)
@pytest.mark.parametrize("bar", [6.0, 16.0])
def test_density_and_enthalpy_agree_with_an_independent_implementation(celsius: float, bar: float) -> None:
    reference = IAPWS97(T=celsius + 273.15, P=bar / 10.0)
    assert water.density(np.array([celsius]), bar)[0] == pytest.approx(reference.rho, rel=1e-7)
    assert water.enthalpy(np.array([celsius]), bar)[0] == pytest.approx(reference.h, rel=1e-7)


def test_reading_off_the_grid_is_as_good_as_the_equation() -> None:
    celsius = np.random.default_rng(1).uniform(0.5, 180.0, 5000)
    assert water.density(celsius) == pytest.approx(water.density_by_equation(celsius), rel=2e-8)
    assert water.enthalpy(celsius) == pytest.approx(water.enthalpy_by_equation(celsius), rel=2e-7)


def test_temperature_is_the_inverse_of_enthalpy() -> None:
    celsius = np.linspace(1.0, 180.0, 777)
    assert water.temperature(water.enthalpy(celsius)) == pytest.approx(celsius, abs=1e-6)


@pytest.mark.parametrize(
    ("supply_c", "return_c", "on_supply", "on_return"),
    [(75.0, 30.0, 1.132, 1.156), (60.0, 40.0, 1.141, 1.152), (90.0, 50.0, 1.123, 1.150)],
)
def test_heat_coefficient_meets_the_published_checkpoints(
    supply_c: float, return_c: float, on_supply: float, on_return: float
) -> None:
    supply, back = np.array([supply_c]), np.array([return_c])
    assert water.heat_coefficient(supply, back, "supply")[0] == pytest.approx(on_supply, abs=6e-4)
    assert water.heat_coefficient(supply, back, "return")[0] == pytest.approx(on_return, abs=6e-4)


def test_no_difference_has_no_coefficient() -> None:
    assert np.isnan(water.heat_coefficient(np.array([50.0]), np.array([50.0]))[0])
