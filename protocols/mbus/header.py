"""Transport headers: who the meter is, its access number, its status byte and its configuration word (EN 13757-7).

Rules: manufacturer 0000 and bit 15 set are legal, so are hexadecimal digits in an identification: what the header says
is passed on, never refused.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from protocols.telegram import MeterId

# Device types of EN 13757-7 in the words of this project; several codes share a word, the code stays in the details.
MEDIA: Final[dict[int, str]] = {
    0x00: "other",
    0x01: "oil",
    0x02: "electricity",
    0x03: "gas",
    0x04: "heat",
    0x05: "steam",
    0x06: "hot_water",
    0x07: "water",
    0x08: "heat_cost",
    0x09: "compressed_air",
    0x0A: "cooling",
    0x0B: "cooling",
    0x0C: "heat",
    0x0D: "heat_cooling",
    0x0E: "bus",
    0x0F: "unknown",
    0x14: "calorific_value",
    0x15: "hot_water",
    0x16: "cold_water",
    0x17: "dual_water",
    0x18: "pressure",
    0x19: "ad_converter",
    0x1A: "smoke_detector",
    0x1B: "room_sensor",
    0x1C: "gas_detector",
    0x20: "breaker",
    0x21: "valve",
    0x25: "customer_unit",
    0x28: "waste_water",
    0x29: "garbage",
    0x2A: "carbon_dioxide",
    0x31: "communication_controller",
    0x32: "unidirectional_repeater",
    0x33: "bidirectional_repeater",
    0x36: "radio_converter_system",
    0x37: "radio_converter_meter",
    0x38: "bus_converter",
}
# The code an encoder picks for a word; where several share it, the plain one.
MEDIUM_CODES: Final[dict[str, int]] = {word: code for code, word in reversed(MEDIA.items())}

APPLICATION_STATES: Final = ("", "application_busy", "application_error", "abnormal_condition")
_STATUS_FLAGS: Final = ((0x04, "power_low"), (0x08, "permanent_error"), (0x10, "temporary_error"))


@dataclass(frozen=True, slots=True)
class ShortHeader:
    """Access number, status and configuration word ("signature" in old standards)."""

    access_number: int
    status: int
    configuration: int

    def to_bytes(self) -> bytes:
        """The four bytes of the header."""
        return bytes((self.access_number, self.status)) + self.configuration.to_bytes(2, "little")


def manufacturer_from_code(code: int) -> str:
    """Three letters of a manufacturer code; empty for 0. Bit 15 ("not globally unique") does not count."""
    code &= 0x7FFF
    if not code:
        return ""
    return chr((code >> 10) + 64) + chr((code >> 5 & 31) + 64) + chr((code & 31) + 64)


def code_from_manufacturer(letters: str) -> int:
    """Manufacturer code of three letters, 0 for none.

    Raises
    ------
    ValueError
        Not three characters between "@" and "_".
    """
    if not letters:
        return 0
    if len(letters) != 3 or not all(64 <= ord(letter) <= 95 for letter in letters):
        raise ValueError(f"manufacturer {letters!r} is not three capital letters")
    first, second, third = (ord(letter) - 64 for letter in letters)
    return first << 10 | second << 5 | third


def medium_from_code(code: int) -> str:
    """Word of a device type; reserved codes read "medium_xx"."""
    return MEDIA.get(code) or f"medium_{code:02x}"


def code_from_medium(medium: str) -> int:
    """Device type of a word. Raises ValueError for an unknown one."""
    if medium.startswith("medium_"):
        return int(medium[7:], 16)
    try:
        return MEDIUM_CODES[medium]
    except KeyError:
        raise ValueError(f"unknown medium {medium!r}") from None


@lru_cache(maxsize=16384)
def meter_from_bytes(raw: bytes) -> MeterId:
    """Identity from the eight bytes of a long header: identification, manufacturer, version, device type."""
    manufacturer = manufacturer_from_code(raw[4] | raw[5] << 8)
    return MeterId(raw[3::-1].hex().upper(), manufacturer, raw[6], medium_from_code(raw[7]))


@lru_cache(maxsize=16384)
def meter_from_link_bytes(raw: bytes) -> MeterId:
    """Identity from the eight bytes of a wireless link address: manufacturer, identification, version, device type."""
    return meter_from_bytes(raw[2:6] + raw[:2] + raw[6:])


def bytes_from_meter(meter: MeterId, medium_code: int | None = None) -> bytes:
    """The eight bytes of a long header; `medium_code` where the medium's word has several codes.

    Raises
    ------
    ValueError
        The serial is not eight hexadecimal digits, or manufacturer or medium are unknown.
    """
    if len(meter.serial) != 8:
        raise ValueError(f"serial {meter.serial!r} is not eight digits")
    manufacturer = code_from_manufacturer(meter.manufacturer)
    code = code_from_medium(meter.medium or "other") if medium_code is None else medium_code
    return bytes.fromhex(meter.serial)[::-1] + manufacturer.to_bytes(2, "little") + bytes((meter.version or 0, code))


def link_bytes_from_meter(meter: MeterId, medium_code: int | None = None) -> bytes:
    """The eight bytes of a wireless link address. Raises as `bytes_from_meter`."""
    raw = bytes_from_meter(meter, medium_code)
    return raw[4:6] + raw[:4] + raw[6:]


def flags_from_status(status: int) -> tuple[str, ...]:
    """Words of the status byte: application state, power low, permanent and temporary error, maker's bits 5-7."""
    words = [APPLICATION_STATES[status & 3]] if status & 3 else []
    words += [word for bit, word in _STATUS_FLAGS if status & bit]
    words += [f"manufacturer_{bit}" for bit in (5, 6, 7) if status >> bit & 1]
    return tuple(words)
