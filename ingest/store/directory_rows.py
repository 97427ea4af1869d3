"""What `ingest.directory` loads: meters with link and key, registers; and the registers that telegrams bring up."""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import AsyncConnection

from protocols.registers import Register
from protocols.units import Quantity


async def meters(connection: AsyncConnection[Any], meter_ids: Sequence[int] | None) -> list[tuple[Any, ...]]:
    """Rows (meter, serial, manufacturer, medium, version, profile, zone, gateway, bus, address, settings, sealed key).

    The zone is the meter's own, else that of the area its link or its present installation lies in.
    """
    cursor = await connection.execute(
        "SELECT m.meter_id, m.serial, m.manufacturer, m.medium, m.version, m.profile,"
        " coalesce(m.clock_zone, installed.time_zone, ga.time_zone), b.gateway_id, l.bus_id, l.address,"
        " l.settings, k.sealed"
        " FROM meter m LEFT JOIN meter_link l USING (meter_id) LEFT JOIN bus b USING (bus_id)"
        " LEFT JOIN gateway g USING (gateway_id) LEFT JOIN area ga ON ga.area_id = g.area_id"
        " LEFT JOIN device_key k USING (meter_id)"
        " LEFT JOIN (SELECT DISTINCT ON (i.meter_id) i.meter_id, a.time_zone FROM installation i"
        " JOIN metering_point p USING (point_id) JOIN area a USING (area_id)"
        " ORDER BY i.meter_id, lower(i.period) DESC) installed USING (meter_id)"
        " WHERE %(ids)s::int[] IS NULL OR m.meter_id = ANY(%(ids)s::int[])",
        {"ids": None if meter_ids is None else list(meter_ids)},
    )
    return await cursor.fetchall()


async def registers(
    connection: AsyncConnection[Any], meter_ids: Sequence[int] | None
) -> list[tuple[int, int, Register]]:
    """(meter id, register id, register) of meters, or of all."""
    cursor = await connection.execute(
        "SELECT meter_id, register_id, name, quantity, unit, scale, digits, storage, tariff, subunit FROM register"
        " WHERE %(ids)s::int[] IS NULL OR meter_id = ANY(%(ids)s::int[])",
        {"ids": None if meter_ids is None else list(meter_ids)},
    )
    return [
        (meter_id, register_id, Register(name, Quantity(quantity), *rest))
        for meter_id, register_id, name, quantity, *rest in await cursor.fetchall()
    ]


async def create_registers(connection: AsyncConnection[Any], wanted: Mapping[tuple[int, str], Register]) -> None:
    """Create registers by (meter id, name) where they do not exist."""
    columns: list[list[Any]] = [[] for _ in range(9)]
    for (meter_id, name), register in sorted(wanted.items(), key=lambda item: item[0]):
        row = (
            meter_id, name, str(register.quantity), register.unit, register.scale, register.digits, register.storage,
            register.tariff, register.subunit,
        )  # fmt: skip
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    await connection.execute(
        "INSERT INTO register (meter_id, name, quantity, unit, scale, digits, storage, tariff, subunit)"
        " SELECT * FROM unnest(%s::int[], %s::text[], %s::text[], %s::text[], %s::int[], %s::int[],"
        " %s::int[], %s::int[],"
        " %s::int[]) ON CONFLICT (meter_id, name) DO NOTHING",
        columns,
    )
