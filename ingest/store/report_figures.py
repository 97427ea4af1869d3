"""Figures of the monthly and quarterly reports: reading rate, estimated share, anomalies, exchanges.

All functions take [start, end) as instants and `areas` (None: all).
"""

from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row

Row = dict[str, Any]


async def _rows(connection: AsyncConnection[Any], query: Any, values: Any) -> list[Row]:
    return await (await connection.cursor(row_factory=dict_row).execute(query, values)).fetchall()


async def quality_by_area(
    connection: AsyncConnection[Any], start: datetime, end: datetime, areas: list[int] | None
) -> list[Row]:
    """Per area: points, meters, expected and measured meter-days, missing and estimated shares of time, energy in kWh.

    A day counts as read where its interval is not missing; 2 is the missing bit, 32768 the estimated bit.
    """
    query = """
        SELECT a.code AS area, a.name AS area_name, a.team, count(DISTINCT c.point_id) AS points, count(*) AS
        point_days,
               count(*) FILTER (WHERE c.flags & 2 = 0) AS days_read,
               count(*) FILTER (WHERE c.flags & 32768 <> 0) AS days_estimated,
               coalesce(sum(c.energy_j) FILTER (WHERE p.kind <> 'building'), 0)::numeric / 3600000 AS energy_kwh,
               coalesce(sum(c.energy_j) FILTER (WHERE c.flags & 32768 <> 0 AND p.kind <> 'building'), 0)::numeric /
               3600000
                   AS estimated_kwh
        FROM consumption c JOIN metering_point p USING (point_id) JOIN area a USING (area_id)
        WHERE c.resolution = 2 AND c.known_to = 'infinity' AND c.start_at >= %(start)s AND c.start_at < %(end)s
          AND (%(areas)s::int[] IS NULL OR a.area_id = ANY(%(areas)s))
        GROUP BY a.area_id ORDER BY a.code
    """
    return await _rows(connection, query, {"start": start, "end": end, "areas": areas})


async def anomalies_by_kind(
    connection: AsyncConnection[Any], start: datetime, end: datetime, areas: list[int] | None
) -> list[Row]:
    """Per kind of alert: opened in the span, resolved with each cause, still standing."""
    query = """
        SELECT kind, sum(n)::int8 AS opened, coalesce(sum(n) FILTER (WHERE state <> 'resolved'), 0)::int8 AS standing,
               sum(stake) AS energy_at_stake_kwh,
               coalesce(jsonb_object_agg(cause, n) FILTER (WHERE cause IS NOT NULL), '{}') AS causes
        FROM (SELECT l.kind, l.cause, CASE WHEN l.state = 'resolved' THEN 'resolved' ELSE 'standing' END AS state,
                     count(*) AS n, sum(l.energy_at_stake_kwh) AS stake
              FROM alert l JOIN metering_point p USING (point_id)
              WHERE l.opened_at >= %(start)s AND l.opened_at < %(end)s
                AND (%(areas)s::int[] IS NULL OR p.area_id = ANY(%(areas)s)) GROUP BY 1, 2, 3) AS counted
        GROUP BY kind ORDER BY opened DESC, kind
    """
    return await _rows(connection, query, {"start": start, "end": end, "areas": areas})


async def exchanges(
    connection: AsyncConnection[Any], start: datetime, end: datetime, areas: list[int] | None
) -> list[Row]:
    """Meters that took another's place in the span: point, old and new serial, indexes, reason, by whom."""
    query = """
        SELECT p.code AS point, p.address, a.code AS area, lower(n.period) AS at, om.serial AS old_serial,
               nm.serial AS new_serial, o.final_index, n.initial_index, n.reason, n.created_by
        FROM installation n JOIN installation o ON o.point_id = n.point_id AND o.service = n.service
             AND upper(o.period) = lower(n.period)
        JOIN meter om ON om.meter_id = o.meter_id JOIN meter nm ON nm.meter_id = n.meter_id
        JOIN metering_point p ON p.point_id = n.point_id JOIN area a USING (area_id)
        WHERE lower(n.period) >= %(start)s AND lower(n.period) < %(end)s
          AND (%(areas)s::int[] IS NULL OR a.area_id = ANY(%(areas)s))
        ORDER BY at, p.code LIMIT 5000
    """
    return await _rows(connection, query, {"start": start, "end": end, "areas": areas})
