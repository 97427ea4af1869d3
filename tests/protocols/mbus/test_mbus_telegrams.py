"""Whole telegrams, wired and wireless: encoded by the project's encoder, decoded again; refused where they must be."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import ContentError, DeviceError, FrameError, ProtocolError, SecurityError, UnsupportedError
from protocols.mbus import (
    Coding,
    LayoutStore,
    RecordError,
    alarm_frame,
    application_error_frame,
    fixed_frame,
    frame_from_telegram,
    record_bytes,
    records_from_bytes,
    telegram_from_frame,
    wired_frame,
    wireless_compact_telegram,
    wireless_ctr_telegram,
    wireless_format_telegram,
    wireless_mode7_telegram,
    wireless_telegram,
)
from protocols.mbus.application import APPLICATION_ERRORS
from protocols.mbus.compact import split
from protocols.mbus.extended import ExtendedLink
from protocols.mbus.frame import LongFrame, ShortFrame
from protocols.mbus.header import MEDIA, MEDIUM_CODES, flags_from_status, manufacturer_from_code
from protocols.mbus.security import cmac, session_keys
from protocols.mbus.wireless import crc
from protocols.telegram import MeterId

KEY = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
METER = MeterId("12345678", "KAM", 52, "heat")
RECORDS = b"".join(
    (
        record_bytes("energy", 81_234_000, "Wh", exponent=3, coding=Coding.BCD8),
        record_bytes("volume", Decimal("1234.567"), "m3"),
        record_bytes("supply_temperature", Decimal("78.12"), "°C", coding=Coding.INT16),
        record_bytes("datetime", "2026-01-17T12:34:00"),
    )
)
PLAIN = tuple(records_from_bytes(RECORDS)[0])
FORMS = pytest.mark.parametrize("form", ["stripped", "A", "B"])

METERS = st.builds(
    MeterId,
    st.text("0123456789ABCDEF", min_size=8, max_size=8),
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=3, max_size=3),
    st.integers(0, 255),
    st.sampled_from(sorted(MEDIUM_CODES)),
)
CONTENTS = st.lists(
    st.builds(
        lambda value, storage: record_bytes("volume", Decimal(value).scaleb(-3), "m3", exponent=-3, storage=storage),
        st.integers(-(2**31) + 1, 2**31 - 1),
        st.integers(0, 20),
    ),
    min_size=1,
    max_size=20,
).map(b"".join)


@given(METERS, CONTENTS, st.integers(0, 250), st.integers(0, 255), st.integers(0, 255))
def test_wired_telegrams_come_back(meter, records, address, access_number, status):
    frame = wired_frame(meter, records, address=address, access_number=access_number, status=status)
    telegram = telegram_from_frame(frame)
    assert (telegram.protocol, telegram.meter) == ("mbus", meter)
    assert (telegram.access_number, telegram.status) == (access_number, status)
    assert list(telegram.records) == records_from_bytes(records)[0]
    assert telegram.details["address"] == str(address)
    assert frame_from_telegram(telegram) == frame
    assert telegram_from_frame(frame, plans=None) == telegram


@given(METERS, CONTENTS, st.sampled_from(["stripped", "A", "B"]), st.integers(0, 255), st.none() | st.just(KEY))
def test_wireless_telegrams_come_back(meter, records, form, access_number, key):
    data = wireless_telegram(meter, records, form=form, access_number=access_number, key=key)
    telegram = telegram_from_frame(data, key)
    assert (telegram.protocol, telegram.meter, telegram.access_number) == ("wmbus", meter, access_number)
    assert list(telegram.records) == records_from_bytes(records)[0]
    assert telegram.details["format"] == form
    again = telegram_from_frame(frame_from_telegram(telegram, key), key)
    assert (again.meter, again.records) == (telegram.meter, telegram.records)


def sealed(form):
    """One telegram of every kind that needs the key."""
    radio = MeterId("00000001", "ABC", 1, "other")
    return [
        wireless_telegram(METER, RECORDS, key=KEY, form=form, access_number=9),
        wireless_telegram(METER, RECORDS, key=KEY, form=form, radio=radio),
        wireless_ctr_telegram(METER, RECORDS, key=KEY, form=form),
        wireless_mode7_telegram(METER, RECORDS, key=KEY, counter=5, form=form),
    ]


@FORMS
def test_the_right_key_opens_and_a_wrong_one_never_yields_data(form):
    for data in sealed(form):
        assert telegram_from_frame(data, KEY).records == PLAIN
        with pytest.raises(SecurityError) as caught:
            telegram_from_frame(data, bytes(16))
        assert caught.value.code in ("key.wrong", "mac.wrong")
        assert KEY.hex() not in str(caught.value)


def test_without_a_key_only_the_header_is_told_or_it_is_an_error():
    for data in [*sealed("A"), wired_frame(METER, RECORDS, key=KEY)]:
        telegram = telegram_from_frame(data)
        assert telegram.meter == METER
        assert telegram.records == ()
        assert telegram.diagnostics[0].startswith("key.missing")
        with pytest.raises(SecurityError) as caught:
            telegram_from_frame(data, require_key=True)
        assert caught.value.code == "key.missing"


def test_a_key_that_is_none_is_refused():
    with pytest.raises(SecurityError) as caught:
        telegram_from_frame(wireless_telegram(METER, RECORDS, key=KEY), b"short")
    assert caught.value.code == "key.length"


def test_what_follows_the_encrypted_blocks_is_plain():
    # One encrypted block (energy and fillers), the volume in the clear behind it.
    energy, volume = RECORDS[:6], RECORDS[6:12]
    data = bytearray(wireless_telegram(METER, energy, key=KEY, access_number=3) + volume)
    data[0] += len(volume)
    assert [record.quantity for record in telegram_from_frame(bytes(data), KEY).records] == ["energy", "volume"]


def test_a_receiver_that_decrypted_leaves_the_configuration_word():
    data = bytearray(wireless_telegram(METER, b"\x2f\x2f" + RECORDS + bytes([0x2F] * 8)))
    data[13:15] = b"\x20\x05"
    assert telegram_from_frame(bytes(data)).records == PLAIN


@pytest.mark.parametrize("signature", ["ffff", "0105", "1234", "2005"])
def test_a_signature_of_an_old_wired_meter_is_no_encryption(signature):
    frame = bytearray(wired_frame(METER, RECORDS))
    frame[17:19] = bytes.fromhex(signature)
    frame[-2] = sum(frame[4:-2]) & 0xFF
    assert telegram_from_frame(bytes(frame)).records == PLAIN


def test_mode_7_refuses_an_altered_message_and_a_counter_that_does_not_rise():
    data = wireless_mode7_telegram(METER, RECORDS, key=KEY, counter=5)
    assert telegram_from_frame(data, KEY, last_counter=4).details["counter"] == "5"
    for last in (5, 6):
        with pytest.raises(SecurityError) as caught:
            telegram_from_frame(data, KEY, last_counter=last)
        assert caught.value.code == "counter.replayed"
    for at in range(30, len(data)):
        altered = bytearray(data)
        altered[at] ^= 1
        with pytest.raises(SecurityError) as caught:
            telegram_from_frame(bytes(altered), KEY)
        assert caught.value.code == "mac.wrong"


@pytest.mark.parametrize("authentication_type", [3, 4, 5, 6, 7])
def test_macs_of_every_length_hold(authentication_type):
    data = wireless_mode7_telegram(METER, RECORDS, key=KEY, counter=1, authentication_type=authentication_type)
    assert telegram_from_frame(data, KEY).records == PLAIN


# RFC 4493, section 4: key and message, all lengths of its examples.
RFC_KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
RFC_MESSAGE = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)


@pytest.mark.parametrize(
    ("length", "mac"),
    [
        (0, "bb1d6929e95937287fa37d129b756746"),
        (16, "070a16b46b4d4144f79bdd9dd04a287c"),
        (40, "dfa66747de9ae63030ca32611497c827"),
        (64, "51f0bebf7e3b9d92fc49741779363cfe"),
    ],
)
def test_the_mac_is_that_of_rfc_4493(length, mac):
    assert cmac(RFC_KEY, RFC_MESSAGE[:length]).hex() == mac


def test_session_keys_differ_by_counter_meter_and_use():
    keys = {
        *session_keys(KEY, b"\1\0\0\0", b"1234"),
        *session_keys(KEY, b"\2\0\0\0", b"1234"),
        *session_keys(KEY, b"\1\0\0\0", b"1235"),
    }
    assert len(keys) == 6


@given(CONTENTS)
def test_compact_frames_come_back_once_their_layout_is_known(records):
    for teacher in (wireless_format_telegram(METER, records), wireless_telegram(METER, records)):
        layouts = LayoutStore()
        compact = wireless_compact_telegram(METER, records)
        with pytest.raises(UnsupportedError) as caught:
            telegram_from_frame(compact, layouts=layouts)
        assert caught.value.code == "layout.unknown"
        telegram_from_frame(teacher, layouts=layouts)
        kept = LayoutStore()
        kept.load(layouts.dump())
        assert list(telegram_from_frame(compact, layouts=kept).records) == records_from_bytes(records)[0]


def test_an_encrypted_compact_frame_of_the_extended_link_layer():
    layouts = LayoutStore()
    telegram_from_frame(wireless_ctr_telegram(METER, RECORDS, key=KEY), KEY, layouts=layouts)
    compact = wireless_ctr_telegram(METER, RECORDS, key=KEY, compact=True)
    assert telegram_from_frame(compact, KEY, layouts=layouts).records == PLAIN


def test_a_well_known_layout_needs_no_teacher():
    records = bytes.fromhex("02ff207100 041308190000 441308190000 615b7f 616713")
    compact = wireless_ctr_telegram(METER, records, key=KEY, compact=True)
    assert [record.quantity for record in telegram_from_frame(compact, KEY).records][1:3] == ["volume", "volume"]


def test_an_extended_link_layer_that_the_receiver_decrypted():
    data = bytearray(wireless_ctr_telegram(METER, RECORDS, key=KEY))
    data[17:] = crc(b"\x78" + RECORDS).to_bytes(2, "little") + b"\x78" + RECORDS
    assert telegram_from_frame(bytes(data)).records == PLAIN
    data[-1] ^= 1
    with pytest.raises(SecurityError):
        telegram_from_frame(bytes(data), KEY)


def test_a_layout_that_does_not_fit_never_yields_data():
    layouts = LayoutStore()
    telegram_from_frame(wireless_telegram(METER, RECORDS), layouts=layouts)
    compact = bytearray(wireless_compact_telegram(METER, RECORDS))
    compact[-1] ^= 1
    with pytest.raises(ContentError) as caught:
        telegram_from_frame(bytes(compact), layouts=layouts)
    assert caught.value.code == "compact.crc"
    shorter = compact[:-1]
    shorter[0] -= 1
    with pytest.raises(ContentError) as caught:
        telegram_from_frame(bytes(shorter), layouts=layouts)
    assert caught.value.code == "compact.length"


def test_layouts_belong_to_a_meter_type_and_are_bounded():
    layouts = LayoutStore(limit=3)
    for storage in range(6):
        data = record_bytes("volume", 1, "m3", exponent=0, storage=storage)
        telegram_from_frame(wireless_telegram(METER, data), layouts=layouts)
    assert sum(map(len, layouts.dump().values())) == 3
    other = MeterId("12345678", "LUG", 52, "heat")
    with pytest.raises(UnsupportedError):
        telegram_from_frame(wireless_compact_telegram(other, data), layouts=layouts)
    with pytest.raises(ValueError, match="signature"):
        layouts.load({"KAM-34-heat": {"0000": "0413"}})


def test_a_format_signature_is_the_crc_of_the_layout():
    # The signature of a well-known water meter's layout.
    layouts = LayoutStore()
    assert layouts.learn(METER, bytes.fromhex("02ff2004134413615b6167")) == 0xA8ED
    assert split(RECORDS)[0].hex() == "0c0604130259046d"


@FORMS
def test_an_extended_link_layer_gives_the_access_number(form):
    data = wireless_telegram(METER, RECORDS, form=form, extended=ExtendedLink(0x20, 77))
    assert telegram_from_frame(data).records == PLAIN


@pytest.mark.parametrize("form", ["A", "B"])
def test_a_changed_byte_of_a_radio_telegram_never_goes_unnoticed(form):
    data = wireless_telegram(METER, RECORDS * 6, form=form)
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 0x10
        with pytest.raises(FrameError):
            telegram_from_frame(bytes(changed), form=form)


def test_a_cut_radio_telegram_keeps_the_records_that_came_whole():
    data = bytearray(wireless_telegram(METER, RECORDS)[:-2])
    data[0] -= 2
    telegram = telegram_from_frame(bytes(data))
    assert telegram.records == PLAIN[:3]
    assert telegram.diagnostics == ("record.truncated at byte 31",)


def test_a_cut_wired_record_is_an_error_that_carries_the_others():
    frame = wired_frame(METER, RECORDS[:-2])
    with pytest.raises(RecordError) as caught:
        telegram_from_frame(frame)
    assert (caught.value.code, caught.value.offset) == ("record.truncated", 35)
    assert caught.value.telegram.records == PLAIN[:3]
    assert caught.value.telegram.meter == METER


@pytest.mark.parametrize("word", sorted(APPLICATION_ERRORS.values()))
def test_an_application_error_is_the_devices_own(word):
    with pytest.raises(DeviceError) as caught:
        telegram_from_frame(application_error_frame(word, 5))
    assert caught.value.code == f"device.{word}"


def test_an_empty_application_error_is_unspecified():
    with pytest.raises(DeviceError) as caught:
        telegram_from_frame(LongFrame(8, 1, 0x70).to_bytes())
    assert caught.value.code == "device.unspecified"


def test_an_alarm_is_a_record():
    (record,) = telegram_from_frame(alarm_frame(b"\x04")).records
    assert (record.quantity, record.value) == ("alarm", "04")


def test_the_fixed_structure_binary_and_bcd_actual_and_historic():
    meter = MeterId("12345678", "", None, "water")
    binary = telegram_from_frame(fixed_frame(meter, (0x29, 0x3E), (5, 135), status=1, access_number=10))
    assert binary.meter == meter
    assert [(r.quantity, r.unit, r.value, r.storage) for r in binary.records] == [
        ("volume", "m3", Decimal("0.005"), 0),
        ("volume", "m3", Decimal("0.135"), 1),
    ]
    bcd = telegram_from_frame(fixed_frame(meter, (0x05, 0x2C), (1234, 56), status=2))
    assert [(r.quantity, r.value, r.storage) for r in bcd.records] == [("energy", 1_234_000, 1), ("volume", 56, 1)]


@pytest.mark.parametrize("ci", [0xA0, 0xB7])
def test_a_makers_own_ci_keeps_the_bytes(ci):
    (record,) = telegram_from_frame(LongFrame(8, 1, ci, b"\1\2\3").to_bytes()).records
    assert (record.quantity, record.raw) == ("manufacturer_specific", "010203")


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (ShortFrame(0x7B, 5).to_bytes(), "frame.kind"),
        (b"\xe5", "frame.kind"),
        (LongFrame(0x53, 254, 0x51, b"\1\x7a\5").to_bytes(), "frame.direction"),
        (LongFrame(8, 1, 0x51, b"\1\x7a\5").to_bytes(), "ci.command"),
        (LongFrame(8, 1, 0xBB).to_bytes(), "ci.command"),
        (LongFrame(8, 1, 0x00).to_bytes(), "ci.unsupported"),
        (LongFrame(8, 1, 0x72, b"12345").to_bytes(), "header.truncated"),
        (b"", "frame.empty"),
    ],
)
def test_what_is_no_telegram_is_refused_by_code(frame, code):
    with pytest.raises(ProtocolError) as caught:
        telegram_from_frame(frame)
    assert caught.value.code == code
    assert caught.value.offset is not None


def test_headers_without_identity_still_decode():
    for ci, header in ((0x78, b""), (0x7A, b"\x07\x00\x00\x00")):
        telegram = telegram_from_frame(LongFrame(8, 1, ci, header + RECORDS).to_bytes())
        assert telegram.records == PLAIN
        assert telegram.meter.serial == ""
    assert telegram_from_frame(LongFrame(8, 1, 0x76, wired_frame(METER, RECORDS)[7:-2]).to_bytes()).records == PLAIN


def test_a_manufacturer_without_letters_and_bit_15_are_legal():
    frame = bytearray(wired_frame(METER, RECORDS))
    for code, letters in ((b"\0\0", ""), (b"\x2d\xac", "KAM")):
        frame[11:13] = code
        frame[-2] = sum(frame[4:-2]) & 0xFF
        telegram = telegram_from_frame(bytes(frame))
        assert telegram.meter.manufacturer == letters
    assert telegram.details["manufacturer_code"] == "ac2d"
    assert manufacturer_from_code(0x2C2D) == "KAM"


def test_every_device_type_is_a_word_and_back():
    for code in range(256):
        telegram = telegram_from_frame(wired_frame(METER, RECORDS, medium_code=code))
        assert telegram.meter.medium == MEDIA.get(code, f"medium_{code:02x}")
        assert telegram_from_frame(frame_from_telegram(telegram)) == telegram


def test_the_status_byte_in_words():
    assert flags_from_status(0x00) == ()
    assert flags_from_status(0x06) == ("application_error", "power_low")
    assert flags_from_status(0xB9) == (
        "application_busy",
        "permanent_error",
        "temporary_error",
        "manufacturer_5",
        "manufacturer_7",
    )
