"""The authentication and fragmentation layer (CI 90): message counter, MAC, key information (EN 13757-7).

This file knows the layer's fields and which bytes the MAC covers; `security` knows the arithmetic.
"""

from dataclasses import dataclass
from typing import Final

from protocols.errors import FrameError, SecurityError, UnsupportedError
from protocols.mbus.security import cmac, mac_holds, session_keys

AFL: Final = 0x90
# Authentication type -> bytes of the truncated CMAC.
MAC_SIZES: Final = {3: 2, 4: 4, 5: 8, 6: 12, 7: 16}

_MORE: Final = 0x4000
_HAS_CONTROL: Final = 0x2000
_HAS_LENGTH: Final = 0x1000
_HAS_COUNTER: Final = 0x0800
_HAS_MAC: Final = 0x0400
_HAS_KEY: Final = 0x0200
_CONTROL_COUNTER: Final = 0x20
_CONTROL_LENGTH: Final = 0x40


@dataclass(frozen=True, slots=True)
class Authentication:
    """Fields of the layer; None where absent. Byte strings are as transmitted."""

    fragment: int
    control: int | None = None
    key_information: bytes | None = None
    counter: bytes | None = None
    mac: bytes | None = None
    length: bytes | None = None

    @property
    def counter_value(self) -> int | None:
        """The message counter as a number."""
        return None if self.counter is None else int.from_bytes(self.counter, "little")

    def covered(self, message: bytes) -> bytes:
        """What the MAC covers: control, counter, length and the message from its CI on."""
        control = b"" if self.control is None else bytes((self.control,))
        return control + (self.counter or b"") + (self.length or b"") + message


def authentication_from_bytes(data: bytes, base: int) -> tuple[Authentication, bytes, int]:
    """The layer behind CI 90, the message after it and the message's offset.

    Raises
    ------
    FrameError
        ``frame.truncated``: the layer is cut off or its length does not fit its fields.
    UnsupportedError
        ``afl.fragment``: the message comes in several telegrams; ``afl.type``: unknown kind of MAC.
    """
    if len(data) < 3 or len(data) < 1 + data[0]:
        end = base + len(data)
        raise FrameError("frame.truncated", f"authentication layer cut off at byte {end}", end)
    fields = data[1 : 1 + data[0]]
    control_word = int.from_bytes(fields[:2], "little")
    if control_word & _MORE or control_word & 0xFF > 1:
        raise UnsupportedError("afl.fragment", f"fragment of a longer message, byte {base + 1}", base + 1)
    at = 2

    def taken(size: int) -> bytes:
        nonlocal at
        if at + size > len(fields):
            raise FrameError("frame.truncated", f"authentication layer too short, byte {base}", base)
        at += size
        return fields[at - size : at]

    control = taken(1)[0] if control_word & _HAS_CONTROL else None
    key_information = taken(2) if control_word & _HAS_KEY else None
    counter = taken(4) if control_word & _HAS_COUNTER else None
    mac = None
    if control_word & _HAS_MAC:
        size = MAC_SIZES.get((control or 0) & 0x0F)
        if size is None:
            raise UnsupportedError("afl.type", f"authentication type {(control or 0) & 15}, byte {base}", base)
        mac = taken(size)
    length = taken(2) if control_word & _HAS_LENGTH else None
    layer = Authentication(control_word & 0xFF, control, key_information, counter, mac, length)
    return layer, data[1 + data[0] :], base + 1 + data[0]


def encryption_key_after_check(
    layer: Authentication, message: bytes, key: bytes, identification: bytes, last_counter: int | None, base: int
) -> bytes:
    """Kenc of the message, once its MAC holds and its counter rose.

    Raises
    ------
    SecurityError
        ``mac.missing``, ``mac.wrong`` (which a wrong key is too), ``counter.replayed``.
    """
    if layer.counter is None or layer.mac is None:
        raise SecurityError("mac.missing", f"no message counter or no MAC, byte {base}", base)
    encryption, authentication = session_keys(key, layer.counter, identification)
    if not mac_holds(authentication, layer.covered(message), layer.mac):
        raise SecurityError("mac.wrong", f"the MAC does not hold, byte {base}: wrong key or altered message", base)
    value = int.from_bytes(layer.counter, "little")
    if last_counter is not None and value <= last_counter:
        raise SecurityError("counter.replayed", f"message counter {value} after {last_counter}, byte {base}", base)
    return encryption


def bytes_from_message(
    message: bytes, key: bytes, identification: bytes, counter: int, authentication_type: int = 5
) -> bytes:
    """CI 90, the layer and the message it authenticates.

    Parameters
    ----------
    message : bytes
        From its CI on, already encrypted.
    authentication_type : int
        A key of MAC_SIZES; 5 is a CMAC of eight bytes, OMS profile B.
    """
    counter_bytes = counter.to_bytes(4, "little")
    control = _CONTROL_COUNTER | authentication_type
    layer = Authentication(0, control, None, counter_bytes)
    _, authentication = session_keys(key, counter_bytes, identification)
    mac = cmac(authentication, layer.covered(message))[: MAC_SIZES[authentication_type]]
    control_word = _HAS_CONTROL | _HAS_COUNTER | _HAS_MAC
    fields = control_word.to_bytes(2, "little") + bytes((control,)) + counter_bytes + mac
    return bytes((AFL, len(fields))) + fields + message
