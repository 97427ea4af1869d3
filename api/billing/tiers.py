"""Tier splits of a quantity: how much of it lies in each price step, in exact joules.

A step is bounded by a quantity (`upto_kwh`, the last of a list has none) and may begin at a date (`from`): steps with
the same date are one list, which holds until the next list's date; its quantities count from that date on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from compute.rounding import J_PER_KWH, rounded
from ingest.errors import InvalidInputError

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Schedule:
    """A list of steps that holds from a local date on; None: from the period's beginning."""

    since: date | None
    steps: tuple[tuple[str, Fraction | None], ...]


def schedules(tiers: Sequence[Mapping[str, Any]], start: date, end: date) -> list[Schedule]:
    """Lists of steps in the order of their dates.

    Raises
    ------
    InvalidInputError
        A date is outside (start, end), the period's first days have no list, or bounds do not rise.
    """
    lists: dict[date | None, list[tuple[str, Fraction | None]]] = {}
    for tier in tiers:
        try:
            since = None if tier.get("from") is None else date.fromisoformat(tier["from"])
            upto = None if tier.get("upto_kwh") is None else Fraction(str(tier["upto_kwh"]))
            name = str(tier["tier"])
        except (KeyError, TypeError, ValueError, ZeroDivisionError, AttributeError) as error:
            raise InvalidInputError("a tier is {tier, upto_kwh, from}", field="settings.tiers") from error
        if since is not None and not start <= since < end:
            raise InvalidInputError(f"the tier {name!r} begins outside the period", field="settings.tiers")
        if upto is not None and not 0 < upto < 10**12:
            raise InvalidInputError("upto_kwh is above 0 and below 10^12", field="settings.tiers")
        lists.setdefault(None if since == start else since, []).append((name, upto))
    if lists and None not in lists:
        raise InvalidInputError("the period's first days have no tiers", field="settings.tiers")
    for steps in lists.values():
        bounds = [upto for _, upto in steps if upto is not None]
        if bounds != sorted(set(bounds)) or any(upto is None for _, upto in steps[:-1]):
            raise InvalidInputError(
                "tiers must rise: upto_kwh of each above the one before, none at the last", field="settings.tiers"
            )
    return [Schedule(since, tuple(lists[since])) for since in sorted(lists, key=lambda day: day or date.min)]


def tier_splits(lists: Sequence[Schedule], energies_j: Sequence[int] | None) -> list[Row]:
    """Energy per step; the steps' kWh add up to the total's kWh because each is a difference of rounded sums.

    `energies_j`: energy of each list's days; None for a quantity that is no energy or not known.
    """
    if energies_j is None:
        return []
    result: list[Row] = []
    before, told = 0, Decimal(0)
    for schedule, energy_j in zip(lists, energies_j, strict=True):
        low = 0
        for name, upto in schedule.steps:
            high = energy_j if upto is None else max(low, min(energy_j, int(upto * J_PER_KWH)))
            kwh = rounded(before + high, J_PER_KWH, 3)
            shown: Row = {"tier": name, "energy_j": high - low, "energy_kwh": str(kwh - told)}
            result.append(shown | ({"from": schedule.since.isoformat()} if schedule.since is not None else {}))
            low, told = high, kwh
        before += low
    return result
