"""Serial frames through a DTU: split anywhere, merged, with heartbeats and noise between."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import ProtocolError
from protocols.mbus import record_bytes, wired_frame
from protocols.modbus import answer_frame
from protocols.mqtt import FamilyState, Publish, dtu, messages_from_publish
from protocols.serial_frame import SerialFrame, encoded
from protocols.telegram import MeterId

TOPIC = "dtu/860000000000001/up"
CJT188 = encoded(
    SerialFrame("cjt188", bytes.fromhex("11223344001111"), 0x81, bytes.fromhex("901F01") + bytes(40), 0x20)
)
DLT645 = encoded(SerialFrame("dlt645", bytes.fromhex("112233445566"), 0x91, bytes(8)))
MODBUS = answer_frame(17, 3, [1, 2, 3, 4])
MBUS = wired_frame(MeterId("12345678", "KAM", 1, "heat"), record_bytes("energy", Decimal("5E+3"), "Wh"))
FRAMES = {"cjt188": CJT188, "dlt645": DLT645, "modbus_rtu": MODBUS, "mbus": MBUS}
START = datetime(2026, 1, 1, tzinfo=UTC)


def feed(payloads, state=None, topic=TOPIC):
    state = FamilyState() if state is None else state
    return [message for payload in payloads for message in dtu.decode(Publish(topic, payload), state)]


def frames_of(messages):
    return [(message.protocol, message.payload) for message in messages if message.payload]


@pytest.mark.parametrize("protocol", FRAMES)
def test_a_frame_passes_through(protocol):
    assert frames_of(feed([FRAMES[protocol]])) == [(protocol, FRAMES[protocol])]


@pytest.mark.parametrize("protocol", FRAMES)
def test_a_frame_split_anywhere_is_joined(protocol):
    frame = FRAMES[protocol]
    for cut in range(1, len(frame)):
        assert frames_of(feed([frame[:cut], frame[cut:]])) == [(protocol, frame)], cut


@given(
    st.lists(st.sampled_from(["cjt188", "dlt645", "mbus"]), min_size=1, max_size=4),
    st.lists(st.integers(1, 300), max_size=5),
)
def test_any_cuts_of_any_frames_give_the_frames(names, cuts):
    payloads = dtu.encode([FRAMES[name] for name in names], cuts)
    assert frames_of(feed(payloads)) == [(name, FRAMES[name]) for name in names]


def test_each_dtu_has_its_own_buffer():
    state = FamilyState()
    first = feed([CJT188[:20]], state, "dtu/1/up")
    feed([CJT188[:20]], state, "dtu/2/up")
    assert [message.event for message in first] == ["fragment"]
    assert frames_of(feed([CJT188[20:]], state, "dtu/1/up")) == [("cjt188", CJT188)]


def test_a_heartbeat_between_two_halves_costs_nothing():
    messages = feed([CJT188[:20], b"www.usr.cn", CJT188[20:]])
    assert messages[1].event == "heartbeat"
    assert frames_of(messages) == [("cjt188", CJT188)]


def test_a_part_of_a_frame_may_read_like_a_heartbeat():
    address = DLT645.index(b"3DUfh")
    messages = feed([b"www.usr.cn", DLT645[:address], DLT645[address : address + 5], DLT645[address + 5 :]])
    assert frames_of(messages) == [("dlt645", DLT645)]


def test_a_half_frame_does_not_wait_for_ever():
    state = FamilyState()
    dtu.decode(Publish(TOPIC, CJT188[:20], START), state)
    messages = dtu.decode(Publish(TOPIC, CJT188, START + timedelta(minutes=5)), state)
    assert frames_of(messages) == [("cjt188", CJT188)]
    assert messages[-1].event == "fragment_dropped"


def test_a_half_that_finds_a_foreign_frame_is_dropped():
    messages = feed([CJT188[:20], DLT645, CJT188])
    assert frames_of(messages)[-1] == ("cjt188", CJT188)


def test_the_masters_own_requests_are_no_readings():
    request = encoded(SerialFrame("cjt188", bytes.fromhex("11223344001111"), 0x01, bytes.fromhex("901F01"), 0x20))
    assert frames_of(feed([request + CJT188])) == [("cjt188", CJT188)]


def test_a_damaged_frame_is_an_error_at_its_checksum():
    damaged = CJT188[:-2] + bytes([CJT188[-2] ^ 1]) + CJT188[-1:]
    with pytest.raises(ProtocolError) as caught:
        feed([damaged])
    assert (caught.value.code, caught.value.offset) == ("frame.checksum", len(CJT188) - 2)


def test_noise_is_an_error():
    with pytest.raises(ProtocolError) as caught:
        feed([b"\x01\x02\x80\x81"])
    assert caught.value.code == "dtu.noise"


def test_hex_text_and_the_topic_in_front_are_unwrapped():
    text = b"dtu/1/up,0,1," + CJT188.hex().encode()
    messages = messages_from_publish("/PubTopic1", text)
    assert frames_of(messages) == [("cjt188", CJT188)]
    assert messages[0].details["inner_topic"] == "dtu/1/up"


@given(st.lists(st.binary(min_size=1, max_size=80), max_size=6))
def test_rubbish_never_breaks_the_buffer(payloads):
    state = FamilyState()
    for payload in payloads:
        try:
            feed([payload], state)
        except ProtocolError as error:
            assert error.code  # noqa: PT017
        assert len(dtu.pending(state, TOPIC)) <= dtu.MAX_BUFFER
