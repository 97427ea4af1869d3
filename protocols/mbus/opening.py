"""Application data brought into the clear: the security modes of the transport layer (EN 13757-7, OMS volume 2).

Rules: a wrong key is an error, never data; without a key the header is all there is. Modes 5, 7 and 10 are read; mode 1
is the maker's own and stays as it came; of the others the error names mode and byte.
"""

from collections.abc import Callable
from typing import Final

from protocols.errors import ContentError, FrameError, SecurityError, UnsupportedError
from protocols.mbus.records import RecordError, records_from_bytes
from protocols.mbus.security import (
    BLOCK,
    MARK,
    cbc_decrypted,
    ccm_decrypted,
    ccm_vector,
    check_counter_rises,
    mode5_vector,
    opened,
    session_keys,
)
from protocols.mbus.transport import Message, Transport

# What random bytes read as, too.
_UNPROVEN: Final = ("manufacturer_specific", "more_records_follow", "unknown", "any")
# On the wire only these security modes are believed: the bytes were a "signature" once, and any value is about.
ENCRYPTED_MODES: Final = (5, 7)
MAKERS_MODE: Final = 1
_MODE_NAMES: Final = {
    2: "DES-CBC",
    3: "DES-CBC with a vector of the day",
    4: "AES-CBC of a draft",
    6: "reserved",
    8: "AES-CTR and CMAC",
    9: "AES-GCM",
    13: "TLS",
}
# Bits of the configuration word and its extension.
_OWN_COUNTER: Final = 0x2000
_KEY_VERSION: Final = 0x40
_PERSISTENT_KEY, _DERIVED_KEY = 0, 1
_ALL_ENCRYPTED: Final = 0xFF


def security_mode(transport: Transport, message: Message) -> int:
    """Mode of a message's configuration word; 0 for what only looks like one."""
    mode = transport.configuration >> 8 & 0x1F
    return 0 if message.wired and mode not in ENCRYPTED_MODES else mode


def plain_data(transport: Transport, message: Message) -> bytes | None:
    """Application data in the clear; None without a key.

    Raises
    ------
    SecurityError
        ``key.wrong``, ``mac.missing``, ``counter.replayed``, ``security.key_derivation``.
    ContentError
        ``security.length``: fewer bytes than are said to be encrypted.
    UnsupportedError
        ``security.mode``.
    """
    mode = security_mode(transport, message)
    if mode in (0, MAKERS_MODE):
        return transport.data
    opener = _OPENERS.get(mode)
    if opener is None:
        if transport.data[:2] == MARK:  # a receiver that knows more than we do decrypted it
            return transport.data
        at = transport.base - 1
        name = _MODE_NAMES.get(mode, "unknown")
        raise UnsupportedError("security.mode", f"security mode {mode} ({name}) is not read, byte {at}", at)
    return opener(transport, message)


def crc_wrong(end: int) -> FrameError:
    """A telegram without CRCs, as it seemed, that ends at offset `end` with what can only be one that does not hold."""
    return FrameError("frame.crc", f"format B with a CRC that does not hold, byte {end - 2}", end - 2)


def _mode7(transport: Transport, message: Message) -> bytes | None:
    message.details["encryption"] = "mode7"
    data, base = transport.data, transport.base
    extension = data[0] if data else 0
    counter_at = 1 + bool(extension & _KEY_VERSION)
    start = counter_at + (4 if transport.configuration & _OWN_COUNTER else 0)
    size = (transport.configuration >> 4 & 0x0F) * BLOCK
    if len(data) < start + size or not data:
        text = f"{size // BLOCK} encrypted blocks in {max(0, len(data) - start)} bytes, byte {base}"
        raise ContentError("security.length", text, base)
    if message.could_be_format_b and len(data) == start + size + 2:
        raise crc_wrong(base + len(data))
    key = message.encryption_key
    if message.key is None:
        # Receivers that decrypt leave the configuration word as it was.
        if data[start : start + 2] != MARK:
            return None
        message.details["encryption"] = "none"
        return data[start:]
    if key is None:
        raise SecurityError("mac.missing", f"security mode 7 without an authentication layer, byte {base}", base)
    if transport.configuration & _OWN_COUNTER or extension >> 4 & 3 != _DERIVED_KEY:
        key = _message_key(extension, data[counter_at:start], transport, message)
    head = cbc_decrypted(key, bytes(BLOCK), data[start : start + size])
    return (opened(head, base) if size else b"") + data[start + size :]


