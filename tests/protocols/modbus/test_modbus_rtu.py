"""RTU frames: CRC, checks against the request, exceptions that say whether to ask again."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DeviceError, FrameError, ProtocolError
from protocols.modbus import (
    ReadRequest,
    answer_frame,
    crc16,
    exception_frame,
    request_frame,
    request_from_frame,
    words_from_answer,
)


def test_the_crc_is_that_of_the_standard() -> None:
    # Modbus over serial line 1.02, appendix B: the check value of "123456789".
    assert crc16(b"123456789") == 0x4B37


@given(st.integers(0, 255), st.sampled_from([3, 4]), st.integers(0, 0xFFFF), st.integers(1, 125))
def test_requests_survive_the_round_trip(unit: int, function: int, address: int, count: int) -> None:
    request = ReadRequest(function, address, count)
    assert request_from_frame(request_frame(unit, request)) == (unit, request)


@given(st.integers(0, 255), st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=125))
def test_answers_survive_the_round_trip(unit: int, words: list[int]) -> None:
    frame = answer_frame(unit, 3, words)
    assert words_from_answer(frame, unit, ReadRequest(3, 0, len(words))) == tuple(words)


@pytest.mark.parametrize(
    ("code", "retryable"),
    [(1, False), (2, False), (3, False), (4, True), (6, True), (8, True), (10, True), (11, True), (99, False)],
)
def test_exceptions_tell_a_passing_state_from_a_wrong_map(code: int, retryable: bool) -> None:
    with pytest.raises(DeviceError, match=f"exception {code}") as caught:
        words_from_answer(exception_frame(7, 3, code), 7, ReadRequest(3, 0, 1))
    assert caught.value.retryable is retryable
    assert caught.value.code == f"modbus.exception_{code}"


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (answer_frame(8, 3, [1]), "modbus.unit"),
        (answer_frame(7, 4, [1]), "modbus.function"),
        (answer_frame(7, 3, [1, 2]), "modbus.count"),
        (answer_frame(7, 3, [1])[:-1], "modbus.truncated"),
        (answer_frame(7, 3, [1]) + b"\x00", "modbus.trailing"),
        (answer_frame(7, 3, [1])[:-1] + b"\x00", "modbus.crc"),
        (b"\x07", "modbus.truncated"),
    ],
)
def test_an_answer_to_something_else_is_refused(frame: bytes, code: str) -> None:
    with pytest.raises(FrameError) as caught:
        words_from_answer(frame, 7, ReadRequest(3, 0, 1))
    assert caught.value.code == code


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_with_a_code(data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        words_from_answer(data)
    with contextlib.suppress(ProtocolError):
        request_from_frame(data)
