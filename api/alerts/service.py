"""What a reviewer does with alerts; callable from HTTP, the console and jobs alike.

Rules: every decision names the revision it was made on, is written to the alert's history and to the audit log,
and obeys the table of `ingest.alerting`. A person sees the alerts of their areas only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection

from api.access import SYSTEM, Actor
from api.errors import StaleError
from ingest.alerting import (
    CAUSES,
    SLA_HOURS,
    AlertAction,
    AlertState,
    Verdict,
    actions_in,
    is_overdue,
    require_cause,
    state_after,
)
from ingest.errors import IngestError, InvalidInputError, NotFoundError
from ingest.store import alerts, audit, people

Row = dict[str, Any]
_MAX_COMMENT = 4_000


@dataclass(frozen=True, slots=True)
class Decision:
    """One action on an alert and what it needs: until (snooze, suppress), due_at (field check), cause (resolve)."""

    action: AlertAction
    revision: int | None = None
    comment: str = ""
    cause: str | None = None
    assignee: str | None = None
    until: datetime | None = None
    due_at: datetime | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.comment) > _MAX_COMMENT:
            raise InvalidInputError(f"a comment has at most {_MAX_COMMENT} characters", field="comment")


def shown(row: Row, now: datetime) -> Row:
    """An alert as it is shown: with what may be done, its age and whether its time limit has passed."""
    return {
        **row,
        "actions": [str(action) for action in actions_in(AlertState(row["state"]))],
        "age_h": round((now - row["opened_at"]).total_seconds() / 3600, 1),
        "overdue": is_overdue(row["state"], row["severity"], row["opened_at"], row["due_at"], now),
    }


async def queue(
    connection: AsyncConnection[Any],
    actor: Actor,
    *,
    now: datetime,
    filters: Mapping[str, Any] | None = None,
    rank: float | None = None,
    after: int | None = None,
    limit: int = 100,
) -> list[Row]:
    """The ranked queue, from the position (`rank`, `after`) of a page's last row on."""
    wanted = {**(filters or {}), "areas": actor.area_list}
    rows = await alerts.queue(connection, wanted, rank=rank, after=after, limit=limit)
    return [shown(row, now) for row in rows]


async def counts(connection: AsyncConnection[Any], actor: Actor, filters: Mapping[str, Any] | None = None) -> list[Row]:
    """Alerts by state, kind and severity."""
    return await alerts.counts(connection, {**(filters or {}), "areas": actor.area_list})


async def get(connection: AsyncConnection[Any], actor: Actor, alert_id: int, *, now: datetime) -> Row:
    """One alert with its findings and history. NotFoundError where there is none in the caller's areas."""
    row = await _visible(connection, actor, alert_id)
    return {
        **shown(row, now),
        "findings": await alerts.findings(connection, alert_id),
        "events": await alerts.events(connection, alert_id),
    }


async def decide(
    connection: AsyncConnection[Any], actor: Actor, alert_id: int, decision: Decision, *, now: datetime
) -> Row:
    """Carry out a decision; returns the alert after it.

    Raises
    ------
    NotFoundError, StaleError, ingest.alerting.MoveError, InvalidInputError
        No such alert; someone was faster; not allowed in this state; something the action needs is missing.
    """
    actor.require("reviewer" if decision.action != AlertAction.COMMENT else "reader")
    row = await _visible(connection, actor, alert_id, lock=True)
    if decision.revision is not None and decision.revision != row["revision"]:
        raise StaleError(
            f"the alert has revision {row['revision']}, the decision was made on {decision.revision}", field="revision"
        )
    return await _apply(connection, actor, row, decision, now)


async def decide_many(
    connection: AsyncConnection[Any], actor: Actor, alert_ids: Sequence[int], decision: Decision, *, now: datetime
) -> list[Row]:
    """The same decision on several alerts; each succeeds or fails on its own, and tells so."""
    results: list[Row] = []
    for alert_id in sorted(set(alert_ids)):  # one order for everyone: two bulk decisions can't deadlock
        try:
            async with connection.transaction():
                row = await decide(connection, actor, alert_id, decision, now=now)
            results.append({"alert_id": alert_id, "state": row["state"], "revision": row["revision"]})
        except IngestError as error:
            results.append({"alert_id": alert_id, "code": error.code, "message": error.message})
    return results


async def wake(connection: AsyncConnection[Any], *, now: datetime) -> int:
    """Bring back alerts whose snooze or suppression is over; returns how many. A job runs this."""
    due = await alerts.due_to_wake(connection, now)
    for row in due:
        await _apply(connection, SYSTEM, row, Decision(AlertAction.WAKE), now)
    return len(due)


async def escalate(connection: AsyncConnection[Any], *, now: datetime) -> int:
    """Give overdue alerts to the lead of their area, each once; returns how many. A job runs this."""
    due = await alerts.overdue(connection, now, SLA_HOURS)
    leads: dict[int, str | None] = {}
    for row in due:
        area_id = row["area_id"]
        if area_id not in leads:
            leads[area_id] = await people.lead_of(connection, area_id)
        lead = leads[area_id] or row["assignee"]
        decision = Decision(AlertAction.ESCALATE, assignee=lead, details={"assignee_before": row["assignee"]})
        await _apply(connection, SYSTEM, row, decision, now)
    await alerts.set_escalated(connection, [row["alert_id"] for row in due], now)
    return len(due)


