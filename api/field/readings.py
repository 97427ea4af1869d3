"""Hand-entered readings and edits: checked at entry, counted per operator, decided by a second person.

Rules: a reading that somebody read off a display goes the way of every delivery; an edit or estimate changes nothing
until
another person has approved it, and above a threshold a third has confirmed it. The service tells checks as data, so a
blocked entry is counted although nothing else is stored.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
from psycopg import AsyncConnection

from api.access import Actor
from api.errors import SamePersonError
from api.field.entry import Check, Neighbours, checks_of_entry, count_from_display
from ingest.errors import ConflictError, InvalidInputError, NotFoundError
from ingest.model import Delivery
from ingest.store import audit, board, lookup, registry
from ingest.store.meters import StoredRegister
from ingest.store.packing import microseconds
from ingest.store.touched import touch

if TYPE_CHECKING:
    from ingest.pipeline.intake import Pipeline

Row = dict[str, Any]
Kind = Literal["reading", "edit", "estimate"]
# An edit that moves more than this needs a third person.
THIRD_PERSON_KWH: Final = Decimal(1_000)


@dataclass(frozen=True, slots=True)
class Entry:
    """What somebody typed: whose display, which register, when, what it showed. `confirmed`: warnings were read."""

    meter_id: int
    register: str
    at: datetime
    display: str
    kind: Kind = "reading"
    point: str | None = None
    reason: str = ""
    photo: str | None = None
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class EntryResult:
    """What became of an entry. `accepted` False: nothing but the attempt is stored; `checks` say why."""

    accepted: bool
    checks: tuple[Check, ...]
    manual_id: int | None = None
    delivery_id: int | None = None
    count: int | None = None

    def as_json(self) -> Row:
        """For answers."""
        return {**asdict(self), "checks": [asdict(check) for check in self.checks]}


async def check(connection: AsyncConnection[Any], actor: Actor, entry: Entry, *, now: datetime) -> EntryResult:
    """The checks alone, as somebody types; nothing is stored."""
    actor.require("technician")
    stored, count, checks = await _checked(connection, actor, entry, now)
    del stored
    return EntryResult(_passes(checks, entry), tuple(checks), count=count)


async def enter(
    connection: AsyncConnection[Any], pipeline: "Pipeline", actor: Actor, entry: Entry, *, now: datetime
) -> EntryResult:
    """Take an entry, unless a check blocks it or a warning was not confirmed."""
    actor.require("technician")
    if entry.kind != "reading" and not entry.reason.strip():
        raise InvalidInputError("an edit needs a reason", code="entry.reason", field="reason")
    stored, count, checks = await _checked(connection, actor, entry, now)
    codes = [found.code for found in checks]
    if stored is None or count is None or not _passes(checks, entry):
        await board.add_attempt(connection, actor.name, entry.meter_id, "blocked", codes)
        return EntryResult(False, tuple(checks), count=count)
    await board.add_attempt(connection, actor.name, entry.meter_id, "warned" if checks else "accepted", codes)
    delivery_id = None
    if entry.kind == "reading":
        delivery_id = await _submit(connection, pipeline, actor, entry, stored, now)
    values = {
        "meter_id": entry.meter_id,
        "register_id": stored.register_id,
        "ts": entry.at,
        "value": count,
        "kind": entry.kind,
        "reason": entry.reason,
        "warnings": [asdict(found) for found in checks],
        "photo": entry.photo,
        "state": "entered",
        "actor": actor.name,
        "delivery_id": delivery_id,
    }
    manual_id = await board.add_manual(connection, values)
    told = {"meter": entry.meter_id, "register": entry.register, "at": entry.at.isoformat(), "display": entry.display}
    await audit.record(
        connection, actor.name, f"reading.{entry.kind}", f"manual/{manual_id}", {**told, "checks": codes}
    )
    return EntryResult(True, tuple(checks), manual_id, delivery_id, count)


def _passes(checks: Sequence[Check], entry: Entry) -> bool:
    return not any(found.level == "block" for found in checks) and (not checks or entry.confirmed)


async def _checked(
    connection: AsyncConnection[Any], actor: Actor, entry: Entry, now: datetime
) -> tuple[StoredRegister | None, int | None, list[Check]]:
    if not await lookup.meter_is_visible(connection, entry.meter_id, actor.area_list):
        raise NotFoundError(f"meter {entry.meter_id} does not exist", field="meter_id")
    stored = await _register(connection, entry)
    try:
        count = count_from_display(entry.display, stored.register)
    except ValueError as error:
        return stored, None, [Check("entry.number", "block", str(error))]
    place = await board.installation_at(connection, entry.meter_id, entry.at)
    found: list[Check] = []
    if entry.point is not None and (place is None or place["point_code"] != entry.point):
        there = "nowhere" if place is None else f"at {place['point_code']}"
        found.append(Check("entry.wrong_point", "block", f"this meter is {there} at that time, not at {entry.point}"))
    elif place is None:
        found.append(Check("entry.not_installed", "warn", "the meter is installed nowhere at that time"))
    near = await board.around(connection, stored.register_id, entry.at)
    neighbours = Neighbours(**{side: (row["ts"], row["value"]) for side, row in near.items()})
    if entry.kind != "reading":
        neighbours = replace(neighbours, same=None)  # an edit replaces what is there
    qs = None if place is None else place["qs_m3h"]
    found += checks_of_entry(stored.register, count, entry.at, neighbours, now=now, qs_m3h=qs)
    return stored, count, found


async def _register(connection: AsyncConnection[Any], entry: Entry) -> StoredRegister:
    for stored in await registry.registers(connection, entry.meter_id):
        if stored.register.name == entry.register:
            return stored
    raise NotFoundError(f"the meter has no register {entry.register!r}", field="register")


async def _submit(
    connection: AsyncConnection[Any],
    pipeline: "Pipeline",
    actor: Actor,
    entry: Entry,
    stored: StoredRegister,
    now: datetime,
) -> int:
    meter = await registry.get_meter(connection, meter_id=entry.meter_id)
    register = stored.register
    shown = format(register.value_of(count_from_display(entry.display, register)), "f")
    body = {
        "meter": {"serial": meter.serial, "manufacturer": meter.manufacturer, "medium": meter.medium},
        "time": entry.at.isoformat(),
        "readings": [
            {"register": register.name, "value": shown, "unit": register.unit, "quantity": str(register.quantity)}
        ],
    }
    delivery = Delivery(
        protocol="reading",
        payload=msgspec.json.encode(body),
        arrived_at=now,
        read_at=entry.at,
        channel=f"manual:{actor.name}",
        meter_id=entry.meter_id,
        details={"entered_by": actor.name},
    )
    outcome = await pipeline.submit(delivery)
    if outcome.state == "quarantined":
        raise InvalidInputError(f"the reading was not taken: {outcome.message}", code=outcome.code, field="display")
    return outcome.delivery_id


async def listed(connection: AsyncConnection[Any], actor: Actor, states: list[str] | None = None) -> list[Row]:
    """Hand-made values, newest first."""
    return await board.manuals(connection, areas=actor.area_list, states=states)


async def decide(
    connection: AsyncConnection[Any], actor: Actor, manual_id: int, *, approve: bool, reason: str = ""
) -> Row:
    """Approve, confirm or reject a hand-made value. The second person is not the first, the third neither.

    An approved edit marks its meter touched: the next assessment counts with it.
    """
    actor.require("approver" if approve else "reviewer")
    row = await board.manual(connection, manual_id)
    if row is None:
        raise NotFoundError("no such entry", field="manual_id")
    actor.require_area(row["area_id"], "entry")
    if row["state"] not in ("entered", "second_approval"):
        raise ConflictError(f"the entry is {row['state']} already", code="approval.settled", field="manual_id")
    if actor.name in (row["entered_by"], row["approved_by"]):
        raise SamePersonError("whoever entered or approved a value does not decide on it again")
    third = row["kind"] != "reading" and await _moved_kwh(connection, row) > THIRD_PERSON_KWH
    if not approve:
        await board.set_manual_state(connection, manual_id, "rejected", approved_by=None)
        state = "rejected"
    elif row["state"] == "entered":
        state = "second_approval" if third else "approved"
        await board.set_manual_state(connection, manual_id, state, approved_by=actor.name)
    else:
        state = "approved"
        await board.set_manual_state(connection, manual_id, state, confirmed_by=actor.name)
    if state == "approved" and row["kind"] != "reading":
        await touch(connection, {row["meter_id"]: microseconds(row["ts"])})
    await audit.record(connection, actor.name, f"reading.{state}", f"manual/{manual_id}", {"reason": reason})
    return {**row, "state": state}


async def _moved_kwh(connection: AsyncConnection[Any], row: Row) -> Decimal:
    near = await board.around(connection, row["register_id"], row["ts"])
    known = near.get("same") or near.get("before")
    if known is None:
        return Decimal(0)
    stored = {found.register_id: found.register for found in await registry.registers(connection, row["meter_id"])}
    register = stored[row["register_id"]]
    if register.quantity not in ("heat_energy", "cooling_energy", "electric_energy"):
        return Decimal(0)
    size = register.count_size("kWh")
    counts = Decimal(abs(row["value"] - known["value"]))
    return counts * size.numerator / size.denominator


async def operators(connection: AsyncConnection[Any], actor: Actor, start: datetime, end: datetime) -> list[Row]:
    """Error statistics per operator."""
    actor.require("lead")
    return await board.attempts_by_operator(connection, start, end, actor.area_list)
