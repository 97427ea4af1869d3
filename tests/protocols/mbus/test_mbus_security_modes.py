"""Security modes beyond 5 and 7, the byte order of CI 76 and 77: read where they can be, named where they cannot."""

from decimal import Decimal

import pytest

from protocols.errors import ProtocolError, UnsupportedError
from protocols.mbus import (
    fixed_frame,
    records_from_bytes,
    telegram_from_frame,
    wireless_mode7_telegram,
    wireless_mode10_telegram,
    wireless_telegram,
)
from protocols.mbus.building import padded
from protocols.mbus.extended import ExtendedLink, bytes_from_extended_link
from protocols.mbus.frame import LongFrame
from protocols.mbus.header import ShortHeader, link_bytes_from_meter
from protocols.mbus.sealing import fragments_from_message
from protocols.mbus.security import BLOCK, cbc_encrypted, session_keys
from protocols.mbus.wireless import WirelessFrame
from protocols.telegram import MeterId

KEY = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
METER = MeterId("12345678", "KAM", 52, "heat")
RECORDS = bytes.fromhex("0C1310130000026C1F15")
PLAIN = tuple(records_from_bytes(RECORDS)[0])
# Offset of the configuration word's high byte in a telegram with a short header.
MODE_AT = 14


def _code(frame: bytes, key: bytes | None = KEY, last_counter: int | None = None) -> tuple[str, int | None]:
    with pytest.raises(ProtocolError) as caught:
        telegram_from_frame(frame, key, last_counter=last_counter)
    return caught.value.code, caught.value.offset


@pytest.mark.parametrize("tag_size", [4, 8, 12, 16])
def test_mode_10_comes_back_and_its_tag_guards_it(tag_size: int) -> None:
    frame = wireless_mode10_telegram(METER, RECORDS, key=KEY, counter=9, tag_size=tag_size, status=4)
    telegram = telegram_from_frame(frame, KEY)
    assert (telegram.records, telegram.status) == (PLAIN, 4)
    assert telegram.details["authentication"] == f"ccm{8 * tag_size}"
    assert telegram.details["counter"] == "9"
    closed = telegram_from_frame(frame)
    assert (closed.records, closed.details["payload"]) == ((), "encrypted")
    assert _code(frame, bytes(16))[0] == "key.wrong"
    assert _code(frame, last_counter=9)[0] == "counter.replayed"
    for at in (12, 20, 24, len(frame) - 1):
        changed = bytearray(frame)
        changed[at] ^= 1
        assert _code(bytes(changed))[0] == "key.wrong"
    assert _code(bytes((len(frame) - 7,)) + frame[1:-6], KEY)[0] in ("key.wrong", "security.length")


def test_mode_10_with_a_part_in_the_clear_and_without_derivation() -> None:
    frame = bytearray(wireless_mode10_telegram(METER, RECORDS, key=KEY, counter=9))
    frame[13] = len(RECORDS) + 1
    assert _code(bytes(frame))[0] == "security.length"
    frame[13], frame[15] = 0xFF, 0x30
    assert _code(bytes(frame))[0] == "security.key_derivation"


def _mode7(extension: bytes, own_counter: bool) -> bytes:
    """A mode 7 telegram whose configuration has a key version or a counter of its own."""
    link = link_bytes_from_meter(METER)
    counter = 7
    own = (99).to_bytes(4, "little") if own_counter else counter.to_bytes(4, "little")
    encryption = session_keys(KEY, own, link[2:6])[0] if extension[0] >> 4 & 3 else KEY
    plain = padded(RECORDS)
    word = 0x0700 | len(plain) // BLOCK << 4 | (0x2000 if own_counter else 0)
    head = b"\x7a" + ShortHeader(1, 0, word).to_bytes() + extension + (own if own_counter else b"")
    message = head + cbc_encrypted(encryption, bytes(BLOCK), plain)
    (part,) = fragments_from_message(message, KEY, link[2:6], counter)
    return WirelessFrame(0x44, link, part).to_bytes()


@pytest.mark.parametrize("extension", [b"\x10", b"\x50\x03", b"\x00", b"\x40\x03"])
@pytest.mark.parametrize("own_counter", [False, True])
def test_mode_7_with_key_version_counter_or_persistent_key(extension: bytes, own_counter: bool) -> None:
    assert telegram_from_frame(_mode7(extension, own_counter), KEY).records == PLAIN


def test_a_receiver_that_decrypted_mode_7_needs_no_key() -> None:
    frame = wireless_mode7_telegram(METER, RECORDS, key=KEY, counter=7)
    open_frame = frame[:-BLOCK] + padded(RECORDS)
    telegram = telegram_from_frame(open_frame)
    assert (telegram.records, telegram.details["encryption"]) == (PLAIN, "none")


@pytest.mark.parametrize("mode", [2, 3, 4, 6, 8, 9, 11, 13, 31])
def test_other_modes_are_named_with_their_byte(mode: int) -> None:
    frame = bytearray(wireless_telegram(METER, RECORDS))
    frame[MODE_AT] = mode
    with pytest.raises(UnsupportedError, match=rf"security mode {mode} \(.*byte {MODE_AT}") as caught:
        telegram_from_frame(bytes(frame), KEY)
    assert (caught.value.code, caught.value.offset) == ("security.mode", MODE_AT)


