"""What the readings room gives over HTTP."""

from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel, Field


class ReadingItem(BaseModel):
    """One register value at one instant. `count`: exact count of the display's last digit."""

    ts: datetime
    register_: str = Field(alias="register")
    quantity: str
    count: int
    display: str
    display_unit: str
    value: str
    unit: str
    delivery_id: int
    version: int
    flags: list[str]


class ConsumptionItem(BaseModel):
    """Energy and volume used in [start_at, start_at + duration). Null: missing, never zero."""

    start_at: datetime
    duration_s: int
    energy_j: int | None
    energy_kwh: Decimal | None
    volume_ml: int | None
    volume_m3: Decimal | None
    uncertainty_kwh: Decimal | None
    flags: list[str]
    method: str
    version: int
    run_id: int
    rule_set_id: int
    known_from: datetime


class ConsumptionPage(BaseModel):
    """Consumption of one point."""

    point: str
    service: int
    resolution: str
    items: list[ConsumptionItem]
