"""Hourly outside temperature of the areas.

Functions take a connection and never commit; an hour that is given again is replaced.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection


async def write_weather(connection: AsyncConnection[Any], area_id: int, rows: Sequence[tuple[datetime, float]]) -> None:
    """Keep (instant, °C) rows of one area."""
    await connection.execute(
        """
        INSERT INTO weather (area_id, ts, temperature_c)
        SELECT %s, given.ts, given.temperature_c FROM unnest(%s::timestamptz[], %s::real[]) AS given(ts, temperature_c)
        ON CONFLICT (area_id, ts) DO UPDATE SET temperature_c = excluded.temperature_c
        """,
        (area_id, [row[0] for row in rows], [row[1] for row in rows]),
    )
