"""What the comms board shows: gateways, buses and meters with the health their worker reported.

`areas` restricts to a person's areas; None means all. Instants are aware UTC.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row

Row = dict[str, Any]

_GATEWAY = """
    SELECT g.gateway_id, g.code, g.kind, g.address, g.enabled, g.latitude, g.longitude, a.name AS area_name,
           coalesce(h.connected, false) AS connected, coalesce(h.worker, '') AS worker, h.last_attempt_at,
           h.last_success_at, coalesce(h.attempts, 0) AS attempts, coalesce(h.successes, 0) AS successes,
           coalesce(h.timeouts, 0) AS timeouts, coalesce(h.checksum_errors, 0) AS checksum_errors,
           coalesce(h.collisions, 0) AS collisions, h.latency_ms, coalesce(h.last_error, '') AS last_error,
           (SELECT count(*) FROM bus b JOIN meter_link l USING (bus_id) WHERE b.gateway_id = g.gateway_id) AS meters
    FROM gateway g LEFT JOIN gateway_health h USING (gateway_id) LEFT JOIN area a USING (area_id)
    WHERE (%(areas)s::int[] IS NULL OR g.area_id IS NULL OR g.area_id = ANY(%(areas)s))
"""
_LAST_READING = """
    (SELECT max(newest.ts) FROM register r CROSS JOIN LATERAL (
        SELECT ts FROM reading WHERE register_id = r.register_id ORDER BY ts DESC LIMIT 1
     ) newest WHERE r.meter_id = m.meter_id)
"""


def _list(areas: Sequence[int] | None) -> list[int] | None:
    return None if areas is None else list(areas)


async def gateways_with_health(connection: AsyncConnection[Any], *, areas: Sequence[int] | None = None) -> list[Row]:
    """Every gateway with its counters, the disconnected ones first."""
    query = _GATEWAY + " ORDER BY coalesce(h.connected, false), g.code"
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, {"areas": _list(areas)})
        return await cursor.fetchall()


async def gateway_with_meters(
    connection: AsyncConnection[Any], code: str, *, areas: Sequence[int] | None = None
) -> Row | None:
    """One gateway and, under "meters", what hangs on its buses; None where there is none of that code."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_GATEWAY + " AND g.code = %(code)s", {"areas": _list(areas), "code": code})
        gateway = await cursor.fetchone()
        if gateway is None:
            return None
        await cursor.execute(
            """
            SELECT m.meter_id, m.serial, m.manufacturer, m.profile, l.address, b.code AS bus, b.baud_rate,
                   p.code AS point,
                   h.last_attempt_at, h.last_success_at, coalesce(h.attempts, 0) AS attempts,
                   coalesce(h.successes, 0) AS successes, coalesce(h.last_error, '') AS last_error, h.clock_drift_s
            FROM bus b JOIN meter_link l USING (bus_id) JOIN meter m USING (meter_id)
            LEFT JOIN installation i ON i.meter_id = m.meter_id AND i.period @> now()
            LEFT JOIN metering_point p ON p.point_id = i.point_id
            LEFT JOIN meter_health h ON h.meter_id = m.meter_id
            WHERE b.gateway_id = %s ORDER BY b.code, length(l.address), l.address
            """,
            (gateway["gateway_id"],),
        )
        gateway["meters"] = await cursor.fetchall()
        return gateway


async def silent_meters(
    connection: AsyncConnection[Any],
    *,
    now: datetime,
    areas: Sequence[int] | None = None,
    silence: timedelta = timedelta(hours=24),
    limit: int = 200,
) -> list[Row]:
    """Installed meters without a reading for `silence`, longest silent first."""
    query = f"""
        SELECT * FROM (
            SELECT m.meter_id, m.serial, m.manufacturer, p.code AS point, g.code AS gateway, h.last_error,
                   {_LAST_READING} AS last_reading_at
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
