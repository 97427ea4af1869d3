"""Device keys at rest: sealed with AES-256-GCM under one master key of the installation.

Rules: a sealed key is bound to its meter, so that swapping rows in the database opens nothing; the master key comes
from HEATBOOK_MASTER_KEY or from a file in the data folder that only its owner can read; the database never sees it.
"""

import base64
import binascii
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ingest.errors import IngestError, SettingsError

_VERSION = b"\x01"
_NONCE_BYTES = 12
MASTER_KEY_FILE = "master.key"


class SealError(IngestError):
    """A sealed key does not open: another master key, another meter, or changed bytes."""

    code = "key.sealed"


class Sealer:
    """Seals and opens device keys. `master` is 32 bytes."""

    __slots__ = ("_cipher",)

    def __init__(self, master: bytes) -> None:
        if len(master) != 32:
            raise SettingsError(f"HEATBOOK_MASTER_KEY: {len(master)} bytes where 32 are needed")
        self._cipher = AESGCM(master)

    def seal(self, key: bytes, meter_id: int) -> bytes:
        """Version, nonce, ciphertext and tag of a key that only this meter's row opens."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, key, _bound_to(meter_id))

    def open(self, sealed: bytes, meter_id: int) -> bytes:
        """The key in clear.

        Raises
        ------
        SealError
            It was sealed for another meter or by another master key, or it was changed.
        """
        if sealed[:1] != _VERSION:
            raise SealError(f"the key of meter {meter_id} is sealed in a form this program does not know")
        nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, body, _bound_to(meter_id))
        except InvalidTag as error:
            raise SealError(f"the key of meter {meter_id} does not open with this master key") from error

    def seal_text(self, text: str, owner: str) -> bytes:
        """A secret of the service (an address, a login under way), bound to `owner`: only that one opens it."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, text.encode(), b"heatbook secret of " + owner.encode())

    def open_text(self, sealed: bytes, owner: str) -> str:
        """What `seal_text` was given. SealError where owner or master key differ, or bytes were changed."""
        nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            if sealed[:1] != _VERSION:
                raise InvalidTag
            return self._cipher.decrypt(nonce, body, b"heatbook secret of " + owner.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise SealError(f"the secret of {owner} does not open with this master key") from error


def _bound_to(meter_id: int) -> bytes:
    return b"heatbook device key " + str(meter_id).encode()


def sealer_for(data: Path, master_key: str | None = None) -> Sealer:
    """The installation's sealer; makes the master key file (mode 0600) where there is neither file nor setting.

    Parameters
    ----------
    data : Path
        The data folder (HEATBOOK_DATA).
    master_key : str, optional
        HEATBOOK_MASTER_KEY: 32 bytes as hex or base64.

    Raises
    ------
    SettingsError
        The key is not 32 bytes of hex or base64.
    """
    if master_key:
        return Sealer(_key_bytes(master_key))
    path = data / MASTER_KEY_FILE
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return Sealer(_key_bytes(path.read_text(encoding="ascii").strip()))
    text = secrets.token_hex(32)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    return Sealer(_key_bytes(text))


def _key_bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text) if len(text) == 64 else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as error:
        raise SettingsError("HEATBOOK_MASTER_KEY: neither hex nor base64") from error
