"""The extended link layer of wireless telegrams (CI 8C-8F): access, the receiver's address, encryption by AES-CTR.

8C: control, access number. 8D: these, session number, payload CRC. 8E and 8F: the same with the address of the receiver
between: whose message it is, the link address before says. The payload CRC is encrypted with the payload: it tells
whether the key was right.
"""

from dataclasses import dataclass
from typing import Final

from protocols.errors import FrameError, SecurityError
from protocols.mbus.security import ctr_applied, ctr_vector
from protocols.mbus.wireless import crc

# CI -> (has the second address, has session number and CRC)
LAYOUTS: Final = {0x8C: (False, False), 0x8D: (False, True), 0x8E: (True, False), 0x8F: (True, True)}
_ENCRYPTION_SHIFT: Final = 29


@dataclass(frozen=True, slots=True)
class ExtendedLink:
    """Fields of the layer. `address` is the receiver's or None; `session` is as sent, None without one."""

    communication_control: int
    access_number: int
    address: bytes | None = None
    session: bytes | None = None

    @property
    def encryption(self) -> int:
        """0 none, 1 AES-128-CTR (top three bits of the session number)."""
        return 0 if self.session is None else int.from_bytes(self.session, "little") >> _ENCRYPTION_SHIFT

    @property
    def ci(self) -> int:
        """The CI that announces this layer."""
        return 0x8C | (self.address is not None) << 1 | (self.session is not None)


def extended_link_from_bytes(ci: int, data: bytes, base: int) -> tuple[ExtendedLink, bytes, int]:
    """The layer, the (still encrypted) rest with its payload CRC, and the rest's offset.

    Raises
    ------
    FrameError
        ``frame.truncated``.
    """
    second, session = LAYOUTS[ci]
    size = 2 + 8 * second + 4 * session
    if len(data) < size + 2 * session:
        end = base + len(data)
        raise FrameError("frame.truncated", f"extended link layer cut off at byte {end}", end)
    link = ExtendedLink(data[0], data[1], data[2:10] if second else None, data[size - 4 : size] if session else None)
    return link, data[size:], base + size


def payload_opened(link: ExtendedLink, link_address: bytes, data: bytes, key: bytes | None, base: int) -> bytes | None:
    """Payload after its CRC, decrypted if need be; None if it is encrypted and there is no key.

    Raises
    ------
    SecurityError
        ``key.wrong``: the payload CRC does not fit after decryption; ``security.unsupported``.
    FrameError
        ``frame.crc``: it does not fit although nothing is encrypted.
    """
    payload, expected = data[2:], int.from_bytes(data[:2], "little")
    # Receivers that decrypt leave the session number as it was: a payload CRC that fits says so.
    if crc(payload) == expected:
        return payload
    if not link.encryption or link.session is None:
        raise FrameError("frame.crc", f"payload CRC wrong, byte {base}", base)
    if link.encryption > 1:
        raise SecurityError("security.unsupported", f"link encryption {link.encryption}, byte {base}", base)
    if key is None:
        return None
    # The sender's address makes the vector; some take the one that stands in the layer itself.
    for address in (link_address, link.address):
        if address is not None:
            plain = ctr_applied(key, ctr_vector(address, link.communication_control, link.session), data)
            if crc(plain[2:]) == int.from_bytes(plain[:2], "little"):
                return plain[2:]
    raise SecurityError("key.wrong", f"payload CRC wrong after decryption, byte {base}", base)


def bytes_from_extended_link(link: ExtendedLink, link_address: bytes, payload: bytes, key: bytes | None) -> bytes:
    """CI, layer and payload, encrypted where the session number says so.

    Raises
    ------
    ValueError
        Encryption is announced and there is no key.
    """
    head = bytes((link.ci, link.communication_control, link.access_number)) + (link.address or b"")
    if link.session is None:
        return head + payload
    data = crc(payload).to_bytes(2, "little") + payload
    if link.encryption:
        if key is None:
            raise ValueError("the session number announces encryption, but there is no key")
        data = ctr_applied(key, ctr_vector(link_address, link.communication_control, link.session), data)
    return head + link.session + data
