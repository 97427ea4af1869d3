"""The same truths in plain Python, slow and obvious: what kernels and rules are compared with. Imported by tests only.

`totals`, `readings` and `hours` hold the twins of the kernels, `view` those of what the days of a town have in
common. `TWINS` names the twin of every rule in the engine's order: a function of the town and the rule's thresholds
that says what the rule must find.
"""

from collections.abc import Callable
from typing import Any

from compute.reference import device, factor, heat, houses, use
from compute.reference.town import Told, Town

# name of the rule in a rule set -> its twin
TWINS: dict[str, Callable[[Town, Any], list[Told]]] = {
    "unit_error": device.unit_error,
    "decrease": device.decrease,
    "garbage": device.garbage,
    "comms_loss": device.comms_loss,
    "clock": device.clock,
    "static": device.static,
    "swapped_sensors": heat.swapped_sensors,
    "sensor_fault": heat.sensor_fault,
    "behind": device.behind,
    "factor_error": factor.factor_error,
    "zero_use": use.zero_use,
    "low_use": use.low_use,
    "jump": use.jump,
    "use_while_inactive": use.use_while_inactive,
    "leakage": houses.leakage,
    "undercooling": heat.undercooling,
    "neighbours": houses.neighbours,
    "balance": houses.balance,
    "siblings": heat.siblings,
    "heat_sums": heat.heat_sums,
    "long_estimation": device.long_estimation,
    "size": device.size,
    "interval_size": device.interval_size,
}
