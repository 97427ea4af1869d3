"""Radio messages in several telegrams: put together in order, bounded, and a gap or a stranger is a coded error."""

import itertools

import pytest

from protocols.errors import ContentError, ProtocolError, SecurityError, UnsupportedError
from protocols.mbus import FragmentStore, records_from_bytes, telegram_from_frame, wireless_mode7_telegrams
from protocols.mbus.authentication import Authentication, fragments_from_message
from protocols.mbus.frame import LongFrame
from protocols.telegram import MeterId

KEY = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
METER = MeterId("12345678", "KAM", 52, "heat")
OTHER = MeterId("12345679", "KAM", 52, "heat")
RECORDS = bytes.fromhex("0C1310130000026C1F15") * 20


def _parts(meter: MeterId = METER, counter: int = 7, form: str = "stripped") -> list[bytes]:
    return wireless_mode7_telegrams(meter, RECORDS, key=KEY, counter=counter, largest=100, form=form)


def _code(frame: bytes, store: FragmentStore) -> str:
    with pytest.raises(ProtocolError) as caught:
        telegram_from_frame(frame, KEY, fragments=store)
    assert caught.value.offset is not None
    return caught.value.code


@pytest.mark.parametrize("form", ["stripped", "A", "B"])
def test_the_last_fragment_brings_the_whole_message(form: str) -> None:
    store, parts = FragmentStore(), _parts(form=form)
    telegrams = [telegram_from_frame(part, KEY, fragments=store) for part in parts]
    assert len(parts) == 3
    for number, telegram in enumerate(telegrams[:-1], 1):
        assert (telegram.meter, telegram.records) == (METER, ())
        assert telegram.details["fragment"] == str(number)
        assert telegram.diagnostics == (f"afl.fragment {number} waits for the next",)
    assert telegrams[-1].records == tuple(records_from_bytes(RECORDS)[0])
    assert telegrams[-1].details["counter"] == "7"


def test_copies_from_repeaters_change_nothing() -> None:
    store, (first, second, last) = FragmentStore(), _parts()
    order = (first, first, second, first, second, last, last, second)
    counts = [len(telegram_from_frame(part, KEY, fragments=store).records) for part in order]
    assert counts == [0, 0, 0, 0, 0, 40, 40, 0]


def test_senders_do_not_mix() -> None:
    store = FragmentStore()
    both = itertools.chain.from_iterable(zip(_parts(METER), _parts(OTHER), strict=True))
    telegrams = [telegram_from_frame(part, KEY, fragments=store) for part in both]
    assert [(one.meter.serial, len(one.records)) for one in telegrams[-2:]] == [("12345678", 40), ("12345679", 40)]


def test_a_gap_is_an_error_and_the_next_first_fragment_begins_anew() -> None:
    store, (first, second, last), (again, *_) = FragmentStore(), _parts(), _parts(counter=8)
    assert _code(second, store) == "afl.fragment_missing"
    telegram_from_frame(first, KEY, fragments=store)
    assert _code(last, store) == "afl.fragment_missing"
    assert _code(second, store) == "afl.fragment_missing"
    for part in (first, again):
        telegram_from_frame(part, KEY, fragments=store)
    for part in _parts(counter=8)[1:]:
        telegram = telegram_from_frame(part, KEY, fragments=store)
    assert telegram.details["counter"] == "8"


def test_a_fragment_of_another_content_or_after_the_end_is_refused() -> None:
    store, (first, second, last) = FragmentStore(), _parts()
    other = bytearray(second)
    other[-1] ^= 1
    for part in (first, second):
        telegram_from_frame(part, KEY, fragments=store)
    assert _code(bytes(other), store) == "afl.fragment_duplicate"
    assert len(telegram_from_frame(last, KEY, fragments=store).records) == 40
    late = bytearray(second)
    late[12] = 4
    assert _code(bytes(late), store) == "afl.fragment_late"


def test_a_message_of_another_length_than_announced_is_refused() -> None:
    layer = Authentication(1, 0x65, None, bytes(4), None, (10).to_bytes(2, "little"), True)
    store = FragmentStore()
    with pytest.raises(ContentError, match="exceeds the message's length"):
        store.take("a", layer, bytes(11), 0)
    assert store.take("a", layer, bytes(5), 0) is None
    with pytest.raises(ContentError, match="9 bytes of a message of 10"):
        store.take("a", Authentication(2), bytes(4), 0)


def test_senders_and_bytes_are_bounded() -> None:
    store = FragmentStore(limit=3)
    layer = Authentication(1, 0x65, None, bytes(4), None, None, True)
    for number in range(10):
        store.take(str(number), layer, b"x", 0)
    assert list(store.held) == ["7", "8", "9"]
    most = 0x4000 // 250
    for number in range(2, most + 2):
        store.take("9", Authentication(number, more=True), bytes(250), 0)
    with pytest.raises(ContentError) as caught:
        store.take("9", Authentication(most + 2, more=True), bytes(250), 0)
    assert caught.value.code == "afl.length"
    assert "9" not in store.held


def test_without_a_store_a_fragment_is_an_error() -> None:
    with pytest.raises(UnsupportedError) as caught:
        telegram_from_frame(_parts()[0], KEY)
    assert caught.value.code == "afl.fragment"


def test_a_wrong_key_or_an_altered_fragment_never_yields_data() -> None:
    for number, change in ((0, 0), (1, 30), (2, 20)):
        store, parts = FragmentStore(), [bytearray(part) for part in _parts()]
        key = KEY
        if change:
            parts[number][change] ^= 0x40
        else:
            key = bytes(16)
        for part in parts[:-1]:
            telegram_from_frame(bytes(part), key, fragments=store)
        with pytest.raises(SecurityError) as caught:
            telegram_from_frame(bytes(parts[-1]), key, fragments=store)
        assert caught.value.code == "mac.wrong"


def test_wired_answers_come_in_fragments_too() -> None:
    header = bytes.fromhex("785634122d2c340401001025")
    message = b"\x72" + header[:10] + b"\x00\x00" + bytes.fromhex("0C1310130000")
    store = FragmentStore()
    for part in fragments_from_message(message, KEY, header[:4], 3, largest=8):
        telegram = telegram_from_frame(LongFrame(8, 5, part[0], part[1:]).to_bytes(), KEY, fragments=store)
    assert [str(record.value) for record in telegram.records] == ["1.310"]
    assert telegram.meter.serial == "12345678"
