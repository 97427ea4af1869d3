"""What the review room takes and gives over HTTP."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.paging import SAFE_TEXT
from ingest.alerting import CAUSES

Text = Annotated[str, Field(max_length=4_000, pattern=SAFE_TEXT)]
Name = Annotated[str, Field(max_length=200, pattern=SAFE_TEXT)]


class AlertItem(BaseModel):
    """An alert as the queue shows it."""

    model_config = ConfigDict(extra="allow")
    alert_id: int
    point_id: int
    point_code: str
    address: str
    area_code: str
    meter_id: int | None
    meter_serial: str | None
    service: int
    kind: str
    severity: str
    state: str
    from_ts: datetime
    to_ts: datetime | None
    explanation: dict[str, Any]
    energy_at_stake_kwh: float
    confidence: float
    rank: float
    incident_id: int | None
    rule: str
    assignee: str | None
    cause: str | None
    due_at: datetime | None
    snoozed_until: datetime | None
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None
    escalated_at: datetime | None
    revision: int
    actions: list[str]
    age_h: float
    overdue: bool


class _Decision(BaseModel):
    model_config = ConfigDict(extra="forbid")
    revision: int | None = Field(None, ge=1, lt=2**31, description="the revision decided on; or If-Match")
    comment: Text = ""


class Acknowledge(_Decision):
    """Somebody looks at it."""


class Comment(_Decision):
    """Words for the history."""

    comment: Annotated[str, Field(min_length=1, max_length=4_000, pattern=SAFE_TEXT)]


class Assign(_Decision):
    """Whose it is; null: nobody's."""

    assignee: Name | None


class Snooze(_Decision):
    """Show it again at `until`."""

    until: AwareDatetime


class Suppress(_Decision):
    """Keep this kind silent at this point until `until`; the comment is the reason."""

    until: AwareDatetime
    comment: Annotated[str, Field(min_length=1, max_length=4_000, pattern=SAFE_TEXT)]


class FieldCheck(_Decision):
    """Send somebody there by `due_at`."""

    due_at: AwareDatetime
    assignee: Name | None = None


class Resolve(_Decision):
    """Decided: with a cause code."""

    cause: Annotated[str, Field(json_schema_extra={"enum": sorted(CAUSES)}, max_length=40)]


class Reopen(_Decision):
    """Look again."""


class Bulk(BaseModel):
    """The same decision on several alerts."""

    model_config = ConfigDict(extra="forbid")
    alert_ids: list[Annotated[int, Field(ge=1, lt=2**63)]] = Field(min_length=1, max_length=1_000)
    action: Literal["acknowledge", "assign", "comment", "snooze", "suppress", "field_check", "resolve", "reopen"]
    comment: Text = ""
    cause: str | None = Field(None, max_length=40)
    assignee: Name | None = None
    until: AwareDatetime | None = None
    due_at: AwareDatetime | None = None
