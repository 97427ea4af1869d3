"""Rule groups, the versions of their thresholds, and trials of thresholds on history.

Rules: a group has one active version at a time (the database holds that); a version's settings never change, another
opinion is another version; whoever switches a version on is not its author (the service sees to that).
"""

from datetime import datetime
from typing import Any, Final

from psycopg import AsyncConnection, Connection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

Row = dict[str, Any]
_GROUPS: Final = """
SELECT g.rule_group_id, g.code, g.name, s.rule_set_id, s.version, s.activated_at,
       (SELECT count(*) FROM metering_point p WHERE p.rule_group_id = g.rule_group_id) AS points
FROM rule_group g LEFT JOIN rule_set s ON s.rule_group_id = g.rule_group_id AND s.state = 'active'
"""
_SETS: Final = """
SELECT s.rule_set_id, s.rule_group_id, g.code AS group_code, s.version, s.settings, s.state, s.note, s.created_at,
       s.created_by, s.activated_at, s.activated_by, s.retired_at
FROM rule_set s JOIN rule_group g USING (rule_group_id)
"""
_PROPOSE: Final = """
INSERT INTO rule_set (rule_group_id, version, settings, created_by, created_at, note)
SELECT %(group)s, coalesce(max(version), 0) + 1, %(settings)s, %(author)s, %(now)s, %(note)s
FROM rule_set WHERE rule_group_id = %(group)s RETURNING rule_set_id
"""
_TRIALS: Final = """
SELECT t.trial_id, g.code AS group_code, t.settings, t.from_ts, t.to_ts, t.state, t.stage, t.done, t.whole, t.result,
       t.message, t.created_by, t.created_at, t.beat_at, t.finished_at
FROM rule_trial t JOIN rule_group g USING (rule_group_id)
"""


async def _rows(connection: AsyncConnection[Any], query: str, values: Any = None) -> list[Row]:
    cursor = connection.cursor(row_factory=dict_row)
    return await (await cursor.execute(query.encode(), values)).fetchall()


async def groups(connection: AsyncConnection[Any]) -> list[Row]:
    """Every rule group with its active version and number of points."""
    return await _rows(connection, _GROUPS + " ORDER BY g.rule_group_id")


async def group(connection: AsyncConnection[Any], code: str, *, lock: bool = False) -> Row | None:
    """One group by code; `lock` holds it until the transaction ends."""
    rows = await _rows(connection, _GROUPS + " WHERE g.code = %s" + (" FOR UPDATE OF g" if lock else ""), (code,))
    return rows[0] if rows else None


async def add_group(connection: AsyncConnection[Any], code: str, name: str, author: str, now: datetime) -> int:
    """A new group under the catalogue's defaults; its number."""
    row = (await _rows(connection, "INSERT INTO rule_group (code, name) VALUES (%s, %s) RETURNING *", (code, name)))[0]
    await connection.execute(
        "INSERT INTO rule_set (rule_group_id, version, state, created_by, created_at, activated_at, activated_by)"
        " VALUES (%s, 1, 'active', %s, %s, %s, %s)",
        (row["rule_group_id"], author, now, now, author),
    )
    return int(row["rule_group_id"])


async def assign(connection: AsyncConnection[Any], group_id: int, points: list[str], areas: list[int] | None) -> int:
    """Put points into a group; how many were found in `areas` (None: all)."""
    done = await connection.execute(
        "UPDATE metering_point SET rule_group_id = %s, updated_at = now() WHERE code = ANY(%s)"
        " AND (%s::int[] IS NULL OR area_id = ANY(%s))",
        (group_id, points, areas, areas),
    )
    return done.rowcount


async def versions(connection: AsyncConnection[Any], group_id: int) -> list[Row]:
    """Versions of a group, newest first."""
    return await _rows(connection, _SETS + " WHERE s.rule_group_id = %s ORDER BY s.version DESC", (group_id,))


async def version(connection: AsyncConnection[Any], rule_set_id: int) -> Row | None:
    """One version, or None."""
    rows = await _rows(connection, _SETS + " WHERE s.rule_set_id = %s", (rule_set_id,))
    return rows[0] if rows else None


async def propose(
    connection: AsyncConnection[Any], group_id: int, settings: Row, author: str, note: str, now: datetime
) -> int:
    """A new draft; its number. The caller holds the group's lock."""
    values = {"group": group_id, "settings": Jsonb(settings), "author": author, "note": note, "now": now}
    return int((await _rows(connection, _PROPOSE, values))[0]["rule_set_id"])


