"""What the technician's pages read and keep: comms board, hand entries, checklists, campaigns, routes.

`areas` restricts to a person's areas, None means all. An address is told without the password that it may carry.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

Row = dict[str, Any]

_GATEWAYS: Final = """
SELECT g.gateway_id, g.code, g.kind, regexp_replace(g.address, '^.*@', '') AS address, g.enabled, g.latitude,
       g.longitude, a.code AS area_code,
       h.worker, coalesce(h.connected, false) AS connected, h.last_attempt_at, h.last_success_at,
       coalesce(h.attempts, 0) AS attempts, coalesce(h.successes, 0) AS successes, coalesce(h.timeouts, 0) AS timeouts,
       coalesce(h.checksum_errors, 0) AS checksum_errors, coalesce(h.collisions, 0) AS collisions,
       coalesce(h.refusals, 0) AS refusals, h.latency_ms, coalesce(h.last_error, '') AS last_error,
       count(l.meter_id) AS meters,
       count(l.meter_id) FILTER (WHERE m.last_success_at > %(since)s) AS meters_read,
       count(l.meter_id) FILTER (WHERE m.consecutive_failures >= 3) AS meters_failing
FROM gateway g LEFT JOIN gateway_health h USING (gateway_id) LEFT JOIN area a USING (area_id)
LEFT JOIN bus b USING (gateway_id) LEFT JOIN meter_link l USING (bus_id) LEFT JOIN meter_health m USING (meter_id)
WHERE (%(areas)s::int[] IS NULL OR g.area_id IS NULL OR g.area_id = ANY(%(areas)s))
  AND (%(gateway)s::int IS NULL OR g.gateway_id = %(gateway)s)
GROUP BY g.gateway_id, a.code, h.gateway_id
ORDER BY count(l.meter_id) FILTER (WHERE m.consecutive_failures >= 3) DESC, g.code
"""
_METERS: Final = """
SELECT m.meter_id, m.serial, m.manufacturer, m.medium, b.bus_id, b.code AS bus, b.baud_rate, l.address,
       p.code AS point_code, p.address AS point_address, p.building, h.last_attempt_at, h.last_success_at,
       coalesce(h.attempts, 0) AS attempts, coalesce(h.successes, 0) AS successes,
       coalesce(h.consecutive_failures, 0) AS consecutive_failures, coalesce(h.timeouts, 0) AS timeouts,
       coalesce(h.checksum_errors, 0) AS checksum_errors, coalesce(h.collisions, 0) AS collisions, h.latency_ms,
       coalesce(h.last_error, '') AS last_error, h.clock_drift_s
FROM meter_link l JOIN bus b USING (bus_id) JOIN meter m USING (meter_id) LEFT JOIN meter_health h USING (meter_id)
LEFT JOIN installation i ON i.meter_id = m.meter_id AND i.period @> now()
LEFT JOIN metering_point p ON p.point_id = i.point_id
WHERE b.gateway_id = %(gateway)s AND (%(areas)s::int[] IS NULL OR p.area_id IS NULL OR p.area_id = ANY(%(areas)s))
ORDER BY coalesce(h.consecutive_failures, 0) DESC, b.bus_id, m.serial LIMIT 5000
"""
_AT_POINT: Final = """
SELECT i.installation_id, i.meter_id, i.point_id, p.code AS point_code, p.area_id, p.design_load_kw, i.factor,
i.service,
       m.serial, coalesce(m.qs_m3h, 2 * m.qp_m3h) AS qs_m3h
FROM installation i JOIN metering_point p USING (point_id) JOIN meter m USING (meter_id)
WHERE i.meter_id = %s AND i.period @> %s::timestamptz
"""
_AROUND: Final = """
SELECT around.* FROM register g CROSS JOIN LATERAL (
    (SELECT ts, value, 'before' AS side FROM readings_of(g.meter_id, g.slot)
     WHERE ts < %(at)s AND ts > %(at)s - interval '400 days' AND flags & 32 = 0 ORDER BY ts DESC, version DESC LIMIT 1)
    UNION ALL
    (SELECT ts, value, 'same' FROM readings_of(g.meter_id, g.slot) WHERE ts = %(at)s ORDER BY version DESC LIMIT 1)
    UNION ALL
    (SELECT ts, value, 'after' FROM readings_of(g.meter_id, g.slot)
     WHERE ts > %(at)s AND flags & 32 = 0 ORDER BY ts, version DESC LIMIT 1)
    UNION ALL
    (SELECT ts, value, 'month' FROM readings_of(g.meter_id, g.slot)
     WHERE ts < %(at)s - interval '25 days' AND ts > %(at)s - interval '60 days' AND flags & 32 = 0
     ORDER BY ts DESC, version DESC LIMIT 1)
) around WHERE g.register_id = %(register)s
"""
_MANUAL: Final = """
SELECT e.manual_id, e.meter_id, m.serial, e.register_id, g.name AS register, g.unit, g.scale, e.ts, e.value, e.kind,
e.reason,
       e.warnings, e.photo_reference, e.state, e.entered_by, e.entered_at, e.approved_by, e.approved_at, e.confirmed_by,
       e.confirmed_at, e.delivery_id, p.code AS point_code, p.area_id
