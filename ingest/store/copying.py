"""COPY statements of one connection, one after the other: the server works on one while the caller packs the next.

Rules: `send` hands bytes over and comes back; an error of the server comes with the next `send`, with `settle` or at
the end of the block, and always before anything else may be asked on the connection.
"""

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from types import TracebackType
from typing import Any, LiteralString, Self

from psycopg import AsyncConnection


class Copies:
    """The COPY that is under way on a connection, if any; use it as a context.

    Nothing else may be executed on the connection before `settle`.
    """

    __slots__ = ("_connection", "_under_way")

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._connection = connection
        self._under_way = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # With an error the statement under way is called off.
        await self._under_way.__aexit__(kind, error, trace)

    async def send(self, statement: LiteralString, pieces: Iterable[bytes]) -> None:
        """Begin a COPY with all its bytes, header and trailer included; a piece is made while the server has the last.

        Raises
        ------
        psycopg.Error
            The server refused the COPY before this one.
        """
        await self.settle()
        stream = await self._under_way.enter_async_context(self._connection.cursor().copy(statement))
        for piece in pieces:
            await stream.write(piece)

    async def settle(self) -> None:
        """Wait until the server has taken everything. Raises what it refused (psycopg.Error)."""
        under_way, self._under_way = self._under_way, AsyncExitStack()
        await under_way.aclose()


def copies_on(connection: AsyncConnection[Any], copy: bool) -> AbstractAsyncContextManager[Copies | None]:
    """`Copies` of a connection; None on a server without COPY, where callers go by INSERT."""
    return Copies(connection) if copy else nullcontext()
