"""What billing takes from the registry: the counter a service is billed by, and what one count of it is worth."""

from fractions import Fraction
from typing import Final, Literal

from protocols.units import factor

# The counter that a service is billed by, and the base unit its quantities are integers of.
MAIN_REGISTER: Final[dict[int, tuple[str, Literal["J", "mL"]]]] = {
    0: ("energy", "J"),
    1: ("energy", "J"),
    2: ("cooling_energy", "J"),
    3: ("volume", "mL"),
    4: ("volume", "mL"),
    5: ("energy", "J"),
    6: ("volume", "mL"),
}


def count_size(unit: str, scale: int, base: str, multiplier: Fraction) -> Fraction:
    """How many base units (J or mL) one count of a register stands for at the point."""
    return factor(unit, base) * Fraction(10) ** scale * multiplier
