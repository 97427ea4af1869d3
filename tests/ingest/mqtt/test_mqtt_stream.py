"""Messages cut out of the stream before paho: however the bytes arrive, each once, and everything else is handed on."""

import socket
import struct
from collections.abc import Iterator

import pytest

from ingest.sources.mqtt_stream import UNREADABLE_TOPIC, Message, StreamSocket

PINGRESP = b"\xd0\x00"


def packet(
    topic: bytes, payload: bytes, *, qos: int = 1, mid: int = 7, flags: int = 0, properties: bytes = b""
) -> bytes:
    body = struct.pack(">H", len(topic)) + topic + (struct.pack(">H", mid) if qos else b"") + properties + payload
    length, size = b"", len(body)
    while True:
        size, low = divmod(size, 128)
        length += bytes((low | 0x80 * bool(size),))
        if not size:
            return bytes((0x30 | qos << 1 | flags,)) + length + body


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    near.setblocking(False)
    yield near, far
    near.close()
    far.close()


def read(stream: StreamSocket) -> bytes:
    """What paho gets to see, until nothing is there."""
    seen = b""
    while True:
        stream.starved = False
        try:
            seen += stream.recv(1)
        except BlockingIOError:
            if stream.starved:
                return seen


def test_bytes_that_come_one_by_one_give_the_same_messages(ends) -> None:
    near, far = ends
    taken: list[Message] = []
    stream = StreamSocket(near, taken.extend, False)
    seen = b""
    whole = packet(b"a/b", b"x" * 200) + PINGRESP + packet(b"c", b"", qos=0) + packet(b"d", b"y", mid=9, flags=9)
    for byte in whole:
        far.send(bytes((byte,)))
        seen += read(stream)
    assert taken == [Message("a/b", b"x" * 200, 7, 1), Message("c", b""), Message("d", b"y", 9, 1, True, True)]
    assert seen == PINGRESP


def test_what_is_not_ours_goes_to_paho_byte_for_byte(ends) -> None:
    near, far = ends
    taken: list[Message] = []
    stream = StreamSocket(near, taken.extend, False)
    twice = packet(b"q2", b"z", qos=2)
    nameless, cut = packet(b"", b"alias"), b"\x32\x03\x00\x09a"
    for other in (twice, nameless, cut):
        far.send(other + packet(b"t", b"after"))
        assert read(stream) == other
    assert taken == [Message("t", b"after", 7, 1)] * 3


def test_properties_of_mqtt_5_are_passed_over(ends) -> None:
    near, far = ends
    taken: list[Message] = []
    stream = StreamSocket(near, taken.extend, True)
    far.send(
        packet(b"t", b"data", properties=b"\x05\x02\x00\x00\x00\x3c") + packet(b"\xff", b"odd", properties=b"\x00")
    )
    assert read(stream) == b""
    assert taken == [Message("t", b"data", 7, 1), Message(UNREADABLE_TOPIC, b"odd", 7, 1)]


def test_acknowledgements_leave_in_one_piece_and_in_order(ends) -> None:
    near, far = ends
    stream = StreamSocket(near, lambda messages: None, False)
    stream.acknowledge([1, 2, 0x1234])
    stream.send(PINGRESP)
    assert stream.waiting == 14
    assert stream.flush()
    assert far.recv(100) == b"\x40\x02\x00\x01\x40\x02\x00\x02\x40\x02\x12\x34" + PINGRESP


def test_the_end_of_the_stream_is_told(ends) -> None:
    near, far = ends
    stream = StreamSocket(near, lambda messages: None, False)
    far.send(packet(b"t", b"x")[:5])
    far.close()
    with pytest.raises(BlockingIOError):
        stream.recv(1)
    assert stream.recv(1) == b""
