"""Webhooks and their calls, waiting to be delivered.

A call is written in the transaction of the event itself, so neither is there without the other; delivery comes later.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

Row = dict[str, Any]


async def _rows(connection: AsyncConnection[Any], query: Any, values: Any = None) -> list[Row]:
    return await (await connection.cursor(row_factory=dict_row).execute(query, values)).fetchall()


async def add_webhook(connection: AsyncConnection[Any], url: str, events: Sequence[str], actor: str) -> int:
    """New webhook, still without a secret (`set_sealed`); returns webhook_id."""
    query = "INSERT INTO webhook (url, events, created_by) VALUES (%s, %s, %s) RETURNING webhook_id"
    return int((await _rows(connection, query, (url, list(events), actor)))[0]["webhook_id"])


async def set_sealed(connection: AsyncConnection[Any], webhook_id: int, sealed: bytes) -> None:
    """The secret that signs a webhook's calls, sealed; none in clear stays."""
    query = "UPDATE webhook SET sealed = %s, secret = NULL WHERE webhook_id = %s"
    await connection.execute(query, (sealed, webhook_id))


async def secrets_in_clear(connection: AsyncConnection[Any]) -> list[Row]:
    """`webhook_id` and `secret` of webhooks from before secrets were sealed, locked against other workers."""
    query = "SELECT webhook_id, secret FROM webhook WHERE secret IS NOT NULL ORDER BY webhook_id FOR UPDATE SKIP LOCKED"
    return await _rows(connection, query)


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
    """The call that has waited longest, locked against other workers, with URL and sealed secret; None: none is due."""
    query = """
        SELECT c.call_id, c.event, c.body, c.attempts, c.created_at, w.webhook_id, w.url, w.sealed
        FROM webhook_call c JOIN webhook w USING (webhook_id)
        WHERE c.state = 'waiting' AND w.sealed IS NOT NULL AND c.next_at <= %s
        ORDER BY c.next_at LIMIT 1 FOR UPDATE OF c SKIP LOCKED
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
