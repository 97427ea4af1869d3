"""Water properties against the IAPWS package and the catalogue's checkpoints."""

import numpy as np
import pytest
from iapws import IAPWS97

from compute.kernels.thermal import PRESSURE_MPA, density, enthalpy, heat_coefficient, heat_kwh, looked_up, water_table


@pytest.mark.parametrize("temperature_c", [0.5, 10.0, 35.5, 60.0, 90.0, 130.0, 180.0])
def test_density_and_enthalpy_are_those_of_if97(temperature_c: float) -> None:
    water = IAPWS97(T=temperature_c + 273.15, P=PRESSURE_MPA)
    assert density(temperature_c) == pytest.approx(water.rho, rel=1e-9)
    assert enthalpy(temperature_c) == pytest.approx(water.h, rel=1e-9)


@pytest.mark.parametrize(
    ("supply_c", "return_c", "supply_side", "return_side"),
    [(75, 30, 1.132, 1.156), (60, 40, 1.141, 1.152), (90, 50, 1.123, 1.150)],
)
def test_checkpoints_of_the_heat_coefficient(
    supply_c: float, return_c: float, supply_side: float, return_side: float
) -> None:
    assert heat_coefficient(supply_c, return_c, True) == pytest.approx(supply_side, abs=6e-4)
    assert heat_coefficient(supply_c, return_c, False) == pytest.approx(return_side, abs=6e-4)


def test_the_table_is_as_good_as_the_formula() -> None:
    table = water_table()
    for temperature_c in np.linspace(0, 199.9, 333):
        assert looked_up(table[0], temperature_c) == pytest.approx(density(temperature_c), rel=2e-6)
        assert looked_up(table[1], temperature_c) == pytest.approx(enthalpy(temperature_c), rel=2e-6, abs=2e-4)
    assert np.isnan(looked_up(table[0], -0.1))
    assert np.isnan(looked_up(table[0], 200.1))


def test_heat_of_a_volume_is_volume_times_coefficient_times_difference() -> None:
    expected = 2.5 * 35.0 * heat_coefficient(70.0, 35.0, False)
    assert heat_kwh(water_table(), 2.5, 70.0, 35.0, False) == pytest.approx(expected, rel=1e-5)
