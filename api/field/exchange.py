"""A meter exchange: the old one out, the new one in at the same instant, with what both displays showed.

Rules: displays are text as read off and become exact counts of that meter's register; a final index below the last
reading is refused; nothing is stored unless everything is right.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import AsyncConnection

from api.access import Actor
from api.field.entry import count_from_display
from ingest.errors import ConflictError, InvalidInputError, NotFoundError
from ingest.store import audit, board, registry
from ingest.store.installations import Indexes
from protocols.registers import Register
from protocols.units import Quantity

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Exchange:
    """A meter exchange as the wizard hands it in: displays as text, exactly as read off; photos as (what it shows,
    reference)."""

    point: str
    at: datetime
    new_serial: str
    final_energy: str
    initial_energy: str = "0"
    final_volume: str | None = None
    initial_volume: str | None = None
    new_manufacturer: str = ""
    new_medium: str = "heat"
    new_profile: str = ""
    energy_unit: str | None = None
    energy_decimals: int | None = None
    service: int = 1
    reason: str = "exchange"
    photos: tuple[tuple[str, str], ...] = ()


REASONS: Final = ("exchange", "defect", "calibration", "retrofit", "upgrade", "damage", "theft")


async def exchange_meter(connection: AsyncConnection[Any], actor: Actor, work: Exchange, *, now: datetime) -> Row:
    """Old meter out, new meter in, at one instant: no energy lost. Installation and meter ids.

    Raises
    ------
    InvalidInputError
        A display value is not one of that meter, lies below the last reading, or the time is wrong; `field` names it.
    ConflictError
        The new meter is elsewhere, or somebody exchanged already.
    """
    actor.require("technician")
    if work.reason not in REASONS:
        raise InvalidInputError(f"the reason is one of {', '.join(REASONS)}", field="reason")
    if work.at > now + timedelta(minutes=15):
        raise InvalidInputError("the exchange lies in the future", field="at")
    place = await registry.get_point(connection, code=work.point)
    actor.require_area(place.area_id, "point")
    mounted = await registry.installations(connection, point_id=place.point_id, at=work.at)
    old = next((row for row in mounted if row.service == work.service), None)
    if old is None:
        raise ConflictError(
            f"the point {work.point} has no such meter at that time", code="exchange.no_meter", field="point"
        )
    registers = {row.register.name: row for row in await registry.registers(connection, old.meter_id)}
    final = Indexes(
        await _final(connection, registers, "energy", work.final_energy, work.at),
        await _final(connection, registers, "volume", work.final_volume, work.at),
    )
    new_id = await _new_meter(connection, work)
    if new_id == old.meter_id:
        raise InvalidInputError("this is the meter that is there already", field="new_serial")
    models = {name: row.register for name, row in registers.items()}
    initial = Indexes(
        await _initial(connection, new_id, models, "energy", work.initial_energy, work),
        await _initial(connection, new_id, models, "volume", work.initial_volume, work),
    )
    number = await registry.exchange(
        connection,
        installation_id=old.installation_id,
        new_meter_id=new_id,
        at=work.at,
        final=final,
        initial=initial,
        actor=actor.name,
        reason=work.reason,
    )
    await registry.add_photos(connection, number, work.photos)
    told = {"old": old.serial, "new": work.new_serial, "final": work.final_energy, "initial": work.initial_energy}
    await audit.record(
        connection, actor.name, "meter.exchange", f"point/{work.point}", {**told, "at": work.at, "reason": work.reason}
    )
    return {"installation_id": number, "old_meter_id": old.meter_id, "new_meter_id": new_id}


async def _new_meter(connection: AsyncConnection[Any], work: Exchange) -> int:
    try:
        found = await registry.get_meter(
            connection, serial=work.new_serial, manufacturer=work.new_manufacturer or None, medium=work.new_medium
        )
    except NotFoundError:
        return await registry.create_meter(
            connection,
            serial=work.new_serial,
            manufacturer=work.new_manufacturer,
            medium=work.new_medium,
            profile=work.new_profile,
        )
    return found.meter_id


async def _final(
    connection: AsyncConnection[Any], registers: dict[str, Any], name: str, text: str | None, at: datetime
) -> int | None:
    if text is None or name not in registers:
        return None
    stored = registers[name]
    count = _count(text, stored.register, f"final_{name}")
    near = await board.around(connection, stored.register_id, at)
    before = near.get("before")
    if before is not None and count < before["value"]:
        last = stored.register.value_of(before["value"])
        raise InvalidInputError(
            f"{text} is below the last reading, {last:f}", code="entry.below_last", field=f"final_{name}"
        )
    return count


async def _initial(
    connection: AsyncConnection[Any],
    meter_id: int,
    models: dict[str, Register],
    name: str,
    text: str | None,
    work: Exchange,
) -> int | None:
    if text is None:
        return None
    for stored in await registry.registers(connection, meter_id):
        if stored.register.name == name:
            return _count(text, stored.register, f"initial_{name}")
    # A meter that has not spoken yet has no registers; zero is zero in every unit.
    model = models.get(name)
    if model is None:
        return 0 if _is_zero(text) else None
    unit = work.energy_unit if name == "energy" and work.energy_unit else model.unit
    decimals = work.energy_decimals if name == "energy" and work.energy_decimals is not None else -model.scale
    register = Register(name, Quantity(model.quantity), unit, -decimals, model.digits)
    count = _count(text, register, f"initial_{name}")
    if count != 0:
        await registry.create_register(connection, meter_id, register)
    return count


def _is_zero(text: str) -> bool:
    return text.strip().strip("0").strip(".,") == ""


def _count(text: str, register: Register, field: str) -> int:
    try:
        return count_from_display(text, register)
    except ValueError as error:
        raise InvalidInputError(str(error), code="entry.number", field=field) from error
