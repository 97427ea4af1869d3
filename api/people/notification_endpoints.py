"""HTTP for notification rules: who is told of what, whether it arrives, and what was told."""

from datetime import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from api import notify
from api.access import Admin
from api.context import Connection, Now, Parts
from api.idempotency import IdempotentRoute
from api.paging import SAFE_TEXT
from api.people import service
from ingest.sealing import sealer_for

router = APIRouter(tags=["people"], route_class=IdempotentRoute, prefix="/notifications")
RuleId = Annotated[int, Path(ge=1, lt=2**31)]


class NewRule(BaseModel):
    """Who is told. `quiet_from` to `quiet_to`, in the area's zone, may span midnight: what is new then comes after."""

    model_config = ConfigDict(extra="forbid")
    role: Literal["technician", "reviewer", "approver", "lead", "billing", "admin"]
    url: str = Field(min_length=3, max_length=2_000, pattern=r"^[^\x00-\x20]+$", description="an apprise address")
    area: Annotated[str, Field(min_length=1, max_length=100, pattern=SAFE_TEXT)] | None = None
    events: Annotated[list[Literal["alert.opened", "alert.overdue"]], Field(min_length=1, max_length=2)] = [
        "alert.opened"
    ]
    min_severity: Literal["info", "warning", "critical"] = "critical"
    quiet_from: time | None = None
    quiet_to: time | None = None
    language: Literal["en", "zh"] = "en"

    @model_validator(mode="after")
    def _both_or_none(self) -> "NewRule":
        if (self.quiet_from is None) != (self.quiet_to is None):
            raise ValueError("quiet hours have a beginning and an end")
        return self


@router.get("", summary="Notification rules")
async def list_rules(actor: Admin, connection: Connection) -> list[dict[str, Any]]:
    """Of an address only the service's name is shown."""
    return await notify.rules(connection, actor)


@router.post("", status_code=201, summary="A new notification rule")
async def add_rule(body: NewRule, actor: Admin, connection: Connection, parts: Parts) -> dict[str, int]:
    """It tells what happens from now on."""
    areas = await service.area_ids(connection, [body.area] if body.area else [])
    quiet = None
    if body.quiet_from is not None and body.quiet_to is not None:
        quiet = (body.quiet_from.replace(tzinfo=None), body.quiet_to.replace(tzinfo=None))
    number = await notify.add_rule(
        connection,
        actor,
        sealer_for(parts.settings.data, parts.settings.master_key),
        body.role,
        body.url,
        area_id=areas[0] if areas else None,
        events=body.events,
        min_severity=body.min_severity,
        quiet=quiet,
        language=body.language,
    )
    return {"rule_id": number}


@router.get("/messages", summary="What was told")
async def list_messages(
    actor: Admin,
    connection: Connection,
    rule: Annotated[int | None, Query(ge=1, lt=2**31)] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 200,
) -> list[dict[str, Any]]:
    """Newest first, of the last 90 days."""
    return await notify.messages(connection, actor, rule, limit)


@router.post("/{rule_id}/test", summary="Send a test message")
async def send_test(rule_id: RuleId, actor: Admin, connection: Connection, parts: Parts, now: Now) -> dict[str, bool]:
    """Now, also in quiet hours; whether the service took it."""
    sealer = sealer_for(parts.settings.data, parts.settings.master_key)
    return {"taken": await notify.send_test(connection, actor, sealer, rule_id, now=now)}


@router.delete("/{rule_id}", status_code=204, summary="End a notification rule")
async def end_rule(rule_id: RuleId, actor: Admin, connection: Connection) -> None:
    """Its address is forgotten."""
    await notify.end_rule(connection, actor, rule_id)
