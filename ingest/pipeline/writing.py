"""Commits batches, tells a sick delivery from a sick database, and finds the sick one by halving.

Rules: one transaction a batch; a connection lost on the way means that the whole batch is in doubt and is written again
(the delivery keys decide duplicates); an error that names the data halves the batch until one delivery is left, which
is quarantined under ``internal.<error>``.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import msgspec
import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from ingest.errors import UnavailableError
from ingest.model import Delivery, Outcome, Rejected, Resolved
from ingest.store.database import Pool

log = structlog.get_logger(__name__)

Pair = tuple[Delivery, Resolved | Rejected]
WriteBatch = Callable[[AsyncConnection[Any], Sequence[Pair]], Awaitable[list[Outcome]]]
# Longer than any healthy batch; a network that swallows packets would hold us for the kernel's quarter of an hour.
COMMIT_TIMEOUT_S = 30.0
CONNECTION_TIMEOUT_S = 5.0
_ROLLED_BACK = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)
_AWAY = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    PoolTimeout,
    PoolClosed,
    TooManyRequests,
    TimeoutError,
    OSError,
)
# The statement or the schema is wrong, not a value: halving would quarantine everything.
_SYSTEMIC = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.InFailedSqlTransaction,
)


class DatabaseAwayError(UnavailableError):
    """The database takes no batches just now."""

    code = "database.away"


class BatchWriter:
    """Writes batches through `write_batch` on connections of `pool`.

    Parameters
    ----------
    pool : Pool
        Open pool.
    write_batch : WriteBatch
        `ingest.store.writes.write_batch`: inside a transaction, never commits.
    """

    def __init__(self, pool: Pool, write_batch: WriteBatch) -> None:
        self._pool = pool
        self._write_batch = write_batch

    @contextlib.contextmanager
    def judging(self) -> Iterator[None]:
        """Turns what says "the database, not the data" into DatabaseAwayError."""
        try:
            yield
        except (*_SYSTEMIC, *_AWAY) as error:
            raise DatabaseAwayError(f"{type(error).__name__}: {error}") from error

    async def write(self, pairs: Sequence[Pair]) -> list[Outcome]:
        """Commit all of them; outcomes in the same order.

        Raises
        ------
        DatabaseAwayError
            The database did not answer; the batch may or may not be committed, so write it again.
        """
        try:
            with self.judging():
                return await self._committed(pairs)
        except DatabaseAwayError:
            raise
        except Exception as error:
            if len(pairs) == 1:
                return [await self._quarantined(pairs[0], error)]
        middle = len(pairs) // 2
        return [*await self.write(pairs[:middle]), *await self.write(pairs[middle:])]

    async def _committed(self, pairs: Sequence[Pair], attempts: int = 3) -> list[Outcome]:
        for attempt in range(attempts):
            with contextlib.suppress(*(_ROLLED_BACK if attempt + 1 < attempts else ())):
                async with (
                    asyncio.timeout(COMMIT_TIMEOUT_S),
                    self._pool.connection(CONNECTION_TIMEOUT_S) as connection,
                    connection.transaction(),
                ):
                    return await self._write_batch(connection, pairs)
        raise ValueError(f"{attempts} attempts are none at all")

    async def _quarantined(self, pair: Pair, error: Exception) -> Outcome:
        delivery, _ = pair
        log.error("delivery refused by the store", channel=delivery.channel, reason=f"{type(error).__name__}: {error}")
        reason = Rejected(f"internal.{type(error).__name__.lower()}", str(error).splitlines()[0][:500] or "no message")
        # Its own metadata may be what the database can't take (a NUL in a topic): keep the bytes, drop the rest.
        plain = msgspec.structs.replace(
            delivery,
            protocol=_plain(delivery.protocol),
            channel=_plain(delivery.channel),
            idempotency=_plain(delivery.idempotency),
            profile=None,
            topic=None,
            details={},
            meter_id=None,
        )
        try:
            with self.judging():
                return (await self._committed([(plain, reason)]))[0]
        except DatabaseAwayError:
            raise
        except Exception:
            # The log is the last place that can keep it; a delivery that stops all others helps nobody.
            log.exception("not even quarantine takes this delivery", payload=delivery.payload.hex())
            return Outcome("quarantined", 0, code="internal.unstorable", message="see the log of the worker")


def _plain(text: str) -> str:
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
