"""Readings of registers by time, and those that a delivery brought.

Rules: every version is shown, callers choose; pages are keysets, a caller gives the last row's position.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.rows import dict_row

Row = dict[str, Any]
Position = tuple[datetime, int, int]

_OF_REGISTERS: Final = """
SELECT r.ts, r.register_id, r.value, r.delivery_id, r.version, r.flags FROM reading r
WHERE r.register_id = ANY(%(registers)s::int[]) AND r.ts >= coalesce(%(ts)s::timestamptz, %(start)s) AND r.ts < %(end)s
  AND (%(ts)s::timestamptz IS NULL OR (r.ts, r.register_id, r.version) > (%(ts)s, %(register)s::int, %(version)s::int))
ORDER BY r.ts, r.register_id, r.version LIMIT %(limit)s
"""
_OF_DELIVERY: Final = """
SELECT r.ts, g.register_id, r.value, r.version, r.flags, g.name, g.quantity, g.unit, g.scale, g.meter_id, m.serial
FROM register g CROSS JOIN LATERAL readings_of(g.meter_id, g.slot) r JOIN meter m USING (meter_id)
WHERE r.delivery_id = %(delivery)s AND r.ts BETWEEN %(start)s AND %(end)s ORDER BY r.ts, g.register_id LIMIT 2000
"""


async def of_registers(
    connection: AsyncConnection[Any],
    register_ids: Sequence[int],
    start: datetime,
    end: datetime,
    *,
    position: Position | None = None,
    limit: int = 1_000,
) -> list[Row]:
    """Readings in [start, end) after `position` (ts, register_id, version), every version, in that order."""
    ts, register, version = position or (None, None, None)
    values = {
        "registers": list(register_ids), "start": start, "end": end,
        "ts": ts, "register": register, "version": version, "limit": limit,
    }  # fmt: skip
    return await (await connection.cursor(row_factory=dict_row).execute(_OF_REGISTERS, values)).fetchall()


async def of_delivery(connection: AsyncConnection[Any], delivery_id: int, start: datetime, end: datetime) -> list[Row]:
    """Readings that came with a delivery, with their registers, where their instants lie in [start, end].

    The span is what finds them: no key begins with the delivery.
    """
    values = {"delivery": delivery_id, "start": start, "end": end}
    return await (await connection.cursor(row_factory=dict_row).execute(_OF_DELIVERY, values)).fetchall()
