"""Whole telegrams from a meter's identity and its records: the inverse of `telegram`, with keys where there are any.

Rules: `records` are the bytes of `encoding.record_bytes` joined; fillers and check bytes are added here.
"""

from typing import Final

from protocols.errors import ContentError
from protocols.mbus.application import bytes_from_application_error
from protocols.mbus.compact import compact_from_full, format_from_full
from protocols.mbus.encoding import bytes_from_records
from protocols.mbus.extended import ExtendedLink, bytes_from_extended_link
from protocols.mbus.fixed import bytes_from_fixed
from protocols.mbus.frame import RSP_UD, LongFrame
from protocols.mbus.header import ShortHeader, bytes_from_meter, link_bytes_from_meter
from protocols.mbus.load_profile import ELEMENT
from protocols.mbus.makers import MAKER
from protocols.mbus.security import BLOCK, MARK, cbc_encrypted, mode5_vector
from protocols.mbus.wireless import SND_NR, WirelessFrame, format_a_from_frame, format_b_from_frame
from protocols.telegram import MeterId, Telegram

FORMATS: Final = {"stripped": WirelessFrame.to_bytes, "A": format_a_from_frame, "B": format_b_from_frame}
_MODE5: Final = 0x0500
_FILLER: Final = b"\x2f"


def padded(records: bytes) -> bytes:
    """Check bytes, records and fillers up to whole cipher blocks. Raises ValueError for more than fifteen."""
    plain = MARK + records
    plain += _FILLER * (-len(plain) % BLOCK)
    if len(plain) > 15 * BLOCK:
        raise ValueError(f"{len(records)} bytes of records where 15 encrypted blocks hold 238")
    return plain


def long_header(meter: MeterId, access_number: int, status: int, configuration: int, medium_code: int | None) -> bytes:
    """The twelve bytes of a long header. Raises ValueError as `header.bytes_from_meter`."""
    return bytes_from_meter(meter, medium_code) + ShortHeader(access_number, status, configuration).to_bytes()


def wired_frame(
    meter: MeterId,
    records: bytes,
    *,
    address: int = 0,
    access_number: int = 0,
    status: int = 0,
    control: int = RSP_UD,
    medium_code: int | None = None,
    key: bytes | None = None,
) -> bytes:
    """An answer with a long header (CI 72); with a key in security mode 5.

    Raises
    ------
    ValueError
        The identity cannot be coded or the records exceed one frame (252 bytes with the header).
    """
    configuration = 0
    if key is not None:
        plain = padded(records)
        configuration = _MODE5 | len(plain) // BLOCK << 4
        records = cbc_encrypted(key, mode5_vector(link_bytes_from_meter(meter, medium_code), access_number), plain)
    header = long_header(meter, access_number, status, configuration, medium_code)
    return LongFrame(control, address, 0x72, header + records).to_bytes()


def fixed_frame(
    meter: MeterId,
    units: tuple[int, int],
    counts: tuple[int, int],
    *,
    address: int = 0,
    access_number: int = 0,
    status: int = 0,
) -> bytes:
    """An answer with the fixed data structure (CI 73). Raises ValueError as `fixed.bytes_from_fixed`."""
    data = bytes_from_fixed(meter, access_number, status, units, counts)
    return LongFrame(RSP_UD, address, 0x73, data).to_bytes()


def application_error_frame(word: str, address: int = 0) -> bytes:
    """An answer that reports an application error, by its word in APPLICATION_ERRORS."""
    return LongFrame(RSP_UD, address, 0x70, bytes_from_application_error(word)).to_bytes()


def alarm_frame(data: bytes, address: int = 0) -> bytes:
    """An answer to REQ_UD1 with alarm bytes (CI 71)."""
    return LongFrame(RSP_UD, address, 0x71, data).to_bytes()


