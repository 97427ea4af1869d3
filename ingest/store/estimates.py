"""Estimates without an index behind them: the switches that allow them, and what each was made of.

Rules: synchronous for assessment, asynchronous for people; an estimate that is no longer made loses its inputs, its
intervals stay as versions.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection, Connection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

Row = dict[str, Any]
_WRITE = """
INSERT INTO estimate_input AS e (point_id, service, from_ts, to_ts, method, energy_kwh, uncertainty_kwh, inputs, run_id)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (point_id, service, from_ts, method) DO UPDATE SET to_ts = excluded.to_ts, energy_kwh = excluded.energy_kwh,
  uncertainty_kwh = excluded.uncertainty_kwh, inputs = excluded.inputs, run_id = excluded.run_id
WHERE (e.to_ts, e.inputs) IS DISTINCT FROM (excluded.to_ts, excluded.inputs)
"""
_DROP_ALL = """
DELETE FROM estimate_input e USING unnest(%s::int[], %s::int[]) AS place (point_id, service)
WHERE e.point_id = place.point_id AND e.service = place.service AND e.from_ts >= %s
"""
_DROP = "DELETE FROM estimate_input WHERE point_id = %s AND service = %s AND from_ts >= %s AND from_ts <> ALL(%s)"


@dataclass(frozen=True, slots=True)
class EstimateInput:
    """One span and method of a place: `inputs` by name with the unit in the name."""

    point_id: int
    service: int
    from_ts: datetime
    to_ts: datetime
    method: int
    energy_kwh: float
    uncertainty_kwh: float
    inputs: dict[str, Any]


def write_inputs(
    connection: Connection[Any], made: Iterable[EstimateInput], places: Sequence[tuple[int, int, datetime]], run_id: int
) -> None:
    """Store what estimates were made of; those of `places` (point, service, from) that were not made again go."""
    rows = list(made)
    for point, service, since in places:
        kept = [row.from_ts for row in rows if (row.point_id, row.service) == (point, service)]
        connection.execute(_DROP, (point, service, since, kept))
    for row in rows:
        values = (row.point_id, row.service, row.from_ts, row.to_ts, row.method, row.energy_kwh, row.uncertainty_kwh)
        connection.execute(_WRITE, (*values, Jsonb(row.inputs), run_id))


def drop_inputs(connection: Connection[Any], places: Sequence[tuple[int, int]], since: datetime) -> None:
    """Forget what estimates of places (point, service) were made of from an instant on: readings have come."""
    points, services = [point for point, _ in places], [service for _, service in places]
    connection.execute(_DROP_ALL, (points, services, since))


def load_switches(connection: Connection[Any]) -> dict[int, datetime]:
    """Meters whose use may be carried on past their last reading -> until when."""
    return dict(connection.execute("SELECT meter_id, until FROM extrapolation").fetchall())


async def inputs_of_point(
    connection: AsyncConnection[Any], point_id: int, service: int, start: datetime, end: datetime
) -> list[Row]:
    """What the estimates of a point in [start, end) were made of."""
    cursor = await connection.cursor(row_factory=dict_row).execute(
        "SELECT from_ts, to_ts, method, energy_kwh, uncertainty_kwh, inputs, run_id FROM estimate_input"
        " WHERE point_id = %s AND service = %s AND from_ts < %s AND to_ts > %s ORDER BY from_ts, method",
        (point_id, service, end, start),
    )
    return await cursor.fetchall()


async def switches(connection: AsyncConnection[Any], areas: list[int] | None = None) -> list[Row]:
    """Every switch with its meter; with `areas` only meters that stand in them."""
    cursor = await connection.cursor(row_factory=dict_row).execute(
        "SELECT e.meter_id, m.serial, m.manufacturer, e.until, e.reason, e.created_by, e.created_at"
        " FROM extrapolation e JOIN meter m USING (meter_id) WHERE %(areas)s::int[] IS NULL OR EXISTS ("
        "  SELECT 1 FROM installation i JOIN metering_point p USING (point_id)"
        "  WHERE i.meter_id = e.meter_id AND p.area_id = ANY(%(areas)s)) ORDER BY e.until, e.meter_id",
        {"areas": areas},
    )
    return await cursor.fetchall()


async def set_switch(connection: AsyncConnection[Any], meter_id: int, until: datetime, reason: str, actor: str) -> bool:
    """Switch extrapolation on for a meter until an instant; False where there is no such meter."""
    done = await connection.execute(
        "INSERT INTO extrapolation (meter_id, until, reason, created_by) SELECT meter_id, %s, %s, %s FROM meter"
        " WHERE meter_id = %s ON CONFLICT (meter_id) DO UPDATE SET until = excluded.until, reason = excluded.reason,"
        " created_by = excluded.created_by, created_at = now()",
        (until, reason, actor, meter_id),
    )
    return done.rowcount == 1


async def drop_switch(connection: AsyncConnection[Any], meter_id: int) -> bool:
    """Switch it off; False where it was not on."""
    return (await connection.execute("DELETE FROM extrapolation WHERE meter_id = %s", (meter_id,))).rowcount == 1
