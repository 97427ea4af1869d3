"""A record's head: the data and value information blocks (DIF, DIFE, VIF, VIFE) and what they say about the data.

Rules: a head is looked up once per byte sequence and then remembered; an unknown code never stops decoding: the
record keeps its code. Only a block without an end (more than ten extensions, the end of the data) is an error.
"""

from decimal import Decimal
from enum import IntEnum
from functools import lru_cache
from typing import Final, NamedTuple

from protocols.errors import ContentError
from protocols.mbus.vif import FIRST_EXTENSION, PRIMARY, SECOND_EXTENSION, THIRD_EXTENSION, Kind, Vif
from protocols.mbus.vife import COMBINABLE, COMBINABLE_EXTENSION, PLAIN_TEXTS, Vife
from protocols.telegram import Function

MAX_EXTENSIONS: Final = 10
ONE: Final = Decimal(1)

FUNCTIONS: Final = (Function.INSTANTANEOUS, Function.MAXIMUM, Function.MINIMUM, Function.ERROR)


class Reading(IntEnum):
    """How the bytes after a head become a value."""

    INTEGER = 0
    BCD = 1
    POINT = 2
    UNSIGNED = 3
    REAL = 4
    NONE = 5
    VARIABLE = 6
    OPAQUE = 7
    DATELESS = 8  # a date in a coding that no date type has


class Head(NamedTuple):
    """What DIB and VIB say. `factor` scales the number; `invalid` is the integer that means "no value"."""

    reading: Reading
    size: int
    factor: Decimal
    invalid: int | None
    quantity: str
    unit: str
    function: Function
    storage: int
    tariff: int
    subunit: int
    modifiers: tuple[str, ...]
    code: str
    error: str | None
    offset: Decimal | None
    kind: Kind


# Size in bytes by the low nibble of the DIF; LVAR (D) tells its own.
SIZES: Final = (0, 1, 2, 3, 4, 4, 6, 8, 0, 1, 2, 3, 4, 0, 6, 0)
_CODINGS: Final = (
    Reading.NONE,
    *(Reading.INTEGER,) * 4,
    Reading.REAL,
    *(Reading.INTEGER,) * 2,
    Reading.NONE,
    *(Reading.BCD,) * 4,
    Reading.VARIABLE,
    Reading.BCD,
)
_INTEGER_READINGS: Final = {
    Kind.NUMBER: Reading.INTEGER,
    Kind.UNSIGNED: Reading.UNSIGNED,
    Kind.POINT: Reading.POINT,
    Kind.OPAQUE: Reading.OPAQUE,
}
_POINT_SIZES: Final = (2, 3, 4, 6)
# Codes of makers and unknown codes may be bit fields: the most negative integer is a value there.
_WITHOUT_INVALID: Final = ("manufacturer_specific", "unknown", "any")


class _Meaning(NamedTuple):
    quantity: str
    unit: str
    factor: Decimal
    kind: Kind
    modifiers: tuple[str, ...] = ()
    error: str | None = None
    offset: Decimal | None = None


_UNKNOWN: Final = Vif("unknown", "", ONE)


def dib_end(data: bytes, start: int) -> int:
    """Index after the last DIFE. Raises IndexError at the end of the data, ContentError after ten extensions."""
    at = start
    while data[at] & 0x80:
        at += 1
        if at - start > MAX_EXTENSIONS:
            raise ContentError("record.too_many_dife", f"more than ten DIF extensions, byte {at}", at)
    return at + 1


def _chain_end(data: bytes, at: int) -> int:
    """Index after a VIF at `at` and its extensions."""
    start = at
    while data[at] & 0x80:
        at += 1
        if at - start > MAX_EXTENSIONS:
            raise ContentError("record.too_many_vife", f"more than ten VIF extensions, byte {at}", at)
    return at + 1


def _printable(text: bytes) -> bool:
    return all(0x20 <= code < 0x7F or code >= 0xA0 for code in text)


def text_before_chain(data: bytes, at: int) -> bool:
    """Whether the text of an extended plain-text VIF (FC at `at`) stands before its VIFE chain rather than after."""
    length = data[at + 1]
    text = data[at + 2 : at + 2 + length]
    return 0 < length == len(text) and len(data) > at + 2 + length and _printable(text)


def vib_end(data: bytes, start: int) -> int:
    """Index after the value information block, a plain text included. Raises as `dib_end` does."""
    vif = data[start]
    if vif & 0x7F != 0x7C:
        return _chain_end(data, start)
    if vif == 0xFC and text_before_chain(data, start):
        end = start + 2 + data[start + 1]
        return _chain_end(data, end)
    end = _chain_end(data, start)
    end += 1 + data[end]
    if end > len(data):
        raise IndexError
    return end


def _text(raw: bytes) -> str:
    return raw[::-1].decode("latin-1")