FROM manual_reading e JOIN meter m USING (meter_id) JOIN register g USING (register_id)
LEFT JOIN installation i ON i.meter_id = e.meter_id AND i.period @> e.ts LEFT JOIN metering_point p USING (point_id)
"""


async def _rows(connection: AsyncConnection[Any], query: Any, values: Any = None) -> list[Row]:
    return await (await connection.cursor(row_factory=dict_row).execute(query, values)).fetchall()


async def gateways(
    connection: AsyncConnection[Any], *, since: datetime, areas: list[int] | None, gateway_id: int | None = None
) -> list[Row]:
    """Gateways with counters and how many of their meters were read since an instant, the worst first."""
    return await _rows(connection, _GATEWAYS, {"since": since, "areas": areas, "gateway": gateway_id})


async def meters(connection: AsyncConnection[Any], gateway_id: int, areas: list[int] | None) -> list[Row]:
    """Meters behind a gateway with their counters, the worst first."""
    return await _rows(connection, _METERS, {"gateway": gateway_id, "areas": areas})


async def installation_at(connection: AsyncConnection[Any], meter_id: int, at: datetime) -> Row | None:
    """Where a meter was mounted at an instant, with what limits its advance, or None."""
    rows = await _rows(connection, _AT_POINT, (meter_id, at))
    return rows[0] if rows else None


async def around(connection: AsyncConnection[Any], register_id: int, at: datetime) -> dict[str, Row]:
    """Readings of a register next to an instant: "before", "same", "after", and one "month" earlier, where there
    are."""
    rows = await _rows(connection, _AROUND, {"register": register_id, "at": at})
    return {row["side"]: row for row in rows}


async def add_attempt(
    connection: AsyncConnection[Any], operator: str, meter_id: int | None, outcome: str, codes: Sequence[str]
) -> None:
    """Note a tried hand entry."""
    await connection.execute(
        "INSERT INTO entry_attempt (operator, meter_id, outcome, codes) VALUES (%s, %s, %s, %s)",
        (operator, meter_id, outcome, list(codes)),
    )


async def attempts_by_operator(
    connection: AsyncConnection[Any], start: datetime, end: datetime, areas: list[int] | None = None
) -> list[Row]:
    """Entries per operator in [start, end), and how many were warned or blocked, with the codes; of meters in `areas`
    only, where they are given."""
    query = """
        WITH entry_attempt AS (
            SELECT t.* FROM entry_attempt t WHERE %(areas)s::int[] IS NULL OR EXISTS (
                SELECT 1 FROM installation i JOIN metering_point p USING (point_id)
                WHERE i.meter_id = t.meter_id AND p.area_id = ANY(%(areas)s)))
        SELECT operator, count(*) AS entries, count(*) FILTER (WHERE outcome = 'warned') AS warned,
               count(*) FILTER (WHERE outcome = 'blocked') AS blocked,
               (SELECT coalesce(jsonb_object_agg(code, n), '{}') FROM (
                    SELECT code, count(*) AS n FROM entry_attempt e, unnest(e.codes) AS code
                    WHERE e.operator = a.operator AND e.at >= %(start)s AND e.at < %(end)s GROUP BY code) c) AS codes
        FROM entry_attempt a WHERE at >= %(start)s AND at < %(end)s GROUP BY operator ORDER BY operator
    """
    return await _rows(connection, query, {"start": start, "end": end, "areas": areas})


async def add_manual(connection: AsyncConnection[Any], values: Mapping[str, Any]) -> int:
    """Keep a hand-made value; returns manual_id."""
    query = """
        INSERT INTO manual_reading (meter_id, register_id, ts, value, kind, reason, warnings, photo_reference, state,
        entered_by,
                                    delivery_id)
        VALUES (%(meter_id)s, %(register_id)s, %(ts)s, %(value)s, %(kind)s, %(reason)s, %(warnings)s, %(photo)s,
        %(state)s,
                %(actor)s, %(delivery_id)s) RETURNING manual_id
    """
    rows = await _rows(connection, query, {**values, "warnings": Jsonb(values["warnings"])})
    return int(rows[0]["manual_id"])


async def manual(connection: AsyncConnection[Any], manual_id: int) -> Row | None:
    """One hand-made value, locked, or None."""
    rows = await _rows(connection, _MANUAL + " WHERE e.manual_id = %s FOR UPDATE OF e", (manual_id,))
    return rows[0] if rows else None


async def manuals(
    connection: AsyncConnection[Any], *, areas: list[int] | None, states: list[str] | None, limit: int = 500
) -> list[Row]:
    """Hand-made values, newest first."""
    query = (
        _MANUAL
        + """ WHERE (%(states)s::text[] IS NULL OR e.state = ANY(%(states)s))
              AND (%(areas)s::int[] IS NULL OR p.area_id = ANY(%(areas)s)) ORDER BY e.manual_id DESC LIMIT %(limit)s"""
    )
    return await _rows(connection, query, {"areas": areas, "states": states, "limit": limit})


async def set_manual_state(
    connection: AsyncConnection[Any],
    manual_id: int,
    state: str,
    *,
    approved_by: str | None = None,
    confirmed_by: str | None = None,
) -> None:
    """Write a decision on a hand-made value."""
    await connection.execute(
        """
        UPDATE manual_reading SET state = %(state)s,
               approved_by = coalesce(%(approved)s, approved_by),
               approved_at = CASE WHEN %(approved)s::text IS NULL THEN approved_at ELSE now() END,
               confirmed_by = coalesce(%(confirmed)s, confirmed_by),
               confirmed_at = CASE WHEN %(confirmed)s::text IS NULL THEN confirmed_at ELSE now() END
        WHERE manual_id = %(id)s
        """,
        {"state": state, "approved": approved_by, "confirmed": confirmed_by, "id": manual_id},
    )


async def checks(connection: AsyncConnection[Any], meter_id: int) -> dict[str, Row]:
    """What people noted on a meter's checklist, by item."""
    query = "SELECT item, passed, note, checked_by, checked_at FROM commissioning_check WHERE meter_id = %s"
    return {row["item"]: row for row in await _rows(connection, query, (meter_id,))}


