"""A simulated gateway's side of a TCP line: it accepts, paces, limits and misbehaves; what it answers is a subclass's.

Rules: binds 127.0.0.1 and port 0 unless told otherwise; a bus carries one question at a time, whoever asks; time on the
wire is real (11 bits a character) divided by `speed_up`; misbehaviour is seeded and can be switched while running.
"""

import asyncio
import random
from abc import abstractmethod
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from simulators.listening import Listening

CHARACTER_BITS = 11


class Readable(Protocol):
    """What stands behind a bus address: gives its bytes as on the wire for an instant."""

    def telegram_bytes(self, at: datetime) -> bytes:
        """Raw payload at `at` (aware UTC)."""
        ...


class Clock(Protocol):
    """Tells the instant that the simulated meters live in."""

    def now(self) -> datetime:
        """Aware UTC."""
        ...


class WallClock:
    """The wall clock."""

    def now(self) -> datetime:
        """The present, aware UTC."""
        return datetime.now(UTC)


@dataclass(slots=True)
class LineBehaviour:
    """How a line misbehaves; every field can be changed while the server runs.

    echo: the gateway sends the question back before the answer. fragment: answers leave in pieces of so many bytes.
    silent: accepts and never answers. one_behind: every answer is the one to the previous question. lose: share of
    answers that never come. corrupt: share of answers with a flipped bit. noise: share of answers with rubbish before
    them. delay_s: extra time before an answer, in wall seconds. cut: hang up in the middle of so many next answers.
    """

    echo: bool = False
    fragment: int = 0
    silent: bool = False
    one_behind: bool = False
    lose: float = 0.0
    corrupt: float = 0.0
    noise: float = 0.0
    delay_s: float = 0.0
    cut: int = 0


@dataclass(slots=True)
class LineCounters:
    """What a server saw: connections accepted and refused, questions, answers."""

    connections: int = 0
    refused: int = 0
    requests: int = 0
    answers: int = 0


@dataclass(slots=True)
class _Session:
    writer: asyncio.StreamWriter
    late: list[bytes] = field(default_factory=list)


class LineServer(Listening):
    """Base of the simulated gateways: `async with server:` listens at `server.address`.

    Parameters
    ----------
    baud_rate : int
        Speed of the bus behind the gateway; 0 for no wire at all (Modbus TCP in the device itself).
    speed_up : float
        Wire times are divided by this.
    connections : int
        How many clients it accepts at a time; more are hung up on at once.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        baud_rate: int = 2400,
        speed_up: float = 1.0,
        connections: int = 1,
        behaviour: LineBehaviour | None = None,
        seed: int = 1,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(host, port)
        self.clock: Clock = clock or WallClock()
        self.baud_rate = baud_rate
        self.speed_up = speed_up
        self.connections = connections
        self.behaviour = behaviour or LineBehaviour()
        self.counters = LineCounters()
        self._random = random.Random(seed)  # noqa: S311 - reproducible trouble, no secret
        self._bus = asyncio.Lock()

    @abstractmethod
    def next_request(self, buffer: bytearray) -> bytes | None:
        """Take one whole question off the buffer, or None while there is none. Rubbish is dropped."""

    @abstractmethod
    async def respond(self, request: bytes) -> bytes:
        """The bytes that the bus answers with; empty for silence."""

    def answer_delay_s(self) -> float:
        """Bus seconds between the end of a question and the start of its answer."""
        return 0.0

    def wire_s(self, count: int) -> float:
        """Wall seconds that `count` characters take."""
        return count * CHARACTER_BITS / self.baud_rate / self.speed_up if self.baud_rate else 0.0

    def admits(self) -> bool:
        """Whether a line is free; more callers are hung up on."""
        free = len(self._conversations) < self.connections
        self.counters.connections += free
        self.counters.refused += not free
        return free

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer question after question."""
        session = _Session(writer)
        buffer = bytearray()
        while data := await reader.read(4096):
            buffer += data
            while (request := self.next_request(buffer)) is not None:
                self.counters.requests += 1
                if not self.behaviour.silent:
                    await self._exchange(request, session)

    async def _exchange(self, request: bytes, session: _Session) -> None:
        behaviour = self.behaviour
        async with self._bus:
            if behaviour.echo:
                session.writer.write(request)
            answer = await self.respond(request)
            delay_s = self.wire_s(len(request)) + self.answer_delay_s() / self.speed_up + self.wire_s(len(answer))
            if delay_s + behaviour.delay_s > 0:
                await asyncio.sleep(delay_s + behaviour.delay_s)
        if behaviour.one_behind:
            session.late.append(answer)
            answer = session.late.pop(0) if len(session.late) > 1 else b""
        if answer and self._random.random() >= behaviour.lose:
            await self._send(self._spoiled(answer), session)

    def _spoiled(self, answer: bytes) -> bytes:
        behaviour = self.behaviour
        if behaviour.corrupt and self._random.random() < behaviour.corrupt:
            spoiled = bytearray(answer)
            spoiled[self._random.randrange(len(spoiled))] ^= 1 << self._random.randrange(8)
            answer = bytes(spoiled)
        if behaviour.noise and self._random.random() < behaviour.noise:
            answer = bytes(self._random.choice(NOISE) for _ in range(self._random.randint(1, 4))) + answer
        return answer

    async def _send(self, answer: bytes, session: _Session) -> None:
        behaviour, writer = self.behaviour, session.writer
        if behaviour.cut > 0:
            behaviour.cut -= 1
            writer.write(answer[: len(answer) // 2])
            await writer.drain()
            raise ConnectionResetError("cut in the middle of an answer")
        self.counters.answers += 1
        if not behaviour.fragment:
            writer.write(answer)
            return
        for start in range(0, len(answer), behaviour.fragment):
            writer.write(answer[start : start + behaviour.fragment])
            await writer.drain()
            # Give the other side a turn, so that it sees the pieces apart.
            await asyncio.sleep(self.wire_s(behaviour.fragment))


# What a disturbed line shows between frames: never a start byte of a protocol simulated here.
NOISE = bytes(code for code in range(256) if code not in (0x10, 0x16, 0x68, 0xE5))
