"""HTTP for the review of alerts: the queue, one alert, decisions on the revision that was looked at."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import AwareDatetime

from api.access import Reader, Reviewer
from api.alerts import evidence, service
from api.alerts.schemas import (
    Acknowledge,
    AlertItem,
    Assign,
    Bulk,
    Comment,
    FieldCheck,
    Reopen,
    Resolve,
    Snooze,
    Suppress,
    _Decision,
)
from api.alerts.service import Decision
from api.billing.formats import json_response
from api.context import Connection, Now, Parts
from api.errors import RevisionRequiredError
from api.idempotency import IdempotentRoute
from api.paging import CursorText, Limit, Page, Word, page
from ingest.alerting import CAUSES, MOVES, AlertAction
from ingest.errors import InvalidInputError

router = APIRouter(tags=["alerts"], route_class=IdempotentRoute)
AlertId = Annotated[int, Path(ge=1, lt=2**63)]
IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=40)]
State = Literal["open", "acknowledged", "field_check", "snoozed", "suppressed", "resolved"]
Severity = Literal["info", "warning", "critical"]


def _tagged(row: dict[str, Any], response: Response) -> dict[str, Any]:
    response.headers["ETag"] = f'"{row["revision"]}"'
    return row


def _revision(body: _Decision, if_match: str | None) -> int:
    if body.revision is not None:
        return body.revision
    if if_match is None:
        raise RevisionRequiredError("say which revision you decided on: If-Match or revision", field="revision")
    text = if_match.strip().removeprefix("W/").strip('"')
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise InvalidInputError("If-Match must be the ETag of the alert", field="If-Match")
    return int(text)


@router.get("/alerts", response_model=Page[AlertItem], summary="The queue, ranked by energy at stake x confidence")
async def list_alerts(
    actor: Reader,
    now: Now,
    connection: Connection,
    parts: Parts,
    state: Annotated[list[State] | None, Query()] = None,
    kind: Annotated[list[Annotated[str, Query(max_length=80, pattern=r"^[^\x00]*$")]] | None, Query()] = None,
    severity: Annotated[list[Severity] | None, Query()] = None,
    area: Word = None,
    assignee: Word = None,
    point: Word = None,
    building: Word = None,
    rule: Word = None,
    incident: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    text: Word = None,
    escalated: bool | None = None,
    limit: Limit = 100,
    cursor: CursorText = None,
) -> dict[str, Any]:
    """Without `state`: everything that waits (open, acknowledged, field_check)."""
    filters = {
        "states": state or ["open", "acknowledged", "field_check"],
        "kinds": kind,
        "severities": severity,
        "area": area,
        "assignee": assignee,
        "point": point,
        "building": building,
        "rule": rule,
        "incident": incident,
        "text": text,
        "escalated": escalated,
    }
    rank, after = (
        parts.cursors.position_from_text("alerts", cursor, [float, int], **filters) if cursor else (None, None)
    )
    rows = await service.queue(connection, actor, now=now, filters=filters, rank=rank, after=after, limit=limit)
    last = [float(rows[-1]["rank"]), rows[-1]["alert_id"]] if rows else []
    return page(rows, limit, parts.cursors.text_from_position("alerts", last, **filters) if rows else None)


@router.get("/alerts/counts", summary="Alerts by state, kind and severity")
async def counts(actor: Reader, connection: Connection) -> list[dict[str, Any]]:
    """What the queue holds."""
    return await service.counts(connection, actor)


@router.get("/alerts/causes", summary="Cause codes and allowed moves")
async def causes(actor: Reader) -> dict[str, Any]:
    """The tables that decisions obey."""
    return {
        "causes": {code: {"verdict": str(verdict), "edit_follows": edit} for code, (verdict, edit) in CAUSES.items()},
        "moves": {str(action): {str(a): str(b) for a, b in moves.items()} for action, moves in MOVES.items()},
    }


@router.get("/alerts/precision", summary="Precision of every rule from verdicts")
async def precision(
    actor: Reader, now: Now, connection: Connection, days: Annotated[int, Query(ge=1, le=3650)] = 90
) -> list[dict[str, Any]]:
    """True, false and undecided resolutions per rule."""
    return await service.precision(connection, actor, since=now - timedelta(days=days))


@router.get("/incidents", summary="What explains many alerts at once")
async def incidents(
    actor: Reader, connection: Connection, state: Literal["open", "closed"] | None = None
) -> list[dict[str, Any]]:
    """Newest first."""
    return await service.incidents(connection, actor, state=state)


@router.post("/alerts/bulk", summary="One decision on several alerts")
async def bulk(body: Bulk, actor: Reviewer, now: Now, connection: Connection) -> dict[str, Any]:
    """Each succeeds or fails on its own."""
    decision = Decision(
        AlertAction(body.action), None, body.comment, body.cause, body.assignee, body.until, body.due_at
    )
    results = await service.decide_many(connection, actor, body.alert_ids, decision, now=now)
    return {"changed": sum("state" in result for result in results), "results": results}


@router.get("/alerts/{alert_id}", summary="One alert with findings and history")
async def get_alert(
    alert_id: AlertId, actor: Reader, now: Now, connection: Connection, response: Response
) -> dict[str, Any]:
    """The ETag is the revision that a decision names."""
    return _tagged(await service.get(connection, actor, alert_id, now=now), response)


@router.get("/alerts/{alert_id}/evidence", summary="What a decision rests on")
async def get_evidence(
    alert_id: AlertId,
    actor: Reader,
    now: Now,
    connection: Connection,
    since: Annotated[AwareDatetime | None, Query(alias="from")] = None,
    until: Annotated[AwareDatetime | None, Query(alias="to")] = None,
    hourly: Annotated[bool | None, Query(description="hours or days; else hours up to two months")] = None,
    points: Annotated[int, Query(ge=10, le=20_000, description="readings a line")] = 2_000,
) -> Response:
    """Index, consumption, temperatures, neighbours, weather, info codes, and the newest raw telegrams as hex."""
    for name, instant in (("from", since), ("to", until)):
        if instant is not None and not 1990 <= instant.year <= 2190:
            raise InvalidInputError(f"{name} is outside 1990-2190", field=name)
    span: dict[str, Any] = {"start": since, "end": until, "hourly": hourly, "points": points}
    made = await evidence.of_alert(connection, actor, alert_id, now=now, **span)
    return json_response(made)


def _decision(action: AlertAction, form: type[_Decision], about: str) -> Callable[..., Awaitable[dict[str, Any]]]:
    """The endpoint of one action: they differ in what they take, not in what they do."""

    async def decide(
        alert_id: AlertId,
        body: _Decision,
        actor: Reviewer,
        now: Now,
        connection: Connection,
        response: Response,
        if_match: IfMatch = None,
    ) -> dict[str, Any]:
        decision = Decision(action, _revision(body, if_match), **body.model_dump(exclude={"revision"}))
        return _tagged(await service.decide(connection, actor, alert_id, decision, now=now), response)

    decide.__annotations__["body"] = form
    decide.__doc__ = about
    return decide


_DECISIONS: Final = (
    (AlertAction.ACKNOWLEDGE, Acknowledge, "I look at it", "To state acknowledged."),
    (AlertAction.ASSIGN, Assign, "Give it to somebody", "Keeps the state."),
    (AlertAction.SNOOZE, Snooze, "Show it again later", "To state snoozed until a time."),
    (AlertAction.SUPPRESS, Suppress, "Keep this kind silent at this point", "With reason and expiry."),
    (AlertAction.FIELD_CHECK, FieldCheck, "Send somebody there", "With a due date."),
    (AlertAction.RESOLVE, Resolve, "Decide", "With a cause code."),
    (AlertAction.REOPEN, Reopen, "Look again", "Back to open."),
)
for _action, _form, _summary, _about in _DECISIONS:
    router.add_api_route(
        f"/alerts/{{alert_id}}/{_action.replace('_', '-')}",
        _decision(_action, _form, _about),
        methods=["POST"],
        summary=_summary,
        name=str(_action),
    )


@router.post("/alerts/{alert_id}/comment", summary="Add words")
async def comment(
    alert_id: AlertId, body: Comment, actor: Reader, now: Now, connection: Connection, response: Response
) -> dict[str, Any]:
    """Keeps the state; needs no revision, words never contradict."""
    decision = Decision(AlertAction.COMMENT, body.revision, body.comment)
    return _tagged(await service.decide(connection, actor, alert_id, decision, now=now), response)