def test_what_a_receiver_decrypted_is_read_whatever_the_mode_was() -> None:
    frame = bytearray(wireless_telegram(METER, b"\x2f\x2f" + RECORDS))
    frame[MODE_AT] = 9
    assert telegram_from_frame(bytes(frame)).records == PLAIN


def test_a_makers_own_mode_keeps_what_cannot_be_read() -> None:
    frame = bytearray(wireless_telegram(METER, bytes.fromhex("c3d1807f55aa")))
    frame[MODE_AT] = 1
    telegram = telegram_from_frame(bytes(frame))
    assert [(one.quantity, one.raw) for one in telegram.records] == [("manufacturer_specific", "c3d1807f55aa")]
    frame = bytearray(wireless_telegram(METER, RECORDS))
    frame[MODE_AT] = 1
    assert telegram_from_frame(bytes(frame)).records == PLAIN


GATEWAY = MeterId("00000001", "ABC", 1, "other")


@pytest.mark.parametrize("session", [None, bytes.fromhex("10000000"), bytes.fromhex("10000020")])
def test_the_address_in_the_extended_link_layer_is_the_receivers(session: bytes | None) -> None:
    link, receiver = link_bytes_from_meter(METER), link_bytes_from_meter(GATEWAY)
    layer = ExtendedLink(0x20, 77, receiver, session)
    frame = WirelessFrame(0x44, link, bytes_from_extended_link(layer, link, b"\x78" + RECORDS, KEY)).to_bytes()
    telegram = telegram_from_frame(frame, KEY)
    assert (telegram.meter, telegram.records, telegram.access_number) == (METER, PLAIN, 77)
    assert telegram.details["receiver"] == "00000001"
    assert telegram.details["extended_link"] == f"{layer.ci:02x}"


def test_a_vector_of_the_address_in_the_layer_opens_too() -> None:
    link, other = link_bytes_from_meter(METER), link_bytes_from_meter(GATEWAY)
    layer = ExtendedLink(0x20, 77, other, bytes.fromhex("10000020"))
    frame = WirelessFrame(0x44, link, bytes_from_extended_link(layer, other, b"\x78" + RECORDS, KEY)).to_bytes()
    assert telegram_from_frame(frame, KEY).records == PLAIN
    assert _code(frame, bytes(16))[0] == "key.wrong"


@pytest.mark.parametrize(
    ("ci", "header"), [(0x8A, b"\x07\x04\x00\x00"), (0x8B, bytes.fromhex("785634122d2c340407040000"))]
)
def test_an_acknowledgement_of_a_meter_has_a_header_and_no_records(ci: int, header: bytes) -> None:
    telegram = telegram_from_frame(WirelessFrame(0x00, link_bytes_from_meter(METER), bytes((ci,)) + header).to_bytes())
    assert (telegram.meter, telegram.records) == (METER, ())
    assert (telegram.access_number, telegram.status) == (7, 4)


HIGH_FIRST = bytes.fromhex("12345678 2C2D 01 07 09 04 0000 0C1300001013 041304030201 0D780444434241 026C151F 0F0102")
LOW_FIRST = bytes.fromhex("78563412 2D2C 01 07 09 04 0000 0C1313100000 041301020304 0D780441424344 026C1F15 0F0102")


def test_ci_76_has_the_high_byte_first() -> None:
    telegram = telegram_from_frame(LongFrame(8, 1, 0x76, HIGH_FIRST).to_bytes())
    low = telegram_from_frame(LongFrame(8, 1, 0x72, LOW_FIRST).to_bytes())
    assert telegram.meter == low.meter == MeterId("12345678", "KAM", 1, "water")
    assert [(one.quantity, one.value) for one in telegram.records] == [(one.quantity, one.value) for one in low.records]
    assert telegram.records[0].value == Decimal("1.013")
    assert [one.raw for one in telegram.records] == ["00001013", "04030201", "0444434241", "151f", "0102"]
    assert telegram.details["byte_order"] == "high"


def test_a_meter_that_only_says_76_is_read_as_it_means() -> None:
    low = telegram_from_frame(LongFrame(8, 1, 0x72, LOW_FIRST).to_bytes())
    telegram = telegram_from_frame(LongFrame(8, 1, 0x76, LOW_FIRST).to_bytes())
    assert (telegram.meter, telegram.records) == (low.meter, low.records)


def test_ci_77_is_the_fixed_structure_with_the_high_byte_first() -> None:
    low = telegram_from_frame(fixed_frame(MeterId("12345678", "", None, "water"), (0x29, 0x3E), (1, 135)))
    data = bytes.fromhex("12345678 0000 e97e 00000001 00000135")
    telegram = telegram_from_frame(LongFrame(8, 0, 0x77, data).to_bytes())
    assert telegram.meter == low.meter
    assert [(one.value, one.storage) for one in telegram.records] == [(one.value, one.storage) for one in low.records]
    assert [one.raw for one in telegram.records] == ["00000001", "00000135"]


def test_a_truncated_record_of_either_order_is_the_same_error() -> None:
    codes = set()
    for ci, data in ((0x72, LOW_FIRST[:-9]), (0x76, HIGH_FIRST[:-9])):
        codes.add(_code(LongFrame(8, 1, ci, data).to_bytes()))
    assert len(codes) == 1
