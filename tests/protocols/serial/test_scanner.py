"""The frame scanner finds whole frames in whatever a line delivers, and says why it found none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import FrameError
from protocols.serial_frame import FrameScanner, SerialFrame, encoded, frame_in, frames_in

HEAT = SerialFrame("cjt188", bytes.fromhex("78563412000111"), 0x81, bytes.fromhex("1F9001") + bytes(43), 0x20)
POWER = SerialFrame("dlt645", bytes.fromhex("123456789012"), 0x91, bytes.fromhex("33333433") + b"\x33" * 4)

frames = st.one_of(
    st.builds(
        SerialFrame,
        st.just("cjt188"),
        st.binary(min_size=7, max_size=7),
        st.integers(0, 255),
        st.binary(max_size=0x64),
        st.integers(0x10, 0x4F),
    ),
    st.builds(
        SerialFrame,
        st.just("dlt645"),
        st.binary(min_size=6, max_size=6),
        st.integers(0, 255),
        st.binary(max_size=200),
    ),
)


def placed(frame: SerialFrame, offset: int) -> SerialFrame:
    return SerialFrame(frame.protocol, frame.address, frame.control, frame.data, frame.kind, offset)


@given(frames)
def test_a_frame_survives_the_round_trip(frame: SerialFrame) -> None:
    assert frame_in(encoded(frame), frame.protocol) == frame


@given(st.lists(frames, max_size=4), st.data())
def test_the_split_of_the_stream_does_not_matter(wanted: list[SerialFrame], data: st.DataObject) -> None:
    stream = b"".join(b"\xfe\xfe" + encoded(frame) for frame in wanted)
    scanner = FrameScanner()
    found: list[SerialFrame] = []
    at = 0
    while at < len(stream):
        step = data.draw(st.integers(1, 40))
        found += scanner.feed(stream[at : at + step])
        at += step
    found += scanner.flush()
    assert found == frames_in(stream)
    assert scanner.pending == 0


@given(st.binary(max_size=400))
def test_noise_raises_nothing_and_leaves_nothing_behind(noise: bytes) -> None:
    scanner = FrameScanner()
    scanner.feed(noise)
    scanner.flush()
    assert scanner.pending == 0


def test_fill_bytes_echo_and_both_protocols_on_one_line() -> None:
    stream = b"\xfe\xfe\xfe" + encoded(HEAT) + b"\x00\x55" + encoded(POWER)
    scanner = FrameScanner()
    found = scanner.feed(stream)
    assert found == [placed(HEAT, 3), placed(POWER, 3 + len(encoded(HEAT)) + 2)]
    assert scanner.noise == 2


def test_a_stray_start_byte_does_not_hide_the_frame_behind_it() -> None:
    stream = b"\xfe\x68" + encoded(HEAT)
    assert frames_in(stream) == [placed(HEAT, 2)]


def test_a_frame_behind_an_unfinished_one_is_found_when_the_line_falls_silent() -> None:
    scanner = FrameScanner()
    assert scanner.feed(encoded(HEAT)[:30] + encoded(POWER)) == []
    assert [frame.protocol for frame in scanner.flush()] == ["dlt645"]


def test_data_that_look_like_a_frame_are_not_taken_for_one() -> None:
    outer = SerialFrame("cjt188", HEAT.address, 0x81, encoded(POWER), 0x20)
    scanner = FrameScanner()
    assert scanner.feed(encoded(outer)[:-1]) == []
    assert scanner.feed(encoded(outer)[-1:]) == [outer]


def test_an_echoed_request_does_not_win_over_the_reply() -> None:
    request = SerialFrame("cjt188", HEAT.address, 0x01, b"\x1f\x90\x01", 0x20)
    assert frame_in(encoded(request) + encoded(HEAT), "cjt188").is_reply


@pytest.mark.parametrize(
    ("damage", "code", "offset"),
    [
        (lambda good: b"", "frame.empty", 0),
        (lambda good: b"\xfe\xfe\x01", "frame.start", 0),
        (lambda good: good[:20], "frame.truncated", 20),
        (lambda good: good[:-2] + bytes((good[-2] ^ 1, 0x16)), "frame.checksum", 57),
        (lambda good: good[:-1] + b"\x17", "frame.stop", 58),
        (lambda good: good[:10] + b"\xff" + good[11:], "frame.length", 10),
        (lambda good: good[:1] + b"\x99" + good[2:], "frame.type", 1),
    ],
)
def test_damage_is_named_with_its_byte(damage: object, code: str, offset: int) -> None:
    assert callable(damage)
    with pytest.raises(FrameError) as caught:
        frame_in(damage(encoded(HEAT)), "cjt188")
    assert (caught.value.code, caught.value.offset) == (code, offset)


def test_a_checksum_error_is_counted() -> None:
    scanner = FrameScanner(("cjt188",))
    good = encoded(HEAT)
    scanner.feed(good[:-2] + bytes((good[-2] ^ 1,)) + good[-1:])
    assert scanner.checksum_errors == 1


def test_impossible_frames_are_not_encoded() -> None:
    with pytest.raises(ValueError, match="7 bytes"):
        encoded(SerialFrame("cjt188", b"123", 1, b"", 0x20))
    with pytest.raises(ValueError, match="allows 100"):
        encoded(SerialFrame("cjt188", bytes(7), 1, bytes(101), 0x20))
    with pytest.raises(ValueError, match="meter type"):
        encoded(SerialFrame("cjt188", bytes(7), 1, b"", 0x05))
