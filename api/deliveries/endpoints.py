"""HTTP for pushed deliveries, quarantine and discovered meters."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from api.access import Reader, Technician
from api.context import Connection, Parts, context_of
from api.deliveries import service
from api.deliveries.schemas import PUSH_BODY, DeliveryResult, DeliveryResults, pushed_from_body
from api.idempotency import IdempotentRoute
from api.paging import SAFE_TEXT, CursorText, Limit, Page, Word, page
from ingest.store import discovered, quarantine

router = APIRouter(tags=["deliveries"], route_class=IdempotentRoute)
_STATUS = {"stored": 201, "duplicate": 200, "quarantined": 202}
BigId = Annotated[int, Path(ge=1, lt=2**63)]
Id = Annotated[int, Path(ge=1, lt=2**31)]


class QuarantineItem(BaseModel):
    """A delivery that did not become readings, and why."""

    model_config = ConfigDict(from_attributes=True, extra="allow")
    quarantine_id: int
    delivery_id: int
    arrived_at: datetime
    protocol: str
    channel: str
    code: str
    message: str
    byte_offset: int | None
    field: str | None
    manufacturer: str
    serial: str
    medium: str
    state: str


class DiscoveredItem(BaseModel):
    """A meter that was heard but is not registered."""

    model_config = ConfigDict(from_attributes=True, extra="allow")
    discovered_id: int
    serial: str
    manufacturer: str
    medium: str
    version: int | None
    protocol: str
    profile: str
    channel: str
    first_seen_at: datetime
    last_seen_at: datetime
    deliveries: int
    state: str
    meter_id: int | None


class Adoption(BaseModel):
    """What makes a discovered meter a registered one."""

    model_config = ConfigDict(extra="forbid")
    point: str | None = Field(
        None, max_length=200, pattern=SAFE_TEXT, description="code of the point it is installed at"
    )
    installed_at: AwareDatetime | None = None
    service: int = Field(1, ge=0, le=6)
    model: str = Field("", max_length=200, pattern=SAFE_TEXT)
    profile: str | None = Field(None, max_length=200, pattern=SAFE_TEXT)
    medium: str | None = Field(None, max_length=40, pattern=SAFE_TEXT)


class Replay(BaseModel):
    """Which kept deliveries are decoded again."""

    model_config = ConfigDict(extra="forbid")
    delivery_ids: list[Annotated[int, Field(ge=1, lt=2**63)]] = Field(min_length=1, max_length=1_000)


@router.post(
    "/deliveries",
    openapi_extra=PUSH_BODY,
    responses={
        200: {"model": DeliveryResult | DeliveryResults},
        201: {"model": DeliveryResult},
        202: {"model": DeliveryResult},
    },
    summary="Push raw deliveries",
)
async def push(request: Request, actor: Technician, connection: Connection) -> Response:
    """Take one delivery or a list. Answers after the commit: 201 stored, 200 duplicate or a list, 202 quarantined."""
    parts = context_of(request)
    items, listed = pushed_from_body(await request.body(), request.headers.get("content-type", ""))
    outcomes = await service.push(connection, parts.pipeline, actor, items, now=parts.clock.now(), listed=listed)
    results = [service.outcome_as_json(outcome) for outcome in outcomes]
    if not listed:
        return JSONResponse(results[0], _STATUS[results[0]["state"]])
    counts = {state: sum(result["state"] == state for result in results) for state in _STATUS}
    return JSONResponse({**counts, "results": results})


@router.get("/deliveries/{delivery_id}", summary="A raw delivery with its decoding")
async def get_delivery(delivery_id: BigId, actor: Reader, connection: Connection, parts: Parts) -> dict[str, Any]:
    """Bytes as hex, telegrams, and the readings that came of them."""
    return await service.get(connection, actor, delivery_id, parts.directory)


@router.post("/deliveries/replay", summary="Decode kept deliveries again")
async def replay(body: Replay, actor: Technician, connection: Connection, parts: Parts) -> dict[str, Any]:
    """After a profile, key or registry fix; a quarantine entry closes where readings come of it."""
    outcomes = await service.replay(connection, parts.pipeline, actor, body.delivery_ids)
    return {"results": [service.outcome_as_json(outcome) for outcome in outcomes]}


@router.get("/quarantine", response_model=Page[QuarantineItem], summary="Deliveries set aside")
async def list_quarantine(
    actor: Technician,
    connection: Connection,
    parts: Parts,
    state: Literal["open", "replayed", "dismissed"] = "open",
    code: Word = None,
    serial: Word = None,
    limit: Limit = 100,
    cursor: CursorText = None,
) -> dict[str, Any]:
    """Newest first."""
    question = {"state": state, "code": code, "serial": serial}
    before = parts.cursors.position_from_text("quarantine", cursor, [int], **question)[0] if cursor else None
    rows = await quarantine.entries(connection, state=state, code=code, serial=serial, before=before, limit=limit)
    following = parts.cursors.text_from_position("quarantine", [rows[-1].quarantine_id], **question) if rows else None
    return page([asdict(row) for row in rows], limit, following)


@router.get("/quarantine/counts", summary="Open entries per reason")
async def quarantine_counts(actor: Reader, connection: Connection) -> dict[str, int]:
    """How many deliveries wait for which reason."""
    return await quarantine.counts(connection)


@router.post("/quarantine/{quarantine_id}/replay", summary="Decode one entry again")
async def replay_entry(quarantine_id: BigId, actor: Technician, connection: Connection, parts: Parts) -> dict[str, Any]:
    """What the delivery became this time."""
    entry = await quarantine.get(connection, quarantine_id)
    outcomes = await service.replay(connection, parts.pipeline, actor, [entry.delivery_id])
    return service.outcome_as_json(outcomes[0])


@router.post("/quarantine/{quarantine_id}/dismiss", status_code=204, summary="Close an entry without readings")
async def dismiss_entry(quarantine_id: BigId, actor: Technician, connection: Connection) -> None:
    """The bytes stay."""
    await service.dismiss(connection, actor, quarantine_id)


@router.get("/discovered", response_model=Page[DiscoveredItem], summary="Meters heard but not registered")
async def list_discovered(
    actor: Technician,
    connection: Connection,
    parts: Parts,
    state: Annotated[Literal["open", "adopted", "dismissed"], Query()] = "open",
    limit: Limit = 100,
    cursor: CursorText = None,
) -> dict[str, Any]:
    """In the order they were first heard."""
    after = parts.cursors.position_from_text("discovered", cursor, [int], state=state)[0] if cursor else 0
    rows = await discovered.discovered(connection, state=state, after=after, limit=limit)
    following = parts.cursors.text_from_position("discovered", [rows[-1].discovered_id], state=state) if rows else None
    return page([asdict(row) for row in rows], limit, following)


@router.post("/discovered/{discovered_id}/adopt", status_code=201, summary="Register a discovered meter")
async def adopt(discovered_id: Id, body: Adoption, actor: Technician, parts: Parts) -> dict[str, Any]:
    """Registers meter and link, installs it at the point if one is given, and replays what it sent before."""
    facts = body.model_dump(exclude={"point"})
    async with parts.pool.connection() as connection, connection.transaction():
        meter_id = await service.adopt(connection, actor, discovered_id, point=body.point, **facts)
    replayed = await service.replay_adopted(parts.pool, parts.pipeline, parts.directory, actor, meter_id)
    return {"meter_id": meter_id, "replayed": replayed}


@router.post("/discovered/{discovered_id}/dismiss", status_code=204, summary="Take a meter off the list")
async def dismiss_discovered(discovered_id: Id, actor: Technician, connection: Connection) -> None:
    """Its deliveries stay in quarantine."""
    await service.dismiss_discovered(connection, actor, discovered_id)
