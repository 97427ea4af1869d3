"""What somebody wants of a scenario: size, span, places, displays and how much should go wrong.

Rules: nothing given means the scenario's own; a wish that a scenario cannot fulfil is a ValueError that says why.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from protocols.registers import Register
from protocols.units import Quantity, dimension, is_unit
from simulators.weather import CLIMATES

_STEP = re.compile(r"^\s*([0-9.]*)\s*([A-Za-z0-9³]+)\s*$")
_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Step:
    """The size of a display's last digit: 10^`scale` `unit`."""

    unit: str
    scale: int

    @classmethod
    def parse(cls, text: str, wanted: str) -> "Step":
        """A step as people write it: "10kWh", "0.001 GJ", "0.1m3". Raises ValueError.

        Parameters
        ----------
        text : str
        wanted : {"energy", "volume"}
            The dimension it must have.
        """
        found = _STEP.match(text)
        size = Decimal(found[1] or "1") if found and found[1].count(".") < 2 and found[1] != "." else Decimal(0)
        unit = found[2].replace("³", "3") if found else ""
        if not size or size.normalize().as_tuple().digits != (1,):
            raise ValueError(f"{text!r} is no step of a display: a power of ten and a unit, such as 10kWh or 0.001GJ")
        if not is_unit(unit) or dimension(unit) != wanted:
            raise ValueError(f"{unit!r} is not a unit of {wanted}")
        return cls(unit, size.normalize().adjusted())


@dataclass(frozen=True, slots=True)
class Display:
    """Other displays than the makers' own: what heat meters show as energy and, where given, as volume."""

    energy: Step
    volume: Step | None = None

    @classmethod
    def parse(cls, text: str) -> "Display":
        """ "10kWh" or "10kWh,0.1m3". Raises ValueError."""
        energy, _, volume = text.partition(",")
        return cls(Step.parse(energy, "energy"), Step.parse(volume, "volume") if volume else None)

    def of(self, registers: tuple[Register, ...]) -> tuple[Register, ...]:
        """A heat meter's registers with this display; other meters' as they are."""
        if not any(register.quantity is Quantity.HEAT_ENERGY for register in registers):
            return registers
        steps = {Quantity.HEAT_ENERGY: self.energy, Quantity.VOLUME: self.volume}
        return tuple(_shown(register, steps.get(register.quantity)) for register in registers)


def _shown(register: Register, step: Step | None) -> Register:
    return register if step is None else replace(register, unit=step.unit, scale=step.scale, digits=_DIGITS)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A wish. `meters` includes masters; [start, start + days) is simulated; `climates` take turns over the areas
    (empty: the scenario's own); `faults_per_kind` in a season (None: its true-to-life rate)."""

    seed: int
    meters: int
    days: int
    start: datetime
    climates: tuple[str, ...] = ()
    display: Display | None = None
    faults_per_kind: int | None = None

    def __post_init__(self) -> None:
        unknown = [name for name in self.climates if name not in CLIMATES]
        if unknown:
            raise ValueError(f"{unknown[0]} is none of the climates {', '.join(CLIMATES)}")
        if self.start.tzinfo is None:
            raise ValueError("the first instant must be aware")

    @property
    def first_hour(self) -> datetime:
        """`start` in UTC, cut to its hour."""
        return self.start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)

    @property
    def end(self) -> datetime:
        """The first instant after."""
        return self.first_hour + timedelta(days=self.days)

    def climate(self, otherwise: str) -> str:
        """The one place of a scenario that has one."""
        return self.climates[0] if self.climates else otherwise
