"""What is too old goes: the table `retention` applied, slice by slice, until nothing is left to do.

Rules: each slice is a transaction of its own, so nobody waits behind a large delete and a stop loses nothing; a run is
bounded, the next one goes on; `now` is passed in.
"""

from collections.abc import Callable
from datetime import datetime

import structlog

from ingest.store import retention
from ingest.store.database import Pool

log = structlog.get_logger(__name__)

# With ten thousand rows a slice two million an hour: the first run after a long time must not take the night.
SLICES = 200


async def clear_old(
    pool: Pool, now: datetime, *, slices: int = SLICES, stopped: Callable[[], bool] = lambda: False
) -> dict[str, int]:
    """Clear away what is older than its time to be kept.

    Parameters
    ----------
    slices : int
        Upper bound of slices of each kind in one run.
    stopped : callable
        Asked between slices; True ends the run.

    Returns
    -------
    What went, by name of the table: rows on plain PostgreSQL, chunks on TimescaleDB; only what went is named.
    """
    async with pool.connection() as connection:
        periods = await retention.periods(connection)
    cleared: dict[str, int] = {}
    for what in (what for what, keep in periods.items() if keep is not None):
        for _ in range(slices):
            if stopped():
                return cleared
            async with pool.connection() as connection, connection.transaction():
                gone = await retention.clear_slice(connection, what, now)
            if not gone:
                break
            cleared[what] = cleared.get(what, 0) + gone
    if cleared:
        log.info("old data cleared away", **cleared)
    return cleared
