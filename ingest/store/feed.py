"""Reading billing quantities: pages of a period, and the change feed in commit order.

The feed shows only rows whose transaction is below the snapshot's xmin: none that is still running can later commit
a row
that sorts before one already shown. So a consumer that keeps its cursor misses nothing.
"""

from collections.abc import Mapping
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
# The index of pages gives the newest version of each quantity first: no row is compared with another.
_NEWEST: Final[LiteralString] = """
SELECT DISTINCT ON (point_id, service) * FROM billing_quantity
WHERE period_id = %(period)s AND (point_id, service) > (%(point)s, %(service)s)
ORDER BY point_id, service, version DESC
"""
_JOINED: Final[LiteralString] = """
q JOIN billing_period b USING (period_id) JOIN metering_point p USING (point_id) JOIN area a USING (area_id)
WHERE (%(areas)s::int[] IS NULL OR p.area_id = ANY(%(areas)s)) AND (%(states)s::text[] IS NULL OR q.state =
ANY(%(states)s))
"""
BULK_FROM: Final[LiteralString] = f"FROM ({_NEWEST}) {_JOINED}"


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


def chunk_query(
    numbers: Mapping[str, LiteralString], floats: Mapping[str, LiteralString], texts: Mapping[str, LiteralString]
) -> LiteralString:
    """A query that gives a chunk of quantities as one row of column arrays.

    Numbers come as int8 arrays (NULL as the smallest), floats as float8 arrays (NULL as NaN), texts as two values:
    an int8
    array of byte lengths (NULL as -1) and all bytes one after the other. Two more values follow: how many quantities
    were
    looked at, and (point, service) of the last; within a chunk rows come in any order. Parameters as BULK_FROM, with
    `point`, `service` of the last one
    before, and
    `limit`.
    """
    inner: list[LiteralString] = []
    outer: list[LiteralString] = []
    for name, expression in numbers.items():
        inner.append(f"coalesce({expression}, (-9223372036854775808)::int8) AS {name}")
        outer.append(f"array_send(array_agg({name}))")
    for name, expression in floats.items():
        inner.append(f"coalesce({expression}, 'NaN'::float8) AS {name}")
        outer.append(f"array_send(array_agg({name}))")
    for name, expression in texts.items():
        inner.append(f"{expression} AS {name}")
        outer.append(f"array_send(array_agg(coalesce(octet_length({name}), -1)::int8))")
        outer.append(f"convert_to(string_agg({name}, ''), 'UTF8')")
    columns: LiteralString = ", ".join(outer)
    chosen: LiteralString = ", ".join(inner)
    return (
        f"WITH page AS MATERIALIZED ({_NEWEST} LIMIT %(limit)s),"
        f" chunk AS (SELECT {chosen} FROM page {_JOINED})"
        f" SELECT {columns}, (SELECT count(*) FROM page), (SELECT ARRAY[point_id::int, service::int] FROM page"
        " ORDER BY point_id DESC, service DESC LIMIT 1) FROM chunk"
    )


async def one_view(connection: AsyncConnection[Any]) -> None:
    """Let every further statement of the transaction see the data as of now, and sort a chunk in memory."""
    await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    await connection.execute("SET LOCAL work_mem = '64MB'")
