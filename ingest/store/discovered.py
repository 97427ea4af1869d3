"""Meters that were heard but nobody registered: a technician adopts or dismisses them.

Rules: hearing one again counts it and renews what it said last; adopting registers the meter, its link and, where a
point is given, its installation, all in the caller's transaction. Its quarantined deliveries are then for
`ingest.replay`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from ingest.errors import ConflictError, NotFoundError
from ingest.model import Delivery, Rejected
from ingest.store import registry
from ingest.store.packing import stored_text
from protocols.telegram import MeterId

_COLUMNS = (
    "discovered_id, serial, manufacturer, medium, version, protocol, profile, channel, gateway_id, first_seen_at,"
    " last_seen_at, deliveries, last_values, state, meter_id"
)


@dataclass(frozen=True, slots=True)
class DiscoveredMeter:
    """A meter that was heard: identity, the way it came, how often, and what it said last."""

    discovered_id: int
    serial: str
    manufacturer: str
    medium: str
    version: int | None
    protocol: str
    profile: str
    channel: str
    gateway_id: int | None
    first_seen_at: datetime
    last_seen_at: datetime
    deliveries: int
    last_values: list[dict[str, Any]]
    state: str
    meter_id: int | None


async def upsert(connection: AsyncConnection[Any], heard: Sequence[tuple[Delivery, Rejected]]) -> None:
    """Count meters that were heard; entries without an identity are passed over."""
    latest: dict[tuple[str, str, str], tuple[MeterId, Delivery, Rejected, int]] = {}
    for delivery, reason in heard:
        if reason.meter is None or not reason.meter.serial:
            continue
        meter = reason.meter
        key = (stored_text(meter.manufacturer), stored_text(meter.serial), stored_text(meter.medium))
        before = latest.get(key)
        latest[key] = (meter, delivery, reason, (before[3] if before else 0) + 1)
    if not latest:
        return
    columns: list[list[Any]] = [[] for _ in range(11)]
    for key in sorted(latest):
        meter, delivery, reason, count = latest[key]
        manufacturer, serial, medium = key
        row = (
            serial, manufacturer, medium, meter.version, stored_text(delivery.protocol), reason.profile,
            stored_text(delivery.channel), delivery.gateway_id, delivery.arrived_at, count, Jsonb(list(reason.seen)),
        )  # fmt: skip
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    await connection.execute(
        "INSERT INTO discovered_meter AS d (serial, manufacturer, medium, version, protocol, profile,"
        " channel, gateway_id,"
        " first_seen_at, last_seen_at, deliveries, last_values)"
        " SELECT serial, manufacturer, medium, version, protocol, profile, channel, gateway_id, seen, seen,"
        " n, said FROM"
        " unnest(%s::text[], %s::text[], %s::text[], %s::int[], %s::text[], %s::text[], %s::text[], %s::int[],"
        " %s::timestamptz[], %s::int8[], %s::jsonb[])"
        " AS item (serial, manufacturer, medium, version, protocol, profile, channel, gateway_id, seen, n, said)"
        " ON CONFLICT (manufacturer, serial, medium) DO UPDATE SET last_seen_at = greatest(d.last_seen_at,"
        " excluded.last_seen_at), first_seen_at = least(d.first_seen_at, excluded.first_seen_at),"
        " deliveries = d.deliveries + excluded.deliveries, last_values = excluded.last_values,"
        " version = coalesce(excluded.version, d.version), channel = excluded.channel,"
        " gateway_id = coalesce(excluded.gateway_id, d.gateway_id),"
        " profile = CASE WHEN excluded.profile <> '' THEN excluded.profile ELSE d.profile END",
        columns,
    )


async def discovered(
    connection: AsyncConnection[Any], *, state: str | None = "open", after: int = 0, limit: int = 100
) -> list[DiscoveredMeter]:
    """Meters heard, by number; `after` is the last number seen."""
    async with connection.cursor(row_factory=class_row(DiscoveredMeter)) as cursor:
        await cursor.execute(
            f"SELECT {_COLUMNS} FROM discovered_meter WHERE (%(state)s::text IS NULL OR state = %(state)s)"
            " AND discovered_id > %(after)s ORDER BY discovered_id LIMIT %(limit)s",
            {"state": state, "after": after, "limit": limit},
        )
        return await cursor.fetchall()


async def get(connection: AsyncConnection[Any], discovered_id: int, *, lock: bool = False) -> DiscoveredMeter:
    """One discovered meter; `lock` keeps others from deciding on it until the transaction ends.

    Raises
    ------
    NotFoundError
        There is none of that number.
    """
    async with connection.cursor(row_factory=class_row(DiscoveredMeter)) as cursor:
        await cursor.execute(
            f"SELECT {_COLUMNS} FROM discovered_meter WHERE discovered_id = %s" + (" FOR UPDATE" if lock else ""),
            (discovered_id,),
        )
        found = await cursor.fetchone()
    if found is None:
        raise NotFoundError(f"discovered meter {discovered_id} does not exist")
    return found


async def adopt(
    connection: AsyncConnection[Any],
    discovered_id: int,
    *,
    actor: str,
    point_id: int | None = None,
    installed_at: datetime | None = None,
    service: int = 1,
    bus_id: int | None = None,
    address: str = "",
    model: str = "",
    profile: str | None = None,
    medium: str | None = None,
) -> int:
    """Register a discovered meter; its meter id.

    Raises
    ------
    NotFoundError
        No such discovered meter or point.
    ConflictError
        Someone decided on it already, the meter is registered, or the point has a meter of that service at that time.
    """
    found = await get(connection, discovered_id, lock=True)
    if found.state != "open":
        raise ConflictError(f"discovered meter {discovered_id} is {found.state} already", code="discovered.settled")
    meter_id = await registry.create_meter(
        connection,
        serial=found.serial,
        manufacturer=found.manufacturer,
        medium=medium or found.medium or "heat",
        version=found.version,
        model=model,
        profile=found.profile if profile is None else profile,
    )
    await registry.link_meter(connection, meter_id, bus_id=bus_id, address=address)
    if point_id is not None:
        start = installed_at or found.first_seen_at
        await registry.install(
            connection,
            point_id=point_id,
            meter_id=meter_id,
            service=service,
            start=start,
            actor=actor,
            reason="adopted",
        )
    await connection.execute(
        "UPDATE discovered_meter SET state = 'adopted', meter_id = %s WHERE discovered_id = %s",
        (meter_id, discovered_id),
    )
    return meter_id


async def dismiss(connection: AsyncConnection[Any], discovered_id: int) -> None:
    """Put a discovered meter aside (a neighbour's, a visitor's); its deliveries stay in quarantine.

    Raises
    ------
    NotFoundError
        There is none of that number.
    ConflictError
        Someone decided on it already.
    """
    found = await get(connection, discovered_id, lock=True)
    if found.state != "open":
        raise ConflictError(f"discovered meter {discovered_id} is {found.state} already", code="discovered.settled")
    await connection.execute(
        "UPDATE discovered_meter SET state = 'dismissed' WHERE discovered_id = %s", (discovered_id,)
    )
