"""How long deliveries, keys, statuses and readings are kept, and the clearing away of what is older.

Rules: on TimescaleDB whole chunks go, on plain PostgreSQL rows in slices small enough not to hold up anybody; what a
frozen bill needs is copied into the bill and survives.
"""

from datetime import datetime, timedelta
from typing import Any

from psycopg import AsyncConnection

# What a period is said of -> its table and the column that tells the age.
_KEPT = {
    "delivery": ("delivery", "arrived_at"),
    "delivery_key": ("delivery_key", "arrived_at"),
    "meter_status": ("meter_status", "ts"),
    "reading": ("meter_reading", "ts"),
}
_SLICE_ROWS = 10_000


async def periods(connection: AsyncConnection[Any]) -> dict[str, timedelta | None]:
    """What is kept how long; None is for ever."""
    cursor = await connection.execute("SELECT what, extract(epoch FROM keep)::float8 FROM retention ORDER BY what")
    return {what: None if seconds is None else timedelta(seconds=seconds) for what, seconds in await cursor.fetchall()}


async def set_period(connection: AsyncConnection[Any], what: str, keep: timedelta | None) -> None:
    """Keep something for so long from now on; None is for ever."""
    await connection.execute("UPDATE retention SET keep = %s WHERE what = %s", (keep, what))
    table, _ = _KEPT[what]
    if await _is_hypertable(connection, table):
        await connection.execute("SELECT remove_retention_policy(%s::regclass, if_exists => true)", (table,))
        if keep is not None:
            await connection.execute("SELECT add_retention_policy(%s::regclass, %s::interval)", (table, keep))


async def clear_slice(connection: AsyncConnection[Any], what: str, now: datetime) -> int:
    """Clear some of what is too old away; how many rows or chunks went, 0 when nothing is left to do.

    Raises
    ------
    KeyError
        Nothing of that name is kept.
    """
    table, column = _KEPT[what]
    cursor = await connection.execute(
        "SELECT %s - keep FROM retention WHERE what = %s AND keep IS NOT NULL", (now, what)
    )
    row = await cursor.fetchone()
    if row is None:
        return 0
    if await _is_hypertable(connection, table):
        cursor = await connection.execute(
            "SELECT count(*) FROM drop_chunks(%s::regclass, older_than => %s)", (table, row[0])
        )
        dropped = await cursor.fetchone()
        return int(dropped[0]) if dropped else 0
    cursor = await connection.execute(
        f"DELETE FROM {table} WHERE ctid = ANY(ARRAY("
        f"SELECT ctid FROM {table} WHERE {column} < %s LIMIT {_SLICE_ROWS}))",
        (row[0],),
    )
    return cursor.rowcount


async def _is_hypertable(connection: AsyncConnection[Any], table: str) -> bool:
    cursor = await connection.execute("SELECT to_regclass('timescaledb_information.hypertables') IS NOT NULL")
    row = await cursor.fetchone()
    if row is None or not row[0]:
        return False
    cursor = await connection.execute(
        "SELECT EXISTS (SELECT FROM timescaledb_information.hypertables WHERE hypertable_name = %s)", (table,)
    )
    found = await cursor.fetchone()
    return bool(found and found[0])
