"""Faults of flow and temperature sensors: the heat is there, the meter sees something else.

Each function changes what one meter senses in a window; energy is computed from it afterwards, as the calculator does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators import water
from simulators.faults import Fault
from simulators.kernels import KJ_PER_KWH
from simulators.randomness import stream

Row = NDArray[Any]

SHORT_C, OPEN_C = 0.0, 185.0  # the sentinels of a shorted and a broken sensor

# Info bits of the virtual meters' own; the encoders translate them to each maker's.
INFO_SENSOR_SUPPLY = 1
INFO_SENSOR_RETURN = 2
INFO_FLOW = 4
INFO_AIR = 8
INFO_BATTERY = 16


@dataclass(slots=True)
class Sensed:
    """What one meter senses, (h,) each. `energy_factor` multiplies the computed energy; `counting` is 0 where the
    calculator does not run; `info` holds INFO bits."""

    flow_m3h: Row
    supply_c: Row
    return_c: Row
    energy_factor: Row
    counting: Row
    info: NDArray[np.int64]
    mounting_side: str

    def energy_kw(self) -> Row:
        """Power by EN 1434, never negative."""
        at_sensor = self.return_c if self.mounting_side == "return" else self.supply_c
        gain = water.enthalpy(self.supply_c) - water.enthalpy(self.return_c)
        power = water.density(at_sensor) * self.flow_m3h * gain / KJ_PER_KWH * self.energy_factor
        return np.asarray(np.maximum(power, 0.0))


def _stopped(sensed: Sensed, window: slice, fault: Fault) -> None:
    sensed.flow_m3h[window] = 0.0


def _sees_a_share(sensed: Sensed, window: slice, fault: Fault) -> None:
    sensed.flow_m3h[window] *= fault.magnitude


def _swapped(sensed: Sensed, window: slice, fault: Fault) -> None:
    supply = sensed.supply_c[window].copy()
    sensed.supply_c[window] = sensed.return_c[window]
    sensed.return_c[window] = supply


def _broken(sensed: Sensed, window: slice, fault: Fault) -> None:
    supply_side = fault.seed % 2 == 0
    target = sensed.supply_c if supply_side else sensed.return_c
    target[window] = OPEN_C if fault.magnitude >= 0.5 else SHORT_C
    sensed.flow_m3h[window] = 0.0
    sensed.info[window] |= INFO_SENSOR_SUPPLY if supply_side else INFO_SENSOR_RETURN


def _drifted(sensed: Sensed, window: slice, fault: Fault) -> None:
    sensed.supply_c[window] += fault.magnitude


def _air(sensed: Sensed, window: slice, fault: Fault) -> None:
    hours = len(sensed.flow_m3h[window])
    noise = stream(fault.seed, "air").random(hours)
    blind = noise < fault.magnitude
    sensed.flow_m3h[window] = np.where(blind, 0.0, sensed.flow_m3h[window])
    sensed.info[window] |= np.where(blind, INFO_AIR | INFO_FLOW, 0)


def _pulse_factor(sensed: Sensed, window: slice, fault: Fault) -> None:
    sensed.energy_factor[window] *= fault.magnitude


def _mounting_side(sensed: Sensed, window: slice, fault: Fault) -> None:
    supply, back = water.density(sensed.supply_c[window]), water.density(sensed.return_c[window])
    sensed.energy_factor[window] *= supply / back if sensed.mounting_side == "return" else back / supply


def _behind(sensed: Sensed, window: slice, fault: Fault) -> None:
    """Stops counting for runs of about six hours."""
    hours = len(sensed.flow_m3h[window])
    asleep = np.repeat(stream(fault.seed, "behind").random(hours // 6 + 1) < fault.magnitude, 6)[:hours]
    sensed.counting[window] = np.where(asleep, 0.0, sensed.counting[window])


SENSOR_FAULTS: dict[str, Callable[[Sensed, slice, Fault], None]] = {
    "stopped_meter": _stopped,
    "slow_meter": _sees_a_share,
    "tamper": _sees_a_share,
    "stolen_heat": _sees_a_share,
    "swapped_sensors": _swapped,
    "sensor_break": _broken,
    "sensor_drift": _drifted,
    "air": _air,
    "wrong_pulse_factor": _pulse_factor,
    "wrong_mounting_side": _mounting_side,
    "fell_behind": _behind,
}
