"""A TCP proxy that breaks lines on command: cut in the middle of a frame, stall, refuse, and mend again.

Rules: bytes are passed on untouched; every trouble is asked for by name; binds 127.0.0.1, port 0 by default.
"""

import asyncio

from simulators.listening import Listening


class FaultyProxy(Listening):
    """`async with FaultyProxy(host, port) as proxy:` passes connections at `proxy.address` on to host:port."""

    def __init__(self, host: str, port: int, *, listen_port: int = 0) -> None:
        super().__init__(port=listen_port)
        self.target = (host, port)
        self.refusing = False
        self.connections = 0
        self.cuts = 0
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._cut_after: int | None = None

    def cut_after(self, count: int) -> None:
        """Break the next connection that carries answers after `count` more answer bytes: in the middle of a frame."""
        self._cut_after = count

    def stall(self) -> None:
        """Connections stay open, no byte passes."""
        self._flowing.clear()

    def flow(self) -> None:
        """Bytes pass again."""
        self._flowing.set()

    async def refuse(self) -> None:
        """The network is away: connections break, new ones end at once."""
        self.refusing = True
        await self.hang_up()

    def mend(self) -> None:
        """The network is back."""
        self.refusing = False

    def admits(self) -> bool:
        """Whether the network is there."""
        self.connections += not self.refusing
        return not self.refusing

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass bytes on both ways until one side ends."""
        far_reader, far_writer = await asyncio.open_connection(*self.target)
        ways = [
            asyncio.create_task(self._pass(reader, far_writer, answers=False), name="proxy questions"),
            asyncio.create_task(self._pass(far_reader, writer, answers=True), name="proxy answers"),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            far_writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        while data := await reader.read(4096):
            await self._flowing.wait()
            if answers and self._cut_after is not None:
                if len(data) >= self._cut_after:
                    writer.write(data[: self._cut_after])
                    self._cut_after = None
                    self.cuts += 1
                    await writer.drain()
                    return
                self._cut_after -= len(data)
            writer.write(data)
            await writer.drain()