def _mode10(transport: Transport, message: Message) -> bytes | None:
    message.details["encryption"] = "mode10"
    data, base = transport.data, transport.base
    if len(data) < 2:
        raise ContentError("security.length", f"no configuration extension, byte {base + len(data)}", base + len(data))
    extension = int.from_bytes(data[:2], "little")
    counter_at = 2 + bool(extension & _KEY_VERSION)
    counter, rest = data[counter_at : counter_at + 4], data[counter_at + 4 :]
    tag_size = 4 + 4 * (extension >> 8 & 3)
    size = transport.configuration & 0xFF
    most = len(rest) - tag_size
    if most < 0 or (size != _ALL_ENCRYPTED and size > most):
        raise ContentError("security.length", f"{size} encrypted bytes in {len(rest)} with a tag, byte {base}", base)
    value = int.from_bytes(counter, "little")
    message.details.update(authentication=f"ccm{8 * tag_size}", counter=str(value))
    if message.key is None or transport.address is None:
        return None
    size = most if size == _ALL_ENCRYPTED else size
    key = _message_key(extension, counter, transport, message)
    vector, head = ccm_vector(transport.address, counter), transport.head + data[:counter_at]
    plain = ccm_decrypted(key, vector, rest[:size] + rest[most:], head, tag_size, base)
    check_counter_rises(value, message.last_counter, base)
    return plain + rest[size:most]


def _message_key(extension: int, counter: bytes, transport: Transport, message: Message) -> bytes:
    """The key that the configuration's extension names: the meter's own, or one derived from it for this message."""
    key, base = message.key or b"", transport.base
    derivation = extension >> 4 & 3
    if derivation == _PERSISTENT_KEY:
        return key
    if derivation != _DERIVED_KEY:
        text = f"key derivation {derivation} is not known, byte {base}"
        raise SecurityError("security.key_derivation", text, base)
    address = transport.address or b""
    return session_keys(key, counter, address[2:6])[0]


def _mode5(transport: Transport, message: Message) -> bytes | None:
    blocks = transport.configuration >> 4 & 0x0F
    data, base = transport.data, transport.base
    size = blocks * BLOCK
    if not size:
        return data
    if len(data) < size:
        if message.wired:
            return data
        raise ContentError("security.length", f"{blocks} encrypted blocks in {len(data)} bytes, byte {base}", base)
    if message.could_be_format_b and len(data) == size + 2:
        raise crc_wrong(base + len(data))
    message.details["encryption"] = "mode5"
    address, access_number = transport.address, transport.access_number
    if message.key is not None and address is not None and access_number is not None:
        head = cbc_decrypted(message.key, mode5_vector(address, access_number), data[:size])
        if head[:2] == MARK:
            return head + data[size:]
    # Receivers that decrypt leave the configuration word as it was; old wired meters never meant it.
    if data[:2] == MARK or (message.wired and plausible(data)):
        message.details["encryption"] = "none"
        return data
    if message.key is None:
        return None
    raise SecurityError("key.wrong", f"no 2F 2F after decryption, byte {base}: the key is not this meter's", base)


def plausible(data: bytes) -> bool:
    """Whether bytes read as records of known meaning to the last byte, which encrypted ones practically never do."""
    try:
        records, _ = records_from_bytes(data)
    except RecordError:
        return False
    return bool(records) and all(record.quantity not in _UNPROVEN for record in records)


_OPENERS: Final[dict[int, Callable[[Transport, Message], bytes | None]]] = {5: _mode5, 7: _mode7, 10: _mode10}
