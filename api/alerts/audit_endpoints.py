"""HTTP for the weekly audit sample and for saved views."""

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from api.access import Lead, Reader
from api.alerts import samples, views
from api.context import Connection, Now
from api.idempotency import IdempotentRoute
from api.paging import SAFE_TEXT

router = APIRouter(tags=["alerts"], route_class=IdempotentRoute)
Id = Annotated[int, Path(ge=1, lt=2**31)]
Text = Annotated[str, Field(max_length=2_000, pattern=SAFE_TEXT)]


class Draw(BaseModel):
    """Whose sample, of which week (any day of it; left out: this week)."""

    model_config = ConfigDict(extra="forbid")
    area: Annotated[str, Field(min_length=1, max_length=100, pattern=SAFE_TEXT)]
    week: date | None = None


class Finding(BaseModel):
    """What the audit found at a point."""

    model_config = ConfigDict(extra="forbid")
    point: Annotated[str, Field(min_length=1, max_length=200, pattern=SAFE_TEXT)]
    verdict: Literal["correct", "wrong", "unreachable"]
    fault: Text = ""
    note: Text = ""


class View(BaseModel):
    """Filters under a name."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(min_length=1, max_length=100, pattern=SAFE_TEXT)]
    settings: dict[str, Any]
    shared: bool = False


@router.get("/audit-samples", summary="Weekly audit samples")
async def list_samples(actor: Lead, connection: Connection) -> list[dict[str, Any]]:
    """Newest first, with how far they are."""
    return await samples.listed(connection, actor)


@router.post("/audit-samples", status_code=201, summary="Draw this week's sample")
async def draw(body: Draw, actor: Lead, connection: Connection, now: Now) -> dict[str, Any]:
    """10 % of the area's points; the seed is recorded, so the draw can be repeated by anyone."""
    return await samples.draw(connection, actor, body.area, body.week or now.date())


@router.get("/audit-samples/{sample_id}", summary="A sample with its results")
async def get_sample(sample_id: Id, actor: Lead, connection: Connection) -> dict[str, Any]:
    """Points, what the service showed that day, what was found."""
    return await samples.get(connection, actor, sample_id)


@router.post("/audit-samples/{sample_id}/findings", summary="What was found at a point")
async def settle(sample_id: Id, body: Finding, actor: Lead, connection: Connection) -> dict[str, Any]:
    """Results stay."""
    return await samples.settle(
        connection, actor, sample_id, body.point, body.verdict, fault=body.fault, note=body.note
    )


@router.get("/views", summary="Saved views of the queue")
async def list_views(actor: Reader, connection: Connection) -> list[dict[str, Any]]:
    """One's own, then shared ones."""
    return await views.listed(connection, actor)


@router.post("/views", status_code=201, summary="Save a view")
async def save_view(body: View, actor: Reader, connection: Connection) -> dict[str, int]:
    """One of the same name is replaced."""
    return {"view_id": await views.save(connection, actor, body.name, body.settings, shared=body.shared)}


@router.delete("/views/{view_id}", status_code=204, summary="Drop a view")
async def delete_view(view_id: Id, actor: Reader, connection: Connection) -> None:
    """One's own."""
    await views.delete(connection, actor, view_id)
