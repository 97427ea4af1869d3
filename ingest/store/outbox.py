"""What leaves the house: webhook calls waiting to be delivered, and what notification rules have told.

A call is written in the transaction of the event itself, so neither is there without the other; delivery comes later.
"""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

Row = dict[str, Any]


async def _rows(connection: AsyncConnection[Any], query: Any, values: Any = None) -> list[Row]:
    return await (await connection.cursor(row_factory=dict_row).execute(query, values)).fetchall()


async def add_webhook(
    connection: AsyncConnection[Any], url: str, secret: bytes, events: Sequence[str], actor: str
) -> int:
    """New webhook; returns webhook_id."""
    query = "INSERT INTO webhook (url, secret, events, created_by) VALUES (%s, %s, %s, %s) RETURNING webhook_id"
    return int((await _rows(connection, query, (url, secret, list(events), actor)))[0]["webhook_id"])


async def webhooks(connection: AsyncConnection[Any]) -> list[Row]:
    """Webhooks without their secrets, with what waits and what failed."""
    query = """
        SELECT w.webhook_id, w.url, w.events, w.active, w.created_by, w.created_at,
               count(*) FILTER (WHERE c.state = 'waiting') AS waiting, count(*) FILTER (WHERE c.state = 'failed') AS
               failed,
               max(c.delivered_at) AS last_delivered_at
        FROM webhook w LEFT JOIN webhook_call c USING (webhook_id) GROUP BY w.webhook_id ORDER BY w.webhook_id
    """
    return await _rows(connection, query)


async def end_webhook(connection: AsyncConnection[Any], webhook_id: int) -> bool:
    """Call it no more; False where there is no active one of that number."""
    query = "UPDATE webhook SET active = false WHERE webhook_id = %s AND active"
    return (await connection.execute(query, (webhook_id,))).rowcount == 1


async def announce(connection: AsyncConnection[Any], event: str, body: Row) -> int:
    """Write a call for every active webhook that wants the event; how many."""
    query = """
        INSERT INTO webhook_call (webhook_id, event, body) SELECT webhook_id, %s, %s FROM webhook WHERE active AND %s
        = ANY(events)
    """
    return (await connection.execute(query, (event, Jsonb(body), event))).rowcount


async def due_call(connection: AsyncConnection[Any], now: datetime) -> Row | None:
    """The call that has waited longest, locked against other workers, with URL and secret; None where none is due."""
    query = """
        SELECT c.call_id, c.event, c.body, c.attempts, c.created_at, w.url, w.secret FROM webhook_call c JOIN webhook
        w USING (webhook_id)
        WHERE c.state = 'waiting' AND c.next_at <= %s ORDER BY c.next_at LIMIT 1 FOR UPDATE OF c SKIP LOCKED
    """
    rows = await _rows(connection, query, (now,))
    return rows[0] if rows else None


async def settle_call(
    connection: AsyncConnection[Any],
    call_id: int,
    state: str,
    now: datetime,
    *,
    status: int | None = None,
    error: str = "",
    wait: timedelta = timedelta(0),
) -> None:
    """Note an attempt: delivered, failed for good, or waiting for the next one."""
    await connection.execute(
        """
        UPDATE webhook_call SET state = %(state)s, attempts = attempts + 1, status = %(status)s, error = %(error)s,
               next_at = %(next)s, delivered_at = CASE WHEN %(state)s = 'delivered' THEN %(now)s::timestamptz END
        WHERE call_id = %(id)s
        """,
        {"state": state, "status": status, "error": error, "next": now + wait, "now": now, "id": call_id},
    )


async def add_rule(
    connection: AsyncConnection[Any],
    role: str,
    area_id: int | None,
    url: str,
    events: Sequence[str],
    min_severity: str,
    quiet: tuple[time, time] | None,
    language: str,
    actor: str,
) -> int:
    """New notification rule; it tells what happens from now on. Returns rule_id."""
    query = """
        INSERT INTO notification_rule (role, area_id, url, events, min_severity, quiet_from, quiet_to, language,
        told_until,
                                       created_by)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, (SELECT coalesce(max(alert_id), 0) FROM alert), %s) RETURNING rule_id
    """
    begins, ends = quiet or (None, None)
    values = (role, area_id, url, list(events), min_severity, begins, ends, language, actor)
    return int((await _rows(connection, query, values))[0]["rule_id"])


async def rules(connection: AsyncConnection[Any]) -> list[Row]:
    """Active notification rules with the zone that their quiet hours are meant in, locked against other workers."""
    query = """
        SELECT n.rule_id, n.role, n.area_id, n.url, n.events, n.min_severity, n.quiet_from, n.quiet_to, n.language,
        n.told_until,
               coalesce(a.time_zone, (SELECT time_zone FROM area ORDER BY area_id LIMIT 1), 'UTC') AS time_zone
        FROM notification_rule n LEFT JOIN area a USING (area_id) WHERE n.active ORDER BY n.rule_id
        FOR UPDATE OF n SKIP LOCKED
    """
    return await _rows(connection, query)


async def end_rule(connection: AsyncConnection[Any], rule_id: int) -> bool:
    """Tell nobody by this rule any more."""
    query = "UPDATE notification_rule SET active = false WHERE rule_id = %s AND active"
    return (await connection.execute(query, (rule_id,))).rowcount == 1


async def set_told(connection: AsyncConnection[Any], rule_id: int, alert_id: int) -> None:
    """Remember up to which alert a rule has told."""
    await connection.execute("UPDATE notification_rule SET told_until = %s WHERE rule_id = %s", (alert_id, rule_id))


async def news(
    connection: AsyncConnection[Any], after: int, area_id: int | None, severities: Sequence[str]
) -> list[Row]:
    """Alerts opened since alert_id `after`, the weightiest first, and at most 500."""
    query = """
        SELECT a.alert_id, a.kind, a.severity, p.code AS point, p.address, a.energy_at_stake_kwh FROM alert a
        JOIN metering_point p USING (point_id)
        WHERE a.alert_id > %s AND a.severity = ANY(%s) AND (%s::int IS NULL OR p.area_id = %s) AND a.state <> 'resolved'
        ORDER BY a.rank DESC LIMIT 500
    """
    return await _rows(connection, query, (after, list(severities), area_id, area_id))


async def newest_alert(connection: AsyncConnection[Any]) -> int:
    """Number of the newest alert."""
    return int((await _rows(connection, "SELECT coalesce(max(alert_id), 0) AS n FROM alert"))[0]["n"])
