"""What meters said about themselves, as spans: info-code flags and registers that could not be read."""

from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row

# Islands of telegrams that said the same thing one after the other.
_SPANS = """
SELECT serial, flags, info_code, min(ts) AS from_ts, max(ts) AS to_ts, count(*) AS telegrams FROM (
    SELECT m.serial, s.ts, s.flags, s.info_code,
           row_number() OVER (PARTITION BY s.meter_id ORDER BY s.ts)
           - row_number() OVER (PARTITION BY s.meter_id, s.flags, s.info_code ORDER BY s.ts) AS island
    FROM installation i JOIN meter m USING (meter_id) JOIN meter_status s USING (meter_id)
    WHERE i.point_id = %(point)s AND i.period @> s.ts AND s.ts >= %(start)s AND s.ts < %(end)s
) AS told
WHERE flags <> '{}' OR info_code <> 0
GROUP BY serial, flags, info_code, island ORDER BY min(ts) LIMIT %(limit)s
"""


async def info_code_spans(
    connection: AsyncConnection[Any], *, point_id: int, start: datetime, end: datetime, limit: int = 200
) -> list[dict[str, Any]]:
    """Spans in which the point's meters reported something: serial, flags, info_code, from_ts, to_ts (the last
    telegram that said so), telegrams; oldest first."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SPANS, {"point": point_id, "start": start, "end": end, "limit": limit})
        return await cursor.fetchall()
