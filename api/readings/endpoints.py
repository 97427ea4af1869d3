"""HTTP for readings of meters and consumption of points."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime

from api.access import Reader
from api.context import Connection, Now, Parts
from api.idempotency import IdempotentRoute
from api.paging import CursorText, Limit, Page, Word, page
from api.readings import service
from api.readings.schemas import ConsumptionPage, ReadingItem
from ingest.errors import InvalidInputError

router = APIRouter(tags=["readings"], route_class=IdempotentRoute)
MeterNumber = Annotated[int, Path(ge=1, lt=2**31)]
Code = Annotated[str, Path(max_length=200, pattern=r"^[^\x00]+$")]
Since = Annotated[AwareDatetime | None, Query(alias="from", description="with zone; left out: the last 7 days")]
Until = Annotated[AwareDatetime | None, Query(alias="to", description="with zone; left out: now")]
_OLDEST = datetime(1990, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def _span(since: datetime | None, until: datetime | None, now: datetime, days: int = 7) -> tuple[datetime, datetime]:
    for name, instant in (("from", since), ("to", until)):
        if instant is not None and not _OLDEST <= instant <= _LATEST:
            raise InvalidInputError(f"{name} is outside 1990-2200", field=name)
    end = until or now + timedelta(minutes=15)
    start = since or end - timedelta(days=days)
    if not start < end:
        raise InvalidInputError("from must be before to", field="from")
    return start.astimezone(UTC), end.astimezone(UTC)


async def _readings(
    meter_id: int,
    connection: Any,
    parts: Any,
    since: datetime | None,
    until: datetime | None,
    register: str | None,
    limit: int,
    cursor: str | None,
) -> dict[str, Any]:
    start, end = _span(since, until, parts.clock.now())
    # The end of an open span moves on between two pages; the question stays the same.
    question = {"meter": meter_id, "register": register, "from": since, "to": until}
    position = None
    if cursor:
        ts, register_id, version = parts.cursors.position_from_text("readings", cursor, [int, int, int], **question)
        position = (datetime.fromtimestamp(0, UTC) + timedelta(microseconds=ts), register_id, version)
    rows = await service.readings(
        connection, meter_id, start=start, end=end, register=register, position=position, limit=limit
    )
    following = None
    if rows:
        last = rows[-1]
        ts = (last["ts"] - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)
        following = parts.cursors.text_from_position("readings", [ts, last["register_id"], last["version"]], **question)
    return page(rows, limit, following)


@router.get("/meters/{meter_id}/readings", response_model=Page[ReadingItem], summary="Readings of a meter")
async def meter_readings(
    meter_id: MeterNumber,
    actor: Reader,
    connection: Connection,
    parts: Parts,
    since: Since = None,
    until: Until = None,
    register: Word = None,
    limit: Limit = 1_000,
    cursor: CursorText = None,
) -> dict[str, Any]:
    """Every version, oldest first: exact display counts, display and canonical values, the delivery each came with."""
    meter = await service.meter(connection, actor, meter_id=meter_id)
    return await _readings(meter.meter_id, connection, parts, since, until, register, limit, cursor)


@router.get("/readings", response_model=Page[ReadingItem], summary="Readings by serial")
async def readings_by_serial(
    serial: Annotated[str, Query(max_length=100, pattern=r"^[^\x00]+$")],
    actor: Reader,
    connection: Connection,
    parts: Parts,
    manufacturer: Word = None,
    since: Since = None,
    until: Until = None,
    register: Word = None,
    limit: Limit = 1_000,
    cursor: CursorText = None,
) -> dict[str, Any]:
    """As `/meters/{meter_id}/readings`; `manufacturer` where a serial is there twice."""
    meter = await service.meter(connection, actor, serial=serial, manufacturer=manufacturer)
    return await _readings(meter.meter_id, connection, parts, since, until, register, limit, cursor)


@router.get("/points/{code}/consumption", response_model=ConsumptionPage, summary="Consumption of a point")
async def point_consumption(
    code: Code,
    actor: Reader,
    connection: Connection,
    now: Now,
    since: Since = None,
    until: Until = None,
    resolution: Literal["hour", "day", "month"] = "day",
    service_id: Annotated[int, Query(alias="service", ge=0, le=6)] = 1,
    as_known_on: AwareDatetime | None = None,
) -> dict[str, Any]:
    """Integers are exact joules and millilitres; `as_known_on` shows what was known at that instant."""
    place = await service.point(connection, actor, code)
    start, end = _span(since, until, now, days=31)
    if as_known_on is not None:
        _span(None, as_known_on, now)
    rows = await service.consumption(
        connection, place, start=start, end=end, resolution=resolution, service=service_id, known=as_known_on
    )
    return {"point": place.code, "service": service_id, "resolution": resolution, "items": rows}
