"""HTTP for the registry."""

from dataclasses import asdict
from datetime import UTC
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.access import Admin, Lead, Reader, Technician
from api.context import Connection, Parts
from api.idempotency import IdempotentRoute
from api.paging import SAFE_TEXT, CursorText, Limit, Word, page
from api.registry import service
from ingest.sealing import sealer_for
from ingest.store import registry

router = APIRouter(tags=["registry"], route_class=IdempotentRoute)
Code = Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
MeterNumber = Annotated[int, Path(ge=1, lt=2**31)]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=SAFE_TEXT)]
Text = Annotated[str, Field(max_length=500, pattern=SAFE_TEXT)]
Zone = Annotated[str, Field(max_length=60, pattern=r"^[A-Za-z0-9_+/-]+$")]
Medium = Literal["heat", "cooling", "heat_cooling", "water", "hot_water", "cold_water", "electricity", "gas", "other"]


class AreaBody(BaseModel):
    """A reading area."""

    model_config = ConfigDict(extra="forbid")
    code: Name
    name: Text = ""
    team: Text = ""
    time_zone: Zone = "Asia/Shanghai"
    price_per_kwh: Decimal = Field(Decimal("0.2"), ge=0, le=1000, decimal_places=4)


class PointFacts(BaseModel):
    """What may be said of a point; what is left out stays."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal["dwelling", "shop", "enterprise", "building", "substation", "other"] | None = None
    address: Text | None = None
    building: Text | None = None
    account: Name | None = None
    heated_area_m2: Decimal | None = Field(None, ge=0, le=10_000_000, decimal_places=2)
    design_load_kw: Decimal | None = Field(None, ge=0, le=1_000_000, decimal_places=3)
    contract: Text | None = None
    latitude: float | None = Field(None, ge=-90, le=90)
    longitude: float | None = Field(None, ge=-180, le=180)


class PointBody(PointFacts):
    """A new metering point."""

    code: Name
    area: Name


class StateBody(BaseModel):
    """A point's state from an instant on."""

    model_config = ConfigDict(extra="forbid")
    state: Literal["active", "suspended", "vacant", "closed"]
    since: AwareDatetime
    note: Text = ""


class MeterBody(BaseModel):
    """A new meter."""

    model_config = ConfigDict(extra="forbid")
    serial: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[!-~]+$")]
    manufacturer: Annotated[str, Field(max_length=40, pattern=SAFE_TEXT)] = ""
    medium: Medium = "heat"
    version: int | None = Field(None, ge=0, le=255)
    model: Text = ""
    profile: Text = ""
    qp_m3h: Decimal | None = Field(None, gt=0, le=9_999, decimal_places=3)
    qs_m3h: Decimal | None = Field(None, gt=0, le=9_999, decimal_places=3)
    mounting_side: Literal["supply", "return"] = "return"


class KeyBody(BaseModel):
    """A device key; null forgets it."""

    model_config = ConfigDict(extra="forbid")
    key: Annotated[str, Field(min_length=32, max_length=32, pattern=r"^[0-9a-fA-F]+$")] | None


class FactorBody(BaseModel):
    """What the display must be multiplied by, and why it was wrong."""

    model_config = ConfigDict(extra="forbid")
    factor: Decimal = Field(gt=0, le=100_000, decimal_places=6)
    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=SAFE_TEXT)]


class InstallationBody(BaseModel):
    """A meter at a point from an instant on."""

    model_config = ConfigDict(extra="forbid")
    point: Name
    meter_id: int = Field(ge=1, lt=2**31)
    start: AwareDatetime
    service: int = Field(1, ge=0, le=6)
    factor: Decimal = Field(Decimal(1), gt=0, le=100_000, decimal_places=6)
    initial_energy: Annotated[str, Field(max_length=30, pattern=r"^[0-9.]+$")] | None = None
    reason: Text = "new"


@router.get("/areas", summary="Reading areas")
async def list_areas(actor: Reader, connection: Connection) -> list[dict[str, Any]]:
    """Those the caller may see."""
    return await service.areas(connection, actor)


@router.post("/areas", status_code=201, summary="A new area")
async def create_area(body: AreaBody, actor: Admin, connection: Connection) -> dict[str, int]:
    """With its team, calendar and price."""
    facts = body.model_dump()
    return {"area_id": await service.create_area(connection, actor, **facts)}


@router.get("/points", summary="Metering points")
async def list_points(
    actor: Reader,
    connection: Connection,
    parts: Parts,
    area: Word = None,
    search: Word = None,
    limit: Limit = 100,
    cursor: CursorText = None,
) -> dict[str, Any]:
    """By code; `search` is a part of code, address, account or building."""
    areas = actor.area_list
    if area is not None:
        areas = [(await service.area_of_code(connection, actor, area)).area_id]
    question = {"area": area, "search": search, "actor": actor.name}
    after = parts.cursors.position_from_text("points", cursor, [str], **question)[0] if cursor else None
    rows = await registry.points(connection, area_ids=areas, search=search, after=after, limit=limit)
    following = parts.cursors.text_from_position("points", [rows[-1].code], **question) if rows else None
    return page([asdict(row) for row in rows], limit, following)


