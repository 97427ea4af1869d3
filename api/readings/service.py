"""Readings and consumption for whoever may see the meter or point; numbers exact, in display and canonical units."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from psycopg import AsyncConnection

from api.access import Actor
from api.billing.explanation import flag_names
from compute.quality import Method
from compute.rounding import rounded
from ingest.errors import InvalidInputError, NotFoundError
from ingest.store import lookup, registry
from ingest.store import readings as stored_readings
from ingest.store.meters import Meter
from ingest.store.points import Point
from protocols.registers import Register
from protocols.units import CANONICAL_UNIT, Quantity

Row = dict[str, Any]
RESOLUTIONS: Final = {"hour": 1, "day": 2, "month": 3}


async def meter(
    connection: AsyncConnection[Any],
    actor: Actor,
    *,
    meter_id: int | None = None,
    serial: str | None = None,
    manufacturer: str | None = None,
) -> Meter:
    """A meter that the caller may see, by number or serial."""
    if meter_id is None and serial is None:
        raise InvalidInputError("say which meter: meter_id or serial", field="serial")
    found = await registry.get_meter(connection, meter_id=meter_id, serial=serial, manufacturer=manufacturer)
    if not await lookup.meter_is_visible(connection, found.meter_id, actor.area_list):
        raise NotFoundError(f"meter {serial or meter_id} does not exist", field="meter")
    return found


async def point(connection: AsyncConnection[Any], actor: Actor, code: str) -> Point:
    """A point that the caller may see, by code."""
    found = await registry.get_point(connection, code=code)
    actor.require_area(found.area_id, "point")
    return found


async def readings(
    connection: AsyncConnection[Any],
    meter_id: int,
    *,
    start: datetime,
    end: datetime,
    register: str | None = None,
    position: tuple[datetime, int, int] | None = None,
    limit: int = 1_000,
) -> list[Row]:
    """Readings of a meter in [start, end), every version, oldest first."""
    known = {row.register_id: row for row in await registry.registers(connection, meter_id)}
    if register is not None:
        known = {number: row for number, row in known.items() if row.register.name == register}
        if not known:
            raise NotFoundError(f"the meter has no register {register!r}", field="register")
    rows = await stored_readings.of_registers(connection, sorted(known), start, end, position=position, limit=limit)
    return [_reading(row, known[row["register_id"]].register) for row in rows]


def _reading(row: Row, register: Register) -> Row:
    return {
        "ts": row["ts"],
        "register": register.name,
        "register_id": row["register_id"],
        "quantity": str(register.quantity),
        "count": row["value"],
        "display": format(register.value_of(row["value"]), "f"),
        "display_unit": register.unit,
        "value": format(register.canonical_value_of(row["value"]), "f"),
        "unit": CANONICAL_UNIT[Quantity(register.quantity)],
        "delivery_id": row["delivery_id"],
        "version": row["version"],
        "flags": flag_names(row["flags"]),
    }


async def consumption(
    connection: AsyncConnection[Any],
    place: Point,
    *,
    start: datetime,
    end: datetime,
    resolution: str = "day",
    service: int = 1,
    known: datetime | None = None,
    limit: int = 10_000,
) -> list[Row]:
    """Consumption of a point in [start, end) by hour, local day or local month; as known on `known`."""
    rows = await lookup.consumption(
        connection,
        place.point_id,
        service,
        RESOLUTIONS[resolution],
        start,
        end,
        known=known,
        zone=place.time_zone,
        limit=limit,
    )
    return [_interval(row) for row in rows]


def _interval(row: Row) -> Row:
    energy, volume, method = row["energy_j"], row["volume_ml"], row["method"]
    return {
        "start_at": row["start_at"],
        "duration_s": row["duration_s"],
        "energy_j": energy,
        "energy_kwh": _decimal(energy, 3_600_000, 6),
        "volume_ml": volume,
        "volume_m3": _decimal(volume, 1_000_000, 6),
        "uncertainty_kwh": _decimal(row["uncertainty_j"], 3_600_000, 6),
        "flags": flag_names(row["flags"]),
        "method": Method(method).name.lower(),
        "version": row["version"],
        "run_id": row["run_id"],
        "rule_set_id": row["rule_set_id"],
        "known_from": row["known_from"],
    }


def _decimal(value: int | None, per: int, places: int) -> Decimal | None:
    return None if value is None else rounded(value, per, places)
