"""A connection's bytes: whole PUBLISH packets are cut out of the stream, everything else is paho's to read.

paho reads a packet's head byte by byte and builds a lock a message, which costs more than decoding a meter's telegram.
So it gets a socket of ours (as its own WebSocket transport does, by `_create_socket`) that reads and writes in large
pieces. Rules: messages of QoS 0 and 1 that are whole and sound are taken here and acknowledged here, many in one send;
connecting, subscribing, keep-alive, QoS 2, packets that are huge or malformed stay with paho, byte for byte.
"""

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any, cast

import msgspec
from paho.mqtt.client import Client

_READ_BYTES = 1 << 16
# Larger packets are collected by paho: nothing of a meter comes near.
_LARGEST = 1 << 18
_PUBLISH = 0x30
_QOS = 0x06
_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
UNREADABLE_TOPIC = "(a topic that is not UTF-8)"


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message as it came; `mid` is the packet number (0 for QoS 0), `dup` whether the broker sent it before."""

    topic: str
    payload: bytes
    mid: int = 0
    qos: int = 0
    retain: bool = False
    dup: bool = False


class StreamSocket:
    """Around a connected, non-blocking socket; `take` gets the messages of what was read.

    Parameters
    ----------
    plain : socket
    take : callable
        (messages) -> None; called from `recv`.
    properties : bool
        Whether packets carry properties (MQTT 5).
    """

    def __init__(self, plain: socket.socket, take: Callable[[list[Message]], None], properties: bool) -> None:
        self.plain = plain
        self.starved = False
        self._take, self._properties = take, properties
        self._held = b""
        self._at = 0
        # Bytes of a packet that is paho's, still to be handed on.
        self._passing = 0
        self._waiting = bytearray()
        self._topics: dict[bytes, str] = {}

    def recv(self, size: int) -> bytes:
        """At most `size` bytes of packets that are not taken here; raises as a socket does where there are none."""
        if not self._passing:
            self._cut()
        if not self._passing:
            if not self._refill():
                return b""
            self._cut()
        if not self._passing:
            # One read a call: the taker may have asked for a pause meanwhile.
            raise BlockingIOError
        if self._at >= len(self._held) and not self._refill():
            return b""
        piece = self._held[self._at : self._at + min(size, self._passing)]
        self._at += len(piece)
        self._passing -= len(piece)
        return piece

    def _refill(self) -> bool:
        """Read on; False at the end of the stream."""
        try:
            fresh = self.plain.recv(_READ_BYTES)
        except _WOULD_BLOCK:
            self.starved = True
            raise
        self._held = self._held[self._at :] + fresh
        self._at = 0
        return bool(fresh)

    def _cut(self) -> None:
        """Take all messages up to the first packet of paho's or to the end of what is there."""
        messages: list[Message] = []
        held, at = self._held, self._at
        while (head := _head(held, at)) is not None:
            body, end = head
            command = held[at]
            message = None
            if command & 0xF0 == _PUBLISH and command & _QOS < 4 and end - at <= _LARGEST:
                if end > len(held):
                    break
                message = self._message(command, held, body, end)
            if message is None:
                self._passing = end - at
                break
            messages.append(message)
            at = end
        self._at = at
        if messages:
            self._take(messages)

    def _message(self, command: int, held: bytes, at: int, end: int) -> Message | None:
        """The message between `at` and `end`; None where it is malformed or uses what we did not ask for."""
        start = at + 2
        body = start + (held[at] << 8 | held[at + 1]) if start <= end else end + 1
        qos = command >> 1 & 3
        mid = 0
        name = held[start:body]
        if qos:
            mid = held[body] << 8 | held[body + 1] if body + 2 <= end else 0
            body += 2
        if self._properties and body < end:
            length = _length(held, body)
            body = end + 1 if length is None else length[0] + length[1]
        elif self._properties:
            body = end + 1
        if body > end or not name or (qos and not mid):
            return None
        topic = self._topics.get(name)
        return Message(
            self._named(name) if topic is None else topic,
            held[body:end],
            mid,
            qos,
            bool(command & 1),
            bool(command & 8),
        )

    def _named(self, name: bytes) -> str:
        if len(self._topics) >= 50_000:
            self._topics.clear()
        try:
            topic = name.decode()
        except UnicodeDecodeError:
            topic = UNREADABLE_TOPIC
        self._topics[name] = topic
        return topic

    def acknowledge(self, mids: Iterable[int]) -> None:
        """PUBACK of each packet number, on its way with the next `flush`."""
        self._waiting += b"".join([b"\x40\x02" + mid.to_bytes(2, "big") for mid in mids])

    def send(self, data: bytes | bytearray) -> int:
        """Takes all of it; it leaves with the next `flush`."""
        self._waiting += data
        return len(data)

    def flush(self) -> bool:
        """Send what waits; whether nothing is left. Raises OSError where the connection is gone."""
        while self._waiting:
            try:
                sent = self.plain.send(self._waiting)
            except _WOULD_BLOCK:
                return False
            del self._waiting[:sent]
        return True

    @property
    def waiting(self) -> int:
        """Bytes that were given and not yet sent."""
        return len(self._waiting)

    def fileno(self) -> int:
        """Of the socket."""
        return self.plain.fileno()

    def setblocking(self, flag: bool) -> None:
        """As the socket's own."""
        self.plain.setblocking(flag)

    def close(self) -> None:
        """Send what the network still takes, and let go. Idempotent."""
        with contextlib.suppress(OSError):
            self.flush()
            self.plain.shutdown(socket.SHUT_RDWR)
        self.plain.close()


def _head(held: bytes, at: int) -> tuple[int, int] | None:
    """Where the packet at `at` has its body and its end; None where its length is not whole yet."""
    length = _length(held, at + 1)
    return None if length is None else (length[0], length[0] + length[1])


def _length(held: bytes, at: int) -> tuple[int, int] | None:
    """Where a variable length ends, and the length; None where it is not whole. An overlong one is paho's to refuse."""
    number = 0
    for place, byte in enumerate(held[at : at + 4]):
        number |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return at + place + 1, number
    return None if len(held) < at + 4 else (at + 4, number)


class StreamClient(Client):
    """paho on a StreamSocket that gives messages to `take`."""

    def __init__(self, take: Callable[[list[Message]], None], properties: bool, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._stream = take, properties

    def _create_socket(self) -> Any:
        return StreamSocket(cast("socket.socket", super()._create_socket()), *self._stream)
