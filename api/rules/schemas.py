"""What the room of rules takes over HTTP."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.paging import SAFE_TEXT

Code = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Name = Annotated[str, Field(max_length=200, pattern=SAFE_TEXT)]
Point = Annotated[str, Field(min_length=1, max_length=200, pattern=SAFE_TEXT)]
Threshold = Annotated[str, Field(max_length=60, pattern=SAFE_TEXT)]
Settings = Annotated[
    dict[Threshold, dict[Threshold, bool | int | float]],
    Field(
        max_length=100,
        description="rule -> threshold -> value; only what differs from the defaults of /rules/catalogue",
        examples=[{"zero_use": {"warn_h": 36}}],
    ),
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class NewGroup(_Body):
    """A group of meters with thresholds of its own."""

    code: Code
    name: Name = ""


class Members(_Body):
    """Points to put into a group, by code."""

    points: list[Point] = Field(min_length=1, max_length=10_000)


class NewVersion(_Body):
    """A proposed version of a group's thresholds."""

    settings: Settings
    note: Annotated[str, Field(max_length=4_000, pattern=SAFE_TEXT)] = ""


class NewTrial(_Body):
    """Thresholds to try on the history of a group; the whole history without `from` and `to`."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, validate_by_name=True)
    group: Code = "default"
    settings: Settings
    start: AwareDatetime | None = Field(None, alias="from")
    end: AwareDatetime | None = Field(None, alias="to")


class NewExtrapolation(_Body):
    """Carry a meter's use on past its last reading until an instant."""

    until: AwareDatetime
    reason: Annotated[str, Field(min_length=1, max_length=4_000, pattern=SAFE_TEXT)]
