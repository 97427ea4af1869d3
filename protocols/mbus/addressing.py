"""Secondary addresses and selection masks (EN 13757-7, selection): who is meant, and who feels meant.

A mask has F for any digit of the identification and FF for any byte elsewhere; an enhanced one adds the digits of the
fabrication number (record 0C 78). A digit F of a meter's own identification is matched by F alone.
"""

from dataclasses import dataclass, replace
from typing import Final

from protocols.errors import ContentError
from protocols.mbus.frame import ADDRESS_BROADCAST_WITH_REPLY
from protocols.mbus.header import bytes_from_meter
from protocols.telegram import MeterId

LAST_PRIMARY: Final = 250
ANY_IDENTIFICATION: Final = "FFFFFFFF"
_FABRICATION_HEAD: Final = b"\x0c\x78"
CI_SELECT: Final = frozenset((0x52, 0x56))


@dataclass(frozen=True, slots=True)
class Selection:
    """A secondary address or a mask of several; 0xFFFF and 0xFF mean any."""

    identification: str = ANY_IDENTIFICATION
    manufacturer: int = 0xFFFF
    version: int = 0xFF
    medium: int = 0xFF
    fabrication: str | None = None

    def __post_init__(self) -> None:
        for digits in (self.identification, self.fabrication or ANY_IDENTIFICATION):
            if len(digits) != 8 or not all(digit in "0123456789ABCDEF" for digit in digits):
                raise ValueError(f"{digits!r} is not eight hexadecimal digits")
        if not (0 <= self.manufacturer <= 0xFFFF and 0 <= self.version <= 0xFF and 0 <= self.medium <= 0xFF):
            raise ValueError("manufacturer, version or medium out of range")

    @property
    def unique(self) -> bool:
        """Whether nothing is left open."""
        open_ends = "F" in self.identification or self.manufacturer == 0xFFFF
        return not (open_ends or self.version == 0xFF or self.medium == 0xFF)

    def to_bytes(self) -> bytes:
        """User data of the selection: 8 bytes, 14 with a fabrication number."""
        data = bytes.fromhex(self.identification)[::-1] + self.manufacturer.to_bytes(2, "little")
        data += bytes((self.version, self.medium))
        if self.fabrication is not None:
            data += _FABRICATION_HEAD + bytes.fromhex(self.fabrication)[::-1]
        return data

    def __str__(self) -> str:
        text = f"{self.identification}.{self.manufacturer:04X}.{self.version:02X}.{self.medium:02X}"
        return text if self.fabrication is None else f"{text}.{self.fabrication}"

    def matches(self, header: bytes, fabrication: str | None = None) -> bool:
        """Whether a meter with these eight header bytes (and this fabrication number) is meant.

        Of a fixed data structure, which says no more, four bytes of identification decide.
        """
        own = header[3::-1].hex().upper()
        if not _digits_match(self.identification, own):
            return False
        if len(header) < 8:
            return True
        for mask, byte in zip(self.to_bytes()[4:8], header[4:8], strict=True):
            if mask not in (0xFF, byte):
                return False
        return self.fabrication is None or (fabrication is not None and _digits_match(self.fabrication, fabrication))

    def with_fabrication(self, digits: str) -> "Selection":
        """The same mask narrowed to fabrication numbers."""
        return replace(self, fabrication=digits)


def _digits_match(mask: str, own: str) -> bool:
    return all(wanted in ("F", digit) for wanted, digit in zip(mask, own, strict=True))


def selection_from_bytes(data: bytes, base: int = 0) -> Selection:
    """The mask in the user data of a selection.

    Raises
    ------
    ContentError
        ``selection.length`` or ``selection.record``: neither 8 bytes nor 14 with a fabrication number.
    """
    if len(data) not in (8, 14):
        raise ContentError("selection.length", f"{len(data)} bytes where a selection has 8 or 14, byte {base}", base)
    if len(data) == 14 and data[8:10] != _FABRICATION_HEAD:
        raise ContentError("selection.record", f"only 0C 78 may follow a selection, byte {base + 8}", base + 8)
    fabrication = data[:9:-1].hex().upper() if len(data) == 14 else None
    return Selection(data[3::-1].hex().upper(), int.from_bytes(data[4:6], "little"), data[6], data[7], fabrication)


def selection_from_text(text: str) -> Selection:
    """A secondary address as configured: ``"12345678.2C2D.34.04"``, later parts may be missing or empty.

    Raises
    ------
    ValueError
        The text is no such address.
    """
    parts = text.strip().upper().split(".")
    if len(parts) > 5:
        raise ValueError(f"{text!r} has more than five parts")
    identification, *rest = [*parts, "", "", "", ""][:5]
    manufacturer, version, medium = (part or any_ for part, any_ in zip(rest, ("FFFF", "FF", "FF"), strict=False))
    fabrication = rest[3] or None
    if any(len(part) != size for part, size in ((manufacturer, 4), (version, 2), (medium, 2))):
        raise ValueError(f"{text!r}: manufacturer has four digits, version and medium have two")
    return Selection(identification, int(manufacturer, 16), int(version, 16), int(medium, 16), fabrication)


def address_from_text(text: str) -> int | Selection:
    """A bus address as configured: primary (``"5"``) or secondary (``"12345678.2C2D.34.04"``).

    Raises
    ------
    ValueError
        It is neither.
    """
    text = text.strip().upper()
    if text.isdecimal() and len(text) <= 3:
        number = int(text)
        if number <= LAST_PRIMARY or number == ADDRESS_BROADCAST_WITH_REPLY:
            return number
        raise ValueError(f"primary address {number} is outside 0-{LAST_PRIMARY}")
    if len(text.partition(".")[0]) != 8:
        raise ValueError(f"{text!r} is neither a primary nor a secondary M-Bus address")
    return selection_from_text(text)


def selection_from_meter(meter: MeterId, medium_code: int | None = None) -> Selection:
    """The full secondary address of a meter. Raises ValueError as `header.bytes_from_meter`."""
    return selection_from_bytes(bytes_from_meter(meter, medium_code))
