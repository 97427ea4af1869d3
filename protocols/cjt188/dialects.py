"""How makers bend CJ/T 188: byte order, unit position, offset bytes, scales, as rows of one table.

Rules: data only; a dialect changes where bytes lie and what they scale to, never what a register is called (that is the
profile's business). `BASE` holds the layouts that the decoder can tell apart by itself; all others need to be named.
"""

from dataclasses import dataclass, fields
from typing import Any, Literal

from protocols.errors import ProfileError


@dataclass(frozen=True, slots=True, eq=False)
class Dialect:
    """One maker's reading of the standard.

    Attributes
    ----------
    di_order : {"low", "high"}
        Which byte of the data identifier comes first in what *we* send; answers are read in either order.
    byte_order : {"little", "big"}
        Order of BCD bytes, clock and address; units stay where they are.
    unit_position : {"after", "before"}
        Unit byte after or before its value.
    shifted : bool
        Data bytes carry +33h, as on DL/T 645.
    settlement : {"heat", "cooling"}
        What the first slot of 901F holds.
    decimals : tuple of (str, int)
        Decimal places that differ from the standard's, by quantity.
    temperature_bytes : {3, 2}
        2: the third byte of a temperature is noise.
    status_reversed : bool
        Bits of ST1 counted from the other end.
    nines : bool
        All nines are a placeholder, not a value.
    """

    name: str
    di_order: Literal["low", "high"] = "high"
    byte_order: Literal["little", "big"] = "little"
    unit_position: Literal["after", "before"] = "after"
    shifted: bool = False
    settlement: Literal["heat", "cooling"] = "heat"
    decimals: tuple[tuple[str, int], ...] = ()
    temperature_bytes: int = 3
    status_reversed: bool = False
    nines: bool = True

    def __post_init__(self) -> None:
        allowed = {
            "di_order": ("low", "high"),
            "byte_order": ("little", "big"),
            "unit_position": ("after", "before"),
            "settlement": ("heat", "cooling"),
            "temperature_bytes": (2, 3),
        }
        for key, choices in allowed.items():
            if getattr(self, key) not in choices:
                raise ProfileError("profile.dialect", f"dialect {self.name}: {key} is none of {choices}")


STANDARD = Dialect("standard")
BIG_ENDIAN = Dialect("big-endian", byte_order="big")
UNIT_FIRST = Dialect("unit-first", unit_position="before")
SHIFTED = Dialect("shifted", shifted=True)
SHIFTED_UNIT_FIRST = Dialect("shifted-unit-first", unit_position="before", shifted=True)
TWO_BYTE_TEMPERATURES = Dialect("two-byte-temperatures", temperature_bytes=2)
BASE: tuple[Dialect, ...] = (STANDARD, BIG_ENDIAN, UNIT_FIRST, SHIFTED, SHIFTED_UNIT_FIRST, TWO_BYTE_TEMPERATURES)

_INTEGERS = (("energy", 0), ("cooling_energy", 0), ("power", 0), ("flow", 0), ("volume", 0))

_NAMED: tuple[Dialect, ...] = (
    *BASE,
    Dialect("tiangang", di_order="low", settlement="cooling"),
    Dialect("runa", di_order="low"),
    Dialect("haina", di_order="low"),
    Dialect("zhifang", di_order="low"),
    Dialect("haiweici", di_order="low"),
    Dialect("sanext", di_order="low"),
    Dialect("manthink", di_order="low"),
    Dialect("lianqiang", di_order="low", temperature_bytes=2),
    Dialect("danfoss", byte_order="big"),
    Dialect("huizhong", byte_order="big"),
    Dialect("lichuang", unit_position="before"),
    Dialect("jianhu", unit_position="before"),
    Dialect("jy", unit_position="before"),
    Dialect("wanhua", di_order="low", unit_position="before", shifted=True),
    Dialect("huayi", shifted=True),
    Dialect("maituo", settlement="cooling", decimals=_INTEGERS),
    Dialect("chuangzhan", settlement="cooling"),
    Dialect("zhenyu"),
    Dialect("2018", di_order="low"),
)
DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in _NAMED}
# Names other papers use for the same layouts.
DIALECTS |= {
    "std": STANDARD,
    "be": BIG_ENDIAN,
    "huizhong-be": BIG_ENDIAN,
    "unitfirst": UNIT_FIRST,
    "special": TWO_BYTE_TEMPERATURES,
}


def dialect_named(name: "str | Dialect | None") -> Dialect | None:
    """The dialect of a name; None and Dialect objects pass through. Raises ProfileError for an unknown name."""
    if name is None or isinstance(name, Dialect):
        return name
    try:
        return DIALECTS[name.strip().lower().replace("_", "-")]
    except KeyError:
        known = ", ".join(sorted(DIALECTS))
        raise ProfileError("profile.dialect", f"unknown CJ/T 188 dialect {name!r}; known: {known}") from None


def dialect_from_table(name: str, table: dict[str, Any]) -> Dialect:
    """A dialect from a profile's ``[cjt188]`` table. Raises ProfileError naming the key."""
    known = {item.name for item in fields(Dialect)} - {"name"}
    for key in table:
        if key not in known:
            raise ProfileError("profile.key", f"profile {name}: cjt188.{key} is not one of {', '.join(sorted(known))}")
    values = dict(table)
    if "decimals" in values:
        values["decimals"] = tuple(values["decimals"].items())
    return Dialect(name, **values)
