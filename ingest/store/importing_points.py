"""Points of a registry file into the tables, thousands of rows a statement.

Rules: what is there already and equal stays untouched; a fact that the file has no column for stays as it is; the
caller has checked rows against each other and owns the transaction; rows travel as columns.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection

from ingest.store.importing import Counts, columns_of
from ingest.store.points import set_state
from ingest.store.refusals import in_domain_words

# Column of the file -> column of the table and its type, in the order of `write_points`' rows.
_FACTS = {
    "point": ("code", "text"),
    "area": ("area_id", "int"),
    "route": ("route_id", "int"),
    "address": ("address", "text"),
    "building": ("building", "text"),
    "kind": ("kind", "text"),
    "account": ("account", "text"),
    "contract": ("contract", "text"),
    "heated_area_m2": ("heated_area_m2", "numeric"),
    "design_load_kw": ("design_load_kw", "numeric"),
    "latitude": ("latitude", "float8"),
    "longitude": ("longitude", "float8"),
}


async def point_codes(connection: AsyncConnection[Any]) -> dict[str, int]:
    """Point code -> point id."""
    cursor = await connection.execute("SELECT code, point_id FROM metering_point")
    return dict(await cursor.fetchall())


async def accounts(connection: AsyncConnection[Any]) -> dict[str, str]:
    """Account -> code of the point that has it."""
    cursor = await connection.execute("SELECT account, code FROM metering_point WHERE account IS NOT NULL")
    return dict(await cursor.fetchall())


async def parents(connection: AsyncConnection[Any]) -> dict[str, str]:
    """Point code -> code of the point above it, "" where there is none."""
    cursor = await connection.execute(
        "SELECT p.code, coalesce(q.code, '') FROM metering_point p LEFT JOIN metering_point q"
        " ON q.point_id = p.parent_id"
    )
    return dict(await cursor.fetchall())


async def write_points(
    connection: AsyncConnection[Any],
    rows: Sequence[Sequence[Any]],
    states: Mapping[str, str],
    parents: Mapping[str, str],
    *,
    given: Collection[str],
    now: datetime,
) -> Counts:
    """Points as (code, area id, route id, address, building, kind, account, contract, heated area, design load,
    latitude, longitude), their states and the points above them.

    Parameters
    ----------
    states, parents : by point code
        A state holds for a new point since ever, for a known one from `now` on; an empty parent takes it away.
    given : collection of column names
        What the file says; other facts of a known point stay.
    """
    known = await point_codes(connection)
    stored = await _upsert(connection, rows, given)
    fresh = [code for code in stored if code not in known]
    await connection.execute(
        "INSERT INTO point_state (point_id, state, period) SELECT p.point_id, item.state, tstzrange(NULL, NULL)"
        " FROM unnest(%s::text[], %s::text[]) AS item (code, state) JOIN metering_point p USING (code)",
        (fresh, [states[code] for code in fresh]),
    )
    turned: set[str] = set()
    if "state" in given:
        turned = await _change_states(connection, {code: state for code, state in states.items() if code in known}, now)
    if "parent" in given:
        turned |= await _change_parents(connection, parents)
    changed = len((stored | turned) - set(fresh))
    return Counts(len(fresh), changed, len(rows) - len(fresh) - changed)


async def _upsert(connection: AsyncConnection[Any], rows: Sequence[Sequence[Any]], given: Collection[str]) -> set[str]:
    """Insert or change points; codes of those that are new or differ."""
    changes = {table: f"excluded.{table}" for name, (table, _) in _FACTS.items() if name in given and name != "point"}
    if "address" in given and "building" not in given:
        # The building that an address names must not replace one that somebody stated.
        changes["building"] = "CASE WHEN p.building = '' THEN excluded.building ELSE p.building END"
    facts = ", ".join(f"{table} = {value}" for table, value in changes.items())
    old, new = ", ".join(f"p.{table}" for table in changes), ", ".join(changes.values())
    names = ", ".join(table for table, _ in _FACTS.values())
    arrays = ", ".join(f"%s::{kind}[]" for _, kind in _FACTS.values())
    async with in_domain_words(connection):
        cursor = await connection.execute(
            f"INSERT INTO metering_point AS p ({names}) SELECT * FROM unnest({arrays})"
            f" ON CONFLICT (code) DO UPDATE SET {facts}, updated_at = now()"
            f" WHERE ({old}) IS DISTINCT FROM ({new}) RETURNING code",
            columns_of(rows, len(_FACTS)),
        )
        return {code for (code,) in await cursor.fetchall()}


async def _change_states(connection: AsyncConnection[Any], states: Mapping[str, str], now: datetime) -> set[str]:
    cursor = await connection.execute(
        "SELECT p.code, p.point_id, item.state FROM unnest(%s::text[], %s::text[]) AS item (code, state)"
        " JOIN metering_point p USING (code) LEFT JOIN point_state s ON s.point_id = p.point_id AND s.period @> %s"
        " WHERE s.state IS DISTINCT FROM item.state",
        (list(states), list(states.values()), now),
    )
    different = await cursor.fetchall()
    for _, point_id, state in different:
        await set_state(connection, point_id, state, now, note="import")
    return {code for code, _, _ in different}


async def _change_parents(connection: AsyncConnection[Any], parents: Mapping[str, str]) -> set[str]:
    cursor = await connection.execute(
        "UPDATE metering_point p SET parent_id = q.point_id, updated_at = now()"
        " FROM unnest(%s::text[], %s::text[]) AS item (code, parent)"
        " LEFT JOIN metering_point q ON q.code = item.parent"
        " WHERE p.code = item.code AND p.parent_id IS DISTINCT FROM q.point_id RETURNING p.code",
        (list(parents), list(parents.values())),
    )
    return {code for (code,) in await cursor.fetchall()}
