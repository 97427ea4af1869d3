"""Readings of a meter or register by time, newest values, and the way back from a reading to its delivery.

Rules: a register that is asked about is found through its meter; of several versions of a value the first one counts
unless all are asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row

_COLUMNS = (
    "r.ts, r.register_id, r.value AS count, r.version, r.flags, r.delivery_id, g.meter_id, g.name, g.quantity, g.unit,"
    " g.scale"
)


@dataclass(frozen=True, slots=True)
class StoredReading:
    """A reading with its register; `count` is exact, `value` the same in the register's unit."""

    ts: datetime
    register_id: int
    count: int
    version: int
    flags: int
    delivery_id: int
    meter_id: int
    name: str
    quantity: str
    unit: str
    scale: int

    @property
    def value(self) -> Decimal:
        """The displayed value in `unit`."""
        return Decimal(self.count).scaleb(self.scale)


async def readings(
    connection: AsyncConnection[Any],
    meter_id: int,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    names: Sequence[str] | None = None,
    after: tuple[datetime, int, int] | None = None,
    versions: bool = False,
    limit: int = 1000,
) -> list[StoredReading]:
    """A meter's readings in [start, end) by time, register and version.

    `after`: (ts, register id, version) of the last one seen. `names`: registers by name. `versions`: differing values
    of the same instant, too.
    """
    async with connection.cursor(row_factory=class_row(StoredReading)) as cursor:
        await cursor.execute(
            f"SELECT {_COLUMNS} FROM reading r JOIN register g USING (register_id)"
            " WHERE r.register_id = ANY(ARRAY(SELECT register_id FROM register WHERE meter_id = %(meter)s"
            " AND (%(names)s::text[] IS NULL OR name = ANY(%(names)s::text[]))))"
            " AND r.ts >= coalesce(%(after_ts)s::timestamptz, %(start)s::timestamptz, '-infinity')"
            " AND r.ts < coalesce(%(end)s::timestamptz, 'infinity')"
            " AND (%(after_ts)s::timestamptz IS NULL OR (r.ts, r.register_id, r.version)"
            " > (%(after_ts)s::timestamptz, %(after_register)s::int, %(after_version)s::int))"
            " AND (%(versions)s OR r.version = 0)"
            " ORDER BY r.ts, r.register_id, r.version LIMIT %(limit)s",
            {
                "meter": meter_id,
                "names": None if names is None else list(names),
                "start": start,
                "end": end,
                "after_ts": after[0] if after else None,
                "after_register": after[1] if after else 0,
                "after_version": after[2] if after else 0,
                "versions": versions,
                "limit": limit,
            },
        )
        return await cursor.fetchall()


async def latest(
    connection: AsyncConnection[Any], meter_id: int, *, until: datetime | None = None
) -> list[StoredReading]:
    """The newest reading of each of a meter's registers, by name."""
    async with connection.cursor(row_factory=class_row(StoredReading)) as cursor:
        await cursor.execute(
            f"SELECT {_COLUMNS} FROM register g CROSS JOIN LATERAL (SELECT * FROM reading r"
            " WHERE r.register_id = g.register_id AND r.ts < coalesce(%(until)s::timestamptz, 'infinity')"
            " ORDER BY r.ts DESC, r.version DESC LIMIT 1) r WHERE g.meter_id = %(meter)s ORDER BY g.name",
            {"meter": meter_id, "until": until},
        )
        return await cursor.fetchall()


async def of_delivery(connection: AsyncConnection[Any], delivery_id: int) -> list[StoredReading]:
    """The readings that came with a delivery, or were written when it was replayed."""
    async with connection.cursor(row_factory=class_row(StoredReading)) as cursor:
        await cursor.execute(
            f"SELECT {_COLUMNS} FROM reading r JOIN register g USING (register_id) WHERE r.delivery_id = %s"
            " ORDER BY r.ts, r.register_id, r.version",
            (delivery_id,),
        )
        return await cursor.fetchall()
