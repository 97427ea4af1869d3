"""The register image of a device, and the telegram in it.

Rules: an image is what the device answered, block after block: ``function u8, address u16be, count u16be, data 2 *
count bytes``. A point whose registers are missing, void or meaningless becomes a record without value and with the
reason; it never takes others with it.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from protocols.errors import ContentError, ProfileError
from protocols.modbus.map import ModbusMap, Point, UnitRow
from protocols.modbus.words import BITS, FLOATS, value_from_words
from protocols.telegram import DataRecord, MeterId, Telegram

if TYPE_CHECKING:
    from protocols.profile import MeterProfile

_HEAD = 5
_CONVERTED_DECIMALS = 6
# No meter shows more: a float beyond it is a bit pattern, not a value.
_LARGEST = Decimal(10) ** 18


class Block(NamedTuple):
    """Registers that one request brought."""

    function: int
    address: int
    words: tuple[int, ...]


def image_from_blocks(blocks: Iterable[tuple[int, int, Sequence[int]]]) -> bytes:
    """Register image of (function, address, words) blocks."""
    parts: list[bytes] = []
    for function, address, words in blocks:
        parts.append(bytes((function,)) + address.to_bytes(2, "big") + len(words).to_bytes(2, "big"))
        parts.append(b"".join(word.to_bytes(2, "big") for word in words))
    return b"".join(parts)


def blocks_from_image(image: bytes) -> tuple[Block, ...]:
    """Blocks of a register image.

    Raises
    ------
    ContentError
        Truncated, or a function code that reads no registers; with the byte offset.
    """
    blocks: list[Block] = []
    at = 0
    while at < len(image):
        if len(image) - at < _HEAD:
            raise ContentError("image.truncated", f"block head of 5 bytes ends after {len(image) - at}", len(image))
        function = image[at]
        if function not in (3, 4):
            raise ContentError("image.function", f"function {function} reads no registers, byte {at}", at)
        address = int.from_bytes(image[at + 1 : at + 3], "big")
        count = int.from_bytes(image[at + 3 : at + 5], "big")
        end = at + _HEAD + 2 * count
        if not 1 <= count <= 125 or address + count > 0x10000:
            raise ContentError("image.count", f"{count} registers from address {address}, byte {at + 3}", at + 3)
        if end > len(image):
            raise ContentError("image.truncated", f"block ends at byte {end}, the image at {len(image)}", len(image))
        data = image[at + _HEAD : end]
        blocks.append(Block(function, address, tuple(data[i] << 8 | data[i + 1] for i in range(0, 2 * count, 2))))
        at = end
    if not blocks:
        raise ContentError("image.empty", "a register image without blocks", 0)
    return tuple(blocks)


def telegram_from_image(image: bytes, profile: "MeterProfile", serial: str = "") -> Telegram:
    """Telegram of a register image.

    Parameters
    ----------
    image : bytes
        What the device answered.
    profile : MeterProfile
        With a register map.
    serial : str
        Identity known from the poll; where empty, the map's serial point gives it.

    Returns
    -------
    Telegram
        One record a point, in map order; `code` is the point's name, details ``profile`` and ``serial_read``.

    Raises
    ------
    ContentError
        The image is malformed. ProfileError: the profile has no map.
    """
    if profile.modbus is None:
        raise ProfileError("profile.modbus", f"profile {profile.name} has no register map")
    registers = Registers(blocks_from_image(image), profile.modbus)
    records = tuple(registers.record(point) for point in profile.modbus.points if not point.internal)
    details = {"profile": profile.name}
    if profile.modbus.serial_point:
        number = registers.value(profile.modbus.point(profile.modbus.serial_point))[0]
        if number is not None:
            details["serial_read"] = str(number)
            serial = serial or str(number)
    media = profile.detection.media
    medium = next(iter(media)) if len(media) == 1 else "heat"
    return Telegram("modbus", MeterId(serial, profile.manufacturer, None, medium), records, details=details)


class Registers:
    """Words by function and address, read as the points of a map."""

    __slots__ = ("_map", "_words")

    def __init__(self, blocks: Iterable[Block], map_: ModbusMap) -> None:
        self._map = map_
        self._words = {
            (block.function, block.address + offset): word
            for block in blocks
            for offset, word in enumerate(block.words)
        }

    def words(self, point: Point) -> tuple[int, ...] | None:
        """Words of a point; None where one was not read."""
        try:
            return tuple(self._words[point.function, point.address + offset] for offset in range(point.length))
        except KeyError:
            return None

    def value(self, point: Point) -> tuple[Decimal | str | None, str | None]:
        """Number or text of a point before scaling, and why there is none."""
        words = self.words(point)
        if words is None:
            return None, "register.missing"
        value = value_from_words(words, point.kind, point.order)
        if value is None:
            return None, "value.invalid"
        if point.sentinels and _is_sentinel(point, words, value):
            return None, "value.sentinel"
        return value, None

    def record(self, point: Point) -> DataRecord:
        """The record of a point."""
        words = self.words(point)
        raw = "" if words is None else b"".join(word.to_bytes(2, "big") for word in words).hex()
        value, error = self.value(point)
        row, unit_error = self._unit(point)
        quantity = row.quantity or point.quantity or point.name
        if value is not None and error is None:
            value, error = self._scaled(point, value, row)
            error = error or unit_error
        modifiers: tuple[str, ...] = ()
        if point.time_register:
            seconds, _ = self.value(self._map.point(point.time_register))
            if isinstance(seconds, Decimal) and seconds > 0:
                modifiers = (f"time={datetime.fromtimestamp(int(seconds), UTC).isoformat()}",)
        return DataRecord(
            quantity,
            row.unit,
            None if error else value,
            point.value_function,
            point.storage,
            point.tariff,
            point.subunit,
            raw,
            error,
            modifiers,
            point.name,
        )

    def _unit(self, point: Point) -> tuple[UnitRow, str | None]:
        if point.unit_register:
            code, error = self.value(self._map.point(point.unit_register))
            if not isinstance(code, Decimal):
                return UnitRow(""), error or "unit.missing"
            row = point.units.get(int(code) & point.unit_mask)
            return (row, None) if row else (UnitRow(""), f"unit.unknown: code {int(code) & point.unit_mask}")
        if point.unit_text_register:
            text, error = self.value(self._map.point(point.unit_text_register))
            unit = _UNIT_TEXTS.get(str(text).strip().lower()) if text is not None else None
            return (UnitRow(unit), None) if unit else (UnitRow(""), error or f"unit.unknown: {text!r}")
        return UnitRow(point.unit), None

    def _scaled(self, point: Point, value: Decimal | str, row: UnitRow) -> tuple[Decimal | str | None, str | None]:
        if isinstance(value, str):
            return value, None
        if point.void_unless_zero:
            other, error = self.value(self._map.point(point.void_unless_zero))
            if other is None or other != 0:
                return None, error or f"value.high_part: {point.void_unless_zero} is {other}"
        if point.fraction:
            fraction, error = self.value(self._map.point(point.fraction))
            if not isinstance(fraction, Decimal):
                return None, error or "fraction.missing"
            value += fraction
        if abs(value) >= _LARGEST:
            return None, "value.range"
        if point.decimals is not None and (point.kind in FLOATS or point.fraction):
            value = round(value, point.decimals)
        exponent = point.exponent
        if point.exponent_register:
            power, error = self.value(self._map.point(point.exponent_register))
            if not isinstance(power, Decimal) or not -12 <= power <= 12:
                return None, error or f"exponent.invalid: {power}"
            exponent += int(power) + point.exponent_offset
        factor = point.factor * row.factor
        if point.factor_register:
            times, error = self.value(self._map.point(point.factor_register))
            if not isinstance(times, Decimal) or times == 0:
                return None, error or f"factor.invalid: {times}"
            factor *= times
        if factor != 1:
            value *= factor
            if len(factor.normalize().as_tuple().digits) > 1:
                # Gallons and barrels: the product has more digits than the device shows.
                value = round(value, _CONVERTED_DECIMALS)
        return value.scaleb(exponent), None


def _is_sentinel(point: Point, words: tuple[int, ...], value: Decimal | str) -> bool:
    for sentinel in point.sentinels:
        if sentinel.startswith("0x"):
            bits = BITS.get(point.kind, 16 * point.length)
            if len(sentinel) == 2 + bits // 4 and int(sentinel, 16) == _bits(point, words):
                return True
        elif isinstance(value, Decimal) and value == Decimal(sentinel):
            return True
    return False


def _bits(point: Point, words: tuple[int, ...]) -> int:
    number = value_from_words(words, {1: "u16", 2: "u32", 4: "u64"}.get(point.length, "u16"), point.order)
    return int(number) if isinstance(number, Decimal) else -1


_UNIT_TEXTS = {
    unit.lower(): unit
    for unit in (
        "Wh", "kWh", "MWh", "GWh", "kJ", "MJ", "GJ", "Mcal", "Gcal", "L", "m3", "W", "kW", "MW", "L/h",
        "m3/h", "K", "h", "°C",
    )
} | {"m³": "m3", "m^3": "m3", "m³/h": "m3/h", "m^3/h": "m3/h", "c": "°C", "degc": "°C"}  # fmt: skip
