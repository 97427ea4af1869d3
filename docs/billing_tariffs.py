"""Tariff examples from the determinants of a quantity: two-part, tiered, suspended base share. Money is decimal.

Prices and rules are examples of the field, not anybody's tariff: the service gives determinants, the tariff is yours.
"""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

CENT = Decimal("0.01")


def money(amount: Decimal) -> Decimal:
    """Rounded once, to the cent."""
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)


def two_part(
    quantity: Mapping[str, Any], *, base_per_m2: Decimal, per_kwh: Decimal, season_days: int, suspended_share: Decimal
) -> dict[str, Decimal]:
    """Base charge by heated area and days, heat charge by energy.

    While heating is suspended a point pays `suspended_share` of the base charge (报停: commonly 20-30 %).
    """
    area = Decimal(str(quantity["heated_area_m2"] or 0))
    served = Decimal(str(quantity["days_in_service"])) + suspended_share * Decimal(str(quantity["days_suspended"]))
    base = money(area * base_per_m2 * served / season_days)
    heat = money(Decimal(quantity["energy_kwh"] or "0") * per_kwh)
    return {"base": base, "heat": heat, "total": base + heat}


def tiered(quantity: Mapping[str, Any], prices_per_kwh: Sequence[Decimal]) -> dict[str, Decimal]:
    """Each tier of the determinants at its own price; the steps' kWh add up to the quantity's."""
    tiers = quantity["determinants"]["tiers"]
    parts = {
        str(tier["tier"]): money(Decimal(tier["energy_kwh"]) * price)
        for tier, price in zip(tiers, prices_per_kwh, strict=True)
    }
    return {**parts, "total": sum(parts.values(), Decimal(0))}


def correction(old: Mapping[str, Any], new: Mapping[str, Any], per_kwh: Decimal) -> Decimal:
    """What an adjustment credits (negative) or charges for heat."""
    return money((Decimal(new["energy_kwh"] or "0") - Decimal(old["energy_kwh"] or "0")) * per_kwh)
