"""What a virtual meter shows at one instant, and who shows it: all that an encoder may know."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from protocols.telegram import MeterId
from simulators.meter_models import MeterModel


@dataclass(frozen=True, slots=True)
class Readout:
    """Exact counts by register name, the meter's own clock (naive, local), the fleet's info bits, the access number."""

    at: datetime
    counts: dict[str, int]
    meter_time: datetime
    info: int
    access_number: int


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who speaks: identity, type, link settings, key, and a way to ask for month ends: (local midnight, count)."""

    id: MeterId
    model: MeterModel
    settings: dict[str, Any]
    key: bytes | None
    history: Callable[[datetime, int], list[tuple[datetime, int]]]

    def value(self, readout: Readout, name: str) -> Decimal:
        """A register's displayed value in its own unit."""
        return self.model.register(name).value_of(readout.counts[name])
