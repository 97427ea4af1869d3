"""Telegrams under a key, the inverse of `extended` and `opening`: AES-CTR on the link, security modes 7 and 10.

Rules: `records` are the bytes of `encoding.record_bytes` joined; mode 5 is an option of `building`'s plain telegrams.
"""

from typing import Final

from protocols.mbus.authentication import fragments_from_message
from protocols.mbus.building import FORMATS, padded
from protocols.mbus.compact import compact_from_full
from protocols.mbus.extended import ExtendedLink, bytes_from_extended_link
from protocols.mbus.header import ShortHeader, link_bytes_from_meter
from protocols.mbus.security import BLOCK, cbc_encrypted, ccm_encrypted, ccm_vector, session_keys
from protocols.mbus.wireless import SND_NR, WirelessFrame
from protocols.telegram import MeterId

_MODE7: Final = 0x0700
_MODE10: Final = 0x0A00


def wireless_ctr_telegram(
    meter: MeterId,
    records: bytes,
    *,
    key: bytes,
    access_number: int = 0,
    communication_control: int = 0x20,
    session: int = 0x2000_0010,
    compact: bool = False,
    form: str = "stripped",
    medium_code: int | None = None,
) -> bytes:
    """A telegram with an encrypted extended link layer (CI 8D) and no transport header (CI 78, compact: 79).

    The upper three bits of `session` say AES-CTR. Raises ValueError as `wireless_telegram`.
    """
    link = link_bytes_from_meter(meter, medium_code)
    message = b"\x79" + compact_from_full(records) if compact else b"\x78" + records
    layer = ExtendedLink(communication_control, access_number, None, session.to_bytes(4, "little"))
    return FORMATS[form](WirelessFrame(SND_NR, link, bytes_from_extended_link(layer, link, message, key)))


def wireless_mode7_telegrams(
    meter: MeterId,
    records: bytes,
    *,
    key: bytes,
    counter: int,
    access_number: int = 0,
    status: int = 0,
    form: str = "stripped",
    medium_code: int | None = None,
    authentication_type: int = 5,
    largest: int | None = None,
) -> list[bytes]:
    """Telegrams in security mode 7: authentication layer, short header, records under the message's own key.

    Parameters
    ----------
    largest : int, optional
        Bytes of the message that one telegram takes; by default one takes all.

    Raises
    ------
    ValueError
        The identity cannot be coded or the records exceed fifteen blocks.
    """
    link = link_bytes_from_meter(meter, medium_code)
    identification = link[2:6]
    encryption, _ = session_keys(key, counter.to_bytes(4, "little"), identification)
    plain = padded(records)
    configuration = _MODE7 | len(plain) // BLOCK << 4
    header = ShortHeader(access_number, status, configuration).to_bytes()
    # Key derivation A, key 0 (configuration extension).
    message = b"\x7a" + header + b"\x10" + cbc_encrypted(encryption, bytes(BLOCK), plain)
    parts = fragments_from_message(message, key, identification, counter, authentication_type, largest=largest)
    return [FORMATS[form](WirelessFrame(SND_NR, link, part)) for part in parts]


def wireless_mode7_telegram(
    meter: MeterId,
    records: bytes,
    *,
    key: bytes,
    counter: int,
    access_number: int = 0,
    status: int = 0,
    form: str = "stripped",
    medium_code: int | None = None,
    authentication_type: int = 5,
) -> bytes:
    """The one telegram of `wireless_mode7_telegrams`. Raises as it does."""
    (only,) = wireless_mode7_telegrams(
        meter,
        records,
        key=key,
        counter=counter,
        access_number=access_number,
        status=status,
        form=form,
        medium_code=medium_code,
        authentication_type=authentication_type,
    )
    return only


def wireless_mode10_telegram(
    meter: MeterId,
    records: bytes,
    *,
    key: bytes,
    counter: int,
    access_number: int = 0,
    status: int = 0,
    form: str = "stripped",
    tag_size: int = 8,
    medium_code: int | None = None,
) -> bytes:
    """A telegram in security mode 10 (AES-CCM, OMS profile D): short header with counter, records, tag.

    Raises
    ------
    ValueError
        The identity cannot be coded, the tag is not of 4, 8, 12 or 16 bytes, or the records exceed one telegram.
    """
    link = link_bytes_from_meter(meter, medium_code)
    counter_bytes = counter.to_bytes(4, "little")
    encryption, _ = session_keys(key, counter_bytes, link[2:6])
    # Key derivation A, key 0; the size of the tag in steps of four.
    extension = (0x0010 | (tag_size // 4 - 1) << 8).to_bytes(2, "little")
    head = b"\x7a" + ShortHeader(access_number, status, _MODE10 | 0xFF).to_bytes() + extension
    sealed = ccm_encrypted(encryption, ccm_vector(link, counter_bytes), records, head, tag_size)
    return FORMATS[form](WirelessFrame(SND_NR, link, head + counter_bytes + sealed))
