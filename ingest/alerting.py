"""What may be done to an alert in which state, as one table; who decides and where it is stored is not known here.

`MOVES[action][state]` is the state after the action; a pair that is not in the table is not allowed.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from ingest.errors import ConflictError, InvalidInputError


class AlertState(StrEnum):
    """States of `alert.state`."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    FIELD_CHECK = "field_check"
    SNOOZED = "snoozed"
    SUPPRESSED = "suppressed"
    RESOLVED = "resolved"


class AlertAction(StrEnum):
    """What a person, or time itself (BY_ITSELF), does to an alert."""

    ACKNOWLEDGE = "acknowledge"
    ASSIGN = "assign"
    COMMENT = "comment"
    SNOOZE = "snooze"
    WAKE = "wake"
    ESCALATE = "escalate"
    SUPPRESS = "suppress"
    FIELD_CHECK = "field_check"
    RESOLVE = "resolve"
    REOPEN = "reopen"


BY_ITSELF: Final = frozenset({AlertAction.WAKE, AlertAction.ESCALATE})
_S = AlertState
_STANDING: Final = (_S.OPEN, _S.ACKNOWLEDGED, _S.FIELD_CHECK, _S.SNOOZED, _S.SUPPRESSED)


def _to(target: AlertState, *sources: AlertState) -> Mapping[AlertState, AlertState]:
    return MappingProxyType(dict.fromkeys(sources, target))


def _stay(*states: AlertState) -> Mapping[AlertState, AlertState]:
    return MappingProxyType({state: state for state in states})


MOVES: Final[Mapping[AlertAction, Mapping[AlertState, AlertState]]] = MappingProxyType(
    {
        AlertAction.ACKNOWLEDGE: _to(_S.ACKNOWLEDGED, _S.OPEN, _S.SNOOZED),
        AlertAction.ASSIGN: _stay(_S.OPEN, _S.ACKNOWLEDGED, _S.FIELD_CHECK, _S.SNOOZED),
        AlertAction.COMMENT: _stay(*_S),
        AlertAction.SNOOZE: _to(_S.SNOOZED, _S.OPEN, _S.ACKNOWLEDGED, _S.FIELD_CHECK, _S.SNOOZED),
        AlertAction.WAKE: _to(_S.OPEN, _S.SNOOZED, _S.SUPPRESSED),
        AlertAction.ESCALATE: _stay(_S.OPEN, _S.FIELD_CHECK),
        AlertAction.SUPPRESS: _to(_S.SUPPRESSED, _S.OPEN, _S.ACKNOWLEDGED, _S.FIELD_CHECK, _S.SNOOZED),
        AlertAction.FIELD_CHECK: _to(_S.FIELD_CHECK, _S.OPEN, _S.ACKNOWLEDGED, _S.SNOOZED),
        AlertAction.RESOLVE: _to(_S.RESOLVED, *_STANDING),
        AlertAction.REOPEN: _to(_S.OPEN, _S.RESOLVED, _S.SUPPRESSED),
    }
)


class Verdict(StrEnum):
    """What a cause says about the rule that raised the alert: precision counts true against false."""

    TRUE = "true"
    FALSE = "false"
    UNDECIDED = "undecided"


# Cause codes of a resolution, with what they say about the rule and whether an edit of readings usually follows.
CAUSES: Final[Mapping[str, tuple[Verdict, bool]]] = MappingProxyType(
    {
        "meter_defect": (Verdict.TRUE, True),
        "sensor_defect": (Verdict.TRUE, True),
        "meter_exchanged": (Verdict.TRUE, False),
        "wrong_installation": (Verdict.TRUE, True),
        "wrong_configuration": (Verdict.TRUE, True),
        "communication": (Verdict.TRUE, False),
        "leak": (Verdict.TRUE, False),
        "tampering": (Verdict.TRUE, True),
        "real_use": (Verdict.FALSE, False),
        "vacant": (Verdict.FALSE, False),
        "suspended": (Verdict.FALSE, False),
        "network_outage": (Verdict.FALSE, False),
        "weather": (Verdict.FALSE, False),
        "false_alarm": (Verdict.FALSE, False),
        "recovered": (Verdict.UNDECIDED, False),
        "other": (Verdict.UNDECIDED, False),
    }
)

# How long an alert may wait for its first decision, in hours, by severity: older ones are overdue.
SLA_HOURS: Final[Mapping[str, int]] = MappingProxyType({"critical": 24, "warning": 72, "info": 240})
_USUAL_SLA_H: Final = 72


class MoveError(ConflictError):
    """The action is not allowed in the alert's state."""

    code = "alert.move"


def state_after(action: AlertAction, state: AlertState) -> AlertState:
    """State that `action` leads to from `state`.

    Raises
    ------
    MoveError
        The table does not allow it.
    """
    target = MOVES[action].get(state)
    if target is None:
        raise MoveError(f"{action} is not possible while the alert is {state}", field="action")
    return target


def actions_in(state: AlertState) -> tuple[AlertAction, ...]:
    """What a person may do in a state, for buttons and for the API."""
    return tuple(action for action, moves in MOVES.items() if state in moves and action not in BY_ITSELF)


def is_overdue(state: str, severity: str, opened_at: datetime, due_at: datetime | None, now: datetime) -> bool:
    """Whether an alert has waited too long: open beyond its SLA, or a field check past its date."""
    if state == AlertState.FIELD_CHECK:
        return due_at is not None and due_at < now
    return state == AlertState.OPEN and now - opened_at > timedelta(hours=SLA_HOURS.get(severity, _USUAL_SLA_H))


def require_cause(cause: str | None) -> str:
    """The cause code of a resolution; InvalidInputError for none or an unknown one."""
    if cause is None or cause not in CAUSES:
        known = ", ".join(CAUSES)
        raise InvalidInputError(f"a resolution needs a cause, one of {known}", code="alert.cause", field="cause")
    return cause
