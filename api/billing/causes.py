"""Why a frozen quantity would be another today: the cause that an adjustment names, as a code.

The first that holds: another meter stands in the segments (`exchange`), somebody's edit was approved since (`edit`),
other rules were applied (`rule_set`), and what remains are readings that came or changed late (`late_readings`).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

EXCHANGE: Final = "exchange"
EDIT: Final = "edit"
RULE_SET: Final = "rule_set"
LATE_READINGS: Final = "late_readings"


def cause_of(before: Mapping[str, Any], after: Mapping[str, Any], edited_at: datetime | None) -> str:
    """The cause of an adjustment.

    Parameters
    ----------
    before, after : the stored version and the newly computed one: `determinants`, `rule_set_id`, `created_at`.
    edited_at : when an edit of the point's meters in the period was last approved.
    """
    if _meters(before) != _meters(after):
        return EXCHANGE
    if edited_at is not None and edited_at >= before["created_at"]:
        return EDIT
    return LATE_READINGS if before["rule_set_id"] == after["rule_set_id"] else RULE_SET


def _meters(quantity: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    segments = quantity["determinants"].get("segments", [])
    return sorted({(segment["meter_id"], segment["factor"]) for segment in segments})
