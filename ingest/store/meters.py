"""Meters, their registers, links and keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from ingest.errors import InvalidInputError, NotFoundError
from ingest.store import facts as facts_of
from ingest.store.facts import METER
from ingest.store.refusals import in_domain_words
from protocols.registers import Register
from protocols.units import Quantity

_COLUMNS = (
    "m.meter_id, m.serial, m.manufacturer, m.medium, m.version, m.model, m.profile, m.qp_m3h, m.qs_m3h,"
    " m.mounting_side,"
    " m.clock_zone, l.bus_id, b.gateway_id, l.address, i.point_id, p.code AS point, lower(i.period) AS installed_at"
)
_TABLES = (
    " FROM meter m LEFT JOIN meter_link l USING (meter_id) LEFT JOIN bus b USING (bus_id)"
    " LEFT JOIN installation i ON i.meter_id = m.meter_id AND i.period @> now()"
    " LEFT JOIN metering_point p ON p.point_id = i.point_id"
)


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter with its link and, where it is installed now, its point."""

    meter_id: int
    serial: str
    manufacturer: str
    medium: str
    version: int | None
    model: str
    profile: str
    qp_m3h: Decimal | None
    qs_m3h: Decimal | None
    mounting_side: str
    clock_zone: str | None
    bus_id: int | None
    gateway_id: int | None
    address: str | None
    point_id: int | None
    point: str | None
    installed_at: datetime | None


@dataclass(frozen=True, slots=True)
class StoredRegister:
    """A register with its number."""

    register_id: int
    meter_id: int
    register: Register


async def create_meter(
    connection: AsyncConnection[Any], *, serial: str, manufacturer: str = "", medium: str = "heat", **facts: Any
) -> int:
    """A new meter; its id. `facts`: version, model, profile, qp_m3h, qs_m3h, mounting_side, clock_zone.

    Raises
    ------
    ConflictError
        Such a meter exists.
    InvalidInputError
        A fact is unknown or outside what is allowed.
    """
    if not serial:
        raise InvalidInputError("a meter needs a serial number", field="serial")
    identity = {"serial": serial, "manufacturer": manufacturer, "medium": medium}
    return await facts_of.insert(connection, METER, identity, facts)


async def update_meter(connection: AsyncConnection[Any], meter_id: int, **facts: Any) -> None:
    """Change facts of a meter, by column. Raises as `create_meter`, and NotFoundError."""
    await facts_of.change(connection, METER, meter_id, facts)


async def create_register(connection: AsyncConnection[Any], meter_id: int, register: Register) -> int:
    """A new register of a meter; its id. Raises ConflictError for a name it has, NotFoundError without the meter."""
    async with in_domain_words(connection):
        cursor = await connection.execute(
            "INSERT INTO register (meter_id, name, quantity, unit, scale, digits, storage, tariff, subunit)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING register_id",
            (
                meter_id, register.name, str(register.quantity), register.unit, register.scale, register.digits,
                register.storage, register.tariff, register.subunit,
            ),
        )  # fmt: skip
        return int((await cursor.fetchone() or (0,))[0])


async def registers(connection: AsyncConnection[Any], meter_id: int) -> list[StoredRegister]:
    """A meter's registers by number."""
    cursor = await connection.execute(
        "SELECT register_id, meter_id, name, quantity, unit, scale, digits, storage, tariff, subunit FROM register"
        " WHERE meter_id = %s ORDER BY register_id",
        (meter_id,),
    )
    return [
        StoredRegister(number, meter, Register(name, Quantity(quantity), *rest))
        for number, meter, name, quantity, *rest in await cursor.fetchall()
    ]


async def link_meter(
    connection: AsyncConnection[Any],
    meter_id: int,
    *,
    bus_id: int | None,
    address: str = "",
    settings: dict[str, Any] | None = None,
) -> None:
    """How the meter is reached from now on. Raises NotFoundError for an unknown meter or bus."""
    async with in_domain_words(connection):
        await connection.execute(
            "INSERT INTO meter_link (meter_id, bus_id, address, settings) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (meter_id) DO UPDATE SET bus_id = excluded.bus_id, address = excluded.address,"
            " settings = excluded.settings",
            (meter_id, bus_id, address, Jsonb(settings or {})),
        )


async def set_key(connection: AsyncConnection[Any], meter_id: int, sealed: bytes | None) -> None:
    """Keep a device key as `ingest.sealing` sealed it; None forgets it. Raises NotFoundError for an unknown meter."""
    async with in_domain_words(connection):
        if sealed is None:
            await connection.execute("DELETE FROM device_key WHERE meter_id = %s", (meter_id,))
            return
        await connection.execute(
            "INSERT INTO device_key (meter_id, sealed) VALUES (%s, %s)"
            " ON CONFLICT (meter_id) DO UPDATE SET sealed = excluded.sealed, updated_at = now()",
            (meter_id, sealed),
        )


async def get_meter(
    connection: AsyncConnection[Any],
    *,
    meter_id: int | None = None,
    serial: str | None = None,
    manufacturer: str | None = None,
    medium: str | None = None,
) -> Meter:
    """One meter by number, or by serial and as much of its identity as makes it the only one.

    Raises
    ------
    NotFoundError
        None fits.
    InvalidInputError
        More than one fits: say manufacturer or medium.
    """
    async with connection.cursor(row_factory=class_row(Meter)) as cursor:
        await cursor.execute(
            f"SELECT {_COLUMNS} {_TABLES}"
            " WHERE (%(id)s::int IS NULL OR m.meter_id = %(id)s) AND (%(serial)s::text IS NULL OR m.serial ="
            " %(serial)s)"
            " AND (%(manufacturer)s::text IS NULL OR m.manufacturer = %(manufacturer)s)"
            " AND (%(medium)s::text IS NULL OR m.medium = %(medium)s)"
            " AND num_nonnulls(%(id)s::int, %(serial)s::text) > 0 LIMIT 2",
            {"id": meter_id, "serial": serial, "manufacturer": manufacturer, "medium": medium},
        )
        found = await cursor.fetchall()
    if not found:
        raise NotFoundError(f"meter {serial if serial is not None else meter_id} does not exist", field="meter")
    if len(found) > 1:
        raise InvalidInputError(
            f"serial {serial} belongs to several meters: say manufacturer and medium", field="serial"
        )
    return found[0]


async def meters(
    connection: AsyncConnection[Any],
    *,
    area_ids: Sequence[int] | None = None,
    gateway_id: int | None = None,
    search: str | None = None,
    after: int = 0,
    limit: int = 100,
) -> list[Meter]:
    """Meters by number; `after` is the last number seen, `search` a part of serial, model or point code."""
    async with connection.cursor(row_factory=class_row(Meter)) as cursor:
        await cursor.execute(
            f"SELECT {_COLUMNS} {_TABLES}"
            " WHERE (%(areas)s::int[] IS NULL OR p.area_id = ANY(%(areas)s::int[]))"
            " AND (%(gateway)s::int IS NULL OR b.gateway_id = %(gateway)s)"
            " AND (%(search)s::text IS NULL"
            " OR strpos(lower(m.serial || ' ' || m.model || ' ' || coalesce(p.code, '')), lower(%(search)s)) > 0)"
            " AND m.meter_id > %(after)s ORDER BY m.meter_id LIMIT %(limit)s",
            {
                "areas": None if area_ids is None else list(area_ids),
                "gateway": gateway_id, "search": search, "after": after, "limit": limit,
            },
        )  # fmt: skip
        return await cursor.fetchall()
