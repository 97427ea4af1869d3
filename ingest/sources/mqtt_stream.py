"""A socket that reads and writes in large pieces, for paho, which asks for a packet's head byte by byte.

Rules: it is what paho's own WebSocket wrapper is, an object with the few methods that paho calls on a socket, given to
it by `StreamClient._create_socket`; it knows nothing of MQTT. What is sent waits until `flush`, so that the
acknowledgements of a batch leave in one system call; `close` sends what it still can.
"""

import contextlib
import socket
import ssl
from typing import Any, cast

from paho.mqtt.client import Client

_READ_BYTES = 1 << 16


class StreamSocket:
    """Buffers both ways around a connected, non-blocking socket."""

    def __init__(self, plain: socket.socket) -> None:
        self.plain = plain
        self._held = b""
        self._at = 0
        self._waiting = bytearray()

    def recv(self, size: int) -> bytes:
        """At most `size` bytes; raises as a socket does where none are there."""
        at = self._at
        if at >= len(self._held):
            self._held, at = self.plain.recv(_READ_BYTES), 0
        piece = self._held[at : at + size]
        self._at = at + len(piece)
        return piece

    def send(self, data: bytes | bytearray) -> int:
        """Takes all of it; it leaves with the next `flush`."""
        self._waiting += data
        return len(data)

    def flush(self) -> bool:
        """Send what waits; whether nothing is left. Raises OSError where the connection is gone."""
        while self._waiting:
            try:
                sent = self.plain.send(self._waiting)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return False
            del self._waiting[:sent]
        return True

    def pending(self) -> int:
        """Bytes that were received and not yet taken."""
        held = len(self._held) - self._at
        return held or (self.plain.pending() if isinstance(self.plain, ssl.SSLSocket) else 0)

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


class StreamClient(Client):
    """paho on a StreamSocket."""

    def _create_socket(self) -> Any:
        return StreamSocket(cast("socket.socket", super()._create_socket()))
