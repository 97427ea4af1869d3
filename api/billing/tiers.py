"""Tier splits of a quantity: how much of it lies in each price step, in exact joules.

A step is bounded by a quantity; its size may be per square metre or flat, whatever the tariff says: the billing
system sets
`upto_kwh`, and the last step has none. Splits by date are made by giving each range of dates a period of its own.
"""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from compute.billing import J_PER_KWH, rounded


def tier_splits(tiers: Sequence[dict[str, Any]], energy_j: int | None) -> list[dict[str, Any]]:
    """Energy per step; the steps' kWh add up to the total's kWh because each is a difference of rounded sums."""
    if energy_j is None or not tiers:
        return []
    result: list[dict[str, Any]] = []
    low, told = 0, Decimal(0)
    for tier in tiers:
        upto = tier.get("upto_kwh")
        high = energy_j if upto is None else min(energy_j, int(Fraction(str(upto)) * J_PER_KWH))
        high = max(low, high)
        kwh = rounded(high, J_PER_KWH, 3)
        result.append({"tier": tier["tier"], "energy_j": high - low, "energy_kwh": str(kwh - told)})
        low, told = high, kwh
    return result
