"""Changes of the registry with area checks and an audit entry each; reading is `ingest.store.registry` itself."""

from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from psycopg import AsyncConnection

from api.access import Actor
from api.field.entry import count_from_display
from ingest.errors import InvalidInputError, NotFoundError
from ingest.sealing import Sealer
from ingest.store import audit, lookup, registry
from ingest.store.installations import Indexes

Row = dict[str, Any]


async def area_of_code(connection: AsyncConnection[Any], actor: Actor, code: str) -> registry.Area:
    """An area that the caller may see."""
    for area in await registry.areas(connection):
        if area.code == code:
            actor.require_area(area.area_id, "area")
            return area
    raise NotFoundError(f"there is no area {code!r}", field="area")


async def areas(connection: AsyncConnection[Any], actor: Actor) -> list[Row]:
    """The caller's areas."""
    rows = await registry.areas(connection)
    return [asdict(area) for area in rows if actor.sees(area.area_id)]


async def create_area(connection: AsyncConnection[Any], actor: Actor, **facts: Any) -> int:
    """A new area; its number."""
    actor.require("admin")
    actor.require_everywhere()
    number = await registry.create_area(connection, **facts)
    await audit.record(connection, actor.name, "area.add", f"area/{facts['code']}", facts)
    return number


async def create_point(connection: AsyncConnection[Any], actor: Actor, code: str, area: str, **facts: Any) -> int:
    """A new metering point; its number."""
    actor.require("technician")
    place = await area_of_code(connection, actor, area)
    given = {name: value for name, value in facts.items() if value is not None}
    number = await registry.create_point(connection, code=code, area_id=place.area_id, **given)
    await audit.record(connection, actor.name, "point.add", f"point/{code}", {"area": area, **given})
    return number


async def update_point(connection: AsyncConnection[Any], actor: Actor, code: str, **facts: Any) -> None:
    """Change what is given of a point."""
    actor.require("technician")
    place = await registry.get_point(connection, code=code)
    actor.require_area(place.area_id, "point")
    await registry.update_point(connection, place.point_id, **facts)
    await audit.record(connection, actor.name, "point.change", f"point/{code}", facts)


async def set_state(
    connection: AsyncConnection[Any], actor: Actor, code: str, state: str, since: datetime, note: str = ""
) -> None:
    """From `since` on a point is active, suspended, vacant or closed."""
    actor.require("technician")
    place = await registry.get_point(connection, code=code)
    actor.require_area(place.area_id, "point")
    await registry.set_state(connection, place.point_id, state, since, note=note)
    await audit.record(
        connection, actor.name, "point.state", f"point/{code}", {"state": state, "since": since, "note": note}
    )


async def create_meter(connection: AsyncConnection[Any], actor: Actor, **facts: Any) -> int:
    """A new meter; its number."""
    actor.require("technician")
    number = await registry.create_meter(
        connection, **{name: value for name, value in facts.items() if value is not None}
    )
    await audit.record(connection, actor.name, "meter.add", f"meter/{number}", facts)
    return number


async def set_key(
    connection: AsyncConnection[Any], actor: Actor, sealer: Sealer | None, meter_id: int, key_hex: str | None
) -> None:
    """Keep a device key sealed; None forgets it. The log tells that it changed, never what it is."""
    actor.require("technician")
    await require_meter(connection, actor, meter_id)
    sealed = None
    if key_hex is not None:
        try:
            key = bytes.fromhex(key_hex)
        except ValueError as error:
            raise InvalidInputError("a key is hexadecimal", field="key") from error
        if len(key) != 16:
            raise InvalidInputError("a key has 16 bytes", field="key")
        if sealer is None:
            raise InvalidInputError("this installation has no master key to seal device keys with", field="key")
        sealed = sealer.seal(key, meter_id)
    await registry.set_key(connection, meter_id, sealed)
    await audit.record(connection, actor.name, "meter.key", f"meter/{meter_id}", {"forgotten": sealed is None})


async def require_meter(connection: AsyncConnection[Any], actor: Actor, meter_id: int) -> registry.Meter:
    """A meter that the caller may see."""
    if not await lookup.meter_is_visible(connection, meter_id, actor.area_list):
        raise NotFoundError(f"meter {meter_id} does not exist", field="meter_id")
    return await registry.get_meter(connection, meter_id=meter_id)


async def install(
    connection: AsyncConnection[Any],
    actor: Actor,
    point: str,
    meter_id: int,
    start: datetime,
    *,
    service: int = 1,
    factor: Decimal = Decimal(1),
    initial_energy: str | None = None,
    reason: str = "new",
) -> int:
    """Mount a meter at a point; the installation's number."""
    actor.require("technician")
    place = await registry.get_point(connection, code=point)
    actor.require_area(place.area_id, "point")
    await require_meter(connection, actor, meter_id)
    initial = None
    if initial_energy is not None:
        register = next(
            (row.register for row in await registry.registers(connection, meter_id) if row.register.name == "energy"),
            None,
        )
        if register is None:
            raise InvalidInputError("this meter has no energy register yet", field="initial_energy")
        try:
            initial = Indexes(count_from_display(initial_energy, register))
        except ValueError as error:
            raise InvalidInputError(str(error), field="initial_energy") from error
    number = await registry.install(
        connection,
        point_id=place.point_id,
        meter_id=meter_id,
        start=start,
        actor=actor.name,
        service=service,
        factor=factor,
        initial=initial,
        reason=reason,
    )
    told = {"meter": meter_id, "start": start, "service": service, "factor": factor, "reason": reason}
    await audit.record(connection, actor.name, "meter.install", f"point/{point}", told)
    return number


async def correct_factor(
    connection: AsyncConnection[Any], actor: Actor, installation_id: int, factor: Decimal, reason: str
) -> None:
    """Another factor for all of an installation's time; bills that were frozen with the old one get adjustments."""
    actor.require("lead")
    if not reason.strip():
        raise InvalidInputError("a correction needs a reason", field="reason")
    before = await registry.correct_factor(connection, installation_id, factor)
    place = await registry.get_point(connection, point_id=before.point_id)
    actor.require_area(place.area_id, "installation")
    told = {"installation": installation_id, "from": before.factor, "to": factor, "reason": reason}
    await audit.record(connection, actor.name, "meter.factor", f"point/{before.point}", told)


async def point(connection: AsyncConnection[Any], actor: Actor, code: str) -> Row:
    """A point with its installations and states."""
    place = await registry.get_point(connection, code=code)
    actor.require_area(place.area_id, "point")
    return {
        **asdict(place),
        "installations": [asdict(row) for row in await registry.installations(connection, point_id=place.point_id)],
        "states": [asdict(row) for row in await registry.states(connection, place.point_id)],
    }


async def meter(connection: AsyncConnection[Any], actor: Actor, meter_id: int) -> Row:
    """A meter with its registers and installations."""
    found = await require_meter(connection, actor, meter_id)
    registers = await registry.registers(connection, meter_id)
    return {
        **asdict(found),
        "registers": [{"register_id": row.register_id, **asdict(row.register)} for row in registers],
        "installations": [asdict(row) for row in await registry.installations(connection, meter_id=meter_id)],
    }
