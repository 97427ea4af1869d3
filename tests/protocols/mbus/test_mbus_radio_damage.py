"""Radio telegrams that were garbled on the way: a CRC that does not hold is an error, whatever format nobody named."""

import pytest

from protocols.errors import FrameError, ProtocolError
from protocols.mbus import telegram_from_frame, wireless_telegram
from protocols.mbus.wireless import crc
from protocols.telegram import MeterId

KEY = bytes(range(16))
METER = MeterId("12345678", "KAM", 52, "heat")
# Long enough for two blocks of format B, and for the plain one block.
SHORT = bytes.fromhex("0C1310130000046D002041110413010203040B3B123456")
LONG = bytes.fromhex("0413010203040B3B123456") * 18


def _refused(frame: bytes, key: bytes | None) -> str:
    with pytest.raises(ProtocolError) as caught:
        telegram_from_frame(frame, key)
    assert caught.value.offset is not None
    return caught.value.code


@pytest.mark.parametrize("records", [SHORT, LONG])
def test_a_damaged_value_in_format_b_is_never_taken_for_a_telegram_without_crcs(records: bytes) -> None:
    frame = wireless_telegram(METER, records, form="B")
    at = frame.index(bytes.fromhex("01020304"))
    for place in (at, at + 3, at + 7):
        damaged = bytearray(frame)
        damaged[place] ^= 0x10
        assert _refused(bytes(damaged), None) == "frame.crc"


def test_a_damaged_block_of_an_encrypted_telegram_in_format_b_yields_no_data() -> None:
    frame = wireless_telegram(METER, SHORT, form="B", key=KEY)
    for place in range(15, len(frame)):
        damaged = bytearray(frame)
        damaged[place] ^= 0x10
        assert _refused(bytes(damaged), KEY) == "frame.crc"


def test_every_block_of_format_a_is_checked() -> None:
    frame = wireless_telegram(METER, LONG, form="A")
    for place in range(1, len(frame)):
        damaged = bytearray(frame)
        damaged[place] ^= 0x10
        with pytest.raises(FrameError, match="CRC"):
            telegram_from_frame(bytes(damaged))


def test_a_telegram_without_crcs_whose_last_record_is_cut_still_gives_what_came_whole() -> None:
    telegram = telegram_from_frame(wireless_telegram(METER, SHORT[:-1]))
    assert len(telegram.records) == 3
    assert telegram.diagnostics[0].startswith("record.truncated")


def test_a_telegram_without_crcs_that_ends_like_one_of_format_b_keeps_its_last_record() -> None:
    # One value in 65,536 does, by chance.
    frame = wireless_telegram(METER, SHORT + bytes.fromhex("041300000000"))
    frame = frame[:-2] + crc(frame[:-2]).to_bytes(2, "big")
    telegram = telegram_from_frame(frame)
    assert len(telegram.records) == 5
    assert telegram.diagnostics == ()
    assert telegram.records[-1].raw == "0000" + frame[-2:].hex()
    assert telegram.details["format"] == "stripped"
    assert telegram_from_frame(frame, form="B").diagnostics[0].startswith("record.truncated")


def test_a_telegram_of_format_b_with_a_cut_record_stays_one_of_format_b() -> None:
    telegram = telegram_from_frame(wireless_telegram(METER, SHORT[:-1], form="B"))
    assert telegram.details["format"] == "B"
    assert telegram.diagnostics[0].startswith("record.truncated")
