"""Registers and their readings: what the profile makes of a telegram's records.

The display is sacred: a register reading is an exact integer count of the register's last displayed digit.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from protocols.telegram import value_text
from protocols.units import CANONICAL_UNIT, CUMULATIVE, Quantity, converted, dimension, factor


@dataclass(frozen=True, slots=True)
class Register:
    """One counting or measured quantity of a meter.

    One count is ``10**scale`` of `unit`: unit "kWh", scale -2 means that the last digit is 0.01 kWh.
    `digits` is the number of digits of the display, after which a counter rolls over; None where unknown or not a
    counter. `name` is unique within a meter: "energy", "energy_tariff_1", "volume", "supply_temperature".
    Months of history are not registers of their own: their readings carry the same register and their target time.
    """

    name: str
    quantity: Quantity
    unit: str
    scale: int
    digits: int | None = None
    storage: int = 0
    tariff: int = 0
    subunit: int = 0

    def __post_init__(self) -> None:
        if dimension(self.unit) != dimension(CANONICAL_UNIT[self.quantity]):
            raise ValueError(f"register {self.name}: {self.unit} does not measure {self.quantity}")
        if self.digits is not None and not 1 <= self.digits <= 18:
            raise ValueError(f"register {self.name}: digits {self.digits} outside 1-18")
        if not -9 <= self.scale <= 9:
            raise ValueError(f"register {self.name}: scale {self.scale} outside -9 to 9")

    @property
    def cumulative(self) -> bool:
        """Whether the register counts up (an index), rather than measuring a momentary value."""
        return self.quantity in CUMULATIVE

    @property
    def capacity(self) -> int | None:
        """Count at which the display rolls over."""
        return None if self.digits is None else 10**self.digits

    def value_of(self, count: int) -> Decimal:
        """The displayed value in the register's own unit."""
        return Decimal(count).scaleb(self.scale)

    def canonical_value_of(self, count: int) -> Decimal:
        """The value in the quantity's canonical unit (kWh, m3, kW, °C, ...)."""
        return converted(self.value_of(count), self.unit, CANONICAL_UNIT[self.quantity])

    def count_size(self, unit: str) -> Fraction:
        """How much of `unit` one count is, exactly."""
        return factor(self.unit, unit) * Fraction(10) ** self.scale


@dataclass(frozen=True, slots=True)
class RegisterReading:
    """One register value at one instant as the telegram gave it.

    `count` is None where the meter said that the value is invalid (`error` tells how). `time` is the instant
    the telegram itself assigns (a target date of stored history, a meter clock is not one); None means "now":
    the arrival time decides. Naive datetimes are local meter time, to be resolved by whoever knows the zone.
    """

    register: Register
    count: int | None
    time: datetime | None = None
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The public JSON shape, in canonical units."""
        register = self.register
        return {
            "register": register.name,
            "quantity": str(register.quantity),
            "unit": CANONICAL_UNIT[register.quantity],
            "value": None if self.count is None else value_text(register.canonical_value_of(self.count)),
            "count": self.count,
            "count_unit": register.unit,
            "count_scale": register.scale,
            "storage": register.storage,
            "tariff": register.tariff,
            "subunit": register.subunit,
            "time": None if self.time is None else self.time.isoformat(),
            "error": self.error,
        }
