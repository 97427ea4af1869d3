"""What a billing period is calculated by, checked when it is made: gate, tiers, degree-day base, tolerance."""

from datetime import date
from typing import Any, Final

import msgspec

from api.billing.tiers import schedules
from compute.billing import Gate
from ingest.errors import InvalidInputError

Row = dict[str, Any]
_KNOWN: Final = frozenset({"gate", "tiers", "base_c", "tolerance_min"})
_NUMBERS: Final = (("base_c", 18), ("tolerance_min", 90))
_LARGEST: Final = 100_000


def gate_of(settings: Row) -> Gate:
    """The period's own gate where its settings have one."""
    return msgspec.convert(settings.get("gate", {}), Gate)


def checked(settings: Row, start: date, end: date) -> Row:
    """The settings as they came.

    Raises
    ------
    InvalidInputError
        One is unknown or cannot be; `field` names it.
    """
    unknown = sorted(set(settings) - _KNOWN)
    if unknown:
        raise InvalidInputError(f"unknown setting {unknown[0]!r}", field=f"settings.{unknown[0]}")
    try:
        gate_of(settings)
        for name, default in _NUMBERS:
            if not 0 <= float(settings.get(name, default)) <= _LARGEST:
                raise ValueError(f"{name} is out of range")
        tiers = settings.get("tiers", [])
        if not isinstance(tiers, list):
            raise TypeError("tiers is a list")
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise InvalidInputError(f"settings: {error}", field="settings") from error
    schedules(tiers, start, end)
    return settings