def _message_bytes(
    ci: int, header: bytes, access_number: int, status: int, data: bytes, key: bytes | None, link: bytes
) -> bytes:
    """CI, header and data; with a key in mode 5. `header` is the identity part, empty for short headers."""
    configuration = 0
    if key is not None:
        plain = padded(data)
        configuration = _MODE5 | len(plain) // BLOCK << 4
        data = cbc_encrypted(key, mode5_vector(link, access_number), plain)
    return bytes((ci,)) + header + ShortHeader(access_number, status, configuration).to_bytes() + data


def _wrapped(message: bytes, link: bytes, control: int, form: str, extended: ExtendedLink | None) -> bytes:
    if extended is not None:
        message = bytes_from_extended_link(extended, link, message, None)
    return FORMATS[form](WirelessFrame(control, link, message))


def wireless_telegram(
    meter: MeterId,
    records: bytes,
    *,
    key: bytes | None = None,
    access_number: int = 0,
    status: int = 0,
    form: str = "stripped",
    control: int = SND_NR,
    medium_code: int | None = None,
    radio: MeterId | None = None,
    extended: ExtendedLink | None = None,
) -> bytes:
    """A telegram with a short header (CI 7A), or a long one (72) when a separate `radio` sends it; mode 5 with a key.

    Parameters
    ----------
    form : str
        ``"stripped"``, ``"A"`` or ``"B"``.
    extended : ExtendedLink, optional
        An unencrypted extended link layer to put before the transport header.

    Raises
    ------
    ValueError
        The identity cannot be coded or the records exceed one telegram.
    """
    own = link_bytes_from_meter(meter, medium_code)
    link = own if radio is None else link_bytes_from_meter(radio)
    ci, identity = (0x7A, b"") if radio is None else (0x72, bytes_from_meter(meter, medium_code))
    message = _message_bytes(ci, identity, access_number, status, records, key, own)
    return _wrapped(message, link, control, form, extended)


def wireless_compact_telegram(
    meter: MeterId, records: bytes, *, access_number: int = 0, status: int = 0, form: str = "stripped"
) -> bytes:
    """The compact twin (CI 7B) of a full telegram with these records; the receiver needs their layout."""
    link = link_bytes_from_meter(meter)
    data = _message_bytes(0x7B, b"", access_number, status, compact_from_full(records), None, link)
    return FORMATS[form](WirelessFrame(SND_NR, link, data))


def wireless_format_telegram(
    meter: MeterId, records: bytes, *, access_number: int = 0, status: int = 0, form: str = "stripped"
) -> bytes:
    """The format frame (CI 6A) that teaches the layout of these records."""
    link = link_bytes_from_meter(meter)
    data = _message_bytes(0x6A, b"", access_number, status, format_from_full(records), None, link)
    return FORMATS[form](WirelessFrame(SND_NR, link, data))


def frame_from_telegram(telegram: Telegram, key: bytes | None = None) -> bytes:
    """A frame that decodes to the same meter, header and records: wired for "mbus", else wireless.

    Parameters
    ----------
    telegram : Telegram
        As decoded: its records carry `code` and `raw`.

    Raises
    ------
    ContentError
        ``telegram.protocol``: neither "mbus" nor "wmbus".
    ValueError
        A record or the identity cannot be coded.
    """
    records = bytes_from_records(record for record in telegram.records if not record.code.startswith((MAKER, ELEMENT)))
    code = telegram.details.get("medium_code")
    medium_code = None if code is None else int(code, 16)
    access_number, status = telegram.access_number or 0, telegram.status or 0
    if telegram.protocol == "mbus":
        address = int(telegram.details.get("address", "0"))
        return wired_frame(
            telegram.meter,
            records,
            address=address,
            access_number=access_number,
            status=status,
            medium_code=medium_code,
            key=key,
        )
    if telegram.protocol != "wmbus":
        raise ContentError("telegram.protocol", f"a {telegram.protocol} telegram is no M-Bus telegram")
    return wireless_telegram(
        telegram.meter, records, key=key, access_number=access_number, status=status, medium_code=medium_code
    )
