"""A device's register map as data: points, their types and scales, and what may be asked in one request.

Rules: addresses are those of the wire, from 0. A point may take its unit, exponent or factor from other points, add a
fraction to its integer, and be void while another point says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from protocols.telegram import Function


@dataclass(frozen=True, slots=True)
class UnitRow:
    """Meaning of one code of a unit register: a unit, what to multiply by, and the quantity where only the unit
    tells it.
    """

    unit: str
    factor: Decimal = Decimal(1)
    quantity: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a map.

    Attributes
    ----------
    name, address, kind, function : str, int, str, int
        Key, wire address, type (`TYPES`) and function code.
    order : str
        ABCD, CDAB, BADC or DCBA.
    length : int
        Registers it takes.
    quantity, unit : str
        As DataRecord; no quantity: the point serves others (a unit, an exponent, a fraction) or is kept under its own
        name.
    factor, exponent : Decimal, int
        Value = number * factor * 10**exponent.
    decimals : int, optional
        Decimal places that a float really has; it is rounded to them before it is scaled.
    exponent_register, exponent_offset, factor_register : str, int, str
        A point whose value is added to the exponent, with an offset; a point to multiply by.
    unit_register, unit_mask, units, unit_text_register : str, int, dict, str
        A point whose masked code picks a row of `units`; a point whose text is the unit.
    fraction : str
        A point added to this one.
    void_unless_zero : str
        A point that must be zero for this one to count: the high part of a total whose weight nobody documents.
    time_register : str
        A point with the instant of the value, seconds since 1970.
    sentinels : tuple of str
        ``"0x7FFFFFFF"`` compares bits, ``"999999"`` the number before scaling.
    internal : bool
        Not a record: it only serves other points.
    default : Decimal or str, optional
        What a simulator puts there.
    """

    name: str
    address: int
    kind: str
    function: int = 3
    order: str = "ABCD"
    length: int = 1
    quantity: str = ""
    unit: str = ""
    factor: Decimal = Decimal(1)
    exponent: int = 0
    decimals: int | None = None
    value_function: Function = Function.INSTANTANEOUS
    storage: int = 0
    tariff: int = 0
    subunit: int = 0
    exponent_register: str = ""
    exponent_offset: int = 0
    factor_register: str = ""
    unit_register: str = ""
    unit_mask: int = 0xFFFF
    units: Mapping[int, UnitRow] = field(default_factory=dict)
    unit_text_register: str = ""
    fraction: str = ""
    void_unless_zero: str = ""
    time_register: str = ""
    sentinels: tuple[str, ...] = ()
    internal: bool = False
    default: Decimal | str | None = None

    @property
    def last(self) -> int:
        """Last address it takes."""
        return self.address + self.length - 1

    def partners(self) -> tuple[str, ...]:
        """Names of the points that this one needs."""
        names = (
            self.exponent_register,
            self.factor_register,
            self.unit_register,
            self.unit_text_register,
            self.fraction,
            self.void_unless_zero,
            self.time_register,
        )
        return tuple(name for name in names if name)


@dataclass(frozen=True, slots=True)
class ModbusMap:
    """All points of a device and the limits of asking for them.

    `readable` are runs of addresses between points that the maker declares readable; all other gaps are never read
    across. `refresh_s` is how often the device renews its values: asking more often returns the same. `serial_point`
    names the meter.
    """

    points: tuple[Point, ...]
    max_registers: int = 125
    readable: tuple[tuple[int, int], ...] = ()
    refresh_s: int | None = None
    serial_point: str = ""
    line: str = ""
    _by_name: dict[str, Point] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._by_name.update({point.name: point for point in self.points})

    def point(self, name: str) -> Point:
        """The point of this name. Raises KeyError."""
        return self._by_name[name]

    def exponent_of(self, name: str) -> int | None:
        """Power of ten of the last digit of a point's value; None where the device itself decides it."""
        point = self._by_name.get(name)
        if point is None or point.exponent_register or point.factor_register:
            return None
        step = point.factor.as_tuple().exponent
        return point.exponent - (point.decimals or 0) + (step if isinstance(step, int) else 0)
