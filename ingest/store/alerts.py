"""Alerts in the database: the ranked queue, one alert with its history, and the writes that a decision makes.

Every change names the revision it was decided on; a row that has moved on is not touched (the caller tells so).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

Row = dict[str, Any]

_COLUMNS: Final = """
a.alert_id, a.point_id, a.meter_id, a.service, a.kind, a.severity, a.from_ts, a.to_ts, a.state, a.explanation,
a.energy_at_stake_kwh, a.confidence, a.rank, a.incident_id, a.rule, a.rule_set_id, a.assignee, a.cause, a.due_at,
a.snoozed_until, a.opened_at, a.updated_at, a.closed_at, a.escalated_at, a.revision,
p.code AS point_code, p.address, p.building, p.area_id, r.code AS area_code, r.name AS area_name,
m.serial AS meter_serial
"""
_FROM: Final = """
FROM alert a JOIN metering_point p USING (point_id) JOIN area r ON r.area_id = p.area_id
LEFT JOIN meter m ON m.meter_id = a.meter_id
"""
# Only the filters that were given become part of a query: each question gets a plan of its own. The second word names
# the table that the filter asks.
_FILTERS: Final[Mapping[str, tuple[str, str]]] = {
    "areas": ("p", "p.area_id = ANY(%(areas)s)"),
    "area": ("r", "r.code = %(area)s"),
    "states": ("a", "a.state = ANY(%(states)s)"),
    "kinds": ("a", "a.kind = ANY(%(kinds)s)"),
    "severities": ("a", "a.severity = ANY(%(severities)s)"),
    "assignee": ("a", "a.assignee = %(assignee)s"),
    "point": ("p", "p.code = %(point)s"),
    "building": ("p", "p.building = %(building)s"),
    "incident": ("a", "a.incident_id = %(incident)s"),
    "rule": ("a", "a.rule = %(rule)s"),
    "escalated": ("a", "(a.escalated_at IS NOT NULL) = %(escalated)s"),
    "text": (
        "a",
        """a.point_id IN (
            SELECT point_id FROM metering_point WHERE position(lower(%(text)s) IN lower(code || ' ' || address)) > 0
            UNION SELECT i.point_id FROM installation i JOIN meter USING (meter_id)
            WHERE position(lower(%(text)s) IN lower(serial)) > 0)""",
    ),
}
FILTERS: Final = tuple(_FILTERS)
# Keyset over (rank DESC, alert_id): the index alert_rank serves it, whatever page is asked for.
_AFTER: Final = "a.rank <= %(rank)s AND (a.rank < %(rank)s OR a.alert_id > %(after)s)"
_STANDING: Final = "a.state <> 'resolved'"
_ONE: Final = f"SELECT {_COLUMNS} {_FROM} WHERE a.alert_id = %s"
_CHANGE: Final = """
UPDATE alert SET state = %(to_state)s, assignee = %(assignee)s, cause = %(cause)s, due_at = %(due_at)s,
       snoozed_until = %(snoozed_until)s, closed_at = %(closed_at)s, updated_at = %(now)s, revision = revision + 1
WHERE alert_id = %(alert_id)s AND revision = %(revision)s
"""
_EVENT: Final = """
INSERT INTO alert_event (alert_id, action, actor, at, from_state, to_state, cause, comment, details)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_EVENTS: Final = """
SELECT event_id, action, actor, at, from_state, to_state, cause, comment, details FROM alert_event
WHERE alert_id = %s ORDER BY event_id
"""
_FINDINGS: Final = """
SELECT finding_id, run_id, kind, rule, severity, from_ts, to_ts, observed, expected_low, expected_high,
       energy_at_stake_kwh, confidence, details
FROM finding WHERE alert_id = %s ORDER BY from_ts, finding_id LIMIT 500
"""
_PRECISION: Final = """
SELECT a.rule, a.kind, a.cause, count(*) AS alerts FROM alert a JOIN metering_point p USING (point_id)
WHERE a.state = 'resolved' AND a.cause IS NOT NULL AND a.closed_at >= %(since)s
  AND (%(areas)s::int[] IS NULL OR p.area_id = ANY(%(areas)s))
GROUP BY 1, 2, 3
"""


