"""Notification rules and what became of their messages: who is told of what, by which address, and up to where.

Rules: addresses come in sealed; nothing here sees one in clear. A rule tells what happens after it was made.
"""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.rows import dict_row

Row = dict[str, Any]
_KEPT: Final = timedelta(days=90)
_MOST: Final = 500


async def _rows(connection: AsyncConnection[Any], query: Any, values: Any = None) -> list[Row]:
    return await (await connection.cursor(row_factory=dict_row).execute(query, values)).fetchall()


async def add_rule(
    connection: AsyncConnection[Any],
    role: str,
    area_id: int | None,
    service: str,
    events: Sequence[str],
    min_severity: str,
    quiet: tuple[time, time] | None,
    language: str,
    actor: str,
) -> int:
    """New rule without an address yet; returns rule_id."""
    query = """
        INSERT INTO notification_rule (role, area_id, service, events, min_severity, quiet_from, quiet_to, language,
                                       told_until, created_by)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, (SELECT coalesce(max(alert_id), 0) FROM alert), %s) RETURNING rule_id
    """
    begins, ends = quiet or (None, None)
    values = (role, area_id, service, list(events), min_severity, begins, ends, language, actor)
    return int((await _rows(connection, query, values))[0]["rule_id"])


async def set_sealed(connection: AsyncConnection[Any], rule_id: int, sealed: bytes) -> None:
    """Keep a rule's sealed address, and none in clear."""
    await connection.execute("UPDATE notification_rule SET sealed = %s, url = '' WHERE rule_id = %s", (sealed, rule_id))


async def listed(connection: AsyncConnection[Any], areas: list[int] | None = None) -> list[Row]:
    """Active rules (of `areas` only, where they are given) without their addresses, with when they last told something
    and how often that failed."""
    query = """
        SELECT n.rule_id, n.role, a.code AS area, n.service, n.events, n.min_severity, n.quiet_from, n.quiet_to,
               n.language, n.created_by, n.created_at, max(m.at) FILTER (WHERE m.taken) AS last_told_at,
               count(m.message_id) FILTER (WHERE NOT m.taken) AS refused
        FROM notification_rule n LEFT JOIN area a USING (area_id) LEFT JOIN notification_message m USING (rule_id)
        WHERE n.active AND (%(areas)s::int[] IS NULL OR n.area_id = ANY(%(areas)s))
        GROUP BY n.rule_id, a.code ORDER BY n.rule_id
    """
    return await _rows(connection, query, {"areas": areas})


async def rules(connection: AsyncConnection[Any], rule_id: int | None = None) -> list[Row]:
    """Active rules (or one) with the zone that their quiet hours are meant in, locked against other workers."""
    query = """
        SELECT n.rule_id, n.role, n.area_id, n.url, n.sealed, n.events, n.min_severity, n.quiet_from, n.quiet_to,
               n.language, n.told_until, n.overdue_until,
               coalesce(a.time_zone, (SELECT time_zone FROM area ORDER BY area_id LIMIT 1), 'UTC') AS time_zone
        FROM notification_rule n LEFT JOIN area a USING (area_id)
        WHERE n.active AND (%(rule)s::int IS NULL OR n.rule_id = %(rule)s) ORDER BY n.rule_id
        FOR UPDATE OF n SKIP LOCKED
    """
    return await _rows(connection, query, {"rule": rule_id})


async def end_rule(connection: AsyncConnection[Any], rule_id: int) -> bool:
    """Tell nobody by this rule any more, and forget its address."""
    query = "UPDATE notification_rule SET active = false, url = '', sealed = NULL WHERE rule_id = %s AND active"
    return (await connection.execute(query, (rule_id,))).rowcount == 1


async def set_told(connection: AsyncConnection[Any], rule_id: int, alert_id: int) -> None:
    """Remember up to which new alert a rule has told."""
    await connection.execute("UPDATE notification_rule SET told_until = %s WHERE rule_id = %s", (alert_id, rule_id))


async def set_overdue_told(connection: AsyncConnection[Any], rule_id: int, until: datetime) -> None:
    """Remember up to when a rule has told of overdue alerts."""
    await connection.execute("UPDATE notification_rule SET overdue_until = %s WHERE rule_id = %s", (until, rule_id))


_NEWS: Final = """
SELECT a.alert_id, a.kind, a.severity, p.code AS point, p.address, a.energy_at_stake_kwh, a.escalated_at FROM alert a
JOIN metering_point p USING (point_id)
WHERE a.severity = ANY(%(severities)s) AND (%(area)s::int IS NULL OR p.area_id = %(area)s) AND a.state <> 'resolved'
"""


async def opened(
    connection: AsyncConnection[Any], after: int, area_id: int | None, severities: Sequence[str]
) -> list[Row]:
    """Alerts opened since alert_id `after`, the weightiest first, at most 500."""
    query = f"{_NEWS} AND a.alert_id > %(after)s ORDER BY a.rank DESC LIMIT {_MOST}"
    return await _rows(connection, query, {"after": after, "severities": list(severities), "area": area_id})


async def escalated(
    connection: AsyncConnection[Any], after: datetime, area_id: int | None, severities: Sequence[str]
) -> list[Row]:
    """Alerts that became overdue since `after`, the weightiest first, at most 500."""
    query = f"{_NEWS} AND a.escalated_at > %(after)s ORDER BY a.rank DESC LIMIT {_MOST}"
    return await _rows(connection, query, {"after": after, "severities": list(severities), "area": area_id})


async def newest_alert(connection: AsyncConnection[Any]) -> int:
    """Number of the newest alert."""
    return int((await _rows(connection, "SELECT coalesce(max(alert_id), 0) AS n FROM alert"))[0]["n"])


async def newest_escalation(connection: AsyncConnection[Any]) -> datetime | None:
    """When the newest overdue alert was escalated."""
    found: datetime | None = (await _rows(connection, "SELECT max(escalated_at) AS at FROM alert"))[0]["at"]
    return found


async def add_message(
    connection: AsyncConnection[Any], rule_id: int, at: datetime, event: str, title: str, items: int, *, taken: bool
) -> None:
    """Note what a rule tried to tell; what is older than 90 days is forgotten."""
    await connection.execute("DELETE FROM notification_message WHERE at < %s", (at - _KEPT,))
    await connection.execute(
        "INSERT INTO notification_message (rule_id, at, event, title, items, taken) VALUES (%s, %s, %s, %s, %s, %s)",
        (rule_id, at, event, title, items, taken),
    )


async def messages(
    connection: AsyncConnection[Any], rule_id: int | None = None, limit: int = 200, *, areas: list[int] | None = None
) -> list[Row]:
    """What was told, newest first; by rules of `areas` only, where they are given."""
    query = """
        SELECT m.message_id, m.rule_id, m.at, m.event, m.title, m.items, m.taken, n.role, n.service
        FROM notification_message m JOIN notification_rule n USING (rule_id)
        WHERE (%(rule)s::int IS NULL OR m.rule_id = %(rule)s)
          AND (%(areas)s::int[] IS NULL OR n.area_id = ANY(%(areas)s)) ORDER BY m.message_id DESC LIMIT %(limit)s
    """
    return await _rows(connection, query, {"rule": rule_id, "limit": limit, "areas": areas})
