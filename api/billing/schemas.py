"""What the billing room takes and gives over HTTP."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.paging import SAFE_TEXT


class PeriodBody(BaseModel):
    """A new billing period of local days [start_date, end_date)."""

    model_config = ConfigDict(extra="forbid")
    code: str = Field(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    name: str = Field("", max_length=200, pattern=SAFE_TEXT)
    start_date: date
    end_date: date
    settings: dict[str, Any] = Field(
        default_factory=dict,
        description=(
            "gate {max_estimated, max_missing, max_edited, require_conserved}, tiers [{tier, upto_kwh, from}], base_c,"
            " tolerance_min"
        ),
    )


class PeriodItem(BaseModel):
    """A billing period."""

    model_config = ConfigDict(extra="ignore")
    code: str
    name: str
    start_date: date
    end_date: date
    settings: dict[str, Any]
    state: str
    frozen_at: datetime | None
    frozen_by: str | None
    calculated_at: datetime | None
    calculated_run: int | None
    created_at: datetime
    created_by: str


class FreezeResult(PeriodItem):
    """What a freeze did."""

    newly_frozen: int
    blocked: int


class FreezeBody(BaseModel):
    """How to freeze. `early`: although the period has not ended."""

    model_config = ConfigDict(extra="forbid")
    early: bool = False


class Release(BaseModel):
    """Why a quantity that the gate holds back is frozen all the same."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(min_length=1, max_length=2_000, pattern=SAFE_TEXT)


class Acknowledgement(BaseModel):
    """Which quantities the caller has stored."""

    model_config = ConfigDict(extra="forbid")
    quantity_ids: list[Annotated[int, Field(ge=1, lt=2**63)]] = Field(min_length=1, max_length=100_000)


class QuantityItem(BaseModel):
    """One version of a billing quantity. `state`: open, blocked (reason says why), frozen, adjustment."""

    model_config = ConfigDict(extra="allow")
    quantity_id: int
    period: str
    point: str
    account: str | None
    area: str
    service: int
    version: int
    state: str
    energy_j: int | None
    energy_kwh: Decimal | None
    energy_mwh: Decimal | None
    energy_gj: Decimal | None
    volume_ml: int | None
    volume_m3: Decimal | None
    share_measured: float
    share_estimated: float
    share_edited: float
    quality: str
    reason: str
    rule_set_id: int | None
    run_id: int | None
    days_in_service: float
    days_suspended: float
    heated_area_m2: Decimal | None
    degree_days: float | None
    previous_id: int | None
    cause: str | None
    created_at: datetime
    determinants: dict[str, Any]
    adjustment: dict[str, Any] | None = None


class QuantityPage(BaseModel):
    """A page of quantities; `next` continues, on the change feed also after everything was read."""

    items: list[QuantityItem]
    next: str | None


class WebhookBody(BaseModel):
    """Who is called when."""

    model_config = ConfigDict(extra="forbid")
    url: str = Field(min_length=8, max_length=1_000, pattern=r"^https?://[^\x00-\x20]+$")
    events: list[Literal["billing.frozen", "billing.adjusted"]] = Field(min_length=1, max_length=2)
