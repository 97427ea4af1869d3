"""A line to a gateway: bytes out, bytes in, over TCP or a local serial port.

Rules: this file knows no protocol; whoever asks gives a function that finds the end of the answer. One question is in
flight at a time. Before a question whatever still lies in the buffer is thrown away (a late answer to an earlier
question must not be taken for the answer to this one); after silence that belongs to a lost answer the caller closes
the line or drains it. A read never waits longer than the deadline it was given.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar, cast

import serialx

from ingest.sources.errors import LineClosedError, SilenceError

CHARACTER_BITS = 11
CONNECT_TIMEOUT_S = 5.0
# An answer of any protocol here is below 300 bytes; a gateway that babbles is cut off long before memory matters.
MAX_BUFFER = 64 * 1024

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait: `first_s` for the first byte of an answer, `gap_s` between bytes, `total_s` in all."""

    first_s: float
    gap_s: float
    total_s: float


def character_s(baud_rate: int) -> float:
    """Seconds that one character (11 bits with start, parity and stop) takes on the wire."""
    return CHARACTER_BITS / baud_rate


@dataclass(frozen=True, slots=True)
class SerialSettings:
    """A local port's line settings; 8E1 at 2400 is what M-Bus and CJ/T 188 use."""

    baud_rate: int = 2400
    parity: str = "E"
    stop_bits: int = 1


class Line(asyncio.Protocol):
    """An open line. `sent` and `received` count bytes; `discarded` those thrown away unasked."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        # Who waits for bytes; a bare future and timer, because an event under a timeout costs four times as much.
        self._waiter: asyncio.Future[bool] | None = None
        self._closed = False
        self.sent = 0
        self.received = 0
        self.discarded = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the line is open."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes came, in whatever pieces."""
        self.received += len(data)
        if len(self._buffer) + len(data) > MAX_BUFFER:
            self.discarded += len(self._buffer)
            self._buffer.clear()
        self._buffer += data
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        """asyncio: the line is gone."""
        self._closed = True
        self._wake()

    @property
    def is_open(self) -> bool:
        """Whether bytes can still be sent."""
        return self._transport is not None and not self._closed and not self._transport.is_closing()

    def close(self) -> None:
        """Hang up; safe to call twice."""
        self._closed = True
        self._wake()
        if self._transport is not None:
            self._transport.abort()

    def discard(self) -> bytes:
        """Throw away what lies in the buffer and return it."""
        lost = bytes(self._buffer)
        self._buffer.clear()
        self.discarded += len(lost)
        return lost

    async def quiet(self, idle_s: float, at_most_s: float) -> bytes:
        """Discard until nothing has come for `idle_s`; gives up listening after `at_most_s`. Returns what came."""
        loop = asyncio.get_running_loop()
        end = loop.time() + at_most_s
        lost = self.discard()
        while self.is_open and (left := end - loop.time()) > 0:
            if not await self._more(min(idle_s, left)):
                break
            lost += self.discard()
        return lost

    def send(self, data: bytes) -> None:
        """Send bytes. Raises LineClosedError where the line is gone."""
        if not self.is_open or self._transport is None:
            raise LineClosedError("the line is closed")
        self.sent += len(data)
        self._transport.write(data)

    async def answer(self, find: Callable[[bytes], Answer | None], patience: Patience) -> Answer:
        """Wait until `find` makes something of the bytes so far.

        Parameters
        ----------
        find : callable
            Gets everything that came since the last discard; returns None while the answer is incomplete.
        patience : Patience
            Deadlines in seconds.

        Raises
        ------
        SilenceError
            The deadline passed; `frame` holds what came.
        LineClosedError
            The other end hung up first.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + patience.total_s
        wait_s = patience.first_s
        while True:
            if self._buffer and (found := find(bytes(self._buffer))) is not None:
                return found
            if self._closed:
                raise LineClosedError("the gateway closed the connection", bytes(self._buffer))
            left = min(wait_s, end - loop.time())
            if left <= 0 or not await self._more(left):
                got = bytes(self._buffer)
                raise SilenceError(f"no answer in {patience.first_s:.2f} s" if not got else "the answer broke off", got)
            wait_s = patience.gap_s

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(True)

    async def _more(self, timeout_s: float) -> bool:
        """Wait for bytes or the end of the line; False where neither came in time."""
        if self._closed:
            return False
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        self._waiter = waiter
        timer = loop.call_later(timeout_s, _expire, waiter)
        try:
            return await waiter
        finally:
            timer.cancel()
            self._waiter = None


def _expire(waiter: "asyncio.Future[bool]") -> None:
    if not waiter.done():
        waiter.set_result(False)


class Opener(Protocol):
    """Opens a line; the way a master gets one again after a loss."""

    async def __call__(self) -> Line:
        """Open line. Raises LineClosedError."""
        ...


def host_and_port(address: str, default_port: int | None = None) -> tuple[str, int]:
    """Host and port of a gateway address: "10.0.0.7:10001", "tcp://gw:2000", "[::1]:502".

    Raises
    ------
    ValueError
        There is no port, or it is no number from 1 to 65535.
    """
    text = address.split("://", 1)[-1].rstrip("/")
    host, separator, port = text.rpartition(":")
    if not separator or (text.startswith("[") and text.endswith("]")):
        host, port = text, ""
    if not port and default_port is not None:
        return host.strip("[]"), default_port
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{address!r} is not host:port")
    return host.strip("[]"), int(port)


async def open_tcp(address: str, timeout_s: float = CONNECT_TIMEOUT_S) -> Line:
    """Line to a transparent TCP gateway. Raises LineClosedError where it can't be reached in time."""
    try:
        host, port = host_and_port(address)
        async with asyncio.timeout(timeout_s):
            _, line = await asyncio.get_running_loop().create_connection(Line, host, port)
    except TimeoutError as error:
        raise LineClosedError(f"{address} did not accept within {timeout_s:g} s") from error
    except (OSError, ValueError) as error:
        raise LineClosedError(f"{address}: {error}") from error
    return line


async def open_serial(path: str, settings: SerialSettings) -> Line:
    """Line over a local serial port ("/dev/ttyUSB0", "COM3"). Raises LineClosedError where it can't be opened."""
    try:
        _, line = await serialx.create_serial_connection(
            asyncio.get_running_loop(),
            Line,
            path,
            baudrate=settings.baud_rate,
            parity=serialx.Parity(settings.parity),
            stopbits=serialx.StopBits(settings.stop_bits),
        )
    except (OSError, ValueError, serialx.SerialException) as error:
        raise LineClosedError(f"{path}: {error}") from error
    return cast("Line", line)
