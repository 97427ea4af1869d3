"""The technician's work: who is silent and why, read now, search a bus, commission, walk a route.

Callable without HTTP. What a worker must do on the wire goes by `ingest.on_demand`; this file opens no sockets to
meters.
"""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal

from psycopg import AsyncConnection

from api.access import Actor
from ingest.errors import InvalidInputError, NotFoundError
from ingest.on_demand import ReadResult, read_now, search_bus
from ingest.sources.search import SearchStep
from ingest.store import audit, board, lookup, registry

Row = dict[str, Any]
_FRESH: Final = timedelta(hours=24)
# Items that a person must see; the others are computed from what the meter sent.
SEEN_ITEMS: Final = ("serial", "mounting_side", "seal", "valve")
CHECKLIST: Final = (
    "serial",
    "medium",
    "unit",
    "factor",
    "mounting_side",
    "difference_sign",
    "clock",
    "first_valid_day",
    "seal",
    "valve",
)


async def comms_board(connection: AsyncConnection[Any], actor: Actor, *, now: datetime) -> list[Row]:
    """Gateways with success rate, latency, kinds of errors and how many of their meters are silent; the worst first."""
    rows = await board.gateways(connection, since=now - _FRESH, areas=actor.area_list)
    return [_rated(row) for row in rows]


async def gateway_meters(connection: AsyncConnection[Any], actor: Actor, gateway_id: int, *, now: datetime) -> Row:
    """One gateway with its meters by bus, the worst first."""
    row = await require_gateway(connection, actor, gateway_id, now=now)
    found = await board.meters(connection, gateway_id, actor.area_list)
    return {**_rated(row), "meters_behind": [_rated(row) for row in found]}


async def require_gateway(connection: AsyncConnection[Any], actor: Actor, gateway_id: int, *, now: datetime) -> Row:
    """A gateway that the caller may see. NotFoundError where there is none."""
    rows = await board.gateways(connection, since=now - _FRESH, areas=actor.area_list, gateway_id=gateway_id)
    if not rows:
        raise NotFoundError("no such gateway", field="gateway_id")
    return rows[0]


def _rated(row: Row) -> Row:
    return {**row, "success_rate": row["successes"] / row["attempts"] if row["attempts"] else None}


async def read_meter(
    connection: AsyncConnection[Any], database_url: str, actor: Actor, meter_id: int, *, timeout_s: float = 60.0
) -> ReadResult:
    """Read one meter now, through the worker that owns its gateway; raw frames and what became of them.

    Raises UnavailableError where nobody reads the gateway, ReadFailedError where the meter does not answer.
    """
    actor.require("technician")
    if not await lookup.meter_is_visible(connection, meter_id, actor.area_list):
        raise NotFoundError(f"meter {meter_id} does not exist", field="meter_id")
    return await read_now(database_url, meter_id, timeout_s=timeout_s)


async def search(
    database_url: str, actor: Actor, gateway_id: int, kind: Literal["primary", "secondary"], *, pattern: str = ""
) -> AsyncIterator[SearchStep]:
    """Search the bus of a gateway that the caller may see (`require_gateway`) for meters; steps as they come."""
    actor.require("technician")
    async for step in search_bus(database_url, gateway_id, kind, pattern=pattern):
        yield step


async def commissioning(connection: AsyncConnection[Any], actor: Actor, meter_id: int, *, now: datetime) -> list[Row]:
    """A meter's checklist: every item with what the service sees, what a person noted, and whether it is done."""
    if not await lookup.meter_is_visible(connection, meter_id, actor.area_list):
        raise NotFoundError(f"meter {meter_id} does not exist", field="meter_id")
    meter = await registry.get_meter(connection, meter_id=meter_id)
    values = {row["name"]: row for row in await board.newest_values(connection, meter_id, now - timedelta(days=2))}
    place = await board.installation_at(connection, meter_id, now)
    valid_day = await board.first_valid_day(connection, meter_id)
    noted = await board.checks(connection, meter_id)
    seen: dict[str, tuple[bool | None, str]] = {
        "serial": (None, meter.serial),
        "medium": (meter.medium != "", meter.medium),
        "unit": (
            "energy" in values or "volume" in values,
            ", ".join(f"{v['name']} {v['unit']}" for v in values.values()),
        ),
        "factor": (place is not None, "" if place is None else str(place["factor"])),
        "mounting_side": (None, meter.mounting_side),
        "difference_sign": _difference(values),
        "clock": await _clock(connection, meter_id),
        "first_valid_day": (valid_day is not None, "" if valid_day is None else valid_day.isoformat()),
        "seal": (None, ""),
        "valve": (None, ""),
    }
    return [_item(item, *seen[item], noted.get(item)) for item in CHECKLIST]


def _item(item: str, passed: bool | None, shown: str, noted: Row | None) -> Row:
    return {
        "item": item,
        "by_person": item in SEEN_ITEMS,
        "shown": shown,
        "passed": noted["passed"] if noted is not None else passed,
        "note": "" if noted is None else noted["note"],
        "checked_by": None if noted is None else noted["checked_by"],
        "checked_at": None if noted is None else noted["checked_at"],
    }


def _difference(values: dict[str, Row]) -> tuple[bool | None, str]:
    def celsius(name: str) -> Decimal | None:
        row = values.get(name)
        return None if row is None else Decimal(row["value"]).scaleb(row["scale"])

    supply, back = celsius("supply_temperature"), celsius("return_temperature")
    if supply is None or back is None:
        return None, ""
    return supply - back > Decimal("-0.5"), f"{supply:f} - {back:f} = {supply - back:f} K"


async def _clock(connection: AsyncConnection[Any], meter_id: int) -> tuple[bool | None, str]:
    drift_s = await board.clock_drift_s(connection, meter_id)
    return (None, "") if drift_s is None else (abs(drift_s) <= 900, f"{drift_s:+.0f} s")


async def note_check(
    connection: AsyncConnection[Any], actor: Actor, meter_id: int, item: str, *, passed: bool, note: str = ""
) -> None:
    """Note an item of the checklist."""
    actor.require("technician")
    if item not in CHECKLIST:
        raise InvalidInputError(f"{item!r} is none of {', '.join(CHECKLIST)}", field="item")
    if not await lookup.meter_is_visible(connection, meter_id, actor.area_list):
        raise NotFoundError(f"meter {meter_id} does not exist", field="meter_id")
    await board.set_check(connection, meter_id, item, passed, note, actor.name)
    told = {"item": item, "passed": passed, "note": note}
    await audit.record(connection, actor.name, "meter.check", f"meter/{meter_id}", told)


async def route(
    connection: AsyncConnection[Any], actor: Actor, area: str, *, code: str | None = None, since: datetime
) -> list[Row]:
    """Points of a route in walking order, with whether they were read since an instant."""
    return await board.route_list(connection, area=area, route=code, since=since, areas=actor.area_list)
