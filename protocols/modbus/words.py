"""16-bit registers into numbers and back: types, word and byte orders, sentinels.

Rules: this file knows words, not meters. Orders are written as in the field: ABCD is most significant byte first, CDAB
swaps the words, BADC the bytes within each word, DCBA both. A float keeps the fewest digits that give the same bits
again: 65.43, not 65.43000030517578.
"""

import struct
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

# type -> registers; "ascii" states its own length.
TYPES: Final[dict[str, int]] = {
    "u16": 1,
    "i16": 1,
    "u32": 2,
    "i32": 2,
    "u64": 4,
    "i64": 4,
    "f32": 2,
    "f64": 4,
    "bcd4": 1,
    "bcd8": 2,
    "bcd12": 3,
    "bcd16": 4,
    "clock_bcd6": 3,
    "ascii": 0,
}
ORDERS: Final = ("ABCD", "CDAB", "BADC", "DCBA")
_REVERSED_WORDS = frozenset(("CDAB", "DCBA"))
_SWAPPED_BYTES = frozenset(("BADC", "DCBA"))
FLOATS: Final = {"f32": (">f", range(6, 10)), "f64": (">d", range(15, 18))}
BITS: Final = {"u16": 16, "i16": 16, "u32": 32, "i32": 32, "u64": 64, "i64": 64}


def bytes_from_words(words: Sequence[int], order: str) -> bytes:
    """Words as bytes, most significant first."""
    ordered = reversed(words) if order in _REVERSED_WORDS else words
    side = "little" if order in _SWAPPED_BYTES else "big"
    return b"".join(word.to_bytes(2, "big" if side == "big" else "little") for word in ordered)


def words_from_bytes(data: bytes, order: str) -> tuple[int, ...]:
    """The inverse of `bytes_from_words`."""
    pairs = [data[at : at + 2] for at in range(0, len(data), 2)]
    if order in _SWAPPED_BYTES:
        pairs = [pair[::-1] for pair in pairs]
    words = tuple(int.from_bytes(pair, "big") for pair in pairs)
    return words[::-1] if order in _REVERSED_WORDS else words


def decimal_from_float(data: bytes, kind: str) -> Decimal | None:
    """Shortest decimal with these bits; None for NaN and infinities."""
    layout, widths = FLOATS[kind]
    (number,) = struct.unpack(layout, data)
    if number != number or number in (float("inf"), float("-inf")):
        return None
    for width in widths:
        text = f"{number:.{width}g}"
        try:
            if struct.pack(layout, float(text)) == data:
                return Decimal(text)
        except OverflowError:
            # Rounded up, the largest float no longer fits its type.
            continue
    return Decimal(number)


def value_from_words(words: Sequence[int], kind: str, order: str = "ABCD") -> Decimal | str | None:
    """Value of a point's registers.

    Parameters
    ----------
    words : sequence of int
        As many as `TYPES` says, each 0-65535, in address order.
    kind, order : str
        Type and order.

    Returns
    -------
    Decimal or str or None
        A number, ASCII text, or an ISO time; None where the bits are no value (NaN, infinity, a nibble above 9, no
        date).
    """
    data = bytes_from_words(words, order)
    if kind in FLOATS:
        return decimal_from_float(data, kind)
    if kind == "ascii":
        return data.split(b"\0", 1)[0].decode("latin-1").strip()
    if kind == "clock_bcd6":
        return _clock(data)
    if kind.startswith("bcd"):
        digits = data.hex()
        return Decimal(int(digits)) if digits.isdigit() else None
    return Decimal(int.from_bytes(data, "big", signed=kind[0] == "i"))


def _clock(data: bytes) -> str | None:
    """Second, minute, hour, day, month, year as BCD bytes; years are those of this century."""
    digits = data.hex()
    if not digits.isdigit():
        return None
    second, minute, hour, day, month, year = (int(digits[at : at + 2]) for at in range(0, 12, 2))
    try:
        return datetime(2000 + year, month, day, hour, minute, second).isoformat()  # noqa: DTZ001 - the meter's clock has no zone
    except ValueError:
        return None


def words_from_value(value: Decimal | str, kind: str, order: str = "ABCD", length: int = 0) -> tuple[int, ...]:
    """Registers that hold `value`: the inverse of `value_from_words`.

    Raises
    ------
    ValueError
        The value does not fit the type.
    """
    if isinstance(value, str):
        if kind == "clock_bcd6":
            moment = datetime.fromisoformat(value)
            return words_from_bytes(bytes.fromhex(f"{moment:%S%M%H%d%m%y}"), order)
        return words_from_bytes(value.encode("latin-1")[: 2 * length].ljust(2 * length, b"\0"), order)
    if kind in FLOATS:
        return words_from_bytes(struct.pack(FLOATS[kind][0], float(value)), order)
    number = int(value)
    size = 2 * TYPES[kind]
    if number != value:
        raise ValueError(f"{value} is no whole number: type {kind}")
    if kind.startswith("bcd"):
        text = f"{number:0{2 * size}d}"
        if number < 0 or len(text) > 2 * size:
            raise ValueError(f"{value} does not fit {2 * size} digits")
        return words_from_bytes(bytes.fromhex(text), order)
    try:
        return words_from_bytes(number.to_bytes(size, "big", signed=kind[0] == "i"), order)
    except OverflowError as error:
        raise ValueError(f"{value} does not fit {kind}") from error
