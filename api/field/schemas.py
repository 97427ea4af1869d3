"""What the technician's room takes over HTTP."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.field.wall_time import Instant
from api.paging import SAFE_TEXT

Text = Annotated[str, Field(max_length=2_000, pattern=SAFE_TEXT)]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=SAFE_TEXT)]
Display = Annotated[
    str, Field(min_length=1, max_length=30, pattern=r"^[ 0-9.,]+$", description="as read off, like 01234.56")
]
PhotoReference = Annotated[str, Field(max_length=80, pattern=r"^[0-9a-f]{64}\.(jpg|png|webp)$")]


class EntryBody(BaseModel):
    """A hand-entered reading, edit or estimate."""

    model_config = ConfigDict(extra="forbid")
    meter_id: int = Field(ge=1, lt=2**31)
    register_: Annotated[str, Field(alias="register", max_length=100, pattern=SAFE_TEXT)] = "energy"
    at: Instant
    display: Display
    kind: Literal["reading", "edit", "estimate"] = "reading"
    point: Name | None = Field(None, description="the point somebody stands at: another meter's entry is blocked")
    reason: Text = ""
    photo: PhotoReference | None = None
    confirmed: bool = Field(False, description="warnings were read and the entry stands")


class DecisionBody(BaseModel):
    """Words to an approval or rejection."""

    model_config = ConfigDict(extra="forbid")
    reason: Text = ""


class CheckBody(BaseModel):
    """One item of the commissioning checklist."""

    model_config = ConfigDict(extra="forbid")
    item: Name
    passed: bool
    note: Text = ""


class PhotoBody(BaseModel):
    """A photo that was kept before (`POST /field/photos`), and what it shows."""

    model_config = ConfigDict(extra="forbid")
    shows: Literal["final_index", "initial_index", "meter_plate", "other"] = "other"
    reference: PhotoReference


class ExchangeBody(BaseModel):
    """A meter exchange."""

    model_config = ConfigDict(extra="forbid")
    point: Name
    at: Instant
    new_serial: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[!-~]+$")]
    final_energy: Display
    initial_energy: Display = "0"
    final_volume: Display | None = None
    initial_volume: Display | None = None
    new_manufacturer: Annotated[str, Field(max_length=40, pattern=SAFE_TEXT)] = ""
    new_medium: Literal["heat", "cooling", "heat_cooling", "water", "hot_water", "cold_water", "electricity", "gas"] = (
        "heat"
    )
    new_profile: Annotated[str, Field(max_length=100, pattern=SAFE_TEXT)] = ""
    energy_unit: Literal["kWh", "MWh", "GJ", "MJ", "Wh"] | None = None
    energy_decimals: int | None = Field(None, ge=0, le=6)
    service: int = Field(1, ge=0, le=6)
    reason: Literal["exchange", "defect", "calibration", "retrofit", "upgrade", "damage", "theft"] = "exchange"
    photos: list[PhotoBody] = Field(default_factory=list, max_length=10)


class CampaignBody(BaseModel):
    """A new campaign."""

    model_config = ConfigDict(extra="forbid")
    code: Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    name: Annotated[str, Field(max_length=200, pattern=SAFE_TEXT)] = ""
    kind: Literal["pre_season", "post_season", "other"]
    area: Name | None = None
    start_date: date
    end_date: date


class CampaignFinding(BaseModel):
    """What somebody saw at a point."""

    model_config = ConfigDict(extra="forbid")
    point: Name
    state: Literal["ok", "fault", "repaired", "unreachable"]
    note: Text = ""
