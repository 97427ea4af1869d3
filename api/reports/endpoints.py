"""HTTP for reports: data, XLSX, PDF."""

import asyncio
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response

from api.access import Lead, Reader
from api.billing.formats import json_response
from api.context import Connection, Now
from api.idempotency import IdempotentRoute
from api.paging import Word
from api.reports import documents, service

router = APIRouter(tags=["reports"], route_class=IdempotentRoute, prefix="/reports")
Form = Annotated[Literal["json", "xlsx", "pdf"], Query(alias="format")]
Language = Literal["en", "zh"]
_MAKERS = {
    "xlsx": (documents.xlsx, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "pdf": (documents.pdf, "application/pdf"),
}
_DOCUMENTS: dict[int | str, dict[str, Any]] = {
    200: {"content": {media: {"schema": {"type": "string", "format": "binary"}} for _, media in _MAKERS.values()}}
}


async def _answer(report: dict[str, Any], form: str, language: str, name: str) -> Response:
    if form == "json":
        return json_response(report)
    make, media = _MAKERS[form]
    content = await asyncio.to_thread(make, report, language)
    return Response(content, media_type=media, headers={"Content-Disposition": f'attachment; filename="{name}.{form}"'})


@router.get("/points/{code}/month", responses=_DOCUMENTS, summary="A customer's consumption detail of a month")
async def customer_detail(
    code: Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[^\x00]+$")],
    day: date,
    actor: Reader,
    connection: Connection,
    form: Form = "json",
    language: Language = "zh",
) -> Response:
    """Day by day, with quality, for the month that `day` lies in."""
    made = await service.customer_detail(connection, actor, code, day)
    return await _answer(made, form, language, f"detail-{made['from']:%Y-%m}")


@router.get("/{kind}", responses=_DOCUMENTS, summary="The monthly or quarterly report")
async def report(
    kind: Literal["month", "quarter"],
    day: date,
    actor: Lead,
    now: Now,
    connection: Connection,
    area: Word = None,
    form: Form = "json",
    language: Language = "zh",
) -> Response:
    """Reading rate, estimated share, anomalies found and confirmed, exchanges, operators' entry errors, audit
    samples."""
    made = await service.report(connection, actor, kind, day, area=area, now=now)
    return await _answer(made, form, language, f"report-{kind}-{made['from']}")
