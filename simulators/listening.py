"""A TCP server that stands in for something: it listens, knows its callers, hangs up on them, dies and comes back.

Rules: port 0 takes a free one, which stays its own; leaving the context ends every conversation.
"""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Listening(ABC):
    """Base of line servers and proxies: `async with` it listens at `address`; what is said is `converse`."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.host, self.port = host, port
        self._server: asyncio.Server | None = None
        self._conversations: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """Where it listens: "127.0.0.1:40123"."""
        return f"{self.host}:{self.port}"

    async def __aenter__(self) -> Self:
        await self.listen_again()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop_listening()
        if self._server is not None:
            await self._server.wait_closed()

    async def listen_again(self) -> None:
        """It is there, at its old port if it had one."""
        self._server = await asyncio.start_server(self._accepted, self.host, self.port, backlog=16)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop_listening(self) -> None:
        """It is dead: connections close, new ones are refused, the port stays known."""
        if self._server is not None:
            self._server.close()
        await self.hang_up()

    async def hang_up(self) -> None:
        """Close every connection; the server goes on listening."""
        conversations = list(self._conversations)
        for conversation in conversations:
            conversation.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)

    def admits(self) -> bool:
        """Whether one more caller is welcome; else it is hung up on at once. Called once a caller."""
        return True

    @abstractmethod
    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection from beginning to end."""

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or not self.admits():
            writer.close()
            return
        self._conversations.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self.converse(reader, writer)
        finally:
            self._conversations.discard(task)
            writer.transport.abort()
