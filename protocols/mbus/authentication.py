"""The authentication and fragmentation layer (CI 90): message counter, MAC, key information (EN 13757-7).

This file knows the layer's fields and which bytes the MAC covers; `security` knows the arithmetic, `fragments` how
messages in several telegrams are put together.
"""

from dataclasses import dataclass
from typing import Final

from protocols.errors import FrameError, SecurityError, UnsupportedError
from protocols.mbus.security import check_counter_rises, cmac, mac_holds, session_keys

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
    """Fields of the layer; None where absent. Byte strings are as transmitted; `fragment` is 0 for a whole message."""

    fragment: int
    control: int | None = None
    key_information: bytes | None = None
    counter: bytes | None = None
    mac: bytes | None = None
    length: bytes | None = None
    more: bool = False

    @property
    def length_value(self) -> int | None:
        """Bytes of the whole message."""
        return None if self.length is None else int.from_bytes(self.length, "little")

    @property
    def counter_value(self) -> int | None:
        """The message counter as a number."""
        return None if self.counter is None else int.from_bytes(self.counter, "little")

    def covered(self, message: bytes) -> bytes:
        """What the MAC covers: control, key information, counter, length and the message from its CI on."""
        control = b"" if self.control is None else bytes((self.control,))
        return control + (self.key_information or b"") + (self.counter or b"") + (self.length or b"") + message


def authentication_from_bytes(data: bytes, base: int) -> tuple[Authentication, bytes, int]:
    """The layer behind CI 90, the message (or a fragment of it) after the layer, and its offset.

    Raises
    ------
    FrameError
        ``frame.truncated``: the layer is cut off or its length does not fit its fields.
    UnsupportedError
        ``afl.type``: unknown kind of MAC.
    """
    if len(data) < 3 or not 2 <= data[0] < len(data):
        end = base + len(data)
        raise FrameError("frame.truncated", f"authentication layer cut off at byte {end}", end)
    fields = data[1 : 1 + data[0]]
    control_word = int.from_bytes(fields[:2], "little")
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
        # A later fragment has no message control: what is left of the layer is the MAC.
        rest = len(fields) - at - (2 if control_word & _HAS_LENGTH else 0)
        size = rest if control is None else MAC_SIZES.get(control & 0x0F)
        if size is None or size not in MAC_SIZES.values():
            raise UnsupportedError("afl.type", f"authentication type {(control or 0) & 15}, byte {base}", base)
        mac = taken(size)
    length = taken(2) if control_word & _HAS_LENGTH else None
    number, more = control_word & 0xFF, bool(control_word & _MORE)
    if number == 1 and not more:
        number = 0  # the only fragment is a whole message
    layer = Authentication(number, control, key_information, counter, mac, length, more)
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
    check_counter_rises(int.from_bytes(layer.counter, "little"), last_counter, base)
    return encryption


def fragments_from_message(
    message: bytes,
    key: bytes,
    identification: bytes,
    counter: int,
    authentication_type: int = 5,
    *,
    largest: int | None = None,
) -> list[bytes]:
    """CI 90, layer and part of the message, one a telegram: control, counter and length come first, the MAC last.

    Parameters
    ----------
    message : bytes
        From its CI on, already encrypted.
    authentication_type : int
        A key of MAC_SIZES; 5 is a CMAC of eight bytes, OMS profile B.
    largest : int, optional
        Bytes of the message that one telegram takes; by default all.
    """
    counter_bytes = counter.to_bytes(4, "little")
    control = _CONTROL_COUNTER | authentication_type
    _, authentication = session_keys(key, counter_bytes, identification)
    parts = [message[at : at + (largest or len(message))] for at in range(0, len(message), largest or len(message))]
    length = len(message).to_bytes(2, "little") if len(parts) > 1 else None
    if length is not None:
        control |= _CONTROL_LENGTH
    layer = Authentication(0, control, None, counter_bytes, length=length)
    mac = cmac(authentication, layer.covered(message))[: MAC_SIZES[authentication_type]]
    found = []
    for number, part in enumerate(parts, 1):
        last = number == len(parts)
        word = 0 if length is None else number | (0 if last else _MORE)
        fields = b""
        if number == 1:
            word |= _HAS_CONTROL | _HAS_COUNTER
            fields += bytes((control,)) + counter_bytes
        if last:
            word |= _HAS_MAC
            fields += mac
        if number == 1 and length is not None:
            word |= _HAS_LENGTH
            fields += length
        found.append(bytes((AFL, 2 + len(fields))) + word.to_bytes(2, "little") + fields + part)
    return found
