"""HTTP for the technician."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, timedelta
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AwareDatetime
from starlette.responses import JSONResponse, StreamingResponse

from api.access import Approver, Lead, Reader, Reviewer, Technician
from api.context import Connection, Now, Parts
from api.field import campaigns, photos, readings, service
from api.field.exchange import Exchange, exchange_meter
from api.field.schemas import CampaignBody, CampaignFinding, CheckBody, DecisionBody, EntryBody, ExchangeBody
from api.idempotency import IdempotentRoute
from api.paging import Word
from api.problems import problem
from ingest.errors import IngestError, UnavailableError

router = APIRouter(tags=["field"], route_class=IdempotentRoute, prefix="/field")
Id = Annotated[int, Path(ge=1, lt=2**31)]
BigId = Annotated[int, Path(ge=1, lt=2**63)]
Code = Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]


@router.get("/board", summary="Which gateways are silent, and why")
async def board(actor: Reader, now: Now, connection: Connection) -> list[dict[str, Any]]:
    """The worst first."""
    return await service.comms_board(connection, actor, now=now)


@router.get("/gateways/{gateway_id}", summary="One gateway with its meters")
async def gateway(gateway_id: Id, actor: Reader, now: Now, connection: Connection) -> dict[str, Any]:
    """By bus, the worst first."""
    return await service.gateway_meters(connection, actor, gateway_id, now=now)


@router.post("/meters/{meter_id}/read", summary="Read a meter now")
async def read_now(
    meter_id: Id, actor: Technician, parts: Parts, timeout_s: Annotated[float, Query(ge=1, le=120)] = 60.0
) -> dict[str, Any]:
    """Through the worker that owns its gateway: raw frames and what became of them."""
    async with parts.pool.connection() as connection:
        result = await service.read_meter(connection, _url(parts), actor, meter_id, timeout_s=timeout_s)
    return {
        "frames": list(result.frames),
        "outcomes": list(result.outcomes),
        "latency_s": result.latency_s,
        "worker": result.worker,
    }


def _url(parts: Any) -> str:
    url: str | None = parts.settings.database_url
    if url is None:
        raise UnavailableError("this process reads no meters: it knows no database address", code="read.nobody")
    return url


@router.get("/gateways/{gateway_id}/search", summary="Search a bus for meters")
async def search(
    gateway_id: Id,
    actor: Technician,
    now: Now,
    parts: Parts,
    kind: Literal["primary", "secondary"] = "secondary",
    pattern: Annotated[str, Query(max_length=40, pattern=r"^[0-9A-Fa-f.?*]*$")] = "",
) -> Response:
    """JSON lines, one a probe, as they come; a last line with `error` where the search broke off."""
    async with parts.pool.connection() as connection:
        await service.require_gateway(connection, actor, gateway_id, now=now)
    steps = service.search(_url(parts), actor, gateway_id, kind, pattern=pattern)
    return StreamingResponse(_lines(steps), media_type="application/x-ndjson")


async def _lines(steps: Any) -> AsyncIterator[bytes]:
    try:
        async with aclosing(steps) as open_steps:
            async for step in open_steps:
                yield msgspec.json.encode(step) + b"\n"
    except IngestError as error:
        yield msgspec.json.encode({"error": {"code": error.code, "message": error.message}}) + b"\n"


@router.get("/meters/{meter_id}/commissioning", summary="The commissioning checklist")
async def commissioning(meter_id: Id, actor: Reader, now: Now, connection: Connection) -> list[dict[str, Any]]:
    """What the service sees, what people noted."""
    return await service.commissioning(connection, actor, meter_id, now=now)


@router.put("/meters/{meter_id}/commissioning", status_code=204, summary="Note an item")
async def note_check(meter_id: Id, body: CheckBody, actor: Technician, connection: Connection) -> None:
    """Serial, mounting side, seal and valve are for eyes."""
    await service.note_check(connection, actor, meter_id, body.item, passed=body.passed, note=body.note)


@router.post("/exchanges", status_code=201, summary="Exchange a meter")
async def exchange(
    body: ExchangeBody, actor: Technician, now: Now, connection: Connection, parts: Parts
) -> dict[str, Any]:
    """Final and initial index as read off; send an Idempotency-Key where the connection is bad."""
    photos = tuple((one.shows, one.reference) for one in body.photos)
    work = Exchange(**{**body.model_dump(exclude={"photos"}), "photos": photos})
    return await exchange_meter(connection, actor, work, now=now)


def _entry(body: EntryBody) -> readings.Entry:
    return readings.Entry(
        body.meter_id,
        body.register_,
        body.at.astimezone(UTC),
        body.display,
        body.kind,
        body.point,
        body.reason,
        body.photo,
        body.confirmed,
    )


@router.post("/readings/check", summary="Check an entry as somebody types")
async def check_entry(body: EntryBody, actor: Technician, now: Now, connection: Connection) -> dict[str, Any]:
    """Nothing is stored."""
    return (await readings.check(connection, actor, _entry(body), now=now)).as_json()


@router.post("/readings", status_code=201, summary="Enter a reading by hand")
async def enter(
    body: EntryBody, actor: Technician, now: Now, connection: Connection, parts: Parts, request: Request
) -> Response:
    """Blocked entries are 422 with `checks`; warnings need `confirmed`."""
    result = await readings.enter(connection, parts.pipeline, actor, _entry(body), now=now)
    if result.accepted:
        return JSONResponse(result.as_json(), 201)
    first = result.checks[0]
    checks = result.as_json()["checks"]
    return problem(
        422, first.code, "Entry not taken", first.message, instance=request.url.path, field="display", checks=checks
    )


@router.get("/readings", summary="Hand-made values")
async def list_entries(
    actor: Reader,
    connection: Connection,
    state: Annotated[list[Literal["entered", "approved", "second_approval", "rejected"]] | None, Query()] = None,
) -> list[dict[str, Any]]:
    """Newest first."""
    return await readings.listed(connection, actor, list(state) if state else None)


@router.post("/readings/{manual_id}/approve", summary="Approve a hand-made value")
async def approve(manual_id: BigId, body: DecisionBody, actor: Approver, connection: Connection) -> dict[str, Any]:
    """Another person than its author; a third above the threshold."""
    return await readings.decide(connection, actor, manual_id, approve=True, reason=body.reason)


@router.post("/readings/{manual_id}/reject", summary="Reject a hand-made value")
async def reject(manual_id: BigId, body: DecisionBody, actor: Reviewer, connection: Connection) -> dict[str, Any]:
    """It changes nothing."""
    return await readings.decide(connection, actor, manual_id, approve=False, reason=body.reason)


@router.get("/operators", summary="Entry errors per operator")
async def operators(
    actor: Lead,
    now: Now,
    connection: Connection,
    since: Annotated[AwareDatetime | None, Query(alias="from")] = None,
    until: Annotated[AwareDatetime | None, Query(alias="to")] = None,
) -> list[dict[str, Any]]:
    """The last 30 days unless said otherwise."""
    end = until or now
    try:
        start = since or end - timedelta(days=30)
    except OverflowError:
        start = end
    return await readings.operators(connection, actor, start, end)


@router.get("/routes/{area}", summary="A route's list")
async def route(
    area: Code,
    actor: Reader,
    now: Now,
    connection: Connection,
    code: Word = None,
    days: Annotated[int, Query(ge=1, le=60)] = 31,
) -> list[dict[str, Any]]:
    """In walking order, with what has been read."""
    return await service.route(connection, actor, area, code=code, since=now - timedelta(days=days))


@router.post("/photos", status_code=201, summary="Keep a photo")
async def add_photo(request: Request, actor: Technician, parts: Parts) -> dict[str, str]:
    """The body is the image; the answer is its reference."""
    return {"reference": await photos.keep(parts.settings.data / "photos", await request.body())}


@router.get("/photos/{reference}", summary="A photo")
async def get_photo(reference: Annotated[str, Path(max_length=80)], actor: Reader, parts: Parts) -> Response:
    """As it was sent."""
    data, media = await photos.load(parts.settings.data / "photos", reference)
    return Response(data, media_type=media, headers={"Cache-Control": "private, max-age=86400, immutable"})


@router.get("/campaigns", summary="Campaigns")
async def list_campaigns(actor: Reader, connection: Connection) -> list[dict[str, Any]]:
    """Newest first."""
    return await campaigns.listed(connection, actor)


@router.post("/campaigns", status_code=201, summary="Start a campaign")
async def start_campaign(body: CampaignBody, actor: Lead, now: Now, connection: Connection) -> dict[str, Any]:
    """Over an area or the whole stock."""
    return await campaigns.start(
        connection,
        actor,
        body.code,
        body.kind,
        body.start_date,
        body.end_date,
        now=now,
        name=body.name,
        area=body.area,
    )


@router.post("/campaigns/{code}/refresh", summary="Look at comms and alerts again")
async def refresh_campaign(code: Code, actor: Technician, now: Now, connection: Connection) -> dict[str, int]:
    """What people noted stays."""
    return {"points": await campaigns.refresh(connection, actor, code, now=now)}


@router.get("/campaigns/{code}/points", summary="A campaign's points")
async def campaign_points(
    code: Code,
    actor: Reader,
    connection: Connection,
    state: Literal["open", "ok", "fault", "repaired", "unreachable"] | None = None,
) -> list[dict[str, Any]]:
    """The silent and the alarming first."""
    return await campaigns.points(connection, actor, code, state)


@router.post("/campaigns/{code}/findings", status_code=204, summary="What somebody saw at a point")
async def settle_campaign(code: Code, body: CampaignFinding, actor: Technician, connection: Connection) -> None:
    """Kept in the campaign."""
    await campaigns.settle(connection, actor, code, body.point, body.state, body.note)


@router.get("/campaigns/{code}/report", summary="A campaign's report")
async def campaign_report(code: Code, actor: Reader, connection: Connection) -> dict[str, Any]:
    """Figures per area and in total."""
    return await campaigns.report(connection, actor, code)
