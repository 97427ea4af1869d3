"""Facts of a registry row, by column: which may be said of a thing, said when it is made, and changed later.

Rules: one table from thing to columns; an unknown fact is the caller's error and named; what the database refuses is
raised in the words of the domain.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from ingest.errors import InvalidInputError, NotFoundError
from ingest.store.refusals import in_domain_words


@dataclass(frozen=True, slots=True)
class Thing:
    """A table of the registry: its key, what people call a row, the columns that may be changed.

    `stamped`: the table keeps when a row was changed.
    """

    table: str
    key: str
    noun: str
    changeable: frozenset[str]
    stamped: bool = False


METER = Thing(
    "meter", "meter_id", "meter",
    frozenset({"medium", "version", "model", "profile", "qp_m3h", "qs_m3h", "mounting_side", "clock_zone"}),
)  # fmt: skip
POINT = Thing(
    "metering_point", "point_id", "point",
    frozenset({
        "area_id", "route_id", "kind", "address", "building", "account", "parent_id", "rule_group_id",
        "heated_area_m2", "design_load_kw", "contract", "latitude", "longitude",
    }),
    stamped=True,
)  # fmt: skip


async def insert(
    connection: AsyncConnection[Any], thing: Thing, identity: Mapping[str, Any], facts: Mapping[str, Any]
) -> int:
    """A new row with its identity and facts; its number.

    Raises
    ------
    ConflictError
        One of that identity exists.
    NotFoundError
        What a fact refers to does not exist.
    InvalidInputError
        A fact is unknown or outside what is allowed.
    """
    _check(thing, facts)
    said = {**identity, **facts}
    async with in_domain_words(connection):
        cursor = await connection.execute(
            f"INSERT INTO {thing.table} ({', '.join(said)}) VALUES ({', '.join(['%s'] * len(said))})"
            f" RETURNING {thing.key}",
            list(said.values()),
        )
        return int((await cursor.fetchone() or (0,))[0])


async def change(connection: AsyncConnection[Any], thing: Thing, number: int, facts: Mapping[str, Any]) -> None:
    """Change facts of a row. Raises as `insert`, and NotFoundError where there is no such row."""
    _check(thing, facts)
    if not facts:
        return
    changes = [f"{name} = %s" for name in facts] + ["updated_at = now()"] * thing.stamped
    async with in_domain_words(connection):
        cursor = await connection.execute(
            f"UPDATE {thing.table} SET {', '.join(changes)} WHERE {thing.key} = %s", [*facts.values(), number]
        )
    if cursor.rowcount == 0:
        raise NotFoundError(f"{thing.noun} {number} does not exist")


def _check(thing: Thing, facts: Mapping[str, Any]) -> None:
    for name in facts:
        if name not in thing.changeable:
            raise InvalidInputError(f"a {thing.noun} has no {name}", field=name)
