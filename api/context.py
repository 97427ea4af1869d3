"""What every endpoint needs and gets as an argument: the process's parts, and one transaction a request.

Built by hand in `api.app`; nothing here is global.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request
from psycopg import AsyncConnection

from api.cursor import CursorCodec
from ingest.clock import Clock
from ingest.config import Settings
from ingest.store.database import Pool

if TYPE_CHECKING:
    from ingest.directory import Directory
    from ingest.pipeline.intake import Pipeline


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of a serving process. `cursors` is None until the start-up has read the shared secret."""

    settings: Settings
    pool: Pool
    pipeline: "Pipeline"
    directory: "Directory"
    clock: Clock
    secrets: dict[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def cursors(self) -> CursorCodec:
        """Signer of page cursors."""
        return CursorCodec(self.secrets["cursor"])


def context_of(request: Request) -> Context:
    """The parts that this request's app was built with."""
    found: Context = request.app.state.heatbook
    return found


async def _connection(request: Request) -> AsyncIterator[AsyncConnection[Any]]:
    shared = getattr(request.state, "connection", None)
    if shared is not None:  # the idempotency guard holds the transaction
        yield shared
        return
    async with context_of(request).pool.connection() as connection, connection.transaction():
        yield connection


def _now(request: Request) -> datetime:
    return context_of(request).clock.now()


Parts = Annotated[Context, Depends(context_of)]
# The service's present: the wall's, or a demo's. Proofs (keys, sessions, signatures) and the audit log go by the wall.
Now = Annotated[datetime, Depends(_now)]
# Scope "function": committed before the first byte of the answer leaves, so nothing is promised that is not stored.
Connection = Annotated[AsyncConnection[Any], Depends(_connection, scope="function")]