async def activate(
    connection: AsyncConnection[Any], group_id: int, rule_set_id: int, actor: str, now: datetime
) -> None:
    """Retire the active version of a group and switch another on."""
    await connection.execute(
        "UPDATE rule_set SET state = 'retired', retired_at = %s WHERE rule_group_id = %s AND state = 'active'",
        (now, group_id),
    )
    await connection.execute(
        "UPDATE rule_set SET state = 'active', activated_at = %s, activated_by = %s, retired_at = NULL"
        " WHERE rule_set_id = %s",
        (now, actor, rule_set_id),
    )


async def add_trial(
    connection: AsyncConnection[Any],
    group_id: int,
    settings: Row,
    span: tuple[datetime | None, datetime | None],
    author: str,
    now: datetime,
) -> int:
    """A trial that waits for a worker; its number."""
    rows = await _rows(
        connection,
        "INSERT INTO rule_trial (rule_group_id, settings, from_ts, to_ts, created_by, created_at)"
        " VALUES (%s, %s, %s, %s, %s, %s) RETURNING trial_id",
        (group_id, Jsonb(settings), *span, author, now),
    )
    return int(rows[0]["trial_id"])


async def trials(connection: AsyncConnection[Any], *, limit: int = 50) -> list[Row]:
    """Trials, newest first, without their details."""
    rows = await _rows(connection, _TRIALS + " ORDER BY t.trial_id DESC LIMIT %s", (limit,))
    return [{key: value for key, value in row.items() if key != "result"} for row in rows]


async def trial(connection: AsyncConnection[Any], trial_id: int) -> Row | None:
    """One trial with its result."""
    rows = await _rows(connection, _TRIALS + " WHERE t.trial_id = %s", (trial_id,))
    return rows[0] if rows else None


async def lost_trials(connection: AsyncConnection[Any], before: datetime) -> list[int]:
    """Trials whose worker was last seen before an instant, waiting again; nobody else takes them meanwhile."""
    rows = await _rows(
        connection,
        "UPDATE rule_trial SET state = 'waiting' WHERE state = 'running' AND beat_at < %s RETURNING trial_id",
        (before,),
    )
    return [row["trial_id"] for row in rows]


async def point_codes(connection: AsyncConnection[Any], group_id: int) -> dict[int, str]:
    """Point id -> code of the points of a group."""
    cursor = await connection.execute("SELECT point_id, code FROM metering_point WHERE rule_group_id = %s", (group_id,))
    return dict(await cursor.fetchall())


async def decided(
    connection: AsyncConnection[Any], group_id: int, since: datetime, areas: list[int] | None
) -> list[Row]:
    """Occurrences under alerts that people resolved with a cause since an instant: the evidence for a threshold.

    Columns: `kind`, `rule`, `observed`, `details`, `cause`; the first occurrence of each alert, which raised it.
    """
    return await _rows(
        connection,
        "SELECT DISTINCT ON (a.alert_id) f.kind, f.rule, f.observed, f.details, a.cause FROM alert a"
        " JOIN metering_point p USING (point_id) JOIN finding f ON f.alert_id = a.alert_id AND f.rule = a.rule"
        " WHERE a.state = 'resolved' AND a.cause IS NOT NULL AND a.closed_at >= %s"
        " AND (%s::int[] IS NULL OR p.area_id = ANY(%s)) AND p.rule_group_id = %s"
        " ORDER BY a.alert_id, f.from_ts",
        (since, areas, areas, group_id),
    )


async def take_trial(connection: AsyncConnection[Any], trial_id: int, now: datetime) -> Row | None:
    """Begin a waiting trial; None where somebody else has."""
    rows = await _rows(
        connection,
        "UPDATE rule_trial SET state = 'running', beat_at = %s WHERE trial_id = %s AND state = 'waiting'"
        " RETURNING trial_id, rule_group_id, settings, from_ts, to_ts",
        (now, trial_id),
    )
    return rows[0] if rows else None


def beat(connection: Connection[Any], trial_id: int, stage: str, done: int, whole: int, now: datetime) -> None:
    """How far a trial has come."""
    connection.execute(
        "UPDATE rule_trial SET stage = %s, done = %s, whole = %s, beat_at = %s WHERE trial_id = %s",
        (stage, done, whole, now, trial_id),
    )


async def finish_trial(
    connection: AsyncConnection[Any], trial_id: int, result: Row | None, message: str, now: datetime
) -> None:
    """The answer of a trial, or why there is none."""
    await connection.execute(
        "UPDATE rule_trial SET state = %s, result = %s, message = %s, finished_at = %s WHERE trial_id = %s",
        ("failed" if result is None else "done", None if result is None else Jsonb(result), message, now, trial_id),
    )
