"""Deliveries that yielded no reading, with a coded reason each, until someone settles them.

Rules: the bytes stay in `delivery`; an entry is never deleted, it is replayed or dismissed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row

from ingest.errors import NotFoundError
from ingest.model import Delivery, Rejected
from ingest.store.packing import stored_text

_COLUMNS = (
    "quarantine_id, delivery_id, arrived_at, protocol, channel, code, message, byte_offset, field,"
    " manufacturer, serial,"
    " medium, state, settled_at, settled_by"
)


@dataclass(frozen=True, slots=True)
class QuarantineEntry:
    """Why a delivery was set aside. `field` or `byte_offset` names what was wrong."""

    quarantine_id: int
    delivery_id: int
    arrived_at: datetime
    protocol: str
    channel: str
    code: str
    message: str
    byte_offset: int | None
    field: str | None
    manufacturer: str
    serial: str
    medium: str
    state: str
    settled_at: datetime | None
    settled_by: str | None


async def insert(connection: AsyncConnection[Any], entries: Sequence[tuple[int, Delivery, Rejected]]) -> dict[int, int]:
    """Set deliveries aside; an entry that is already there gets the newer reason and is open again.

    Returns
    -------
    delivery id -> quarantine id
    """
    if not entries:
        return {}
    columns: list[list[Any]] = [[] for _ in range(11)]
    for delivery_id, delivery, reason in entries:
        meter = reason.meter
        row = (
            delivery_id, delivery.arrived_at, stored_text(delivery.protocol), stored_text(delivery.channel),
            stored_text(reason.code), stored_text(reason.message), reason.offset, reason.field,
            stored_text(meter.manufacturer) if meter else "",
            stored_text(meter.serial) if meter else "", stored_text(meter.medium) if meter else "",
        )  # fmt: skip
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    cursor = await connection.execute(
        "INSERT INTO quarantine (delivery_id, arrived_at, protocol, channel, code, message, byte_offset, field,"
        " manufacturer, serial, medium)"
        " SELECT * FROM unnest(%s::int8[], %s::timestamptz[], %s::text[], %s::text[], %s::text[],"
        " %s::text[], %s::int[],"
        " %s::text[], %s::text[], %s::text[], %s::text[])"
        " ON CONFLICT (delivery_id) DO UPDATE SET code = excluded.code, message = excluded.message,"
        " byte_offset = excluded.byte_offset, field = excluded.field, manufacturer = excluded.manufacturer,"
        " serial = excluded.serial, medium = excluded.medium, state = 'open', settled_at = NULL, settled_by = NULL"
        " RETURNING delivery_id, quarantine_id",
        columns,
    )
    return dict(await cursor.fetchall())


async def entries(
    connection: AsyncConnection[Any],
    *,
    code: str | None = None,
    state: str | None = "open",
    serial: str | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[QuarantineEntry]:
    """Entries, latest first; `before` is the quarantine id of the last one seen. A `code` ending in "." is a prefix."""
    async with connection.cursor(row_factory=class_row(QuarantineEntry)) as cursor:
        await cursor.execute(
            f"SELECT {_COLUMNS} FROM quarantine WHERE (%(code)s::text IS NULL OR code = %(code)s"
            " OR (right(%(code)s, 1) = '.' AND starts_with(code, %(code)s)))"
            " AND (%(state)s::text IS NULL OR state = %(state)s) AND (%(serial)s::text IS NULL OR serial = %(serial)s)"
            " AND (%(before)s::int8 IS NULL OR quarantine_id < %(before)s) ORDER BY quarantine_id DESC LIMIT %(limit)s",
            {"code": code, "state": state, "serial": serial, "before": before, "limit": limit},
        )
        return await cursor.fetchall()


async def get(connection: AsyncConnection[Any], quarantine_id: int) -> QuarantineEntry:
    """One entry.

    Raises
    ------
    NotFoundError
        There is none of that number.
    """
    async with connection.cursor(row_factory=class_row(QuarantineEntry)) as cursor:
        await cursor.execute(f"SELECT {_COLUMNS} FROM quarantine WHERE quarantine_id = %s", (quarantine_id,))
        found = await cursor.fetchone()
    if found is None:
        raise NotFoundError(f"quarantine entry {quarantine_id} does not exist")
    return found


async def counts(connection: AsyncConnection[Any], *, state: str | None = "open") -> dict[str, int]:
    """How many entries each code has."""
    cursor = await connection.execute(
        "SELECT code, count(*) FROM quarantine WHERE (%(state)s::text IS NULL OR state = %(state)s)"
        " GROUP BY code ORDER BY 2 DESC, 1",
        {"state": state},
    )
    return dict(await cursor.fetchall())


async def settle(connection: AsyncConnection[Any], delivery_ids: Sequence[int], *, state: str, actor: str) -> int:
    """Close the open entries of deliveries as "replayed" or "dismissed"; how many were open."""
    cursor = await connection.execute(
        "UPDATE quarantine SET state = %s, settled_at = now(), settled_by = %s"
        " WHERE delivery_id = ANY(%s) AND state = 'open'",
        (state, actor, list(delivery_ids)),
    )
    return cursor.rowcount


async def open_deliveries(
    connection: AsyncConnection[Any],
    *,
    code: str | None = None,
    serial: str | None = None,
    delivery_ids: Sequence[int] | None = None,
    after: int = 0,
    limit: int = 1000,
) -> list[tuple[int, int]]:
    """(quarantine id, delivery id) of open entries in the order they came, for replay; `after` is the last id seen."""
    cursor = await connection.execute(
        "SELECT quarantine_id, delivery_id FROM quarantine WHERE state = 'open' AND quarantine_id > %(after)s"
        " AND (%(code)s::text IS NULL OR code = %(code)s OR (right(%(code)s, 1) = '.' AND starts_with(code, %(code)s)))"
        " AND (%(serial)s::text IS NULL OR ltrim(serial, '0') = ltrim(%(serial)s, '0'))"
        " AND (%(ids)s::int8[] IS NULL OR delivery_id = ANY(%(ids)s::int8[])) ORDER BY quarantine_id LIMIT %(limit)s",
        {
            "code": code,
            "serial": serial,
            "ids": None if delivery_ids is None else list(delivery_ids),
            "after": after,
            "limit": limit,
        },
    )
    return await cursor.fetchall()
