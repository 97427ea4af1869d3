"""HTTP for rule sets: the catalogue, versions of each group, trials on history, what verdicts propose."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from api.access import Approver, Lead, Reader, Reviewer
from api.context import Connection, Now
from api.idempotency import IdempotentRoute
from api.rules import service
from api.rules.schemas import Members, NewExtrapolation, NewGroup, NewTrial, NewVersion
from ingest.errors import InvalidInputError

router = APIRouter(tags=["rules"], route_class=IdempotentRoute, prefix="/rules")
GroupCode = Annotated[str, Path(min_length=1, max_length=60, pattern=r"^[^\x00]+$")]
Number = Annotated[int, Path(ge=1, lt=2**31)]


def _checked(instant: datetime | None, field: str) -> datetime | None:
    if instant is not None and not 1990 <= instant.year <= 2190:
        raise InvalidInputError(f"{field} is outside 1990-2190", field=field)
    return instant


@router.get("/catalogue", summary="Every rule with its thresholds and their defaults")
async def catalogue(actor: Reader) -> list[dict[str, Any]]:
    """In the engine's order; what a rule set may change."""
    return service.catalogue()


@router.get("/groups", summary="Groups of meters with thresholds of their own")
async def groups(actor: Reader, connection: Connection) -> list[dict[str, Any]]:
    """With the active version and the number of points."""
    return await service.groups(connection, actor)


@router.post("/groups", status_code=201, summary="A new group")
async def add_group(body: NewGroup, actor: Lead, now: Now, connection: Connection) -> dict[str, Any]:
    """It starts with the catalogue's defaults."""
    return await service.add_group(connection, actor, body.code, body.name, now=now)


@router.post("/groups/{code}/points", summary="Put points into a group")
async def assign(code: GroupCode, body: Members, actor: Lead, connection: Connection) -> dict[str, int]:
    """How many of them were found."""
    return {"found": await service.assign(connection, actor, code, body.points)}


@router.get("/groups/{code}/sets", summary="Versions of a group's thresholds")
async def versions(code: GroupCode, actor: Reader, connection: Connection) -> list[dict[str, Any]]:
    """Newest first: drafts, the active one, retired ones."""
    return await service.versions(connection, actor, code)


@router.post("/groups/{code}/sets", status_code=201, summary="Propose a version")
async def propose(
    code: GroupCode, body: NewVersion, actor: Approver, now: Now, connection: Connection
) -> dict[str, Any]:
    """A draft: it changes nothing until another person switches it on."""
    return await service.add_version(connection, actor, code, body.settings, body.note, now=now)


@router.get("/groups/{code}/proposals", summary="Thresholds that verdicts speak for")
async def proposals(
    code: GroupCode, actor: Reviewer, now: Now, connection: Connection, days: Annotated[int, Query(ge=1, le=3650)] = 365
) -> list[dict[str, Any]]:
    """With their evidence; never applied by themselves: propose a version with `settings`, and try it first."""
    return await service.proposals(connection, actor, code, since=now - timedelta(days=days))


@router.get("/sets/{rule_set_id}", summary="One version")
async def version(rule_set_id: Number, actor: Reader, connection: Connection) -> dict[str, Any]:
    """What it changes, and every threshold as it works."""
    return await service.version(connection, actor, rule_set_id)


@router.post("/sets/{rule_set_id}/activate", summary="Switch a version on")
async def activate(rule_set_id: Number, actor: Approver, now: Now, connection: Connection) -> dict[str, Any]:
    """By another person than its author; the version before retires."""
    return await service.activate(connection, actor, rule_set_id, now=now)


@router.post("/trials", status_code=202, summary="Try thresholds on history")
async def start_trial(body: NewTrial, actor: Reviewer, now: Now, connection: Connection) -> dict[str, Any]:
    """A worker computes what would change in consumption, bills and alerts; ask for the trial to see how far it is."""
    span = _checked(body.start, "from"), _checked(body.end, "to")
    return await service.start_trial(connection, actor, body.group, body.settings, span, now=now)


@router.get("/trials", summary="The newest trials")
async def trials(actor: Reviewer, connection: Connection) -> list[dict[str, Any]]:
    """Without their results."""
    return await service.trials(connection, actor)


@router.get("/trials/{trial_id}", summary="One trial: progress and result")
async def trial(trial_id: Number, actor: Reviewer, connection: Connection) -> dict[str, Any]:
    """`done` of `whole` places; `result` once it is done."""
    return await service.trial(connection, actor, trial_id)


@router.get("/extrapolations", summary="Meters carried on past their last reading")
async def extrapolations(actor: Reader, connection: Connection) -> list[dict[str, Any]]:
    """With their expiry and reason."""
    return await service.extrapolations(connection, actor)


@router.put("/extrapolations/{meter_id}", summary="Carry a meter on")
async def set_extrapolation(
    meter_id: Number, body: NewExtrapolation, actor: Approver, now: Now, connection: Connection
) -> dict[str, Any]:
    """Its use is estimated past the last reading until the expiry, and marked as such."""
    _checked(body.until, "until")
    return await service.set_extrapolation(connection, actor, meter_id, body.until, body.reason, now=now)


@router.delete("/extrapolations/{meter_id}", status_code=204, summary="End it")
async def end_extrapolation(meter_id: Number, actor: Approver, connection: Connection) -> Response:
    """The next assessment takes the estimates back."""
    await service.end_extrapolation(connection, actor, meter_id)
    return Response(status_code=204)
