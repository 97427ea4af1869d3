"""The one rounding between exact integers and the figures of a bill: half to even, from the exact value, once.

The database's views round by the same rule, so that a figure is the same wherever it is read.
"""

from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Final

J_PER_KWH: Final = 3_600_000


def rounded(value: int | Fraction, per: int, places: int) -> Decimal:
    """`value` / `per` as a decimal of `places`, rounded once, half to even."""
    quotient = Fraction(value) / per
    exponent = Decimal(1).scaleb(-places)
    scaled = quotient * 10**places
    whole, rest = divmod(scaled.numerator, scaled.denominator)
    twice = 2 * rest - scaled.denominator
    if twice > 0 or (twice == 0 and whole % 2 == 1):
        whole += 1
    return Decimal(whole).scaleb(-places).quantize(exponent, rounding=ROUND_HALF_EVEN)


def energy_units(energy_j: int) -> dict[str, Decimal]:
    """The energy in the units that bills are written in, each rounded once from the exact joules."""
    return {
        "energy_kwh": rounded(energy_j, J_PER_KWH, 3),
        "energy_mwh": rounded(energy_j, 1000 * J_PER_KWH, 6),
        "energy_gj": rounded(energy_j, 10**9, 6),
    }
