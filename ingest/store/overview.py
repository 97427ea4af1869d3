"""What the overview page and the reports show of the whole fleet: counts, reading rate, areas.

`areas` restricts every figure to a person's areas; None means all of them. Instants are aware UTC.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row, dict_row


@dataclass(frozen=True, slots=True)
class FleetFigures:
    """Counts of the fleet at one instant; `meters_read` counts installed meters with a reading in the last 24 hours."""

    points: int
    meters: int
    meters_read: int
    gateways: int
    gateways_silent: int
    open_alerts: int
    critical_alerts: int
    open_incidents: int
    quarantined: int
    discovered: int

    @property
    def reading_rate(self) -> float | None:
        """Share of installed meters that were read; None where nothing is installed."""
        return self.meters_read / self.meters if self.meters else None


async def fleet_figures(
    connection: AsyncConnection[Any], *, now: datetime, areas: Sequence[int] | None = None
) -> FleetFigures:
    """Figures of the overview's first row."""
    query = """
        WITH installed AS (
            SELECT i.meter_id, i.point_id FROM installation i JOIN metering_point p USING (point_id)
            WHERE i.period @> %(now)s::timestamptz AND (%(areas)s::int[] IS NULL OR p.area_id = ANY(%(areas)s))
        ), points AS (
            SELECT point_id FROM metering_point p WHERE %(areas)s::int[] IS NULL OR p.area_id = ANY(%(areas)s)
        ), alerts AS (
            SELECT a.severity FROM alert a JOIN points USING (point_id) WHERE a.state <> 'resolved'
        )
        SELECT (SELECT count(*) FROM points) AS points,
               (SELECT count(*) FROM installed) AS meters,
               (SELECT count(*) FROM installed WHERE was_read(meter_id, %(since)s, %(now)s)) AS meters_read,
               (SELECT count(*) FROM gateway g WHERE enabled
                  AND (%(areas)s::int[] IS NULL OR g.area_id IS NULL OR g.area_id = ANY(%(areas)s))) AS gateways,
               (SELECT count(*) FROM gateway g JOIN gateway_health h USING (gateway_id)
                 WHERE g.enabled AND NOT h.connected
                  AND (%(areas)s::int[] IS NULL OR g.area_id IS NULL OR g.area_id = ANY(%(areas)s))) AS gateways_silent,
               (SELECT count(*) FROM alerts) AS open_alerts,
               (SELECT count(*) FROM alerts WHERE severity = 'critical') AS critical_alerts,
               (SELECT count(*) FROM incident WHERE state = 'open') AS open_incidents,
               (SELECT count(*) FROM quarantine WHERE state = 'open') AS quarantined,
               (SELECT count(*) FROM discovered_meter WHERE state = 'open') AS discovered
    """
    async with connection.cursor(row_factory=class_row(FleetFigures)) as cursor:
        await cursor.execute(query, {"now": now, "since": now - timedelta(hours=24), "areas": _list(areas)})
        row = await cursor.fetchone()
    assert row is not None
    return row


async def reading_rate_by_hour(
    connection: AsyncConnection[Any], *, start: datetime, end: datetime, areas: Sequence[int] | None = None
) -> list[tuple[datetime, float]]:
    """Share of installed meters heard in each hour of [start, end), hour by hour, silent hours as 0."""
    query = """
        WITH installed AS (
            SELECT i.meter_id FROM installation i JOIN metering_point p USING (point_id)
            WHERE i.period @> %(end)s::timestamptz AND (%(areas)s::int[] IS NULL OR p.area_id = ANY(%(areas)s))
        ), counting AS (
            -- One register a meter tells whether it was heard: its first cumulative one, or whatever it has.
            SELECT DISTINCT ON (g.meter_id) g.meter_id, g.slot FROM register g JOIN installed USING (meter_id)
            ORDER BY g.meter_id, g.name <> 'energy', g.register_id
        ), heard AS (
            SELECT date_bin('1 hour', r.ts, %(start)s) AS hour, count(DISTINCT c.meter_id) AS meters
            FROM counting c CROSS JOIN LATERAL readings_of(c.meter_id, c.slot) r
            WHERE r.ts >= %(start)s AND r.ts < %(end)s GROUP BY 1
        )
        SELECT g.hour, coalesce(h.meters, 0)::float / greatest((SELECT count(*) FROM installed), 1)
        FROM generate_series(%(start)s::timestamptz, %(end)s::timestamptz - interval '1 hour',
                             interval '1 hour') AS g(hour)
        LEFT JOIN heard h ON h.hour = g.hour ORDER BY 1
    """
    cursor = await connection.execute(query, {"start": start, "end": end, "areas": _list(areas)})
    return [(hour, float(share)) for hour, share in await cursor.fetchall()]


async def area_figures(
    connection: AsyncConnection[Any], *, now: datetime, areas: Sequence[int] | None = None
) -> list[dict[str, Any]]:
    """One row an area: code, name, team, points, meters, meters_read, open_alerts, energy_kwh of the last whole day."""
    query = """
        SELECT a.area_id, a.code, a.name, a.team,
               count(DISTINCT p.point_id) AS points,
               count(DISTINCT i.meter_id) AS meters,
               count(DISTINCT i.meter_id) FILTER (WHERE was_read(i.meter_id, %(since)s, %(now)s)) AS meters_read,
               (SELECT count(*) FROM alert l JOIN metering_point q USING (point_id)
                 WHERE q.area_id = a.area_id AND l.state <> 'resolved') AS open_alerts,
               (SELECT sum(c.energy_j) / 3600000.0 FROM consumption c JOIN metering_point q USING (point_id)
                 WHERE q.area_id = a.area_id AND c.resolution = 2 AND c.known_to = 'infinity' AND q.kind <> 'building'
                   AND c.service = 1 AND c.start_at >= %(now)s - interval '48 hours'
                   AND c.start_at < %(now)s - interval '24 hours')::float AS energy_kwh
        FROM area a
        LEFT JOIN metering_point p ON p.area_id = a.area_id
        LEFT JOIN installation i ON i.point_id = p.point_id AND i.period @> %(now)s::timestamptz
        WHERE %(areas)s::int[] IS NULL OR a.area_id = ANY(%(areas)s)
        GROUP BY a.area_id ORDER BY a.code
    """
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, {"now": now, "since": now - timedelta(hours=24), "areas": _list(areas)})
        return await cursor.fetchall()


async def newest_reading(connection: AsyncConnection[Any]) -> datetime | None:
    """Instant of the newest reading that is not ahead of the wall clock; None before the first."""
    cursor = await connection.execute(
        "SELECT max(newest.ts) FROM (SELECT DISTINCT meter_id, slot >> 3 AS bank FROM register) b CROSS JOIN LATERAL ("
        " SELECT ts FROM meter_reading WHERE meter_id = b.meter_id AND bank = b.bank AND ts <= now()"
        " ORDER BY ts DESC LIMIT 1) newest"
    )
    row = await cursor.fetchone()
    return row[0] if row else None


async def last_run(connection: AsyncConnection[Any]) -> dict[str, Any] | None:
    """The newest finished assessment run, or None before the first."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            "SELECT run_id, started_at, finished_at, points, intervals, changed FROM assessment_run"
            " WHERE state = 'done' ORDER BY run_id DESC LIMIT 1"
        )
        return await cursor.fetchone()


def _list(areas: Sequence[int] | None) -> list[int] | None:
    return None if areas is None else list(areas)
