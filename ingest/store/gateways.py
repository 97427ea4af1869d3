"""Gateways and the buses behind them."""

from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from ingest.errors import NotFoundError
from ingest.store.refusals import in_domain_words


@dataclass(frozen=True, slots=True)
class Gateway:
    """One address on the network; `settings` are its kind's own."""

    gateway_id: int
    code: str
    kind: str
    address: str
    area_id: int | None
    enabled: bool
    settings: dict[str, Any]
    latitude: float | None
    longitude: float | None


@dataclass(frozen=True, slots=True)
class Bus:
    """The wires behind a gateway: speed and reading schedule."""

    bus_id: int
    gateway_id: int
    code: str
    baud_rate: int
    schedule_s: int
    jitter_s: int


async def create_gateway(
    connection: AsyncConnection[Any],
    *,
    code: str,
    kind: str,
    address: str,
    area_id: int | None = None,
    enabled: bool = True,
    settings: dict[str, Any] | None = None,
    latitude: float | None = None,
    longitude: float | None = None,
) -> int:
    """A new gateway; its id. Raises ConflictError for a code that exists, InvalidInputError for an unknown kind."""
    async with in_domain_words(connection):
        cursor = await connection.execute(
            "INSERT INTO gateway (code, kind, address, area_id, enabled, settings, latitude, longitude)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING gateway_id",
            (code, kind, address, area_id, enabled, Jsonb(settings or {}), latitude, longitude),
        )
        return int((await cursor.fetchone() or (0,))[0])


async def update_gateway(
    connection: AsyncConnection[Any],
    gateway_id: int,
    *,
    address: str | None = None,
    enabled: bool | None = None,
    settings: dict[str, Any] | None = None,
) -> None:
    """Change what is given. Raises NotFoundError."""
    cursor = await connection.execute(
        "UPDATE gateway SET address = coalesce(%s, address), enabled = coalesce(%s, enabled),"
        " settings = coalesce(%s, settings) WHERE gateway_id = %s",
        (address, enabled, None if settings is None else Jsonb(settings), gateway_id),
    )
    if cursor.rowcount == 0:
        raise NotFoundError(f"gateway {gateway_id} does not exist")


async def create_bus(
    connection: AsyncConnection[Any],
    *,
    gateway_id: int,
    code: str = "1",
    baud_rate: int = 2400,
    schedule_s: int = 3600,
    jitter_s: int = 0,
) -> int:
    """A new bus of a gateway; its id. Raises ConflictError for a code it has, NotFoundError without the gateway."""
    async with in_domain_words(connection):
        cursor = await connection.execute(
            "INSERT INTO bus (gateway_id, code, baud_rate, schedule_s, jitter_s) VALUES (%s, %s, %s, %s, %s)"
            " RETURNING bus_id",
            (gateway_id, code, baud_rate, schedule_s, jitter_s),
        )
        return int((await cursor.fetchone() or (0,))[0])


async def gateways(connection: AsyncConnection[Any], *, enabled: bool | None = None) -> list[Gateway]:
    """Gateways by code."""
    async with connection.cursor(row_factory=class_row(Gateway)) as cursor:
        await cursor.execute(
            "SELECT gateway_id, code, kind, address, area_id, enabled, settings, latitude, longitude FROM gateway"
            " WHERE %(enabled)s::boolean IS NULL OR enabled = %(enabled)s ORDER BY code",
            {"enabled": enabled},
        )
        return await cursor.fetchall()


async def buses(connection: AsyncConnection[Any], gateway_id: int | None = None) -> list[Bus]:
    """Buses of a gateway, or of all."""
    async with connection.cursor(row_factory=class_row(Bus)) as cursor:
        await cursor.execute(
            "SELECT bus_id, gateway_id, code, baud_rate, schedule_s, jitter_s FROM bus"
            " WHERE %(gateway)s::int IS NULL OR gateway_id = %(gateway)s ORDER BY gateway_id, code",
            {"gateway": gateway_id},
        )
        return await cursor.fetchall()
