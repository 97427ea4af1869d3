"""Density and enthalpy of the heat carrier by IAPWS-IF97 (region 1) at one pressure, for whole arrays at once.

Rules: temperatures in °C, enthalpy in kJ/kg, density in kg/m³, 0-200 °C. The equation is evaluated once on a fine
grid; arrays are read off it linearly (error below 1e-8, far below any meter), which costs a tenth of the equation.
Meters compute at 16 bar by convention (EN 1434-1), so that is the default.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from simulators.kernels import KJ_PER_KWH, read_off

FloatArray = NDArray[np.floating]

METER_PRESSURE_BAR = 16.0
HIGHEST_C = 200.0
STEP_K = 0.02

# IAPWS-IF97, table 2: exponents I and J and coefficients n of the Gibbs energy in region 1.
_I = np.array([0] * 8 + [1] * 6 + [2] * 5 + [3] * 3 + [4] * 3 + [5, 8, 8, 21, 23, 29, 30, 31, 32])
_J = np.array(
    (-2, -1, 0, 1, 2, 3, 4, 5, -9, -7, -1, 0, 1, 3, -3, 0, 1, 3, 17, -4, 0, 6, -5, -2, 10, -8, -11, -6,
     -29, -31, -38, -39, -40, -41)
)  # fmt: skip
_N = np.array(
    [
        0.14632971213167, -0.84548187169114, -0.37563603672040e1, 0.33855169168385e1, -0.95791963387872,
        0.15772038513228, -0.16616417199501e-1, 0.81214629983568e-3, 0.28319080123804e-3, -0.60706301565874e-3,
        -0.18990068218419e-1, -0.32529748770505e-1, -0.21841717175414e-1, -0.52838357969930e-4, -0.47184321073267e-3,
        -0.30001780793026e-3, 0.47661393906987e-4, -0.44141845330846e-5, -0.72694996297594e-15, -0.31679644845054e-4,
        -0.28270797985312e-5, -0.85205128120103e-9, -0.22425281908000e-5, -0.65171222895601e-6, -0.14341729937924e-12,
        -0.40516996860117e-6, -0.12734301741641e-8, -0.17424871230634e-9, -0.68762131295531e-18, 0.14478307828521e-19,
        0.26335781662795e-22, -0.11947622640071e-22, 0.18228094581404e-23, -0.93537087292458e-25,
    ]
)  # fmt: skip
_GAS_CONSTANT = 0.461526  # kJ/(kg·K)


def _gibbs_sums(temperature_c: FloatArray, pressure_bar: float) -> tuple[FloatArray, FloatArray]:
    pi = pressure_bar / 165.3
    tau = 1386.0 / (np.asarray(temperature_c, dtype=np.float64) + 273.15)
    a, b = 7.1 - pi, tau[..., None] - 1.222
    powers = b**_J
    gamma_pi = -np.sum(_N * _I * a ** (_I - 1.0) * powers, axis=-1)
    gamma_tau = np.sum(_N * a ** _I.astype(float) * _J * b ** (_J - 1), axis=-1)
    return gamma_pi, gamma_tau


def density_by_equation(temperature_c: FloatArray, pressure_bar: float = METER_PRESSURE_BAR) -> FloatArray:
    """Density in kg/m³ straight from the equation. `temperature_c`: any shape, 0-350 °C."""
    gamma_pi, _ = _gibbs_sums(temperature_c, pressure_bar)
    kelvin = np.asarray(temperature_c, dtype=np.float64) + 273.15
    return np.asarray(16530.0 / (_GAS_CONSTANT * kelvin * gamma_pi))


def enthalpy_by_equation(temperature_c: FloatArray, pressure_bar: float = METER_PRESSURE_BAR) -> FloatArray:
    """Specific enthalpy in kJ/kg straight from the equation. `temperature_c`: any shape, 0-350 °C."""
    _, gamma_tau = _gibbs_sums(temperature_c, pressure_bar)
    return np.asarray(1386.0 * _GAS_CONSTANT * gamma_tau)


@lru_cache(maxsize=4)
def _grid(pressure_bar: float) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    temperature = np.arange(0.0, HIGHEST_C + 2 * STEP_K, STEP_K)
    return (
        temperature,
        np.asarray(density_by_equation(temperature, pressure_bar), dtype=np.float64),
        np.asarray(enthalpy_by_equation(temperature, pressure_bar), dtype=np.float64),
    )


def enthalpies(pressure_bar: float = METER_PRESSURE_BAR) -> NDArray[np.float64]:
    """Enthalpy in kJ/kg from 0 °C up in steps of `STEP_K`."""
    return _grid(pressure_bar)[2]


def _read_off(temperature_c: FloatArray, values: NDArray[np.float64]) -> NDArray[np.float64]:
    celsius = np.ascontiguousarray(temperature_c, dtype=np.float64)
    return read_off(celsius.reshape(-1), values, HIGHEST_C, 1.0 / STEP_K).reshape(celsius.shape)


def density(temperature_c: FloatArray, pressure_bar: float = METER_PRESSURE_BAR) -> NDArray[np.float64]:
    """Density in kg/m³. `temperature_c`: any shape, clipped to 0-200 °C."""
    return _read_off(temperature_c, _grid(pressure_bar)[1])


def enthalpy(temperature_c: FloatArray, pressure_bar: float = METER_PRESSURE_BAR) -> NDArray[np.float64]:
    """Specific enthalpy in kJ/kg. `temperature_c`: any shape, clipped to 0-200 °C."""
    return _read_off(temperature_c, _grid(pressure_bar)[2])


def temperature(enthalpy_kj_kg: FloatArray, pressure_bar: float = METER_PRESSURE_BAR) -> NDArray[np.float64]:
    """Temperature in °C of a specific enthalpy; the inverse of `enthalpy`."""
    celsius, _, table = _grid(pressure_bar)
    return np.asarray(np.interp(enthalpy_kj_kg, table, celsius))


def heat_coefficient(
    supply_c: FloatArray, return_c: FloatArray, mounting_side: str = "return", pressure_bar: float = METER_PRESSURE_BAR
) -> NDArray[np.float64]:
    """k in kWh/(m³·K), so that E = k·V·ΔT. NaN where supply and return are equal.

    Parameters
    ----------
    supply_c, return_c : ndarray
        Temperatures in °C, one shape.
    mounting_side : {"return", "supply"}
        The pipe that carries the flow sensor, whose temperature fixes the density.

    Notes
    -----
    EN 1434-1: k = ρ(T at the flow sensor)·(h_supply - h_return)/(ΔT·3600).
    """
    difference = np.asarray(supply_c, dtype=np.float64) - return_c
    at_sensor = return_c if mounting_side == "return" else supply_c
    gain = enthalpy(supply_c, pressure_bar) - enthalpy(return_c, pressure_bar)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(
            np.where(difference == 0, np.nan, density(at_sensor, pressure_bar) * gain / (difference * KJ_PER_KWH))
        )
