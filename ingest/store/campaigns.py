"""Campaigns (the whole-stock check before and after the season) and the weekly audit samples.

A campaign's own findings are filled from what the service knows; people add what they saw on site.
"""

from datetime import date, datetime
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

Row = dict[str, Any]

# comms: read in the last day ok, in the last week weak, else silent. plausibility: a standing alert.
_FILL: Final = """
INSERT INTO campaign_item (campaign_id, point_id, meter_id, comms, plausibility)
SELECT %(campaign)s, p.point_id, i.meter_id,
       CASE WHEN i.meter_id IS NULL THEN 'no_meter' WHEN s.last_ts > %(now)s - interval '1 day' THEN 'ok'
            WHEN s.last_ts > %(now)s - interval '7 days' THEN 'weak' ELSE 'silent' END,
       CASE WHEN i.meter_id IS NULL THEN 'unknown'
            WHEN EXISTS (SELECT 1 FROM alert a WHERE a.point_id = p.point_id AND a.state NOT IN ('resolved',
            'suppressed'))
            THEN 'alert' ELSE 'ok' END
FROM metering_point p
LEFT JOIN LATERAL (SELECT meter_id FROM installation WHERE point_id = p.point_id AND period @> %(now)s::timestamptz
                   ORDER BY service LIMIT 1) i ON true
LEFT JOIN LATERAL (SELECT max(ts) AS last_ts FROM meter_status WHERE meter_id = i.meter_id
                   AND ts > %(now)s - interval '30 days') s ON true
WHERE %(area)s::int IS NULL OR p.area_id = %(area)s
ON CONFLICT (campaign_id, point_id) DO UPDATE
SET meter_id = excluded.meter_id, comms = excluded.comms, plausibility = excluded.plausibility
"""
_REPORT: Final = """
SELECT a.code AS area, a.name AS area_name, a.team, count(*) AS points,
       count(*) FILTER (WHERE c.comms = 'ok') AS comms_ok, count(*) FILTER (WHERE c.comms = 'weak') AS comms_weak,
       count(*) FILTER (WHERE c.comms = 'silent') AS comms_silent, count(*) FILTER (WHERE c.comms = 'no_meter') AS
       no_meter,
       count(*) FILTER (WHERE c.plausibility = 'alert') AS with_alert, count(*) FILTER (WHERE c.state <> 'open') AS
       checked,
       count(*) FILTER (WHERE c.state = 'fault') AS faults, count(*) FILTER (WHERE c.state = 'repaired') AS repaired,
       count(*) FILTER (WHERE c.state = 'unreachable') AS unreachable
FROM campaign_item c JOIN metering_point p USING (point_id) JOIN area a USING (area_id)
WHERE c.campaign_id = %(campaign)s AND (%(areas)s::int[] IS NULL OR p.area_id = ANY(%(areas)s))
GROUP BY a.area_id ORDER BY a.code
"""
_POPULATION: Final = "SELECT point_id FROM metering_point WHERE area_id = %s ORDER BY point_id"
_SAMPLE: Final = """
SELECT s.sample_id, a.code AS area, a.name AS area_name, s.week, s.seed, s.share, s.population, s.drawn_at, s.drawn_by,
       count(i.point_id) AS points, count(i.verdict) AS checked, count(*) FILTER (WHERE i.verdict = 'wrong') AS wrong
FROM audit_sample s JOIN area a USING (area_id) LEFT JOIN audit_sample_item i USING (sample_id)
WHERE (%(areas)s::int[] IS NULL OR s.area_id = ANY(%(areas)s)) AND (%(sample)s::int IS NULL OR s.sample_id = %(sample)s)
GROUP BY s.sample_id, a.area_id ORDER BY s.week DESC, a.code LIMIT 500
"""


async def _rows(connection: AsyncConnection[Any], query: Any, values: Any = None) -> list[Row]:
    return await (await connection.cursor(row_factory=dict_row).execute(query, values)).fetchall()


async def add(
    connection: AsyncConnection[Any],
    code: str,
    name: str,
    kind: str,
    area_id: int | None,
    start: date,
    end: date,
    actor: str,
) -> int:
    """New campaign; returns campaign_id."""
    query = """
        INSERT INTO campaign (code, name, kind, area_id, start_date, end_date, created_by) VALUES (%s, %s, %s, %s,
        %s, %s, %s)
        RETURNING campaign_id
    """
    return int((await _rows(connection, query, (code, name, kind, area_id, start, end, actor)))[0]["campaign_id"])


async def fill(connection: AsyncConnection[Any], campaign_id: int, area_id: int | None, now: datetime) -> int:
    """Write what the service knows of every point; returns how many. What people noted stays."""
    return (await connection.execute(_FILL, {"campaign": campaign_id, "area": area_id, "now": now})).rowcount


async def campaigns(connection: AsyncConnection[Any]) -> list[Row]:
    """Campaigns, newest first."""
    query = """
        SELECT c.campaign_id, c.code, c.name, c.kind, c.area_id, a.code AS area, c.start_date, c.end_date, c.created_by,
               c.created_at FROM campaign c LEFT JOIN area a USING (area_id) ORDER BY c.start_date DESC,
               c.campaign_id DESC
    """
    return await _rows(connection, query)


async def items(
    connection: AsyncConnection[Any],
    campaign_id: int,
    *,
    areas: list[int] | None,
    state: str | None,
    limit: int = 1_000,
) -> list[Row]:
    """A campaign's points, the silent and the alarming first."""
    query = """
        SELECT p.code AS point, p.address, p.building, m.serial, c.comms, c.plausibility, c.state, c.note,
        c.checked_by, c.checked_at
        FROM campaign_item c JOIN metering_point p USING (point_id) LEFT JOIN meter m USING (meter_id)
        WHERE c.campaign_id = %(campaign)s AND (%(areas)s::int[] IS NULL OR p.area_id = ANY(%(areas)s))
          AND (%(state)s::text IS NULL OR c.state = %(state)s)
        ORDER BY c.comms = 'ok', c.plausibility = 'ok', p.building, p.code LIMIT %(limit)s
    """
    return await _rows(connection, query, {"campaign": campaign_id, "areas": areas, "state": state, "limit": limit})


