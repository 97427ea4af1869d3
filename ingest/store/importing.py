"""Areas, meters, installations and weather of files into the tables, thousands of rows a statement.

Rules: what is there already and equal stays untouched; the caller has checked rows against each other and owns the
transaction; rows travel as columns.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from psycopg import AsyncConnection

from ingest.store.refusals import in_domain_words
from protocols.registers import Register
from protocols.units import Quantity

MeterKey = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Counts:
    """What a write did."""

    written: int
    changed: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class StoredInstallation:
    """An installation as it stands, for checks."""

    installation_id: int
    point: str
    service: int
    meter: MeterKey
    start: datetime
    end: datetime | None


def columns_of(rows: Iterable[Sequence[Any]], width: int) -> list[list[Any]]:
    """Rows of so many values as columns."""
    columns: list[list[Any]] = [[] for _ in range(width)]
    for row in rows:
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    return columns


async def area_ids(connection: AsyncConnection[Any], codes: Iterable[str], zone: str) -> dict[str, int]:
    """Area code -> area id; areas that are missing are created with that time zone."""
    wanted = sorted(set(codes))
    await connection.execute(
        "INSERT INTO area (code, name, time_zone) SELECT code, code, %s FROM unnest(%s::text[]) AS item (code)"
        " ON CONFLICT (code) DO NOTHING",
        (zone, wanted),
    )
    cursor = await connection.execute("SELECT code, area_id FROM area WHERE code = ANY(%s)", (wanted,))
    return dict(await cursor.fetchall())


async def route_ids(connection: AsyncConnection[Any], wanted: Iterable[tuple[int, str]]) -> dict[tuple[int, str], int]:
    """(area id, route code) -> route id; routes that are missing are created."""
    areas, codes = columns_of(sorted(set(wanted)), 2)
    await connection.execute(
        "INSERT INTO route (area_id, code, name) SELECT area_id, code, code FROM unnest(%s::int[], %s::text[])"
        " AS item (area_id, code) ON CONFLICT (area_id, code) DO NOTHING",
        (areas, codes),
    )
    cursor = await connection.execute("SELECT area_id, code, route_id FROM route")
    return {(area, code): route for area, code, route in await cursor.fetchall()}


async def stored_registers(connection: AsyncConnection[Any]) -> dict[MeterKey, dict[str, Register]]:
    """(manufacturer, serial, medium) -> registers by name, of every meter."""
    cursor = await connection.execute(
        "SELECT m.manufacturer, m.serial, m.medium, r.name, r.quantity, r.unit, r.scale, r.digits, r.storage, r.tariff,"
        " r.subunit FROM meter m LEFT JOIN register r USING (meter_id)"
    )
    found: dict[MeterKey, dict[str, Register]] = {}
    for manufacturer, serial, medium, name, quantity, *rest in await cursor.fetchall():
        registers = found.setdefault((manufacturer, serial, medium), {})
        if name is not None:
            registers[name] = Register(name, Quantity(quantity), *rest)
    return found


async def stored_installations(connection: AsyncConnection[Any]) -> list[StoredInstallation]:
    """Every installation."""
    cursor = await connection.execute(
        "SELECT i.installation_id, p.code, i.service, m.manufacturer, m.serial, m.medium, lower(i.period),"
        " upper(i.period)"
        " FROM installation i JOIN metering_point p USING (point_id) JOIN meter m USING (meter_id)"
    )
    return [
        StoredInstallation(number, point, service, (manufacturer, serial, medium), start, end)
        for number, point, service, manufacturer, serial, medium, start, end in await cursor.fetchall()
    ]


async def write_meters(
    connection: AsyncConnection[Any], rows: Sequence[Sequence[Any]], registers: Mapping[MeterKey, Sequence[Register]]
) -> tuple[Counts, dict[MeterKey, int]]:
    """Meters as (manufacturer, serial, medium, model, profile, version, mounting side, qp) with their registers.

    Returns
    -------
    Counts, and (manufacturer, serial, medium) -> meter id.
    """
    async with in_domain_words(connection):
        cursor = await connection.execute(
            "INSERT INTO meter AS m (manufacturer, serial, medium, model, profile, version, mounting_side, qp_m3h)"
            " SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::int[], %s::text[],"
            " %s::numeric[]) ON CONFLICT (manufacturer, serial, medium) DO UPDATE SET model = excluded.model,"
            " profile = CASE WHEN excluded.profile <> '' THEN excluded.profile ELSE m.profile END,"
            " version = coalesce(excluded.version, m.version), mounting_side = excluded.mounting_side,"
            " qp_m3h = coalesce(excluded.qp_m3h, m.qp_m3h)"
            " WHERE (m.model, m.mounting_side, m.qp_m3h) IS DISTINCT FROM"
            " (excluded.model, excluded.mounting_side, coalesce(excluded.qp_m3h, m.qp_m3h))"
            " OR (excluded.profile <> '' AND excluded.profile <> m.profile)"
            " OR (excluded.version IS NOT NULL AND excluded.version IS DISTINCT FROM m.version)"
            " RETURNING meter_id, xmax = 0",
            columns_of(rows, 8),
        )
        touched = await cursor.fetchall()
    cursor = await connection.execute("SELECT manufacturer, serial, medium, meter_id FROM meter")
    ids: dict[MeterKey, int] = {(m, s, k): number for m, s, k, number in await cursor.fetchall()}
    await _write_registers(connection, {ids[key]: made for key, made in registers.items()})
    written = sum(inserted for _, inserted in touched)
    return Counts(written, len(touched) - written, len(rows) - len(touched)), ids


async def _write_registers(connection: AsyncConnection[Any], registers: Mapping[int, Sequence[Register]]) -> None:
    rows = [
        (meter, r.name, str(r.quantity), r.unit, r.scale, r.digits, r.storage, r.tariff, r.subunit)
        for meter, made in sorted(registers.items())
        for r in made
    ]
    await connection.execute(
        "INSERT INTO register (meter_id, name, quantity, unit, scale, digits, storage, tariff, subunit)"
        " SELECT * FROM unnest(%s::int[], %s::text[], %s::text[], %s::text[], %s::int[], %s::int[],"
        " %s::int[], %s::int[],"
        " %s::int[]) ON CONFLICT (meter_id, name) DO NOTHING",
        columns_of(rows, 9),
    )


async def end_installations(connection: AsyncConnection[Any], ends: Mapping[int, datetime]) -> None:
    """Take meters out: installation id -> instant."""
    await connection.execute(
        "UPDATE installation i SET period = tstzrange(lower(i.period), item.at) FROM unnest(%s::int[],"
        " %s::timestamptz[])"
        " AS item (id, at) WHERE i.installation_id = item.id",
        (list(ends), list(ends.values())),
    )


async def write_installations(
    connection: AsyncConnection[Any],
    rows: Sequence[tuple[int, int, int, datetime, datetime | None, Decimal, int | None, int | None, str, str]],
) -> None:
    """Installations as (point id, meter id, service, start, end, factor, initial and final index, reason, actor)."""
    async with in_domain_words(connection):
        await connection.execute(
            "INSERT INTO installation (point_id, meter_id, service, period, factor, initial_index, final_index,"
            " initial_volume, final_volume, reason, created_by)"
            # Where the first register is the volume (water), the index is one of volume.
            " SELECT point_id, meter_id, service, tstzrange(start_at, end_at), factor,"
            " CASE WHEN service IN (1, 2, 5) THEN first END, CASE WHEN service IN (1, 2, 5) THEN last END,"
            " CASE WHEN service NOT IN (1, 2, 5) THEN first END, CASE WHEN service NOT IN (1, 2, 5) THEN last END,"
            " reason, actor FROM unnest(%s::int[], %s::int[], %s::int[], %s::timestamptz[],"
            " %s::timestamptz[], %s::numeric[],"
            " %s::int8[], %s::int8[], %s::text[], %s::text[])"
            " AS item (point_id, meter_id, service, start_at, end_at, factor, first, last, reason, actor)",
            columns_of(rows, 10),
        )


async def write_weather(
    connection: AsyncConnection[Any], areas: Sequence[int], times: Sequence[datetime], temperatures_c: Sequence[float]
) -> int:
    """Hourly outside temperatures; rows that were new or differ."""
    cursor = await connection.execute(
        "INSERT INTO weather AS w (area_id, ts, temperature_c) SELECT DISTINCT ON (area_id, ts) area_id, ts,"
        " temperature_c"
        " FROM unnest(%s::int[], %s::timestamptz[], %s::real[]) WITH ORDINALITY AS item (area_id, ts, temperature_c, n)"
        " ORDER BY area_id, ts, n DESC"
        " ON CONFLICT (area_id, ts) DO UPDATE SET temperature_c = excluded.temperature_c"
        " WHERE w.temperature_c IS DISTINCT FROM excluded.temperature_c",
        (list(areas), list(times), list(temperatures_c)),
    )
    return cursor.rowcount


async def touch_areas(connection: AsyncConnection[Any], areas: Sequence[int], since: datetime) -> None:
    """Mark the meters of areas for assessment from an instant on: their weather changed."""
    await connection.execute(
        "INSERT INTO touched (meter_id, from_ts) SELECT DISTINCT i.meter_id, %s::timestamptz FROM installation i"
        " JOIN metering_point p USING (point_id) WHERE p.area_id = ANY(%s)"
        " AND EXISTS (SELECT FROM meter_reading r WHERE r.meter_id = i.meter_id)",
        (since, list(areas)),
    )
