"""Master and slaves on one bus: reading out, selecting, finding every meter; bytes on both sides, no line between."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import ContentError
from protocols.mbus import application_error_frame, fixed_frame, record_bytes, telegram_from_frame, wired_frame
from protocols.mbus.addressing import (
    Selection,
    address_from_text,
    selection_from_bytes,
    selection_from_meter,
    selection_from_text,
)
from protocols.mbus.frame import ACK, LongFrame, frame_from_bytes
from protocols.mbus.header import bytes_from_meter
from protocols.mbus.master import (
    Readout,
    application_reset_bytes,
    baud_switch_bytes,
    initialise_bytes,
    request_bytes,
    select_bytes,
    set_address_bytes,
)
from protocols.mbus.receiver import FrameReceiver
from protocols.mbus.slave import Slave
from protocols.mbus.timing import answer_limit_s, first_byte_timeout_s, frame_s, longest_answer_s
from protocols.telegram import MeterId

METER = MeterId("12345678", "KAM", 52, "heat")


@pytest.mark.parametrize("echo", [False, True])
def test_one_meter_is_read_by_primary_address(new_bus, echo):
    bus = new_bus(echo)
    bus.add(METER, 5)
    bus.add(MeterId("87654321", "LUG", 4, "heat"), 6)
    readout = bus.run(Readout(5))
    assert readout.error is None
    assert [telegram_from_frame(frame).meter for frame in readout.frames] == [METER]


@pytest.mark.parametrize("target", [5, Selection("12345678"), selection_from_meter(METER)])
def test_every_telegram_of_a_long_readout_comes_once(new_bus, target):
    bus = new_bus()
    bus.add(METER, 5, telegrams=4)
    readout = bus.run(Readout(target))
    values = [telegram_from_frame(frame).records[0].value for frame in readout.frames]
    assert values == [1, 2, 3, 4]
    requests = [request for request in bus.requests if request[1] in (0x5B, 0x7B)]
    assert [request[1] for request in requests] == [0x7B, 0x5B, 0x7B, 0x5B]


def test_a_lost_answer_is_asked_for_again_with_the_same_count_bit(new_bus):
    bus = new_bus()
    bus.add(METER, 5, telegrams=3)
    readout = Readout(5)
    lost = 0
    while (request := readout.request()) is not None:
        events = bus.events(request)
        if request[1] == 0x5B and not lost:
            lost, events = 1, []
        readout.answered(events)
    assert [telegram_from_frame(frame).records[0].value for frame in readout.frames] == [1, 2, 3]
    assert [request[1] for request in bus.requests] == [0x40, 0x7B, 0x5B, 0x5B, 0x7B]


def test_silence_fails_after_the_tries(new_bus):
    bus = new_bus()
    readout = bus.run(Readout(5, tries=3))
    assert len(bus.requests) == 3
    assert readout.error.code == "frame.silence"
    assert readout.done


def test_a_late_answer_of_another_meter_is_refused():
    readout = Readout(5, expected=selection_from_meter(METER), tries=1)
    receiver = FrameReceiver()
    readout.answered(receiver.feed(ACK))
    stranger = wired_frame(MeterId("87654321", "LUG", 4, "heat"), b"", address=5)
    readout.answered(receiver.feed(stranger))
    assert readout.error.code == "frame.stranger"
    assert readout.frames == []
    other = Readout(5, tries=1)
    other.answered(receiver.feed(ACK))
    other.answered(receiver.feed(wired_frame(METER, b"", address=6)))
    assert other.error.code == "frame.stranger"


def test_the_right_answer_after_a_late_one_is_taken():
    readout = Readout(5)
    receiver = FrameReceiver()
    readout.answered(receiver.feed(ACK))
    late, right = wired_frame(METER, b"", address=6), wired_frame(METER, b"", address=5)
    readout.answered(receiver.feed(late + right))
    assert readout.frames == [right]


def test_a_meter_that_repeats_for_ever_is_left():
    readout = Readout(5)
    receiver = FrameReceiver()
    readout.answered(receiver.feed(ACK))
    same = wired_frame(METER, record_bytes("volume", 1, "m3", exponent=0) + b"\x1f", address=5)
    for _ in range(2):
        readout.answered(receiver.feed(same))
    assert readout.done
    assert readout.frames == [same]
    assert readout.notes == ["readout.repeated"]


def test_a_meter_that_never_ends_is_bounded():
    readout = Readout(5, limit=3)
    receiver = FrameReceiver()
    readout.answered(receiver.feed(ACK))
    for number in range(3):
        data = record_bytes("volume", number, "m3", exponent=0) + b"\x1f"
        readout.answered(receiver.feed(wired_frame(METER, data, address=5)))
    assert readout.done
    assert readout.notes == ["readout.limit"]


@given(
    st.text("0123456789ABCDEF", min_size=8, max_size=8),
    st.integers(0, 0xFFFF),
    st.integers(0, 255),
    st.integers(0, 255),
    st.none() | st.text("0123456789ABCDEF", min_size=8, max_size=8),
)
def test_selections_come_back(identification, manufacturer, version, medium, fabrication):
    selection = Selection(identification, manufacturer, version, medium, fabrication)
    assert selection_from_bytes(selection.to_bytes()) == selection
    assert selection_from_text(str(selection)) == selection


def test_wildcards_match_digits_and_bytes():
    header = bytes_from_meter(METER)
    for text in ("12345678", "1234FFFF", "FFFFFFFF.2C2D", "FFFFFFFF.FFFF.34", "FFFFFFFF.FF2D.FF.04", "FFFFF6FF"):
        assert selection_from_text(text).matches(header), text
    for text in ("12345679", "2FFFFFFF", "12345678.2C2E", "FFFFFFFF.FFFF.35", "FFFFFFFF.FFFF.FF.05"):
        assert not selection_from_text(text).matches(header), text
    enhanced = selection_from_text("12345678").with_fabrication("FFFFFFF7")
    assert enhanced.matches(header, "00000007")
    assert not enhanced.matches(header, "00000008")
    assert not enhanced.matches(header)


@pytest.mark.parametrize("text", ["", "1234567", "1234567G", "1.2.3.4.5.6"])
def test_what_is_no_secondary_address_is_refused(text):
    with pytest.raises(ValueError):
        selection_from_text(text)


@pytest.mark.parametrize("data", [b"", bytes(7), bytes(9), bytes(14)])
def test_a_selection_of_a_wrong_shape_is_a_coded_error(data):
    with pytest.raises(ContentError) as caught:
        selection_from_bytes(data)
    assert caught.value.code.startswith("selection.")


def test_a_slave_obeys_commands():
    slave = Slave(METER, 5)
    nothing = tuple

    def told(request):
        return slave.answer(frame_from_bytes(request), nothing)

    assert told(initialise_bytes(5)) == ACK
    assert told(initialise_bytes(6)) is None
    assert told(initialise_bytes(255)) is None
    assert told(baud_switch_bytes(5, 9600)) == ACK
    assert slave.baud == 9600
    assert told(application_reset_bytes(5, 0x10)) == ACK
    assert slave.application == 0x10
    assert told(set_address_bytes(5, 17)) == ACK
    assert slave.address == 17
    assert told(request_bytes(17, alarm=True)) == ACK
    assert slave.answer(frame_from_bytes(request_bytes(17, alarm=True)), nothing, b"\1")[6] == 0x71
    assert told(request_bytes(17)) is None
    assert told(select_bytes(selection_from_text("12345678"))) == ACK
    assert slave.selected
    assert told(select_bytes(selection_from_text("87654321"))) is None
    assert not slave.selected
    assert told(LongFrame(0x53, 253, 0x52, b"short").to_bytes()) is None


def test_commands_refuse_what_would_harm():
    with pytest.raises(ValueError, match="250"):
        set_address_bytes(5, 251)
    with pytest.raises(ValueError, match="every meter"):
        set_address_bytes(254, 5)
    with pytest.raises(ValueError, match="baud"):
        baud_switch_bytes(5, 1234)


def test_deadlines_follow_the_baud_rate():
    assert answer_limit_s(300) == pytest.approx(1.15)
    assert answer_limit_s(2400) == pytest.approx(0.1875)
    assert frame_s(261, 300) == pytest.approx(9.57, abs=0.01)
    assert frame_s(261, 2400) == pytest.approx(1.2, abs=0.01)
    assert 0.5 <= first_byte_timeout_s(2400) <= 2
    assert longest_answer_s(300, 1.0) > longest_answer_s(300) > frame_s(261, 300)


def test_a_known_count_bit_saves_the_initialisation(new_bus):
    bus = new_bus()
    bus.add(METER, 5)
    bit = None
    for _ in range(4):
        readout = bus.run(Readout(5, count_bit=bit))
        assert (len(readout.frames), readout.error) == (1, None)
        bit = readout.count_bit
    assert [frame_from_bytes(request).control for request in bus.requests] == [0x40, 0x7B, 0x5B, 0x7B, 0x5B]


def test_after_several_telegrams_or_a_failure_the_count_bit_is_unknown(new_bus):
    bus = new_bus()
    bus.add(METER, 5, telegrams=3)
    assert bus.run(Readout(5)).count_bit is None
    assert bus.run(Readout(6, tries=1)).count_bit is None


def test_an_application_error_ends_a_readout_at_once():
    readout, receiver = Readout(5, count_bit=True), FrameReceiver()
    readout.answered(receiver.feed(application_error_frame("application_busy", 5)))
    assert readout.done
    assert readout.error.code == "device.application_busy"


def test_a_meter_of_the_fixed_structure_is_told_by_its_number():
    answer = fixed_frame(MeterId("11111111", "", None, "water"), (0x29, 0x3E), (1, 2), address=253)
    for serial, code in (("11111111", None), ("1111111F", None), ("22222222", "frame.stranger")):
        readout, receiver = Readout(selection_from_text(serial), tries=1, deselect=False), FrameReceiver()
        readout.answered(receiver.feed(b"\xe5"))
        readout.answered(receiver.feed(answer))
        assert (readout.error and readout.error.code) == code


def test_what_others_say_does_not_end_the_waiting():
    readout = Readout(5, expected=selection_from_meter(METER), count_bit=True)
    own, other = (
        wired_frame(MeterId(serial, "KAM", 52, "heat"), b"", address=5) for serial in ("12345678", "11111111")
    )
    assert readout.wants(frame_from_bytes(own))
    assert not readout.wants(frame_from_bytes(other))
    assert not readout.wants(frame_from_bytes(b"\xe5"))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("5", 5),
        (" 250 ", 250),
        ("254", 254),
        ("12345678", Selection("12345678")),
        ("1234567a..34", Selection("1234567A", version=0x34)),
    ],
)
def test_a_bus_address_is_primary_or_secondary(text, address):
    assert address_from_text(text) == address


@pytest.mark.parametrize("text", ["251", "999", "1234", "", "12345678.2C", "-1", "12345678.2C2D.34.04.1234567"])
def test_what_is_no_bus_address_is_refused(text):
    with pytest.raises(ValueError):
        address_from_text(text)
