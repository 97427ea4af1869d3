"""Which meters have readings that assessment has not seen yet, and since when.

Rules: a journal. Writers only add rows, so nobody waits; who assesses takes rows out in the transaction of its
results, and a rollback puts them back.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np
from psycopg import AsyncConnection, Connection

from ingest.store.copying import Copies
from ingest.store.packing import Int4Array, TimestampArray, copy_rows
from ingest.store.reading_rows import ReadingRows

_COPY: Final = "COPY touched (from_ts, meter_id) FROM STDIN (FORMAT BINARY)"
_INSERT = (
    "INSERT INTO touched (meter_id, from_ts, touched_at) SELECT meter_id, from_ts, clock_timestamp()"
    " FROM unnest(%b::int[], %b::timestamptz[]) AS item (meter_id, from_ts)"
)
_TAKE = (
    "WITH taken AS (DELETE FROM touched WHERE %(meters)s::int[] IS NULL OR meter_id = ANY(%(meters)s::int[])"
    " RETURNING meter_id, from_ts) SELECT meter_id, min(from_ts) FROM taken GROUP BY meter_id ORDER BY meter_id"
)


def _parameters(earliest_us: Mapping[int, int]) -> tuple[Int4Array, TimestampArray]:
    return Int4Array(list(earliest_us)), TimestampArray(list(earliest_us.values()))


async def touch(connection: AsyncConnection[Any], earliest_us: Mapping[int, int]) -> None:
    """Mark meters as changed. `earliest_us`: meter id -> epoch microseconds of its earliest changed reading."""
    if earliest_us:
        await connection.execute(_INSERT, _parameters(earliest_us))


async def by_rows(connection: AsyncConnection[Any], rows: ReadingRows, copies: Copies | None) -> None:
    """Mark the meters of rows that were written, each from its earliest one; without `copies` by INSERT."""
    if not len(rows):
        return
    order = np.lexsort((rows.ts_us, rows.meter_id))
    first = order[np.flatnonzero(np.diff(rows.meter_id[order], prepend=-1))]
    meter, since_us = rows.meter_id[first], rows.ts_us[first]
    if copies is not None:
        await copies.send(_COPY, [copy_rows(("timestamptz", "int4"), (since_us, meter), len(first))])
        return
    await connection.execute(_INSERT, (Int4Array(meter), TimestampArray(since_us)))


def touch_sync(connection: Connection[Any], earliest_us: Mapping[int, int]) -> None:
    """`touch` for bulk work outside the event loop."""
    if earliest_us:
        connection.execute(_INSERT, _parameters(earliest_us))


def take(connection: Connection[Any], meter_ids: Sequence[int] | None = None) -> dict[int, datetime]:
    """Take the marks of meters, or of all: meter id -> earliest change. A rollback brings them back."""
    rows = connection.execute(_TAKE, {"meters": None if meter_ids is None else list(meter_ids)}).fetchall()
    return dict(rows)


def waiting(connection: Connection[Any]) -> dict[int, datetime]:
    """The marks as they stand, nothing taken."""
    return dict(connection.execute("SELECT meter_id, min(from_ts) FROM touched GROUP BY meter_id").fetchall())
