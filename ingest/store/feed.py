"""Reading billing quantities: pages of a period, and the change feed in commit order.

The feed shows only rows whose transaction is below the snapshot's xmin: none that is still running can later commit
a row
that sorts before one already shown. So a consumer that keeps its cursor misses nothing.
"""

from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import dict_row

Row = dict[str, Any]

COLUMNS: Final = """
q.quantity_id, b.code AS period, p.code AS point, p.account, a.code AS area, q.service, q.version, q.state, q.energy_j,
q.volume_ml, q.share_measured, q.share_estimated, q.share_edited, q.quality, q.reason, q.rule_set_id, q.run_id,
q.days_in_service, q.days_suspended, q.heated_area_m2, q.degree_days, q.previous_id, q.cause, q.created_at
"""
_FROM: Final = """
FROM billing_quantity q JOIN billing_period b USING (period_id) JOIN metering_point p USING (point_id) JOIN area a
USING (area_id)
"""
_CURRENT: Final = """
NOT EXISTS (SELECT 1 FROM billing_quantity n WHERE n.period_id = q.period_id AND n.point_id = q.point_id
            AND n.service = q.service AND n.version > q.version)
"""
_PAGE: Final = f"""
SELECT {COLUMNS}, q.point_id, q.determinants, f.energy_j AS previous_energy_j, f.volume_ml AS previous_volume_ml
{_FROM} LEFT JOIN billing_quantity f ON f.quantity_id = q.previous_id
WHERE q.period_id = %(period)s AND {_CURRENT} AND (q.point_id, q.service) > (%(point)s, %(service)s)
  AND (%(areas)s::int[] IS NULL OR p.area_id = ANY(%(areas)s)) AND (%(states)s::text[] IS NULL OR q.state =
  ANY(%(states)s))
  AND (%(code)s::text IS NULL OR p.code = %(code)s)
ORDER BY q.point_id, q.service LIMIT %(limit)s
"""
_FEED: Final = f"""
SELECT {COLUMNS}, q.determinants, q.transaction::text AS transaction, f.energy_j AS previous_energy_j,
       f.volume_ml AS previous_volume_ml,
       EXISTS (SELECT 1 FROM billing_acknowledgement k WHERE k.quantity_id = q.quantity_id AND k.caller = %(caller)s)
       AS acknowledged
{_FROM} LEFT JOIN billing_quantity f ON f.quantity_id = q.previous_id
WHERE q.state IN ('frozen', 'adjustment') AND q.transaction < pg_snapshot_xmin(pg_current_snapshot())
  AND (q.transaction, q.quantity_id) > (%(transaction)s::xid8, %(quantity)s)
  AND (%(areas)s::int[] IS NULL OR p.area_id = ANY(%(areas)s)) AND (%(period)s::text IS NULL OR b.code = %(period)s)
ORDER BY q.transaction, q.quantity_id LIMIT %(limit)s
"""
_ONE: Final = f"""
SELECT {COLUMNS}, q.determinants, q.point_id, q.period_id, p.area_id, f.energy_j AS previous_energy_j,
       f.volume_ml AS previous_volume_ml
{_FROM} LEFT JOIN billing_quantity f ON f.quantity_id = q.previous_id WHERE q.quantity_id = %s
"""
# A chunk of prepared lines as two runs of bytes: nothing is joined, computed or sorted on the way out.
_LINES: Final[LiteralString] = """
SELECT string_agg(numbers, ''::bytea), string_agg(texts, ''::bytea) FROM (
    SELECT numbers, texts FROM billing_line l
    WHERE period_id = %(period)s AND (point_id, service) > (%(point)s, %(service)s)
      AND (%(states)s::text[] IS NULL OR state = ANY(%(states)s))
      AND (%(areas)s::int[] IS NULL
           OR EXISTS (SELECT 1 FROM metering_point p WHERE p.point_id = l.point_id AND p.area_id = ANY(%(areas)s)))
    ORDER BY point_id, service LIMIT %(limit)s
) AS chunk
"""


async def _rows(connection: AsyncConnection[Any], query: Any, values: Any) -> list[Row]:
    return await (await connection.cursor(row_factory=dict_row).execute(query, values)).fetchall()


async def page(
    connection: AsyncConnection[Any],
    period_id: int,
    *,
    after: tuple[int, int] = (0, -1),
    areas: list[int] | None = None,
    states: list[str] | None = None,
    code: str | None = None,
    limit: int = 1_000,
) -> list[Row]:
    """Newest versions of a period's quantities after (point_id, service), by point."""
    values = {
        "period": period_id,
        "point": after[0],
        "service": after[1],
        "areas": areas,
        "states": states,
        "code": code,
        "limit": limit,
    }
    return await _rows(connection, _PAGE, values)


async def changes(
    connection: AsyncConnection[Any],
    caller: str,
    *,
    after: tuple[int, int] = (0, 0),
    areas: list[int] | None = None,
    period: str | None = None,
    limit: int = 1_000,
) -> list[Row]:
    """Frozen quantities and adjustments after (transaction, quantity_id), in commit order."""
    values = {
        "transaction": str(after[0]),
        "quantity": after[1],
        "areas": areas,
        "period": period,
        "caller": caller,
        "limit": limit,
    }
    return await _rows(connection, _FEED, values)


async def quantity(connection: AsyncConnection[Any], quantity_id: int) -> Row | None:
    """One version of a quantity, or None."""
    rows = await _rows(connection, _ONE, (quantity_id,))
    return rows[0] if rows else None


async def versions(connection: AsyncConnection[Any], period_id: int, point_id: int, service: int) -> list[Row]:
    """Every version of a quantity, oldest first."""
    query = """
        SELECT quantity_id, version, state, energy_j, volume_ml, quality, cause, created_at, created_by FROM
        billing_quantity
        WHERE period_id = %s AND point_id = %s AND service = %s ORDER BY version
    """
    return await _rows(connection, query, (period_id, point_id, service))


async def acknowledge(connection: AsyncConnection[Any], caller: str, quantity_ids: list[int]) -> int:
    """Note what the caller has stored; returns how many are new. Unknown and unfrozen numbers are passed over."""
    query = """
        INSERT INTO billing_acknowledgement (caller, quantity_id)
        SELECT %s, quantity_id FROM billing_quantity WHERE quantity_id = ANY(%s) AND state IN ('frozen', 'adjustment')
        ON CONFLICT DO NOTHING
    """
    return (await connection.execute(query, (caller, quantity_ids))).rowcount


async def lines(
    connection: AsyncConnection[Any],
    period_id: int,
    *,
    after: tuple[int, int],
    limit: int,
    areas: list[int] | None = None,
    states: list[str] | None = None,
) -> tuple[bytes, bytes]:
    """Numbers and texts of the next `limit` prepared lines after (point_id, service); see 0014_billing_lines.sql."""
    values = {
        "period": period_id,
        "point": after[0],
        "service": after[1],
        "areas": areas,
        "states": states,
        "limit": limit,
    }
    row = await (await connection.cursor(binary=True).execute(_LINES, values)).fetchone()
    return (b"", b"") if row is None or row[0] is None else (row[0], row[1])


async def one_view(connection: AsyncConnection[Any]) -> None:
    """Let every further statement of the transaction see the data as of now."""
    await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
