"""The job queue: procrastinate on the database we have anyway.

Rules: the queue's tables are made by `ingest.store.database.migrate`; tasks are registered by who runs them.
"""

from collections.abc import Mapping
from typing import Any

from procrastinate import App, PsycopgConnector
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb


def job_app(url: str, *, connections: int = 4) -> App:
    """A job application on the database of `url`; open it with ``async with app.open_async()``.

    Parameters
    ----------
    connections : int
        Upper bound of its own pool: one listens for new jobs, the others run them.
    """
    return App(connector=PsycopgConnector(conninfo=url, min_size=1, max_size=connections))


async def defer(connection: AsyncConnection[Any], task: str, queue: str, arguments: Mapping[str, Any]) -> None:
    """Put a job on the queue in the caller's transaction: nobody runs it before the commit."""
    await connection.execute(
        "SELECT procrastinate_defer_jobs_v1(ARRAY[(%s, %s, 0, NULL, NULL, %s, NULL)::procrastinate_job_to_defer_v1])",
        (queue, task, Jsonb(dict(arguments))),
    )
