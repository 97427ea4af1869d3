"""Wired link frames and the receiver that cuts them from a stream."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import FrameError
from protocols.mbus.frame import ACK, AckFrame, LongFrame, ShortFrame, check_sum, frame_from_bytes
from protocols.mbus.receiver import Echo, FrameReceiver, Garbage, Received

BYTE = st.integers(0, 255)
LONG = st.builds(LongFrame, BYTE, BYTE, BYTE, st.binary(max_size=252))
FRAMES = st.just(AckFrame()) | st.builds(ShortFrame, BYTE, BYTE) | LONG


def receive(*pieces, request=b""):
    receiver = FrameReceiver()
    receiver.sent(request)
    events = [event for piece in pieces for event in receiver.feed(piece)]
    return events + receiver.flush()


@given(FRAMES)
def test_every_frame_comes_back(frame):
    assert frame_from_bytes(frame.to_bytes()) == frame


@given(st.binary(max_size=255))
def test_the_check_sum_is_the_plain_sum(body):
    assert check_sum(body) == sum(body) % 256


@given(LONG, st.integers(0, 260), st.integers(1, 255))
def test_a_changed_byte_never_goes_unnoticed(frame, at, change):
    data = bytearray(frame.to_bytes())
    data[at % len(data)] ^= change
    with pytest.raises(FrameError):
        frame_from_bytes(bytes(data))


@pytest.mark.parametrize(
    ("data", "code", "offset"),
    [
        ("", "frame.empty", 0),
        ("1040", "frame.truncated", 2),
        ("104001411600", "frame.trailing", 5),
        ("1040014216", "frame.checksum", 3),
        ("1040014117", "frame.stop", 4),
        ("68020268080108", "frame.length", 1),
        ("680304680801", "frame.length", 2),
        ("680303690801", "frame.start", 3),
        ("6803036808017079", "frame.truncated", 8),
        ("42", "frame.start", 0),
    ],
)
def test_errors_name_the_byte(data, code, offset):
    with pytest.raises(FrameError) as caught:
        frame_from_bytes(bytes.fromhex(data))
    assert (caught.value.code, caught.value.offset) == (code, offset)


@given(st.lists(FRAMES, max_size=5), st.data())
def test_frames_come_whole_however_the_stream_is_cut(frames, data):
    stream = b"".join(frame.to_bytes() for frame in frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert [event.frame for event in receive(*pieces)] == frames


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8))
def test_every_byte_comes_out_once(pieces):
    assert b"".join(event.raw for event in receive(*pieces)) == b"".join(pieces)


@given(st.binary(max_size=30).filter(lambda noise: not set(noise) & {0x10, 0x68, 0xE5}), LONG)
def test_the_receiver_finds_back_after_garbage(noise, frame):
    events = receive(noise + frame.to_bytes())
    assert events[-1] == Received(frame, frame.to_bytes())
    assert all(isinstance(event, Garbage) for event in events[:-1])


def test_the_echo_of_the_request_is_no_answer():
    request, answer = ShortFrame(0x7B, 5), LongFrame(8, 5, 0x72, b"1234")
    events = receive(request.to_bytes() + answer.to_bytes(), request=request.to_bytes())
    assert events == [Echo(request.to_bytes()), Received(answer, answer.to_bytes())]


def test_only_the_first_copy_of_the_request_is_its_echo():
    request = ShortFrame(0x7B, 5).to_bytes()
    events = receive(request + request, request=request)
    assert [type(event) for event in events] == [Echo, Received]


def test_a_leading_acknowledge_does_not_hide_the_answer():
    answer = LongFrame(8, 5, 0x72, b"1234")
    events = receive(ACK + answer.to_bytes())
    assert [event.frame for event in events] == [AckFrame(), answer]


def test_an_acknowledge_within_garbage_is_a_collision():
    (event,) = receive(b"\xfc\xe5\xa5")
    assert event.raw == b"\xfc\xe5\xa5"
    assert isinstance(event, Garbage)


def test_a_false_start_is_given_up_at_the_gap():
    answer = LongFrame(8, 5, 0x72, b"1234")
    receiver = FrameReceiver()
    assert receiver.feed(b"\x68\x20\x20\x68" + answer.to_bytes()) == []
    assert receiver.pending > 0
    events = receiver.flush()
    assert events[-1] == Received(answer, answer.to_bytes())


def test_a_wrong_check_sum_says_so():
    data = bytearray(LongFrame(8, 5, 0x72, b"1234").to_bytes())
    data[-2] ^= 1
    (event,) = receive(bytes(data))
    assert event.error.code == "frame.checksum"


def test_frames_refuse_what_is_no_byte():
    with pytest.raises(ValueError, match="no byte"):
        ShortFrame(256, 0)
    with pytest.raises(ValueError, match="252"):
        LongFrame(8, 0, 0x72, bytes(253))
