"""Metering points and their states over time.

Rules: a point stays when its meter goes; at one instant it has one state, and the database sees to that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row

from ingest.errors import InvalidInputError, NotFoundError
from ingest.store import facts as facts_of
from ingest.store.facts import POINT
from ingest.store.refusals import in_domain_words

STATES = ("active", "suspended", "vacant", "closed")
_COLUMNS = (
    "p.point_id, p.code, p.area_id, a.code AS area, p.route_id, p.kind, p.address, p.building, p.account, p.parent_id,"
    " p.rule_group_id, p.heated_area_m2, p.design_load_kw, p.contract, p.latitude, p.longitude, a.time_zone,"
    " coalesce((SELECT s.state FROM point_state s WHERE s.point_id = p.point_id AND s.period @> now()),"
    " 'active') AS state"
)


@dataclass(frozen=True, slots=True)
class Point:
    """A metering point with its area and its present state."""

    point_id: int
    code: str
    area_id: int
    area: str
    route_id: int | None
    kind: str
    address: str
    building: str
    account: str | None
    parent_id: int | None
    rule_group_id: int
    heated_area_m2: Decimal | None
    design_load_kw: Decimal | None
    contract: str
    latitude: float | None
    longitude: float | None
    time_zone: str
    state: str


@dataclass(frozen=True, slots=True)
class PointState:
    """A state of a point during [start, end); None is open."""

    state: str
    start: datetime | None
    end: datetime | None
    note: str


async def create_point(
    connection: AsyncConnection[Any],
    *,
    code: str,
    area_id: int,
    state: str = "active",
    since: datetime | None = None,
    **facts: Any,
) -> int:
    """A new point in a state since `since` (None: always); its id. `facts`: the point's other columns by name.

    Raises
    ------
    ConflictError
        Code or account are taken.
    NotFoundError
        Area, route, parent or rule group do not exist.
    InvalidInputError
        A fact is unknown or outside what is allowed.
    """
    point_id = await facts_of.insert(connection, POINT, {"code": code, "area_id": area_id}, facts)
    async with in_domain_words(connection):
        await connection.execute(
            "INSERT INTO point_state (point_id, state, period) VALUES (%s, %s, tstzrange(%s, NULL))",
            (point_id, state, since),
        )
    return point_id


async def update_point(connection: AsyncConnection[Any], point_id: int, **facts: Any) -> None:
    """Change facts of a point, by column. Raises as `create_point`."""
    await facts_of.change(connection, POINT, point_id, facts)


async def set_state(
    connection: AsyncConnection[Any], point_id: int, state: str, since: datetime, *, note: str = ""
) -> None:
    """From `since` on the point is in `state`; what was planned after that instant is replaced.

    Raises
    ------
    NotFoundError
        No such point.
    InvalidInputError
        No such state.
    """
    if state not in STATES:
        raise InvalidInputError(f"{state!r} is none of {', '.join(STATES)}", field="state")
    async with in_domain_words(connection):
        await connection.execute("SELECT 1 FROM metering_point WHERE point_id = %s FOR UPDATE", (point_id,))
        await connection.execute(
            "DELETE FROM point_state WHERE point_id = %s AND lower(period) >= %s", (point_id, since)
        )
        await connection.execute(
            "UPDATE point_state SET period = tstzrange(lower(period), %s) WHERE point_id = %s AND period @>"
            " %s::timestamptz",
            (since, point_id, since),
        )
        await connection.execute(
            "INSERT INTO point_state (point_id, state, period, note) VALUES (%s, %s, tstzrange(%s, NULL), %s)",
            (point_id, state, since, note),
        )


async def states(connection: AsyncConnection[Any], point_id: int) -> list[PointState]:
    """A point's states in the order of time."""
    async with connection.cursor(row_factory=class_row(PointState)) as cursor:
        await cursor.execute(
            "SELECT state, lower(period) AS start, upper(period) AS end, note FROM point_state WHERE point_id = %s"
            " ORDER BY period",
            (point_id,),
        )
        return await cursor.fetchall()


async def get_point(connection: AsyncConnection[Any], *, code: str | None = None, point_id: int | None = None) -> Point:
    """One point by code or number. Raises NotFoundError."""
    async with connection.cursor(row_factory=class_row(Point)) as cursor:
        await cursor.execute(
            f"SELECT {_COLUMNS} FROM metering_point p JOIN area a USING (area_id)"
            " WHERE (%(code)s::text IS NULL OR p.code = %(code)s) AND (%(id)s::int IS NULL OR p.point_id = %(id)s)"
            " AND num_nonnulls(%(code)s::text, %(id)s::int) > 0",
            {"code": code, "id": point_id},
        )
        found = await cursor.fetchone()
    if found is None:
        raise NotFoundError(f"point {code if code is not None else point_id} does not exist", field="point")
    return found


async def points(
    connection: AsyncConnection[Any],
    *,
    area_ids: Sequence[int] | None = None,
    route_id: int | None = None,
    search: str | None = None,
    after: str | None = None,
    limit: int = 100,
) -> list[Point]:
    """Points by code; `after` is the last code seen, `search` a part of code, address, account or building."""
    async with connection.cursor(row_factory=class_row(Point)) as cursor:
        await cursor.execute(
            f"SELECT {_COLUMNS} FROM metering_point p JOIN area a USING (area_id)"
            " WHERE (%(areas)s::int[] IS NULL OR p.area_id = ANY(%(areas)s::int[]))"
            " AND (%(route)s::int IS NULL OR p.route_id = %(route)s)"
            " AND (%(search)s::text IS NULL OR strpos(lower(p.code || ' ' || p.address || ' ' || p.building || ' '"
            " || coalesce(p.account, '')), lower(%(search)s)) > 0)"
            " AND (%(after)s::text IS NULL OR p.code > %(after)s) ORDER BY p.code LIMIT %(limit)s",
            {
                "areas": None if area_ids is None else list(area_ids),
                "route": route_id, "search": search, "after": after, "limit": limit,
            },
        )  # fmt: skip
        return await cursor.fetchall()
