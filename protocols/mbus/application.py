"""Application errors and alarms: what a device says instead of data (EN 13757-3, CI 70, 6E, 6F and 71, 74, 75)."""

from typing import Final

from protocols.errors import DeviceError
from protocols.telegram import DataRecord

# Code of the first data byte -> suffix of the error's code.
APPLICATION_ERRORS: Final[dict[int, str]] = {
    0x00: "unspecified",
    0x01: "ci_not_implemented",
    0x02: "buffer_too_long",
    0x03: "too_many_records",
    0x04: "premature_end",
    0x05: "too_many_dife",
    0x06: "too_many_vife",
    0x08: "application_busy",
    0x09: "too_many_readouts",
    0x10: "access_denied",
    0x11: "application_unknown",
    0x12: "parameter_error",
    0x13: "address_unknown",
    0x14: "decryption_failed",
    0x15: "encryption_not_supported",
    0x16: "signature_not_supported",
    0x17: "sender_unknown",
    0x18: "message_counter_wrong",
    0x19: "signature_wrong",
    0x1A: "key_unknown",
    0x1B: "key_version_wrong",
    0xF0: "dynamic",
}


def application_error(data: bytes, base: int) -> DeviceError:
    """The error a device reported; an empty report is legal and unspecified. `base` is the offset of `data`."""
    code = data[0] if data else 0
    word = APPLICATION_ERRORS.get(code, f"code_{code:02x}")
    return DeviceError(f"device.{word}", f"application error 0x{code:02X} ({word}), byte {base}", base)


def bytes_from_application_error(word: str) -> bytes:
    """Data of an application error. Raises ValueError for a word that is not in APPLICATION_ERRORS."""
    for code, known in APPLICATION_ERRORS.items():
        if known == word:
            return bytes((code,))
    raise ValueError(f"unknown application error {word!r}")


def alarm_record(data: bytes) -> DataRecord:
    """An alarm's bytes as one record; their meaning is the maker's."""
    return DataRecord("alarm", "", data.hex(), raw=data.hex(), code="alarm")
