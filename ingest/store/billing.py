"""Billing in the database: periods, and the versions of their quantities.

A quantity of a frozen period never changes (the database refuses); an adjustment is a new version.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

Row = dict[str, Any]
_ROWS_A_STATEMENT: Final = 500

_PERIOD: Final = """
SELECT period_id, code, name, start_date, end_date, settings, state, frozen_at, frozen_by, calculated_at,
calculated_run,
       created_at, created_by FROM billing_period
"""
_LATEST: Final = """
SELECT DISTINCT ON (q.point_id, q.service) q.quantity_id, q.point_id, q.service, q.version, q.state, q.energy_j,
       q.volume_ml, q.heated_area_m2, q.days_in_service, q.days_suspended, q.rule_set_id, q.created_at,
       CASE WHEN q.state IN ('frozen', 'adjustment') THEN q.determinants END AS determinants
FROM billing_quantity q WHERE q.period_id = %(period)s AND q.point_id = ANY(%(points)s)
ORDER BY q.point_id, q.service, q.version DESC
"""
_WRITE: Final = """
INSERT INTO billing_quantity (period_id, point_id, service, version, state, energy_j, volume_ml, share_measured,
    share_estimated, share_edited, quality, rule_set_id, run_id, determinants, previous_id, cause, created_by,
    days_in_service, days_suspended, heated_area_m2, degree_days, reason)
SELECT period_id, point_id, service, version, state, energy_j, volume_ml, share_measured, share_estimated, share_edited,
       quality, rule_set_id, run_id, determinants, previous_id, cause, created_by, days_in_service, days_suspended,
       heated_area_m2, degree_days, reason FROM jsonb_populate_recordset(NULL::billing_quantity, %s::jsonb)
ON CONFLICT (period_id, point_id, service, version) DO UPDATE SET
    state = excluded.state, energy_j = excluded.energy_j, volume_ml = excluded.volume_ml,
    share_measured = excluded.share_measured, share_estimated = excluded.share_estimated,
    share_edited = excluded.share_edited, quality = excluded.quality, rule_set_id = excluded.rule_set_id,
    run_id = excluded.run_id, determinants = excluded.determinants, created_at = now(),
    days_in_service = excluded.days_in_service, days_suspended = excluded.days_suspended,
    heated_area_m2 = excluded.heated_area_m2, degree_days = excluded.degree_days, reason = excluded.reason
"""


async def _rows(connection: AsyncConnection[Any], query: Any, values: Any = None) -> list[Row]:
    return await (await connection.cursor(row_factory=dict_row).execute(query, values)).fetchall()


async def periods(connection: AsyncConnection[Any]) -> list[Row]:
    """Every billing period, newest first."""
    return await _rows(connection, _PERIOD + " ORDER BY start_date DESC, period_id DESC")


async def period(connection: AsyncConnection[Any], code: str, *, lock: bool = False) -> Row | None:
    """One period by code, or None. `lock` holds it until the transaction ends."""
    rows = await _rows(connection, _PERIOD + " WHERE code = %s" + (" FOR UPDATE" if lock else ""), (code,))
    return rows[0] if rows else None


async def add_period(
    connection: AsyncConnection[Any], code: str, name: str, start: date, end: date, settings: Row, actor: str
) -> int:
    """New period [start, end) of local days; returns period_id."""
    query = """
        INSERT INTO billing_period (code, name, start_date, end_date, settings, created_by) VALUES (%s, %s, %s, %s,
        %s, %s)
        RETURNING period_id
    """
    rows = await _rows(connection, query, (code, name, start, end, Jsonb(settings), actor))
    return int(rows[0]["period_id"])


async def set_calculated(
    connection: AsyncConnection[Any], period_id: int, run_id: int | None, facts: str, now: datetime
) -> None:
    """Note up to which assessment run and which facts (see `known_facts`) the quantities are current."""
    await connection.execute(
        "UPDATE billing_period SET calculated_at = %s, calculated_run = %s, calculated_facts = %s::xid8"
        " WHERE period_id = %s",
        (now, run_id, facts, period_id),
    )


async def known_facts(connection: AsyncConnection[Any]) -> str:
    """The transaction below which everything that was written is seen: ask before reading what it is noted for."""
    rows = await _rows(connection, "SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS below")
    return str(rows[0]["below"])


async def changed_points(connection: AsyncConnection[Any], period_id: int) -> list[int]:
    """Points whose area, states or installations were changed since the period was calculated."""
    query = """
        SELECT c.point_id FROM point_fact_change c JOIN billing_period b ON b.period_id = %s
        WHERE b.calculated_facts IS NULL OR c.transaction >= b.calculated_facts ORDER BY 1
    """
    return [row["point_id"] for row in await _rows(connection, query, (period_id,))]


async def latest(connection: AsyncConnection[Any], period_id: int, point_ids: list[int]) -> dict[tuple[int, int], Row]:
    """Newest version of each quantity, by point and service."""
    rows = await _rows(connection, _LATEST, {"period": period_id, "points": point_ids})
    return {(row["point_id"], row["service"]): row for row in rows}


async def write(connection: AsyncConnection[Any], rows: Sequence[Row]) -> None:
    """Write versions; one that is open or blocked is replaced, a frozen one is refused by the database."""
    # Many rows a statement: the triggers behind it run once a statement.
    for start in range(0, len(rows), _ROWS_A_STATEMENT):
        part = msgspec.json.encode(list(rows[start : start + _ROWS_A_STATEMENT]))
        await connection.execute(_WRITE, (part.decode(),))


async def freeze_open(connection: AsyncConnection[Any], period_id: int, area_id: int | None = None) -> int:
    """Freeze every quantity that passed the gate; returns how many."""
    query = """
        UPDATE billing_quantity q SET state = 'frozen' FROM metering_point p
        WHERE p.point_id = q.point_id AND q.period_id = %(period)s AND q.state = 'open'
          AND (%(area)s::int IS NULL OR p.area_id = %(area)s)
    """
    return (await connection.execute(query, {"period": period_id, "area": area_id})).rowcount


async def set_frozen(connection: AsyncConnection[Any], period_id: int, actor: str, now: datetime) -> None:
    """Close the period for recalculation."""
    await connection.execute(
        "UPDATE billing_period SET state = 'frozen', frozen_at = %s, frozen_by = %s WHERE period_id = %s",
        (now, actor, period_id),
    )


async def blocked(connection: AsyncConnection[Any], period_id: int) -> int:
    """How many quantities the gate holds back."""
    query = "SELECT count(*) AS n FROM billing_quantity WHERE period_id = %s AND state = 'blocked'"
    return int((await _rows(connection, query, (period_id,)))[0]["n"])


async def release(connection: AsyncConnection[Any], quantity_id: int, cause: str, actor: str) -> bool:
    """Freeze a blocked quantity by decision; False where it is not blocked."""
    query = """
        UPDATE billing_quantity SET state = 'frozen', cause = %s, created_by = %s WHERE quantity_id = %s AND state =
        'blocked'
    """
    return (await connection.execute(query, (cause, actor, quantity_id))).rowcount == 1


async def newest(connection: AsyncConnection[Any], period_id: int) -> int:
    """Transaction number of the period's latest write; 0 where there is none."""
    query = "SELECT transaction::text AS n FROM billing_quantity WHERE period_id = %s ORDER BY transaction DESC LIMIT 1"
    rows = await _rows(connection, query, (period_id,))
    return int(rows[0]["n"]) if rows else 0
