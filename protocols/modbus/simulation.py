"""Values into the registers of a device: the inverse of reading an image, for simulators and samples.

Rules: a value lands where the map would read it from, through the map's own fractions, exponents and units; registers
nobody gave a value hold the point's default, else zero. A device shows what it can: values are rounded to its last
digit.
"""

from collections.abc import Mapping
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING

from protocols.errors import ProfileError
from protocols.modbus.map import ModbusMap, Point
from protocols.modbus.words import FLOATS, words_from_value
from protocols.units import converted

if TYPE_CHECKING:
    from protocols.profile import MeterProfile

Given = Decimal | int | str | tuple[Decimal, str] | None


def registers_from_values(profile: "MeterProfile", values: Mapping[str, Given]) -> dict[tuple[int, int], int]:
    """Register words that make a device with this profile's map say `values`.

    Parameters
    ----------
    values : mapping
        By point name, register name or quantity ("energy", "supply_temperature"). A number is in the point's unit; a
        pair (number, unit) is converted; None puts the point's first sentinel, or NaN.

    Returns
    -------
    dict
        (function, wire address) -> word, for every address of every point.

    Raises
    ------
    ProfileError
        No map, or a name that no point answers to. ValueError: a value that does not fit.
    """
    if profile.modbus is None:
        raise ProfileError("profile.modbus", f"profile {profile.name} has no register map")
    return _Writer(profile, profile.modbus).written(values)


class _Writer:
    def __init__(self, profile: "MeterProfile", map_: ModbusMap) -> None:
        self._profile = profile
        self._map = map_
        self._values: dict[str, Given] = {}
        self._words: dict[tuple[int, int], int] = {}

    def written(self, values: Mapping[str, Given]) -> dict[tuple[int, int], int]:
        self._values = {self._point_named(name).name: value for name, value in values.items()}
        for point in self._map.points:
            if point.name not in self._values:
                default = point.default if point.default is not None else _nothing(point)
                self._put(point, default)
        for name, value in self._values.items():
            self._place(self._map.point(name), value)
        return self._words

    def _point_named(self, name: str) -> Point:
        for point in self._map.points:
            if point.name == name:
                return point
        rule = next((rule for rule in self._profile.registers if rule.name == name), None)
        for point in self._map.points:
            if rule is not None and rule.code == point.name:
                return point
        for point in self._map.points:
            if (rule.record if rule else name) == point.quantity and not point.storage and not point.tariff:
                return point
        raise ProfileError("profile.modbus", f"profile {self._profile.name} has no point for {name!r}")

    def _number(self, name: str) -> Decimal:
        given = self._values.get(name, self._map.point(name).default)
        return Decimal(given) if isinstance(given, int | Decimal) else Decimal(0)

    def _place(self, point: Point, value: Given) -> None:
        if value is None:
            self._words |= {(point.function, point.address + at): word for at, word in enumerate(_void(point))}
            return
        if isinstance(value, str) and point.kind in ("ascii", "clock_bcd6"):
            self._put(point, value)
            return
        number = self._unscaled(point, value)
        if point.fraction:
            whole = number.to_integral_value(ROUND_FLOOR)
            self._put(self._map.point(point.fraction), number - whole)
            number = whole
        if point.kind not in FLOATS:
            number = number.to_integral_value(ROUND_HALF_EVEN)
        self._put(point, number)

    def _unscaled(self, point: Point, value: Decimal | int | str | tuple[Decimal, str]) -> Decimal:
        factor, unit = point.factor, point.unit
        if point.unit_register:
            row = point.units[int(self._number(point.unit_register)) & point.unit_mask]
            factor, unit = factor * row.factor, row.unit
        if point.unit_text_register:
            text = self._values.get(point.unit_text_register, self._map.point(point.unit_text_register).default)
            unit = str(text or "")
        number = converted(Decimal(value[0]), value[1], unit) if isinstance(value, tuple) else Decimal(value)
        exponent = point.exponent
        if point.exponent_register:
            exponent += int(self._number(point.exponent_register)) + point.exponent_offset
        if point.factor_register:
            factor *= self._number(point.factor_register)
        number = (number / factor).scaleb(-exponent)
        return round(number, point.decimals) if point.decimals is not None else number

    def _put(self, point: Point, value: Decimal | str) -> None:
        words = words_from_value(value, point.kind, point.order, point.length)
        self._words |= {(point.function, point.address + at): word for at, word in enumerate(words)}


def _nothing(point: Point) -> Decimal | str:
    return {"ascii": "", "clock_bcd6": "2000-01-01T00:00:00"}.get(point.kind, Decimal(0))


def _void(point: Point) -> tuple[int, ...]:
    for sentinel in point.sentinels:
        if sentinel.startswith("0x"):
            if len(sentinel) == 2 + 4 * point.length:
                kind = {1: "u16", 2: "u32", 4: "u64"}[point.length]
                return words_from_value(Decimal(int(sentinel, 16)), kind, point.order)
        elif point.kind not in ("ascii", "clock_bcd6"):
            return words_from_value(Decimal(sentinel), point.kind, point.order)
    if point.kind in FLOATS:
        return words_from_value(Decimal("NaN"), point.kind, point.order)
    raise ValueError(f"point {point.name} has no way to say that a value is missing")