async def _rows(connection: AsyncConnection[Any], query: Any, values: Any) -> list[Row]:
    return await (await connection.cursor(row_factory=dict_row).execute(query, values)).fetchall()


def _where(filters: Mapping[str, Any], *more: str) -> tuple[str, str]:
    """WHERE clause and the tables that it asks, for the filters that are given."""
    given = [_FILTERS[name] for name in FILTERS if filters.get(name) is not None]
    clauses = [*(clause for _, clause in given), *more]
    states = filters.get("states")
    if states is not None and "resolved" not in states:
        clauses.append(_STANDING)  # says to the planner what the partial index holds
    return ("WHERE " + " AND ".join(clauses) if clauses else ""), "".join(table for table, _ in given)


async def queue(
    connection: AsyncConnection[Any],
    filters: Mapping[str, Any],
    *,
    rank: float | None = None,
    after: int | None = None,
    limit: int = 100,
) -> list[Row]:
    """Alerts by energy at stake x confidence, highest first, below (`rank`, `after`); `filters`: keys of FILTERS."""
    where, _ = _where(filters, *(() if rank is None else (_AFTER,)))
    query = f"SELECT {_COLUMNS} {_FROM} {where} ORDER BY a.rank DESC, a.alert_id LIMIT %(limit)s"
    return await _rows(connection, query, {**filters, "rank": rank, "after": after, "limit": limit})


async def counts(connection: AsyncConnection[Any], filters: Mapping[str, Any]) -> list[Row]:
    """How many alerts of each state, kind and severity the filters hold."""
    where, asked = _where(filters)
    joined = _FROM if set(asked) - {"a"} else "FROM alert a"
    query = f"""
        SELECT a.state, a.kind, a.severity, count(*) AS alerts, sum(a.energy_at_stake_kwh) AS energy_at_stake_kwh,
               min(a.opened_at) AS oldest {joined} {where} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    """
    return await _rows(connection, query, dict(filters))


async def alert(connection: AsyncConnection[Any], alert_id: int, *, lock: bool = False) -> Row | None:
    """One alert, or None. `lock` holds it until the transaction ends."""
    rows = await _rows(connection, _ONE + (" FOR UPDATE OF a" if lock else ""), (alert_id,))
    return rows[0] if rows else None


async def change(connection: AsyncConnection[Any], values: Mapping[str, Any]) -> bool:
    """Write a decision on the revision it was made on; False where the alert has moved on."""
    return (await connection.execute(_CHANGE, values)).rowcount == 1


async def add_event(
    connection: AsyncConnection[Any],
    alert_id: int,
    action: str,
    actor: str,
    at: datetime,
    states: tuple[str, str],
    *,
    cause: str | None = None,
    comment: str = "",
    details: Mapping[str, Any] | None = None,
) -> None:
    """Append to the alert's history. `states`: before and after."""
    values = (alert_id, action, actor, at, *states, cause, comment, Jsonb(dict(details or {})))
    await connection.execute(_EVENT, values)


async def events(connection: AsyncConnection[Any], alert_id: int) -> list[Row]:
    """What people did, oldest first."""
    return await _rows(connection, _EVENTS, (alert_id,))


async def findings(connection: AsyncConnection[Any], alert_id: int) -> list[Row]:
    """What the rules saw (at most 500), oldest first."""
    return await _rows(connection, _FINDINGS, (alert_id,))


async def causes_by_rule(
    connection: AsyncConnection[Any], *, since: datetime, areas: list[int] | None = None
) -> list[Row]:
    """Resolved alerts per rule, kind and cause since an instant: what precision is counted from."""
    return await _rows(connection, _PRECISION, {"since": since, "areas": areas})