async def settle_item(
    connection: AsyncConnection[Any], campaign_id: int, point_id: int, state: str, note: str, actor: str
) -> bool:
    """Note what somebody saw; False where the point is not in the campaign."""
    query = """
        UPDATE campaign_item SET state = %s, note = %s, checked_by = %s, checked_at = now()
        WHERE campaign_id = %s AND point_id = %s
    """
    return (await connection.execute(query, (state, note, actor, campaign_id, point_id))).rowcount == 1


async def report(connection: AsyncConnection[Any], campaign_id: int, areas: list[int] | None) -> list[Row]:
    """A campaign's figures per area."""
    return await _rows(connection, _REPORT, {"campaign": campaign_id, "areas": areas})


async def population(connection: AsyncConnection[Any], area_id: int) -> list[int]:
    """All points of an area, in a fixed order."""
    return [row["point_id"] for row in await _rows(connection, _POPULATION, (area_id,))]


async def add_sample(
    connection: AsyncConnection[Any],
    area_id: int,
    week: date,
    seed: str,
    share: float,
    size: int,
    chosen: list[int],
    actor: str,
) -> int:
    """Record a draw with what the service shows of each point that day; returns sample_id."""
    query = """
        INSERT INTO audit_sample (area_id, week, seed, share, population, drawn_by) VALUES (%s, %s, %s, %s, %s, %s)
        RETURNING sample_id
    """
    sample_id = int((await _rows(connection, query, (area_id, week, seed, share, size, actor)))[0]["sample_id"])
    await connection.execute(
        """
        INSERT INTO audit_sample_item (sample_id, point_id, facts)
        SELECT %s, p.point_id, jsonb_build_object('serial', m.serial, 'last_read_at', s.ts,
               'open_alerts', (SELECT count(*) FROM alert a WHERE a.point_id = p.point_id AND a.state <> 'resolved'))
        FROM metering_point p LEFT JOIN LATERAL (SELECT meter_id FROM installation WHERE point_id = p.point_id
                                                 AND period @> now() ORDER BY service LIMIT 1) i ON true
        LEFT JOIN meter m USING (meter_id)
        LEFT JOIN LATERAL (SELECT max(ts) AS ts FROM meter_status WHERE meter_id = m.meter_id) s ON true
        WHERE p.point_id = ANY(%s)
        """,
        (sample_id, chosen),
    )
    return sample_id


async def samples(connection: AsyncConnection[Any], areas: list[int] | None, sample_id: int | None = None) -> list[Row]:
    """Audit samples with how far they are, newest first."""
    return await _rows(connection, _SAMPLE, {"areas": areas, "sample": sample_id})


async def sample_of_week(connection: AsyncConnection[Any], area_id: int, week: date) -> int | None:
    """The sample of an area's week, or None."""
    query = "SELECT sample_id FROM audit_sample WHERE area_id = %s AND week = %s"
    rows = await _rows(connection, query, (area_id, week))
    return int(rows[0]["sample_id"]) if rows else None


async def sample_items(connection: AsyncConnection[Any], sample_id: int) -> list[Row]:
    """Points of a sample with what was found."""
    query = """
        SELECT p.code AS point, p.address, p.building, i.facts, i.verdict, i.fault, i.note, i.checked_by, i.checked_at
        FROM audit_sample_item i JOIN metering_point p USING (point_id) WHERE i.sample_id = %s ORDER BY p.building,
        p.code
    """
    return await _rows(connection, query, (sample_id,))


async def settle_sample_item(
    connection: AsyncConnection[Any], sample_id: int, point_id: int, verdict: str, fault: str, note: str, actor: str
) -> bool:
    """Record what the audit found at a point; False where it is not in the sample."""
    query = """
        UPDATE audit_sample_item SET verdict = %s, fault = %s, note = %s, checked_by = %s, checked_at = now()
        WHERE sample_id = %s AND point_id = %s
    """
    return (await connection.execute(query, (verdict, fault, note, actor, sample_id, point_id))).rowcount == 1


async def save_view(
    connection: AsyncConnection[Any], owner: str, room: str, name: str, settings: Row, shared: bool
) -> int:
    """Keep a view of a room; one of the same name is replaced. Returns view_id."""
    query = """
        INSERT INTO saved_view (owner, room, name, settings, shared) VALUES (%s, %s, %s, %s, %s)
        ON CONFLICT (owner, room, name) DO UPDATE SET settings = excluded.settings, shared = excluded.shared
        RETURNING view_id
    """
    return int((await _rows(connection, query, (owner, room, name, Jsonb(settings), shared)))[0]["view_id"])


async def views(connection: AsyncConnection[Any], owner: str, room: str) -> list[Row]:
    """A person's views of a room and those that others share."""
    query = """
        SELECT view_id, owner, room, name, settings, shared FROM saved_view WHERE room = %s AND (owner = %s OR shared)
        ORDER BY owner <> %s, name
    """
    return await _rows(connection, query, (room, owner, owner))


async def delete_view(connection: AsyncConnection[Any], owner: str, view_id: int) -> bool:
    """Drop one's own view; False where there is none."""
    query = "DELETE FROM saved_view WHERE view_id = %s AND owner = %s"
    return (await connection.execute(query, (view_id, owner))).rowcount == 1