async def precision(connection: AsyncConnection[Any], actor: Actor, *, since: datetime) -> list[Row]:
    """Precision of every rule from the verdicts that resolutions gave: true, false, undecided, precision or None."""
    rules: dict[tuple[str, str], dict[Verdict, int]] = {}
    for row in await alerts.causes_by_rule(connection, since=since, areas=actor.area_list):
        verdict = CAUSES.get(row["cause"], (Verdict.UNDECIDED, False))[0]
        tally = rules.setdefault((row["rule"], row["kind"]), dict.fromkeys(Verdict, 0))
        tally[verdict] += row["alerts"]
    return [
        {
            "rule": rule,
            "kind": kind,
            **{str(verdict): tally[verdict] for verdict in Verdict},
            "precision": tally[Verdict.TRUE] / decided
            if (decided := tally[Verdict.TRUE] + tally[Verdict.FALSE])
            else None,
        }
        for (rule, kind), tally in sorted(rules.items())
    ]


async def incidents(connection: AsyncConnection[Any], actor: Actor, *, state: str | None = None) -> list[Row]:
    """Incidents that explain many alerts at once."""
    return await alerts.incidents(connection, state=state, areas=actor.area_list)


async def _visible(connection: AsyncConnection[Any], actor: Actor, alert_id: int, *, lock: bool = False) -> Row:
    row = await alerts.alert(connection, alert_id, lock=lock)
    if row is None:
        raise NotFoundError("no such alert", field="alert_id")
    actor.require_area(row["area_id"], "alert")
    return row


async def _apply(connection: AsyncConnection[Any], actor: Actor, row: Row, decision: Decision, now: datetime) -> Row:
    before = AlertState(row["state"])
    after = state_after(decision.action, before)
    values = _values(row, decision, after, now)
    alert_id = row["alert_id"]
    if not await alerts.change(connection, values):
        raise StaleError("the alert was changed in the meantime", field="revision")
    if decision.action == AlertAction.SUPPRESS:
        assert decision.until is not None
        await alerts.add_suppression(
            connection, row["point_id"], row["kind"], decision.comment, actor.name, decision.until
        )
    elif decision.action == AlertAction.REOPEN and before == AlertState.SUPPRESSED:
        await alerts.end_suppressions(connection, row["point_id"], row["kind"], now)
    details = {
        **decision.details,
        **{
            name: value.isoformat() if isinstance(value, datetime) else value
            for name in ("assignee", "until", "due_at")
            if (value := getattr(decision, name)) is not None
        },
    }
    await alerts.add_event(
        connection,
        alert_id,
        str(decision.action),
        actor.name,
        now,
        (before, after),
        cause=decision.cause,
        comment=decision.comment,
        details=details,
    )
    if actor is not SYSTEM:
        told = {"cause": decision.cause, "comment": decision.comment, "from": before, "to": after, **details}
        await audit.record(connection, actor.name, f"alert.{decision.action}", f"alert/{alert_id}", told)
    changed = await alerts.alert(connection, alert_id)
    assert changed is not None
    return shown(changed, now)


def _values(row: Row, decision: Decision, after: AlertState, now: datetime) -> Row:
    values = {
        "alert_id": row["alert_id"],
        "revision": row["revision"],
        "to_state": str(after),
        "now": now,
        "assignee": row["assignee"],
        "cause": row["cause"],
        "due_at": row["due_at"],
        "snoozed_until": None,
        "closed_at": None,
    }
    action = decision.action
    if action == AlertAction.RESOLVE:
        values |= {"cause": require_cause(decision.cause), "closed_at": now}
    elif action == AlertAction.REOPEN:
        values |= {"cause": None}
    elif action in (AlertAction.SNOOZE, AlertAction.SUPPRESS):
        if decision.until is None or decision.until <= now:
            raise InvalidInputError(f"{action} needs a time in the future", code="alert.until", field="until")
        if action == AlertAction.SUPPRESS and not decision.comment.strip():
            raise InvalidInputError("a suppression needs a reason", code="alert.reason", field="comment")
        values |= {"snoozed_until": decision.until}
    elif action == AlertAction.FIELD_CHECK:
        if decision.due_at is None or decision.due_at <= now:
            raise InvalidInputError("a field check needs a due date in the future", code="alert.due", field="due_at")
        values |= {"due_at": decision.due_at, "assignee": decision.assignee or row["assignee"]}
    elif action in (AlertAction.ASSIGN, AlertAction.ESCALATE):
        values |= {"assignee": decision.assignee}
    elif action == AlertAction.COMMENT and not decision.comment.strip():
        raise InvalidInputError("a comment needs words", field="comment")
    if after == AlertState.RESOLVED and action == AlertAction.COMMENT:
        values |= {"closed_at": row["closed_at"]}
    if action in (AlertAction.COMMENT, AlertAction.ASSIGN, AlertAction.ESCALATE):
        values |= {"snoozed_until": row["snoozed_until"]}
    return values
