"""Encryption and authentication of wireless telegrams: modes 5, 7 and 10, AES-CTR of the extended link layer, CMAC.

Rules: plain text leaves this file only after its check (2F 2F, MAC or CRC) held; keys appear in no message.
Sources: EN 13757-4, EN 13757-7, OMS volume 2, NIST SP 800-38B (CMAC), RFC 4493 (its vectors).
"""

from typing import Final

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, CTR
from cryptography.hazmat.primitives.cmac import CMAC

from protocols.errors import SecurityError

BLOCK: Final = 16
MARK: Final = b"\x2f\x2f"


def checked_key(key: bytes) -> bytes:
    """The key, if it is one.

    Raises
    ------
    SecurityError
        ``key.length``: not 16 bytes.
    """
    if len(key) != BLOCK:
        raise SecurityError("key.length", f"a key of {len(key)} bytes where AES-128 takes 16")
    return key


def cbc_encrypted(key: bytes, vector: bytes, plain: bytes) -> bytes:
    """AES-128-CBC of whole blocks."""
    encryptor = Cipher(AES(checked_key(key)), CBC(vector)).encryptor()
    return encryptor.update(plain) + encryptor.finalize()


def cbc_decrypted(key: bytes, vector: bytes, data: bytes) -> bytes:
    """Inverse of `cbc_encrypted`; unchecked."""
    decryptor = Cipher(AES(checked_key(key)), CBC(vector)).decryptor()
    return decryptor.update(data) + decryptor.finalize()


def ctr_applied(key: bytes, vector: bytes, data: bytes) -> bytes:
    """AES-128-CTR, the same both ways."""
    encryptor = Cipher(AES(checked_key(key)), CTR(vector)).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def cmac(key: bytes, message: bytes) -> bytes:
    """Sixteen bytes of AES-CMAC."""
    mac = CMAC(AES(checked_key(key)))
    mac.update(message)
    return mac.finalize()


def mac_holds(key: bytes, message: bytes, mac: bytes) -> bool:
    """Whether `mac`, which may be truncated, authenticates `message`; compared in constant time."""
    full = CMAC(AES(checked_key(key)))
    full.update(message)
    if len(mac) == BLOCK:
        try:
            full.verify(mac)
        except InvalidSignature:
            return False
        return True
    computed = full.finalize()[: len(mac)]
    difference = 0
    for ours, theirs in zip(computed, mac, strict=True):
        difference |= ours ^ theirs
    return difference == 0


def mode5_vector(link_address: bytes, access_number: int) -> bytes:
    """Initial vector of mode 5: manufacturer, identification, version, type, then eight times the access number."""
    return link_address + bytes((access_number,)) * 8


def ctr_vector(link_address: bytes, communication_control: int, session: bytes) -> bytes:
    """Initial counter of the extended link layer; the repeater's hop and the repeated-access bits do not count."""
    return link_address + bytes((communication_control & 0xED,)) + session + b"\x00\x00\x00"


def session_keys(key: bytes, counter: bytes, identification: bytes) -> tuple[bytes, bytes]:
    """Kenc and Kmac of a message from the meter (EN 13757-7, key derivation; 00 and 01 select the direction's keys).

    Parameters
    ----------
    counter : bytes
        Message counter, 4 bytes as transmitted.
    identification : bytes
        Identification of the meter, 4 bytes as transmitted.
    """
    rest = counter + identification + b"\x07" * 7
    return cmac(key, b"\x00" + rest), cmac(key, b"\x01" + rest)


def ccm_vector(link_address: bytes, counter: bytes) -> bytes:
    """Vector of mode 10: the address, a zero, the message counter with its high byte first."""
    return link_address + b"\x00" + counter[::-1]


def ccm_encrypted(key: bytes, vector: bytes, plain: bytes, header: bytes, tag_size: int) -> bytes:
    """AES-128-CCM: the encrypted bytes and the tag that authenticates them and `header`."""
    return AESCCM(checked_key(key), tag_length=tag_size).encrypt(vector, plain, header)


def ccm_decrypted(key: bytes, vector: bytes, data: bytes, header: bytes, tag_size: int, offset: int) -> bytes:
    """Inverse of `ccm_encrypted`. Raises SecurityError: ``key.wrong`` where the tag does not hold."""
    try:
        return AESCCM(checked_key(key), tag_length=tag_size).decrypt(vector, data, header)
    except InvalidTag as error:
        message = f"the tag does not hold, byte {offset}: wrong key or altered message"
        raise SecurityError("key.wrong", message, offset) from error


def check_counter_rises(value: int, last: int | None, offset: int) -> None:
    """Refuse a message counter that does not exceed the last one. Raises SecurityError: ``counter.replayed``."""
    if last is not None and value <= last:
        raise SecurityError("counter.replayed", f"message counter {value} after {last}, byte {offset}", offset)


def opened(plain: bytes, offset: int) -> bytes:
    """Decrypted data, if they begin with the check bytes 2F 2F.

    Raises
    ------
    SecurityError
        ``key.wrong``.
    """
    if plain[:2] != MARK:
        raise SecurityError(
            "key.wrong", f"no 2F 2F after decryption, byte {offset}: the key is not this meter's", offset
        )
    return plain
