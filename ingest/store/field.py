"""The field as a worker needs it: gateways with their buses and meters, who reads them, how they fare, urgent reads.

Rules: a gateway belongs to the session that holds the advisory lock (`GATEWAY_LOCKS`, gateway id); a worker is alive
while it holds a lock in `WORKER_LOCKS`, so the database itself knows who is there and who has died.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString

from psycopg import AsyncConnection

# First halves of two-part advisory locks: "HBGW" and "HBWK" as numbers. Nothing else in the schema uses two-part locks.
GATEWAY_LOCKS = 0x48424757
WORKER_LOCKS = 0x4842574B
READ_CHANNEL = "heatbook_read_now"
ANSWER_CHANNEL = "heatbook_read_answer"
REGISTRY_CHANNEL = "heatbook_registry"


@dataclass(frozen=True, slots=True)
class FieldMeter:
    """A meter on a bus. `last_success_at` is the wall clock of its last answer."""

    meter_id: int
    bus_id: int
    address: str
    profile: str
    settings: dict[str, Any]
    baud_rate: int
    schedule_s: int
    jitter_s: int
    # Not a part of the registry: a read is no change of the field.
    last_success_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class FieldGateway:
    """A gateway with everything behind it."""

    gateway_id: int
    code: str
    kind: str
    address: str
    settings: dict[str, Any]
    meters: tuple[FieldMeter, ...]


async def gateways(connection: AsyncConnection[Any], kinds: Sequence[str]) -> list[FieldGateway]:
    """Enabled gateways of these kinds with the meters behind them, in the order of their numbers."""
    cursor = await connection.execute(
        "SELECT gateway_id, code, kind, address, settings FROM gateway WHERE enabled AND kind = ANY(%s)"
        " ORDER BY gateway_id",
        (list(kinds),),
    )
    rows = await cursor.fetchall()
    cursor = await connection.execute(
        "SELECT b.gateway_id, l.meter_id, b.bus_id, l.address, m.profile, nullif(l.settings, '{}'), b.baud_rate,"
        " b.schedule_s, b.jitter_s, h.last_success_at FROM bus b JOIN meter_link l USING (bus_id)"
        " JOIN meter m USING (meter_id) LEFT JOIN meter_health h USING (meter_id) WHERE b.gateway_id = ANY(%s)"
        " ORDER BY b.gateway_id, b.bus_id, l.meter_id",
        ([row[0] for row in rows],),
    )
    meters: dict[int, list[FieldMeter]] = {}
    for gateway_id, meter_id, bus_id, address, profile, own, *rest in await cursor.fetchall():
        meters.setdefault(gateway_id, []).append(FieldMeter(meter_id, bus_id, address, profile, own or {}, *rest))
    return [
        FieldGateway(number, code, kind, address, settings, tuple(meters.get(number, ())))
        for number, code, kind, address, settings in rows
    ]


async def unowned(connection: AsyncConnection[Any], gateway_ids: Sequence[int]) -> list[int]:
    """Those of these gateways that no worker holds just now."""
    cursor = await connection.execute(
        "SELECT objid::int8 FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND objsubid = 2 AND granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        (GATEWAY_LOCKS,),
    )
    held = {row[0] for row in await cursor.fetchall()}
    return [number for number in gateway_ids if number not in held]


async def lock_gateways(
    connection: AsyncConnection[Any], gateway_ids: Sequence[int], at_most: int | None = None
) -> list[int]:
    """Try to become the one that reads these gateways (the first `at_most` of them); those that were won."""
    cursor = await connection.execute(
        "SELECT gateway_id FROM unnest(%s::int[]) AS gateway_id WHERE pg_try_advisory_lock(%s, gateway_id)",
        (list(gateway_ids[:at_most]), GATEWAY_LOCKS),
    )
    return [row[0] for row in await cursor.fetchall()]


async def unlock_gateway(connection: AsyncConnection[Any], gateway_id: int) -> None:
    """Leave a gateway to another worker."""
    await connection.execute("SELECT pg_advisory_unlock(%s, %s)", (GATEWAY_LOCKS, gateway_id))


async def announce_worker(connection: AsyncConnection[Any]) -> None:
    """Be counted as a living worker for as long as this session lasts."""
    await connection.execute("SELECT pg_advisory_lock(%s, pg_backend_pid())", (WORKER_LOCKS,))


async def workers(connection: AsyncConnection[Any]) -> int:
    """How many workers are alive on this database."""
    cursor = await connection.execute(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        (WORKER_LOCKS,),
    )
    row = await cursor.fetchone()
    return int(row[0]) if row is not None else 0


async def notify(connection: AsyncConnection[Any], channel: str, payload: str) -> None:
    """Tell whoever listens. `payload` is below 8,000 bytes."""
    await connection.execute("SELECT pg_notify(%s, %s)", (channel, payload))


async def listen(connection: AsyncConnection[Any], *channels: LiteralString) -> None:
    """Hear notices of these channels on this connection."""
    for channel in channels:
        await connection.execute(f"LISTEN {channel}")
