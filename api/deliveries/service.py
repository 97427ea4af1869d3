"""Pushed deliveries on their way into the pipeline, and what people do with those that did not become readings."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec
from psycopg import AsyncConnection

from api.access import Actor
from api.deliveries.schemas import Pushed, PushedMeter, delivery_from_pushed
from ingest.decoding.table import ALIASES, PROTOCOLS, decode
from ingest.errors import ConflictError, InvalidInputError, NotFoundError
from ingest.model import Decoded, Outcome, Resolved
from ingest.store import audit, deliveries, discovered, lookup, quarantine, registry, writes
from ingest.store import readings as stored_readings
from ingest.store.database import Pool
from protocols.errors import ProtocolError
from protocols.registers import Register
from protocols.telegram import telegram_as_json
from protocols.units import Quantity

if TYPE_CHECKING:
    from ingest.directory import Directory
    from ingest.pipeline.intake import Pipeline

Row = dict[str, Any]
KNOWN_PROTOCOLS: Final = frozenset({*PROTOCOLS, *ALIASES, "reading"})
# Waiting submissions of one request: enough to fill a batch, few enough to leave the queue to others.
_IN_FLIGHT: Final = 2_000


async def push(
    connection: AsyncConnection[Any],
    pipeline: "Pipeline",
    actor: Actor,
    items: Sequence[Pushed],
    *,
    now: datetime,
    listed: bool,
) -> list[Outcome]:
    """Take deliveries into the pipeline; returns after they are committed (or fsynced), in order.

    Every item is checked before the first is taken, so a refused request has stored nothing.
    """
    channel = f"push:{actor.name}"
    given = [
        delivery_from_pushed(item, f"[{index}]." if listed else "", channel, now, KNOWN_PROTOCOLS)
        for index, item in enumerate(items)
    ]
    for index, item in enumerate(items):
        if item.meter is not None:
            given[index] = msgspec.structs.replace(
                given[index], meter_id=await _meter_id(connection, actor, item.meter)
            )
    outcomes: list[Outcome] = []
    for start in range(0, len(given), _IN_FLIGHT):
        part = given[start : start + _IN_FLIGHT]
        outcomes += await asyncio.gather(*(pipeline.submit(delivery) for delivery in part))
    return outcomes


async def _meter_id(connection: AsyncConnection[Any], actor: Actor, meter: str | int | PushedMeter) -> int | None:
    # A serial that nobody knows is no error of the sender: the telegram goes to quarantine and the discovered list.
    try:
        if isinstance(meter, int):
            if not 0 < meter < 2**31:
                raise InvalidInputError(f"meter {meter} is no meter id", field="meter")
            found = await registry.get_meter(connection, meter_id=meter)
        elif isinstance(meter, str):
            found = await registry.get_meter(connection, serial=meter)
        else:
            found = await registry.get_meter(
                connection, serial=meter.serial, manufacturer=meter.manufacturer or None, medium=meter.medium or None
            )
    except NotFoundError:
        if isinstance(meter, int):
            raise InvalidInputError(f"meter {meter} is not registered; give its serial", field="meter") from None
        return None
    except InvalidInputError:
        if isinstance(meter, int):
            raise
        return None  # two meters bear the serial: the telegram itself must tell which
    if not await lookup.meter_is_visible(connection, found.meter_id, actor.area_list):
        raise InvalidInputError(f"meter {meter} is not registered; give its serial", field="meter")
    return found.meter_id


async def get(connection: AsyncConnection[Any], actor: Actor, delivery_id: int, directory: "Directory | None") -> Row:
    """A delivery with its bytes as hex, its decoding and the readings that came of it."""
    row = await lookup.delivery(connection, delivery_id)
    if row is None:
        raise NotFoundError("no such delivery", field="delivery_id")
    if row["meter_id"] is not None and not await lookup.meter_is_visible(connection, row["meter_id"], actor.area_list):
        raise NotFoundError("no such delivery", field="delivery_id")
    payload = bytes(row.pop("payload"))
    details = row["details"] or {}
    # Live readings lie at the arrival; a stored month or a push of the past lies earlier, never later.
    end = row["arrived_at"] + timedelta(days=1)
    read_at = details.get("read_at")
    start = datetime.fromisoformat(read_at) if isinstance(read_at, str) else row["arrived_at"]
    readings = await stored_readings.of_delivery(connection, delivery_id, start - timedelta(days=800), end)
    return {
        **row,
        "hex": payload.hex(),
        "decoding": decoding(row, payload, directory),
        "readings": [shown_reading(reading) for reading in readings],
    }


def decoding(row: Row, payload: bytes, directory: "Directory | None" = None) -> Row:
    """Telegrams of stored bytes as JSON, or the coded reason why there are none."""
    details = row.get("details") or {}
    try:
        decoded: list[Decoded] = decode(
            row["protocol"] or None,
            payload,
            key=directory.key_for if directory is not None else None,
            profile=details.get("profile"),
            port=details.get("port"),
            topic=details.get("topic"),
            state=None,
        )
    except ProtocolError as error:
        return {"error": {"code": error.code, "message": error.message, "offset": error.offset}}
    return {
        "telegrams": [
            {
                **telegram_as_json(item.telegram),
                "profile": item.profile,
                "registers": [reading.as_json() for reading in item.readings],
            }
            for item in decoded
        ]
    }


def shown_reading(row: Row) -> Row:
    """A stored count as the display shows it and in the quantity's canonical unit."""
    register = Register(row["name"], Quantity(row["quantity"]), row["unit"], row["scale"])
    return {
        **row,
        "display": format(register.value_of(row["value"]), "f"),
        "canonical": format(register.canonical_value_of(row["value"]), "f"),
    }


