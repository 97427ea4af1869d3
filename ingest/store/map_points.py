"""Points as a map shows them: where they are, what is wrong there, and whether their meters are heard."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row

# severity: 3 critical, 2 warning, 1 info, 0 no standing alert. comms: 0 heard within a day, 1 within a week, 2 silent,
# 3 no meter. Several meters at a point: the one heard last counts.
_POINTS = """
SELECT p.code, p.building, p.latitude, p.longitude, a.code AS area, coalesce(s.state, 'active') AS state,
       coalesce(l.severity, 0) AS severity, coalesce(l.alerts, 0) AS alerts,
       CASE WHEN h.meters = 0 THEN 3 WHEN h.last_ts > %(now)s - interval '1 day' THEN 0
            WHEN h.last_ts > %(now)s - interval '7 days' THEN 1 ELSE 2 END AS comms
FROM metering_point p JOIN area a USING (area_id)
LEFT JOIN (SELECT point_id, count(*) AS alerts,
                  max(CASE severity WHEN 'critical' THEN 3 WHEN 'warning' THEN 2 ELSE 1 END) AS severity
           FROM alert WHERE state IN ('open', 'acknowledged', 'field_check') GROUP BY point_id) l USING (point_id)
LEFT JOIN LATERAL (SELECT state FROM point_state WHERE point_id = p.point_id AND period @> %(now)s::timestamptz
                   LIMIT 1) s ON true
CROSS JOIN LATERAL (
    SELECT count(i.meter_id) AS meters, max(newest.ts) AS last_ts FROM installation i
    LEFT JOIN LATERAL (SELECT ts FROM meter_status WHERE meter_id = i.meter_id ORDER BY ts DESC LIMIT 1) newest ON true
    WHERE i.point_id = p.point_id AND i.period @> %(now)s::timestamptz
) h
WHERE (%(areas)s::int[] IS NULL OR p.area_id = ANY(%(areas)s)) AND (%(area)s::text IS NULL OR a.code = %(area)s)
ORDER BY p.building, p.code LIMIT %(limit)s
"""


async def map_points(
    connection: AsyncConnection[Any],
    *,
    now: datetime,
    areas: Sequence[int] | None = None,
    area: str | None = None,
    limit: int = 20_000,
) -> list[dict[str, Any]]:
    """code, building, latitude and longitude (None where unknown), area, state, severity 0-3, alerts, comms 0-3; by
    building and code."""
    values = {"now": now, "areas": None if areas is None else list(areas), "area": area, "limit": limit}
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_POINTS, values)
        return await cursor.fetchall()