def _plain_text(vib: bytes) -> tuple[Vif, bytes]:
    """The meaning of a plain-text VIB and its VIFE chain."""
    if vib[0] == 0xFC and text_before_chain(vib, 0):
        text, chain = _text(vib[2 : 2 + vib[1]]), vib[2 + vib[1] :]
    else:
        end = _chain_end(vib, 0)
        text, chain = _text(vib[end + 1 :]), vib[1:end]
    quantity, unit, factor = PLAIN_TEXTS.get(text.strip(), (text, "", ONE))
    return Vif(quantity, unit, factor), chain


def _base(vib: bytes) -> tuple[Vif, bytes]:
    """The VIF's meaning and the VIFE chain that follows it."""
    first = vib[0]
    code = first & 0x7F
    if code == 0x7C:
        return _plain_text(vib)
    if first == 0xFB:
        return FIRST_EXTENSION.get(vib[1] & 0x7F, _UNKNOWN), vib[2:]
    if first == 0xFD:
        if vib[1] == 0xFD:
            return THIRD_EXTENSION.get(vib[2] & 0x7F, _UNKNOWN), vib[3:]
        return SECOND_EXTENSION.get(vib[1] & 0x7F, _UNKNOWN), vib[2:]
    if first == 0xFF:
        return PRIMARY[0x7F], b""
    if first == 0xEF:  # the third extension table is reserved
        return _UNKNOWN, b""
    return PRIMARY.get(code, _UNKNOWN), vib[1:]


def _applied(meaning: _Meaning, vife: Vife) -> _Meaning:
    quantity, unit, factor, kind, modifiers, error, offset = meaning
    if vife.unit is not None:
        unit, factor = vife.unit, ONE
        kind = Kind.NUMBER
    if vife.factor is not None:
        factor *= vife.factor
    return _Meaning(
        quantity + vife.suffix,
        unit + vife.per,
        factor,
        kind if vife.kind is None else vife.kind,
        (*modifiers, vife.modifier) if vife.modifier else modifiers,
        error or vife.error,
        vife.offset if offset is None else offset,
    )


@lru_cache(maxsize=4096)
def meaning_of(vib: bytes) -> _Meaning:
    """What a complete value information block says."""
    vif, chain = _base(vib)
    meaning = _Meaning(*vif)
    place = 0
    while place < len(chain):
        code = chain[place] & 0x7F
        place += 1
        if code == 0x7F:
            rest = chain[place:].hex()
            return meaning._replace(modifiers=(*meaning.modifiers, f"manufacturer.{rest}" if rest else "manufacturer"))
        if code == 0x7C and place < len(chain):
            code = chain[place] & 0x7F
            place += 1
            vife = COMBINABLE_EXTENSION.get(code) or Vife(f"vife.fc{code:02x}")
        else:
            vife = COMBINABLE.get(code) or Vife(f"vife.{code:02x}")
        meaning = _applied(meaning, vife)
    return meaning


def _numbers(dib: bytes) -> tuple[int, int, int]:
    """Storage number, tariff and subunit."""
    storage, tariff, subunit = dib[0] >> 6 & 1, 0, 0
    for place, dife in enumerate(dib[1:]):
        storage |= (dife & 0x0F) << (1 + 4 * place)
        tariff |= (dife >> 4 & 3) << (2 * place)
        subunit |= (dife >> 6 & 1) << place
    return storage, tariff, subunit


def _reading(coding: Reading, size: int, kind: Kind) -> Reading:
    if coding in (Reading.NONE, Reading.VARIABLE):
        return coding
    if kind is Kind.POINT:
        return Reading.POINT if coding is Reading.INTEGER and size in _POINT_SIZES else Reading.DATELESS
    if kind is Kind.OPAQUE:
        return Reading.OPAQUE
    return _INTEGER_READINGS[kind] if coding is Reading.INTEGER else coding


def head_from_blocks(dib: bytes, vib: bytes) -> Head:
    """The head of complete blocks, the low nibble of the DIF not being F."""
    meaning = meaning_of(vib)
    nibble = dib[0] & 0x0F
    size = SIZES[nibble]
    reading = _reading(_CODINGS[nibble], size, meaning.kind)
    invalid = None
    if reading is Reading.INTEGER and meaning.quantity not in _WITHOUT_INVALID:
        invalid = -(1 << (8 * size - 1))
    storage, tariff, subunit = _numbers(dib)
    return Head(
        reading,
        size,
        meaning.factor,
        invalid,
        meaning.quantity,
        meaning.unit,
        FUNCTIONS[dib[0] >> 4 & 3],
        storage,
        tariff,
        subunit,
        tuple(sorted(meaning.modifiers)),
        vib.hex(),
        meaning.error,
        meaning.offset,
        meaning.kind,
    )
