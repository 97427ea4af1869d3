"""Times as people read them off a clock: an instant with its offset, or a wall time with the name of its zone.

Rules: the offset is the zone's on that very day, not today's; a time that the clock skipped, or showed twice, is
refused: nobody may guess an hour of somebody's heat. The written form is RFC 9557's: `2026-03-28T23:30[Europe/Berlin]`.
"""

from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BeforeValidator


def instant_from_text(value: Any) -> Any:
    """An aware datetime from a wall time with a zone in brackets; everything else as it came.

    Raises
    ------
    ValueError
        The zone is unknown, or its clock never showed that time, or showed it twice.
    """
    if not isinstance(value, str) or not value.endswith("]"):
        return value
    text, _, name = value[:-1].partition("[")
    try:
        wall, zone = datetime.fromisoformat(text), ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        raise ValueError("a wall time is YYYY-MM-DDTHH:MM with the name of a time zone in brackets") from error
    if wall.tzinfo is not None:
        if wall.utcoffset() != wall.astimezone(zone).utcoffset():
            raise ValueError(f"{name} had another offset then")
        return wall
    first, second = wall.replace(tzinfo=zone), wall.replace(tzinfo=zone, fold=1)
    if first.utcoffset() != second.utcoffset():
        skipped = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != wall
        raise ValueError(
            f"the clocks of {name} skipped this time"
            if skipped
            else f"the clocks of {name} showed this time twice: add {first:%z} or {second:%z} to it"
        )
    return first


Instant = Annotated[AwareDatetime, BeforeValidator(instant_from_text)]
