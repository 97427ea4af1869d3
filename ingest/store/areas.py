"""Reading areas and their routes."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row

from ingest.errors import NotFoundError
from ingest.store.refusals import in_domain_words


@dataclass(frozen=True, slots=True)
class Area:
    """A reading area with its responsible team, its calendar and its price for what alerts put at stake."""

    area_id: int
    code: str
    name: str
    team: str
    time_zone: str
    price_per_kwh: Decimal


@dataclass(frozen=True, slots=True)
class Route:
    """A reading route within an area."""

    route_id: int
    area_id: int
    code: str
    name: str


async def create_area(
    connection: AsyncConnection[Any],
    *,
    code: str,
    name: str = "",
    team: str = "",
    time_zone: str = "Asia/Shanghai",
    price_per_kwh: Decimal = Decimal("0.2"),
) -> int:
    """A new area; its id. Raises ConflictError for a code that exists."""
    async with in_domain_words(connection):
        cursor = await connection.execute(
            "INSERT INTO area (code, name, team, time_zone, price_per_kwh) VALUES (%s, %s, %s, %s, %s)"
            " RETURNING area_id",
            (code, name or code, team, time_zone, price_per_kwh),
        )
        return int((await cursor.fetchone() or (0,))[0])


async def update_area(
    connection: AsyncConnection[Any],
    area_id: int,
    *,
    name: str | None = None,
    team: str | None = None,
    time_zone: str | None = None,
    price_per_kwh: Decimal | None = None,
) -> None:
    """Change what is given. Raises NotFoundError."""
    async with in_domain_words(connection):
        cursor = await connection.execute(
            "UPDATE area SET name = coalesce(%s, name), team = coalesce(%s, team), time_zone = coalesce(%s, time_zone),"
            " price_per_kwh = coalesce(%s, price_per_kwh) WHERE area_id = %s",
            (name, team, time_zone, price_per_kwh, area_id),
        )
    if cursor.rowcount == 0:
        raise NotFoundError(f"area {area_id} does not exist")


async def areas(connection: AsyncConnection[Any]) -> list[Area]:
    """All areas by code."""
    async with connection.cursor(row_factory=class_row(Area)) as cursor:
        await cursor.execute("SELECT area_id, code, name, team, time_zone, price_per_kwh FROM area ORDER BY code")
        return await cursor.fetchall()


async def create_route(connection: AsyncConnection[Any], *, area_id: int, code: str, name: str = "") -> int:
    """A new route of an area; its id. Raises ConflictError for a code that exists, NotFoundError without the area."""
    async with in_domain_words(connection):
        cursor = await connection.execute(
            "INSERT INTO route (area_id, code, name) VALUES (%s, %s, %s) RETURNING route_id",
            (area_id, code, name or code),
        )
        return int((await cursor.fetchone() or (0,))[0])


async def routes(connection: AsyncConnection[Any], area_id: int | None = None) -> list[Route]:
    """Routes of an area, or of all, by code."""
    async with connection.cursor(row_factory=class_row(Route)) as cursor:
        await cursor.execute(
            "SELECT route_id, area_id, code, name FROM route WHERE %(area)s::int IS NULL OR area_id = %(area)s"
            " ORDER BY area_id, code",
            {"area": area_id},
        )
        return await cursor.fetchall()
