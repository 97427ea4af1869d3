"""Meters that nobody has heard of late; the comms board itself is `ingest.store.board`.

`areas` restricts to a person's areas; None means all. Instants are aware UTC.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row

Row = dict[str, Any]


def _list(areas: Sequence[int] | None) -> list[int] | None:
    return None if areas is None else list(areas)


async def silent_meters(
    connection: AsyncConnection[Any],
    *,
    now: datetime,
    areas: Sequence[int] | None = None,
    silence: timedelta = timedelta(hours=24),
    limit: int = 200,
) -> list[Row]:
    """Installed meters without a reading for `silence`, longest silent first."""
    query = """
        SELECT * FROM (
            SELECT m.meter_id, m.serial, m.manufacturer, p.code AS point, g.code AS gateway, h.last_error,
                   newest_reading_of(m.meter_id) AS last_reading_at
            FROM installation i JOIN metering_point p USING (point_id) JOIN meter m USING (meter_id)
            LEFT JOIN meter_link l ON l.meter_id = m.meter_id LEFT JOIN bus b USING (bus_id)
            LEFT JOIN gateway g USING (gateway_id) LEFT JOIN meter_health h ON h.meter_id = m.meter_id
            WHERE i.period @> %(now)s::timestamptz AND (%(areas)s::int[] IS NULL OR p.area_id = ANY(%(areas)s))
        ) AS installed
        WHERE last_reading_at IS NULL OR last_reading_at < %(since)s
        ORDER BY last_reading_at NULLS FIRST, serial LIMIT %(limit)s
    """
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, {"now": now, "since": now - silence, "areas": _list(areas), "limit": limit})
        return await cursor.fetchall()
