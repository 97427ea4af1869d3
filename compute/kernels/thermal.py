"""Water in a heat meter: density and enthalpy by IAPWS-IF97 region 1, and the heat coefficient k of EN 1434.

Valid from 0 to 200 °C at 16 bar, the pressure that heat meters assume. Hour by hour a table of half degrees is read
(interpolation error below 1e-6), because the formula's 34 powers would cost more than everything else.
"""

import numpy as np

from compute.kernels.compiled import Float64, compiled

PRESSURE_MPA = 1.6
# IAPWS-IF97, table 2: exponents and coefficients of the Gibbs energy of region 1.
_I = np.array(
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 8, 8, 21, 23, 29, 30, 31, 32]
)  # fmt: skip
_J = np.array(
    [-2, -1, 0, 1, 2, 3, 4, 5, -9, -7, -1, 0, 1, 3, -3, 0, 1, 3, 17, -4, 0, 6, -5, -2, 10, -8, -11, -6, -29, -31, -38,
     -39, -40, -41]
)  # fmt: skip
_N = np.array(
    [0.14632971213167, -0.84548187169114, -3.756360367204, 0.33855169168385e1, -0.95791963387872, 0.15772038513228,
     -0.16616417199501e-1, 0.81214629983568e-3, 0.28319080123804e-3, -0.60706301565874e-3, -0.18990068218419e-1,
     -0.32529748770505e-1, -0.21841717175414e-1, -0.52838357969930e-4, -0.47184321073267e-3, -0.30001780793026e-3,
     0.47661393906987e-4, -0.44141845330846e-5, -0.72694996297594e-15, -0.31679644845054e-4, -0.28270797985312e-5,
     -0.85205128120103e-9, -0.22425281908000e-5, -0.65171222895601e-6, -0.14341729937924e-12, -0.40516996860117e-6,
     -0.12734301741641e-8, -0.17424871230634e-9, -0.68762131295531e-18, 0.14478307828521e-19, 0.26335781662795e-22,
     -0.11947622640071e-22, 0.18228094581404e-23, -0.93537087292458e-25]
)  # fmt: skip
_R = 0.461526
_T_STAR, _P_STAR = 1386.0, 16.53
TABLE_STEP_K, TABLE_END_C = 0.5, 200.0


@compiled
def density(temperature_c: float) -> float:
    """Density of water in kg/m3 at 16 bar; IF97 equation 7, v = R·T/p·π·γπ."""
    kelvin = temperature_c + 273.15
    pi, tau = PRESSURE_MPA / _P_STAR, _T_STAR / kelvin
    slope = 0.0
    for n in range(len(_N)):
        if _I[n]:
            slope -= _N[n] * _I[n] * (7.1 - pi) ** (_I[n] - 1) * (tau - 1.222) ** _J[n]
    return float(PRESSURE_MPA * 1000.0 / (_R * kelvin * pi * slope))


@compiled
def enthalpy(temperature_c: float) -> float:
    """Specific enthalpy of water in kJ/kg at 16 bar; IF97 equation 7, h = R·T·τ·γτ."""
    kelvin = temperature_c + 273.15
    pi, tau = PRESSURE_MPA / _P_STAR, _T_STAR / kelvin
    slope = 0.0
    for n in range(len(_N)):
        if _J[n]:
            slope += _N[n] * _J[n] * (7.1 - pi) ** _I[n] * (tau - 1.222) ** (_J[n] - 1)
    return float(_R * kelvin * tau * slope)


@compiled
def water_table() -> Float64:
    """(2, n) density in kg/m3 and enthalpy in kJ/kg from 0 to 200 °C in half degrees."""
    n = int(TABLE_END_C / TABLE_STEP_K) + 1
    table = np.empty((2, n))
    for i in range(n):
        table[0, i] = density(i * TABLE_STEP_K)
        table[1, i] = enthalpy(i * TABLE_STEP_K)
    return table


@compiled
def looked_up(row: Float64, temperature_c: float) -> float:
    """A row of `water_table` at a temperature, linear between half degrees; NaN outside 0 to 200 °C."""
    place = temperature_c / TABLE_STEP_K
    if not 0.0 <= place <= len(row) - 1.0:
        return float(np.nan)
    i = min(int(place), len(row) - 2)
    return float(row[i] + (row[i + 1] - row[i]) * (place - i))


@compiled
def heat_kwh(table: Float64, volume_m3: float, supply_c: float, return_c: float, supply_mounted: bool) -> float:
    """Heat that a volume gave off between two temperatures, kWh: V·ρ(T at the flow sensor)·(h_s − h_r)/3600 (EN
    1434-1).
    """
    at_sensor = supply_c if supply_mounted else return_c
    drop = looked_up(table[1], supply_c) - looked_up(table[1], return_c)
    return float(volume_m3 * looked_up(table[0], at_sensor) * drop / 3600.0)


@compiled
def heat_coefficient(supply_c: float, return_c: float, supply_mounted: bool) -> float:
    """k in kWh/(m3·K), from the formula itself."""
    at_sensor = supply_c if supply_mounted else return_c
    return float(density(at_sensor) * (enthalpy(supply_c) - enthalpy(return_c)) / (3600.0 * (supply_c - return_c)))
