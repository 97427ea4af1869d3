"""HTTP for the billing system."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import AwareDatetime
from starlette.responses import StreamingResponse

from api.access import Figures, Settler
from api.billing import explanation, formats, green_button, mscons, service, webhooks
from api.billing.columns import Choice
from api.billing.schemas import (
    Acknowledgement,
    FreezeBody,
    FreezeResult,
    PeriodBody,
    PeriodItem,
    QuantityItem,
    QuantityPage,
    Release,
    WebhookBody,
)
from api.context import Connection, Context, Now, Parts
from api.idempotency import IdempotentRoute, shown_once
from api.paging import CursorText, Word, page
from ingest.sealing import sealer_for
from ingest.store import feed

router = APIRouter(tags=["billing"], route_class=IdempotentRoute, prefix="/billing")
PeriodCode = Annotated[str, Query(min_length=1, max_length=40, pattern=r"^[^\x00]+$", description="code of the period")]
PathCode = Annotated[str, Path(min_length=1, max_length=40, pattern=r"^[^\x00]+$")]
QuantityId = Annotated[int, Path(ge=1, lt=2**63)]
State = Literal["open", "blocked", "frozen", "adjustment"]
Bulk = Annotated[int, Query(ge=1, le=100_000)]


@router.get("/periods", response_model=list[PeriodItem], summary="Billing periods")
async def list_periods(actor: Figures, connection: Connection) -> list[dict[str, Any]]:
    """Newest first."""
    return await service.periods(connection, actor)


@router.post("/periods", response_model=PeriodItem, status_code=201, summary="A new billing period")
async def create_period(body: PeriodBody, actor: Settler, connection: Connection) -> dict[str, Any]:
    """Cut-offs are the local midnights of each point's area."""
    return await service.create_period(
        connection, actor, body.code, body.start_date, body.end_date, name=body.name, settings=body.settings
    )


@router.get("/periods/{code}", response_model=PeriodItem, summary="One billing period")
async def get_period(code: PathCode, actor: Figures, connection: Connection) -> dict[str, Any]:
    """State, settings and until when it was calculated."""
    return await service.period(connection, code)


@router.post("/periods/{code}/freeze", response_model=FreezeResult, summary="Freeze a period")
async def freeze(body: FreezeBody, code: PathCode, actor: Settler, now: Now, connection: Connection) -> dict[str, Any]:
    """Immutable from now on; what the gate holds back stays blocked with its reason."""
    return await service.freeze(connection, actor, code, now=now, early=body.early)


@router.post("/periods/{code}/recalculate", response_model=PeriodItem, summary="Calculate now")
async def recalculate(code: PathCode, actor: Settler, now: Now, connection: Connection) -> dict[str, Any]:
    """Open quantities anew; adjustments for frozen ones that would differ."""
    return await service.recalculate(connection, actor, code, now=now)


@router.get(
    "/quantities",
    response_model=QuantityPage,
    responses={
        200: {
            "content": {media: {"schema": {"type": "string", "format": "binary"}} for media in formats.MEDIA.values()}
        },
        304: {"description": "not modified"},
    },
    summary="Quantities of a period",
)
async def quantities(
    period: PeriodCode,
    actor: Figures,
    now: Now,
    parts: Parts,
    form: Annotated[Literal["json", "jsonl", "csv", "arrow", "parquet", "xlsx"], Query(alias="format")] = "json",
    state: Annotated[list[State] | None, Query()] = None,
    point: Word = None,
    limit: Bulk = 1_000,
    cursor: CursorText = None,
    if_none_match: Annotated[str | None, Header(alias="If-None-Match")] = None,
) -> Any:
    """Newest version of every quantity, before and after the freeze. JSON comes in pages, other formats whole."""
    async with parts.pool.connection() as connection, connection.transaction():
        row = await service.refresh(connection, period, now=now)
        etag = (
            f'"{row["period_id"]}-{row["calculated_run"] or 0}-{row["state"]}-{await service.newest(connection, row)}"'
        )
        if if_none_match is not None and etag in if_none_match and cursor is None:
            return Response(status_code=304, headers={"ETag": etag})
        if form == "json":
            return await _page(connection, actor, now, parts, period, state, point, limit, cursor, etag)
    choice = Choice(row["period_id"], row["code"], actor.area_list, list(state) if state else None)
    name = f'attachment; filename="quantities-{row["code"]}.{form}"'
    headers = {"Content-Disposition": name, "ETag": etag}
    return StreamingResponse(_bulk(parts, form, choice), media_type=formats.MEDIA[form], headers=headers)


async def _page(
    connection: Any,
    actor: Any,
    now: datetime,
    parts: Context,
    period: str,
    state: Any,
    point: str | None,
    limit: int,
    cursor: str | None,
    etag: str,
) -> Response:
    question = {"period": period, "state": state, "point": point, "actor": actor.name}
    after = (0, -1)
    if cursor:
        point_id, service_id = parts.cursors.position_from_text("quantities", cursor, [int, int], **question)
        after = (point_id, service_id)
    rows = await service.page(connection, actor, period, now=now, after=after, states=state, point=point, limit=limit)
    last = [rows[-1]["point_id"], rows[-1]["service"]] if rows else []
    following = parts.cursors.text_from_position("quantities", last, **question) if rows else None
    return formats.json_response(page(rows, limit, following), {"ETag": etag})


async def _bulk(parts: Context, form: str, choice: Choice) -> AsyncIterator[formats.Block]:
    async with parts.pool.connection() as connection, connection.transaction():
        await feed.one_view(connection)
        async for block in formats.STREAMS[form](connection, choice):
            yield block


