"""The next chunk of readings is loaded while the present one is computed and written.

Rules: loading has a connection of its own, so that one server process reads while another writes; it sees committed
rows only, as every statement of the run does. One chunk ahead and no more: memory stays bounded. A server with room
for one connection is asked chunk by chunk.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from psycopg import Connection

from ingest.store import without_copy
from ingest.store.database import connect_sync

T = TypeVar("T")
R = TypeVar("R")


def loaded(
    connection: Connection[Any], url: str | None, chunks: Sequence[T], load: Callable[[Connection[Any], T], R]
) -> Iterator[tuple[T, R]]:
    """Each of `chunks` with what `load` makes of it, in order.

    Parameters
    ----------
    connection
        Used for loading where there is nothing to load ahead, or no second connection to be had.
    url
        Database of a second connection; None for none.

    Raises
    ------
    UnavailableError
        The database does not take a second connection.
    """
    if url is None or len(chunks) < 2 or not without_copy.has_copy(connection):
        for chunk in chunks:
            yield chunk, load(connection, chunk)
        return
    with connect_sync(url) as reader, ThreadPoolExecutor(1, "loading") as pool:
        reader.autocommit = True
        waiting = pool.submit(load, reader, chunks[0])
        for at, chunk in enumerate(chunks):
            ready = waiting.result()
            if at + 1 < len(chunks):
                waiting = pool.submit(load, reader, chunks[at + 1])
            yield chunk, ready
