"""Faults of valves, pipes and people: they change the heat itself, so the building's master meter sees them too."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators import water
from simulators.building import VALVE_CLOSED_C, Controls, Pipes
from simulators.faults import Fault

Row = NDArray[Any]


def _stuck_valve(controls: Controls, column: int, window: slice, fault: Fault) -> None:
    controls.setpoint_c[window, column] = fault.magnitude


def _someone_heats(controls: Controls, column: int, window: slice, fault: Fault) -> None:
    controls.setpoint_c[window, column] = fault.magnitude
    controls.gains_kw[window, column] = np.maximum(controls.gains_kw[window, column], 0.15)


def _nobody_home(controls: Controls, column: int, window: slice, fault: Fault) -> None:
    controls.setpoint_c[window, column] = VALVE_CLOSED_C
    controls.gains_kw[window, column] *= 0.1
    controls.draw_kw[window, column] = 0.0


def _away(controls: Controls, column: int, window: slice, fault: Fault) -> None:
    controls.setpoint_c[window, column] -= fault.magnitude
    controls.gains_kw[window, column] *= 0.3
    controls.draw_kw[window, column] = 0.0


def _other_comfort(controls: Controls, column: int, window: slice, fault: Fault) -> None:
    controls.setpoint_c[window, column] += fault.magnitude


CONTROL_FAULTS: dict[str, Callable[[Controls, int, slice, Fault], None]] = {
    "stuck_valve": _stuck_valve,
    "use_while_suspended": _someone_heats,
    "use_while_vacant": _someone_heats,
    "vacancy": _nobody_home,
    "holiday": _away,
    "thermostat_change": _other_comfort,
}


def _mix_in(pipes: Pipes, column: int, window: slice, mass_kgh: Row, enthalpy_back: Row) -> None:
    """Add water that comes back with a given enthalpy to what flows already."""
    old = pipes.mass_kgh[window, column]
    back = water.enthalpy(pipes.return_c[window, column])
    total = old + mass_kgh
    mixed = np.divide(old * back + mass_kgh * enthalpy_back, total, out=back.copy(), where=total > 0)
    pipes.mass_kgh[window, column] = total
    pipes.return_c[window, column] = water.temperature(mixed)


def _leakage(pipes: Pipes, column: int, window: slice, fault: Fault, qp_m3h: float) -> None:
    leak = np.full(len(pipes.mass_kgh[window, column]), fault.magnitude * qp_m3h * 990.0)
    back = water.enthalpy(pipes.return_c[window, column])
    _mix_in(pipes, column, window, leak, back)


def _bypass(pipes: Pipes, column: int, window: slice, fault: Fault, qp_m3h: float) -> None:
    supply = pipes.supply_c[window, column]
    flowing = supply > 28.0
    extra = np.where(flowing, fault.magnitude * qp_m3h * 980.0, 0.0)
    _mix_in(pipes, column, window, extra, water.enthalpy(supply - 1.5))


def _fouled(pipes: Pipes, column: int, window: slice, fault: Fault, qp_m3h: float) -> None:
    supply, back = pipes.supply_c[window, column], pipes.return_c[window, column]
    mass = pipes.mass_kgh[window, column]
    heat = mass * (water.enthalpy(supply) - water.enthalpy(back))
    warm = np.where(mass > 0, np.maximum(back, supply - fault.magnitude), back)
    gain = np.maximum(water.enthalpy(supply) - water.enthalpy(warm), 1.0)
    pipes.return_c[window, column] = warm
    pipes.mass_kgh[window, column] = np.where(mass > 0, heat / gain, 0.0)


def _unmetered_tap(pipes: Pipes, column: int, window: slice, fault: Fault, qp_m3h: float) -> None:
    pipes.mass_kgh[window, column] *= 1.0 + fault.magnitude


PIPE_FAULTS: dict[str, Callable[[Pipes, int, slice, Fault, float], None]] = {
    "leakage": _leakage,
    "bypass": _bypass,
    "fouled_exchanger": _fouled,
    "unmetered_tap": _unmetered_tap,
}