async def dismiss(connection: AsyncConnection[Any], actor: Actor, quarantine_id: int) -> None:
    """Close a quarantine entry without readings; the bytes stay."""
    actor.require("technician")
    entry = await quarantine.get(connection, quarantine_id)
    if await quarantine.settle(connection, [entry.delivery_id], state="dismissed", actor=actor.name) == 0:
        raise ConflictError("the entry is not open", code="quarantine.settled", field="quarantine_id")
    await audit.record(connection, actor.name, "quarantine.dismiss", f"quarantine/{quarantine_id}")


async def replay(
    connection: AsyncConnection[Any], pipeline: "Pipeline", actor: Actor, delivery_ids: Sequence[int]
) -> list[Outcome]:
    """Take kept deliveries through decoding again, after a profile, key or registry fix; what each became, in order."""
    actor.require("technician")
    kept = await deliveries.get_many(connection, sorted(set(delivery_ids)))
    items = [
        (row.delivery_id, delivery, await pipeline.resolve(delivery))
        for row in kept
        for delivery in [row.as_delivery()]
    ]
    outcomes = await writes.write_replayed(connection, items)
    made = [number for number, _, result in items if isinstance(result, Resolved)]
    await quarantine.settle(connection, made, state="replayed", actor=actor.name)
    told = {"deliveries": [number for number, _, _ in items], "made_readings": made}
    await audit.record(connection, actor.name, "delivery.replay", "delivery", told)
    return outcomes


async def adopt(
    connection: AsyncConnection[Any], actor: Actor, discovered_id: int, *, point: str | None = None, **facts: Any
) -> int:
    """Register a discovered meter, at a point if one is named; its meter id.

    `facts` as `ingest.store.discovered.adopt`. Its quarantined deliveries are replayed by `replay_adopted`, after the
    commit, when the directory has heard of the meter.
    """
    actor.require("technician")
    point_id = None
    if point is not None:
        place = await registry.get_point(connection, code=point)
        actor.require_area(place.area_id, "point")
        point_id = place.point_id
    meter_id = await discovered.adopt(connection, discovered_id, actor=actor.name, point_id=point_id, **facts)
    told = {"meter_id": meter_id, "point": point, **facts}
    await audit.record(connection, actor.name, "discovered.adopt", f"discovered/{discovered_id}", told)
    return meter_id


async def replay_adopted(pool: Pool, pipeline: "Pipeline", directory: "Directory", actor: Actor, meter_id: int) -> Row:
    """Make readings of what an adopted meter sent before; counts of deliveries and readings."""
    await directory.refresh([meter_id])
    async with pool.connection() as connection, connection.transaction():
        meter = await registry.get_meter(connection, meter_id=meter_id)
        waiting = await quarantine.entries(connection, code="meter.unknown", serial=meter.serial, limit=100_000)
        same = [entry.delivery_id for entry in waiting if entry.manufacturer == meter.manufacturer]
        outcomes = await replay(connection, pipeline, actor, same)
    return {"deliveries": len(outcomes), "readings": sum(max(0, outcome.readings) for outcome in outcomes)}


async def dismiss_discovered(connection: AsyncConnection[Any], actor: Actor, discovered_id: int) -> None:
    """Take a meter off the discovered list (a neighbour's, a test device)."""
    actor.require("technician")
    await discovered.dismiss(connection, discovered_id)
    await audit.record(connection, actor.name, "discovered.dismiss", f"discovered/{discovered_id}")


def outcome_as_json(outcome: Outcome) -> Row:
    """An outcome as the API shows it."""
    return {
        "state": outcome.state,
        "delivery_id": outcome.delivery_id,
        "readings": outcome.readings,
        "meter_ids": list(outcome.meter_ids),
        "code": outcome.code,
        "message": outcome.message,
        "quarantine_id": outcome.quarantine_id,
    }
