"""A device's register map as data: points, their types and scales, and what may be asked in one request.

Rules: addresses are those of the wire, from 0 (`address_base` is what the file's own numbers start from). A point may
take its unit, exponent or factor from other points, add a fraction to its integer, and be void while another point says
so. Every mistake in a map is a ProfileError that names file and key.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from protocols.errors import ProfileError
from protocols.modbus.words import FLOATS, ORDERS, TYPES
from protocols.profile_registers import STANDARD
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


_MAP_KEYS = {
    "function", "address_base", "order", "max_registers", "readable", "refresh_s", "serial_point", "line", "sentinels",
    "units",
}  # fmt: skip
_POINT_KEYS = {
    "name", "address", "type", "function", "order", "length", "quantity", "unit", "factor", "exponent", "decimals",
    "value", "storage", "tariff", "subunit", "exponent_register", "exponent_offset", "factor_register",
    "unit_register", "unit_mask", "units", "unit_text_register", "fraction", "void_unless_zero", "time_register",
    "sentinels", "internal", "default", "repeat", "note",
}  # fmt: skip


def _fail(where: str, message: str) -> ProfileError:
    return ProfileError("profile.modbus", f"{where}: {message}")


def map_from_tables(where: str, settings: Mapping[str, Any], points: list[Mapping[str, Any]]) -> ModbusMap:
    """A map from a profile's ``[modbus]`` and ``[[point]]`` tables.

    Parameters
    ----------
    where : str
        File name, for messages.

    Raises
    ------
    ProfileError
        Unknown key, unknown type or order, address outside 0-65535, a point that names no other, two points of one
        name, a 32-bit value longer than one request.
    """
    for key in settings:
        if key not in _MAP_KEYS:
            raise _fail(where, f"modbus.{key} is no key of a register map")
    made: list[Point] = []
    for index, table in enumerate(points):
        made += _repeated(f"{where}: point[{index}]", table, settings)
    largest = int(settings.get("max_registers", 125))
    if not 1 <= largest <= 125:
        raise _fail(where, f"modbus.max_registers {largest} outside 1-125")
    found = ModbusMap(
        tuple(made),
        largest,
        tuple((int(first), int(last)) for first, last in settings.get("readable", ())),
        settings.get("refresh_s"),
        settings.get("serial_point", ""),
        settings.get("line", ""),
    )
    _check(where, found)
    return found


def _check(where: str, found: ModbusMap) -> None:
    names = [point.name for point in found.points]
    for name in names:
        if names.count(name) > 1:
            raise _fail(where, f"two points are called {name!r}")
    for point in found.points:
        for partner in point.partners():
            if partner not in names:
                raise _fail(where, f"point {point.name}: there is no point {partner!r}")
        if point.length > found.max_registers:
            raise _fail(where, f"point {point.name}: {point.length} registers do not fit one request")
        if point.kind in FLOATS and point.decimals is None and point.quantity in (*STANDARD, "energy"):
            raise _fail(where, f"point {point.name}: decimals says how many places of a float count, and is missing")
    if found.serial_point and found.serial_point not in names:
        raise _fail(where, f"modbus.serial_point: there is no point {found.serial_point!r}")


def _repeated(where: str, table: Mapping[str, Any], settings: Mapping[str, Any]) -> list[Point]:
    """One point, or a run of equal blocks: ``repeat = {count, stride}`` numbers names and partners from 1."""
    point = _point(where, table, settings)
    repeat = table.get("repeat")
    if repeat is None:
        return [point]
    made = []
    for number in range(1, int(repeat["count"]) + 1):
        renamed: dict[str, Any] = {
            key: f"{getattr(point, key)}_{number}"
            for key in ("exponent_register", "factor_register", "unit_register", "fraction", "time_register")
            if getattr(point, key)
        }
        address = point.address + (number - 1) * int(repeat["stride"])
        made.append(replace(point, name=f"{point.name}_{number}", address=address, subunit=number - 1, **renamed))
    return made


def _point(where: str, table: Mapping[str, Any], settings: Mapping[str, Any]) -> Point:
    for key in ("name", "address", "type"):
        if key not in table:
            raise _fail(where, f"{key} is missing")
    where = f"{where} ({table['name']})"
    for key in table:
        if key not in _POINT_KEYS:
            raise _fail(where, f"{key} is no key of a point")
    kind, order = table["type"], table.get("order", settings.get("order", "ABCD"))
    if kind not in TYPES:
        raise _fail(where, f"type {kind!r} is none of {', '.join(TYPES)}")
    if order not in ORDERS:
        raise _fail(where, f"order {order!r} is none of {', '.join(ORDERS)}")
    function = int(table.get("function", settings.get("function", 3)))
    if function not in (3, 4):
        raise _fail(where, f"function {function} does not read registers")
    length = int(table.get("length", 0)) if kind == "ascii" else TYPES[kind]
    if length < 1:
        raise _fail(where, "length: a text says how many registers it takes")
    address = int(table["address"]) - int(settings.get("address_base", 0))
    if not 0 <= address <= 0x10000 - length:
        raise _fail(where, f"address {address} outside 0-65535")
    default = table.get("default")
    return Point(
        name=table["name"],
        address=address,
        kind=kind,
        function=function,
        order=order,
        length=length,
        value_function=Function(table.get("value", "instantaneous")),
        factor=_decimal(where, "factor", table.get("factor", 1)),
        units=_units(where, table.get("units", {}), settings.get("units", {})),
        sentinels=tuple(str(item) for item in (*settings.get("sentinels", ()), *table.get("sentinels", ()))),
        default=default
        if default is None or (isinstance(default, str) and kind in ("ascii", "clock_bcd6"))
        else _decimal(where, "default", default),
        **{key: table[key] for key in _PLAIN if key in table},
    )


def _decimal(where: str, key: str, value: Any) -> Decimal:
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        number = Decimal("NaN")
    if not number.is_finite():
        raise _fail(where, f"{key}: {value!r} is no number")
    return number


_PLAIN = (
    "quantity", "unit", "exponent", "decimals", "storage", "tariff", "subunit", "exponent_register", "exponent_offset",
    "factor_register", "unit_register", "unit_mask", "unit_text_register", "fraction", "void_unless_zero",
    "time_register", "internal",
)  # fmt: skip


def _units(where: str, table: str | Mapping[str, Any], named: Mapping[str, Any]) -> dict[int, UnitRow]:
    """Rows of a unit register; a text names a table under ``[modbus.units]``."""
    if isinstance(table, str):
        if table not in named:
            raise _fail(where, f"units: there is no table modbus.units.{table}")
        return _units(where, dict(named[table]), named)
    rows: dict[int, UnitRow] = {}
    for code, row in table.items():
        try:
            number = int(code, 0)
        except ValueError:
            raise _fail(where, f"units.{code}: the code is no number") from None
        if isinstance(row, str):
            rows[number] = UnitRow(row)
        else:
            factor = _decimal(where, f"units.{code}.factor", row.get("factor", 1))
            rows[number] = UnitRow(row["unit"], factor, row.get("quantity", ""))
    return rows