@router.get("/changes", response_model=QuantityPage, summary="Frozen quantities and adjustments in commit order")
async def changes(
    actor: Figures,
    connection: Connection,
    parts: Parts,
    period: Word = None,
    limit: Bulk = 1_000,
    cursor: CursorText = None,
) -> Response:
    """Keep `next` and come back with it: nothing is ever skipped, whoever was writing meanwhile. It is never null."""
    question = {"period": period, "actor": actor.name}
    after = (0, 0)
    if cursor:
        transaction, quantity = parts.cursors.position_from_text("changes", cursor, [int, int], **question)
        after = (transaction, quantity)
    rows = await service.changes(connection, actor, after=after, code=period, limit=limit)
    position = rows[-1]["position"] if rows else after
    following = parts.cursors.text_from_position("changes", position, **question)
    items = [{key: value for key, value in row.items() if key != "position"} for row in rows]
    return formats.json_response({"items": items, "next": following})


@router.post("/acknowledgements", summary="These are stored")
async def acknowledge(body: Acknowledgement, actor: Figures, connection: Connection) -> dict[str, int]:
    """Shows operators how far the billing system is; the feed itself needs no acknowledgement."""
    return {"acknowledged": await service.acknowledge(connection, actor, body.quantity_ids)}


@router.get("/quantities/{quantity_id}", response_model=QuantityItem, summary="One version of a quantity")
async def get_quantity(quantity_id: QuantityId, actor: Figures, connection: Connection) -> dict[str, Any]:
    """With its determinants."""
    return await service.quantity(connection, actor, quantity_id)


@router.post(
    "/quantities/{quantity_id}/release", response_model=QuantityItem, summary="Freeze what the gate holds back"
)
async def release(
    quantity_id: QuantityId, body: Release, actor: Settler, now: Now, connection: Connection
) -> dict[str, Any]:
    """An approver answers for it with a reason."""
    return await service.release(connection, actor, quantity_id, body.reason, now=now)


@router.get("/quantities/{quantity_id}/explanation", summary="Why a quantity is what it is")
async def explain(
    quantity_id: QuantityId,
    actor: Figures,
    connection: Connection,
    parts: Parts,
    as_known_on: AwareDatetime | None = None,
) -> Response:
    """Segments, index readings, intervals, flags, rules, edits, and the raw bytes of the deliveries with their
    decoding."""
    made = await explanation.explain(connection, actor, quantity_id, parts.directory, known=as_known_on)
    return formats.json_response(made)


@router.get("/explanation", summary="Why a point's quantity is what it is")
async def explain_point(
    period: PeriodCode,
    point: Annotated[str, Query(max_length=200, pattern=r"^[^\x00]+$")],
    actor: Figures,
    now: Now,
    connection: Connection,
    parts: Parts,
    service_id: Annotated[int, Query(alias="service", ge=0, le=6)] = 1,
) -> Response:
    """As for a quantity, by period and point."""
    made = await explanation.explain_point(
        connection, actor, period, point, parts.directory, service_id=service_id, now=now
    )
    return formats.json_response(made)


@router.get("/as-known", summary="What a quantity would have been on a day")
async def as_known(
    period: PeriodCode,
    point: Annotated[str, Query(max_length=200, pattern=r"^[^\x00]+$")],
    on: AwareDatetime,
    actor: Figures,
    now: Now,
    connection: Connection,
) -> Response:
    """From the intervals that were current at that instant."""
    rows = await explanation.as_known_on(connection, actor, period, point, on, now=now)
    return formats.json_response({"items": rows})


@router.get("/webhooks", summary="Webhooks")
async def list_webhooks(actor: Settler, connection: Connection) -> list[dict[str, Any]]:
    """With what waits and what failed."""
    return await webhooks.listed(connection, actor)


@router.post("/webhooks", status_code=201, summary="A new webhook", openapi_extra=shown_once("secret"))
async def add_webhook(body: WebhookBody, actor: Settler, connection: Connection, parts: Parts) -> dict[str, Any]:
    """The secret is shown in this answer and never again, not in a replay either."""
    sealer = sealer_for(parts.settings.data, parts.settings.master_key)
    number, secret = await webhooks.add(connection, actor, sealer, body.url, list(body.events))
    return {"webhook_id": number, "secret": secret}


@router.delete("/webhooks/{webhook_id}", status_code=204, summary="End a webhook")
async def end_webhook(webhook_id: Annotated[int, Path(ge=1, lt=2**31)], actor: Settler, connection: Connection) -> None:
    """It is called no more."""
    await webhooks.end(connection, actor, webhook_id)


@router.get("/quantities/{quantity_id}/green-button", summary="A quantity's hours as Green Button (ESPI) XML")
async def green_button_feed(quantity_id: QuantityId, actor: Figures, connection: Connection) -> Response:
    """For customers' own tools."""
    quantity, intervals = await explanation.intervals_of(connection, actor, quantity_id)
    total = quantity["volume_ml"] if quantity["service"] in (3, 4, 6) else quantity["energy_j"]
    made = green_button.feed(
        quantity["point"], quantity["service"], intervals, updated=quantity["created_at"], total=total
    )
    return Response(made, media_type="application/atom+xml")


@router.get("/mscons", summary="A period's quantities as EDIFACT MSCONS")
async def mscons_interchange(
    period: PeriodCode,
    actor: Figures,
    now: Now,
    connection: Connection,
    sender: Annotated[str, Query(max_length=35, pattern=r"^[ -~]+$")] = "HEATBOOK",
    receiver: Annotated[str, Query(max_length=35, pattern=r"^[ -~]+$")] = "BILLING",
) -> Response:
    """Newest versions, up to 100,000."""
    rows = await service.page(connection, actor, period, now=now, limit=100_000)
    made = mscons.interchange(rows, sender=sender, receiver=receiver, reference=period, now=now)
    return Response(made, media_type="application/edifact")