async def set_check(
    connection: AsyncConnection[Any], meter_id: int, item: str, passed: bool, note: str, actor: str
) -> None:
    """Note an item of a meter's checklist."""
    await connection.execute(
        """
        INSERT INTO commissioning_check (meter_id, item, passed, note, checked_by) VALUES (%s, %s, %s, %s, %s)
        ON CONFLICT (meter_id, item) DO UPDATE SET passed = excluded.passed, note = excluded.note,
            checked_by = excluded.checked_by, checked_at = now()
        """,
        (meter_id, item, passed, note, actor),
    )


async def first_valid_day(connection: AsyncConnection[Any], meter_id: int) -> datetime | None:
    """Start of the first local day with measured consumption since the meter was mounted."""
    query = """
        SELECT min(c.start_at) AS at FROM installation i JOIN consumption c USING (point_id, service)
        WHERE i.meter_id = %s AND i.period @> c.start_at AND c.resolution = 2 AND c.known_to = 'infinity' AND
        c.method = 0
          AND c.flags & (2 | 524288 | 536870912) = 0
    """
    found: datetime | None = (await _rows(connection, query, (meter_id,)))[0]["at"]
    return found


async def newest_values(connection: AsyncConnection[Any], meter_id: int, since: datetime) -> list[Row]:
    """The newest reading of each register of a meter since an instant."""
    query = """
        SELECT g.name, g.quantity, g.unit, g.scale, r.ts, r.value, r.delivery_id
        FROM register g CROSS JOIN LATERAL (
            SELECT ts, value, delivery_id FROM readings_of(g.meter_id, g.slot) WHERE ts >= %(since)s
            ORDER BY ts DESC, version DESC LIMIT 1
        ) r WHERE g.meter_id = %(meter)s ORDER BY g.register_id
    """
    return await _rows(connection, query, {"meter": meter_id, "since": since})


async def route_list(
    connection: AsyncConnection[Any], *, area: str, route: str | None, since: datetime, areas: list[int] | None
) -> list[Row]:
    """Points of a route (or area) in order of building and code, with whether they were read since an instant."""
    query = """
        SELECT p.code, p.address, p.building, p.kind, p.latitude, p.longitude, t.code AS route, m.meter_id, m.serial,
               s.last_ts, s.last_ts IS NOT NULL AND s.last_ts >= %(since)s AS is_read,
               EXISTS (SELECT 1 FROM alert l WHERE l.point_id = p.point_id AND l.state = 'field_check') AS field_check
        FROM metering_point p JOIN area a USING (area_id) LEFT JOIN route t USING (route_id)
        LEFT JOIN installation i ON i.point_id = p.point_id AND i.period @> now() LEFT JOIN meter m USING (meter_id)
        LEFT JOIN LATERAL (SELECT max(ts) AS last_ts FROM meter_status WHERE meter_id = m.meter_id
                           AND ts > %(since)s - interval '60 days') s ON true
        WHERE a.code = %(area)s AND (%(route)s::text IS NULL OR t.code = %(route)s)
          AND (%(areas)s::int[] IS NULL OR p.area_id = ANY(%(areas)s))
        ORDER BY p.building, p.code LIMIT 5000
    """
    return await _rows(connection, query, {"area": area, "route": route, "since": since, "areas": areas})


async def clock_drift_s(connection: AsyncConnection[Any], meter_id: int) -> float | None:
    """Seconds that a meter's clock is ahead, as last seen; None where it never said."""
    rows = await _rows(connection, "SELECT clock_drift_s FROM meter_health WHERE meter_id = %s", (meter_id,))
    return None if not rows or rows[0]["clock_drift_s"] is None else float(rows[0]["clock_drift_s"])
