"""What the API reads of the stream: consumption as known on a day, deliveries with their quarantine entries.

`areas` restricts to a person's areas, None means all; a meter without an installation belongs to no area and is shown
to everyone (somebody has to find it).
"""

from datetime import datetime
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.rows import dict_row

Row = dict[str, Any]

_CONSUMPTION: Final = """
SELECT c.start_at, c.duration_s, c.energy_j, c.volume_ml, c.flags, c.method, c.version, c.run_id, c.rule_set_id,
       c.uncertainty_j, c.known_from FROM consumption c
WHERE c.point_id = %(point)s AND c.service = %(service)s AND c.resolution = %(resolution)s
  AND c.start_at >= %(start)s AND c.start_at < %(end)s
  AND c.known_from <= coalesce(%(known)s, 'infinity'::timestamptz) AND c.known_to > coalesce(%(known)s,
  '-infinity'::timestamptz)
  AND (%(known)s::timestamptz IS NOT NULL OR c.known_to = 'infinity')
ORDER BY c.start_at LIMIT %(limit)s
"""
_MONTHS: Final = """
SELECT date_trunc('month', c.start_at, %(zone)s) AS start_at, sum(c.duration_s)::int8 AS duration_s,
       sum(c.energy_j)::int8 AS energy_j, sum(c.volume_ml)::int8 AS volume_ml, bit_or(c.flags) AS flags,
       max(c.version) AS version, max(c.run_id) AS run_id, max(c.rule_set_id) AS rule_set_id,
       sum(c.uncertainty_j)::int8 AS uncertainty_j, max(c.known_from) AS known_from, 0 AS method
FROM consumption c
WHERE c.point_id = %(point)s AND c.service = %(service)s AND c.resolution = 2
  AND c.start_at >= %(start)s AND c.start_at < %(end)s
  AND c.known_from <= coalesce(%(known)s, 'infinity'::timestamptz) AND c.known_to > coalesce(%(known)s,
  '-infinity'::timestamptz)
  AND (%(known)s::timestamptz IS NOT NULL OR c.known_to = 'infinity')
GROUP BY 1 ORDER BY 1 LIMIT %(limit)s
"""
_DELIVERY: Final = """
SELECT d.delivery_id, d.arrived_at, d.meter_id, d.gateway_id, d.protocol, d.channel, d.payload, d.details,
       q.quarantine_id, q.code, q.message, q.byte_offset, q.field, q.state AS quarantine_state
FROM delivery d LEFT JOIN quarantine q USING (delivery_id) WHERE d.delivery_id = %s
"""


async def _rows(connection: AsyncConnection[Any], query: Any, values: Any) -> list[Row]:
    return await (await connection.cursor(row_factory=dict_row).execute(query, values)).fetchall()


async def consumption(
    connection: AsyncConnection[Any],
    point_id: int,
    service: int,
    resolution: int,
    start: datetime,
    end: datetime,
    *,
    known: datetime | None = None,
    zone: str = "UTC",
    limit: int = 10_000,
) -> list[Row]:
    """Intervals of a point in [start, end), as known on `known`; `resolution`: 1 hour, 2 day, 3 month of `zone`."""
    values = {
        "point": point_id,
        "service": service,
        "resolution": resolution,
        "start": start,
        "end": end,
        "known": known,
        "zone": zone,
        "limit": limit,
    }
    return await _rows(connection, _MONTHS if resolution == 3 else _CONSUMPTION, values)


async def consumption_after_run(
    connection: AsyncConnection[Any], point_id: int, service: int, start: datetime, end: datetime, run_id: int
) -> list[Row]:
    """Hourly intervals of a point in [start, end) as an assessment run left them."""
    query = """
        SELECT DISTINCT ON (start_at) start_at, duration_s, energy_j, volume_ml, flags, method, version, run_id,
        rule_set_id,
               uncertainty_j, known_from
        FROM consumption WHERE point_id = %s AND service = %s AND resolution = 1 AND start_at >= %s AND start_at < %s
          AND run_id <= %s ORDER BY start_at, version DESC
    """
    return await _rows(connection, query, (point_id, service, start, end, run_id))


async def delivery(connection: AsyncConnection[Any], delivery_id: int) -> Row | None:
    """A raw delivery with its quarantine entry, or None."""
    rows = await _rows(connection, _DELIVERY, (delivery_id,))
    return rows[0] if rows else None


async def meter_is_visible(connection: AsyncConnection[Any], meter_id: int, areas: list[int] | None) -> bool:
    """Whether a meter was ever installed in one of the areas, or nowhere yet."""
    query = """
        SELECT %(areas)s::int[] IS NULL OR NOT EXISTS (SELECT 1 FROM installation i WHERE i.meter_id = %(meter)s)
            OR EXISTS (SELECT 1 FROM installation i JOIN metering_point p USING (point_id)
                       WHERE i.meter_id = %(meter)s AND p.area_id = ANY(%(areas)s)) AS visible
    """
    rows = await _rows(connection, query, {"meter": meter_id, "areas": areas})
    return bool(rows[0]["visible"])
