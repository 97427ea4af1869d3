"""Register maps out of a profile's tables ``[modbus]`` and ``[[point]]``.

Rules: `address_base` is what the file's own numbers start from; every mistake is a ProfileError that names file and
key.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple

from protocols.errors import ProfileError
from protocols.modbus.map import ModbusMap, Point, UnitRow
from protocols.modbus.words import FLOATS, ORDERS, TYPES
from protocols.profile_registers import STANDARD
from protocols.telegram import Function


class _Kind(NamedTuple):
    """What a key may hold, and the word for it."""

    types: tuple[type, ...]
    word: str


_INTEGER, _TEXT, _FLAG = _Kind((int,), "whole number"), _Kind((str,), "text"), _Kind((bool,), "true or false")
_NUMBER, _LIST, _TABLE = _Kind((int, float), "number"), _Kind((list, tuple), "list"), _Kind((Mapping,), "table")
_ANY, _TEXT_OR_TABLE = _Kind((object,), "value"), _Kind((str, Mapping), "text or table")

_MAP_KEYS = {
    **dict.fromkeys(("function", "address_base", "max_registers"), _INTEGER),
    **dict.fromkeys(("order", "serial_point", "line"), _TEXT),
    **dict.fromkeys(("readable", "sentinels"), _LIST),
    "refresh_s": _NUMBER,
    "units": _TABLE,
}
_PARTNERS = ("exponent_register", "factor_register", "unit_register", "fraction", "time_register")
_PLAIN_INTEGERS = ("exponent", "decimals", "storage", "tariff", "subunit", "exponent_offset", "unit_mask")
_PLAIN_TEXTS = ("quantity", "unit", "unit_text_register", "void_unless_zero", *_PARTNERS)
# Keys that go into a point as they stand.
_PLAIN = (*_PLAIN_INTEGERS, *_PLAIN_TEXTS, "internal")
_POINT_KEYS = {
    **dict.fromkeys(("address", "function", "length", *_PLAIN_INTEGERS), _INTEGER),
    **dict.fromkeys(("name", "type", "order", "value", "note", *_PLAIN_TEXTS), _TEXT),
    "internal": _FLAG,
    "units": _TEXT_OR_TABLE,
    "sentinels": _LIST,
    "repeat": _TABLE,
    "factor": _ANY,
    "default": _ANY,
}


def _fail(where: str, message: str) -> ProfileError:
    return ProfileError("profile.modbus", f"{where}: {message}")


def _check_keys(where: str, prefix: str, table: Mapping[str, Any], kinds: Mapping[str, _Kind], what: str) -> None:
    for key, value in table.items():
        kind = kinds.get(key)
        if kind is None:
            raise _fail(where, f"{prefix}{key} is no key of {what}")
        if not isinstance(value, kind.types) or (isinstance(value, bool) and kind in (_INTEGER, _NUMBER)):
            raise _fail(where, f"{prefix}{key}: {value!r} is no {kind.word}")


def map_from_tables(where: str, settings: Mapping[str, Any], points: list[Mapping[str, Any]]) -> ModbusMap:
    """A map from a profile's ``[modbus]`` and ``[[point]]`` tables.

    Parameters
    ----------
    where : str
        File name, for messages.

    Raises
    ------
    ProfileError
        Unknown key, a value of another type, unknown type or order, address outside 0-65535, a point that names no
        other, two points of one name, a 32-bit value longer than one request.
    """
    _check_keys(where, "modbus.", settings, _MAP_KEYS, "a register map")
    made: list[Point] = []
    for index, table in enumerate(points):
        made += _repeated(f"{where}: point[{index}]", table, settings)
    largest = int(settings.get("max_registers", 125))
    if not 1 <= largest <= 125:
        raise _fail(where, f"modbus.max_registers {largest} outside 1-125")
    found = ModbusMap(
        tuple(made),
        largest,
        tuple(_span(where, span) for span in settings.get("readable", ())),
        settings.get("refresh_s"),
        settings.get("serial_point", ""),
        settings.get("line", ""),
    )
    _check(where, found)
    return found


def _span(where: str, span: Any) -> tuple[int, int]:
    """First and last address of a readable gap."""
    if isinstance(span, list) and len(span) == 2 and all(type(address) is int for address in span):
        return span[0], span[1]
    raise _fail(where, f"modbus.readable: {span!r} is no pair of addresses")


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
    for key in ("count", "stride"):
        if type(repeat.get(key)) is not int or repeat[key] < 1:
            raise _fail(where, f"repeat.{key}: {repeat.get(key)!r} is no number from 1 on")
    made = []
    for number in range(1, repeat["count"] + 1):
        renamed: dict[str, Any] = {key: f"{getattr(point, key)}_{number}" for key in _PARTNERS if getattr(point, key)}
        address = point.address + (number - 1) * repeat["stride"]
        made.append(replace(point, name=f"{point.name}_{number}", address=address, subunit=number - 1, **renamed))
    return made


def _point(where: str, table: Mapping[str, Any], settings: Mapping[str, Any]) -> Point:
    for key in ("name", "address", "type"):
        if key not in table:
            raise _fail(where, f"{key} is missing")
    where = f"{where} ({table['name']})"
    _check_keys(where, "", table, _POINT_KEYS, "a point")
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
    default, value = table.get("default"), table.get("value", "instantaneous")
    if value not in tuple(Function):
        raise _fail(where, f"value: {value!r} is none of {', '.join(Function)}")
    return Point(
        name=table["name"],
        address=address,
        kind=kind,
        function=function,
        order=order,
        length=length,
        value_function=Function(value),
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


def _units(where: str, table: str | Mapping[str, Any], named: Mapping[str, Any]) -> dict[int, UnitRow]:
    """Rows of a unit register; a text names a table under ``[modbus.units]``."""
    if isinstance(table, str):
        if table not in named:
            raise _fail(where, f"units: there is no table modbus.units.{table}")
        return _units(where, dict(named[table]), named)
    rows: dict[int, UnitRow] = {}
    for code, row in table.items():
        if not isinstance(row, str) and not (isinstance(row, Mapping) and isinstance(row.get("unit"), str)):
            raise _fail(where, f"units.{code}: {row!r} is neither a unit nor a table with one")
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