async def add_suppression(
    connection: AsyncConnection[Any], point_id: int, kind: str, reason: str, actor: str, expires_at: datetime
) -> int:
    """Keep a kind of alert of a point silent until `expires_at`; returns suppression_id."""
    cursor = await connection.execute(
        "INSERT INTO suppression (point_id, kind, reason, created_by, expires_at) VALUES (%s, %s, %s, %s, %s)"
        " RETURNING suppression_id",
        (point_id, kind, reason, actor, expires_at),
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def end_suppressions(connection: AsyncConnection[Any], point_id: int, kind: str, now: datetime) -> None:
    """Let a kind of alert of a point speak again."""
    await connection.execute(
        "UPDATE suppression SET expires_at = %s WHERE point_id = %s AND kind = %s AND expires_at > %s",
        (now, point_id, kind, now),
    )


async def due_to_wake(connection: AsyncConnection[Any], now: datetime) -> list[Row]:
    """Snoozed alerts whose time is over and suppressed ones whose last suppression has expired, locked."""
    query = """
        SELECT a.alert_id, a.state, a.revision, a.assignee, a.cause, a.due_at FROM alert a
        WHERE (a.state = 'snoozed' AND a.snoozed_until <= %(now)s)
           OR (a.state = 'suppressed' AND NOT EXISTS (
                 SELECT 1 FROM suppression s WHERE s.point_id = a.point_id AND s.kind = a.kind AND s.expires_at >
                 %(now)s))
        FOR UPDATE SKIP LOCKED
    """
    return await _rows(connection, query, {"now": now})


async def overdue(connection: AsyncConnection[Any], now: datetime, sla_hours: Mapping[str, int]) -> list[Row]:
    """Alerts that have waited too long and were not told of yet, locked, the oldest thousand."""
    query = f"""
        SELECT {_COLUMNS} {_FROM}
        WHERE a.escalated_at IS NULL AND (
            (a.state = 'open' AND a.opened_at < %(now)s
                - make_interval(hours => coalesce((%(sla)s::jsonb ->> a.severity)::int, 72)))
            OR (a.state = 'field_check' AND a.due_at < %(now)s))
        ORDER BY a.opened_at LIMIT 1000 FOR UPDATE OF a SKIP LOCKED
    """
    return await _rows(connection, query, {"now": now, "sla": Jsonb(dict(sla_hours))})


async def set_escalated(connection: AsyncConnection[Any], alert_ids: list[int], now: datetime) -> None:
    """Note that the lead was told: nobody tells them again."""
    await connection.execute("UPDATE alert SET escalated_at = %s WHERE alert_id = ANY(%s)", (now, alert_ids))


async def incidents(
    connection: AsyncConnection[Any], *, state: str | None = None, areas: list[int] | None = None, limit: int = 100
) -> list[Row]:
    """Incidents with how many standing alerts they explain, newest first."""
    query = """
        SELECT i.incident_id, i.kind, i.scope, i.from_ts, i.to_ts, i.explanation, i.details, i.state, i.created_at,
               count(a.alert_id) FILTER (WHERE a.state <> 'resolved') AS alerts,
               coalesce(sum(a.energy_at_stake_kwh) FILTER (WHERE a.state <> 'resolved'), 0) AS energy_at_stake_kwh
        FROM incident i LEFT JOIN alert a USING (incident_id) LEFT JOIN metering_point p USING (point_id)
        WHERE (%(state)s::text IS NULL OR i.state = %(state)s)
          AND (%(areas)s::int[] IS NULL OR p.area_id = ANY(%(areas)s))
        GROUP BY i.incident_id ORDER BY i.from_ts DESC, i.incident_id DESC LIMIT %(limit)s
    """
    return await _rows(connection, query, {"state": state, "areas": areas, "limit": limit})