@router.post("/points", status_code=201, summary="A new point")
async def create_point(body: PointBody, actor: Technician, connection: Connection) -> dict[str, int]:
    """In one of the caller's areas."""
    facts = body.model_dump(exclude={"code", "area"}, exclude_none=True)
    return {"point_id": await service.create_point(connection, actor, body.code, body.area, **facts)}


@router.get("/points/{code}", summary="One point")
async def get_point(code: Code, actor: Reader, connection: Connection) -> dict[str, Any]:
    """With installations and states."""
    return await service.point(connection, actor, code)


@router.patch("/points/{code}", status_code=204, summary="Change a point")
async def update_point(code: Code, body: PointFacts, actor: Technician, connection: Connection) -> None:
    """What is left out stays."""
    await service.update_point(connection, actor, code, **body.model_dump(exclude_unset=True, exclude_none=True))


@router.post("/points/{code}/state", status_code=204, summary="Suspend, vacate, close or activate a point")
async def set_state(code: Code, body: StateBody, actor: Technician, connection: Connection) -> None:
    """From an instant on."""
    await service.set_state(connection, actor, code, body.state, body.since.astimezone(UTC), body.note)


@router.get("/meters", summary="Meters")
async def list_meters(
    actor: Reader,
    connection: Connection,
    parts: Parts,
    search: Word = None,
    gateway: Annotated[int | None, Query(ge=1, lt=2**31)] = None,
    limit: Limit = 100,
    cursor: CursorText = None,
) -> dict[str, Any]:
    """By number; `search` is a part of serial, model or point code."""
    question = {"gateway": gateway, "search": search, "actor": actor.name}
    after = parts.cursors.position_from_text("meters", cursor, [int], **question)[0] if cursor else 0
    rows = await registry.meters(
        connection, area_ids=actor.area_list, gateway_id=gateway, search=search, after=after, limit=limit
    )
    following = parts.cursors.text_from_position("meters", [rows[-1].meter_id], **question) if rows else None
    return page([asdict(row) for row in rows], limit, following)


@router.post("/meters", status_code=201, summary="A new meter")
async def create_meter(body: MeterBody, actor: Technician, connection: Connection) -> dict[str, int]:
    """Its registers come with its first telegram."""
    return {"meter_id": await service.create_meter(connection, actor, **body.model_dump())}


@router.get("/meters/{meter_id}", summary="One meter")
async def get_meter(meter_id: MeterNumber, actor: Reader, connection: Connection) -> dict[str, Any]:
    """With registers and installations."""
    return await service.meter(connection, actor, meter_id)


@router.put("/meters/{meter_id}/key", status_code=204, summary="A meter's device key")
async def set_key(
    meter_id: MeterNumber, body: KeyBody, actor: Technician, connection: Connection, parts: Parts
) -> None:
    """Kept sealed; never given back."""
    sealer = sealer_for(parts.settings.data, parts.settings.master_key)
    await service.set_key(connection, actor, sealer, meter_id, body.key)


@router.post("/installations", status_code=201, summary="Mount a meter")
async def install(body: InstallationBody, actor: Technician, connection: Connection) -> dict[str, int]:
    """Overlaps are refused."""
    number = await service.install(
        connection,
        actor,
        body.point,
        body.meter_id,
        body.start.astimezone(UTC),
        service=body.service,
        factor=body.factor,
        initial_energy=body.initial_energy,
        reason=body.reason,
    )
    return {"installation_id": number}


@router.patch("/installations/{installation_id}", status_code=204, summary="Correct the factor of an installation")
async def correct_factor(installation_id: MeterNumber, body: FactorBody, actor: Lead, connection: Connection) -> None:
    """For all of its time: consumption is assessed anew, frozen bills get adjustments."""
    await service.correct_factor(connection, actor, installation_id, body.factor, body.reason)


@router.get("/gateways", summary="Gateways and their buses")
async def list_gateways(actor: Reader, connection: Connection) -> list[dict[str, Any]]:
    """By code; settings may hold passwords and are not shown."""
    rows = await registry.gateways(connection)
    buses = await registry.buses(connection)
    return [
        {
            **{key: value for key, value in asdict(row).items() if key not in ("settings", "address")},
            "address": row.address.rpartition("@")[2],
            "buses": [asdict(bus) for bus in buses if bus.gateway_id == row.gateway_id],
        }
        for row in rows
        if row.area_id is None or actor.sees(row.area_id)
    ]
