"""What differs between a frozen quantity and what it would be today, figure by figure, and why: the causes as codes.

Energy, volume and their tier steps: another meter or other dates stand in the segments (`exchange`), another factor
(`factor`), somebody's edit was approved since (`edit`), other rules were applied (`rule_set`), and what remains are
readings that came or changed late (`late_readings`). The area has one cause (`heated_area`); days follow the segments
or the point's states (`state`).
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

EXCHANGE: Final = "exchange"
FACTOR: Final = "factor"
EDIT: Final = "edit"
RULE_SET: Final = "rule_set"
LATE_READINGS: Final = "late_readings"
HEATED_AREA: Final = "heated_area"
STATE: Final = "state"
# Days are stored as single floats: less than this is no difference.
_SAME_DAYS: Final = 0.001
_AMOUNTS: Final = ("energy_j", "volume_ml")
_DAYS: Final = ("days_in_service", "days_suspended")

Quantity = Mapping[str, Any]
Change = dict[str, Any]


def changes_between(before: Quantity, after: Quantity, edited_at: datetime | None) -> list[Change]:
    """Every figure that a bill is made of and that differs: `figure`, `old`, `new`, `difference`, `cause`.

    Parameters
    ----------
    before, after : the stored version and the newly computed one, as `ingest.store.billing` reads and writes them.
    edited_at : when an edit of the point's meters in the period was last approved.
    """
    energy = _cause_of_energy(before, after, edited_at)
    changes = [_change(name, before[name], after[name], energy) for name in _AMOUNTS if before[name] != after[name]]
    old_steps, new_steps = _steps(before), _steps(after)
    changes += [
        _change(f"tiers.{step}", old_steps[step], new, energy)
        for step, new in new_steps.items()
        if step in old_steps and old_steps[step] != new
    ]
    if before["heated_area_m2"] != after["heated_area_m2"]:
        changes.append(_change("heated_area_m2", before["heated_area_m2"], after["heated_area_m2"], HEATED_AREA))
    other_days = [name for name in _DAYS if abs(before[name] - after[name]) > _SAME_DAYS]
    cause = STATE if "days_suspended" in other_days else energy
    changes += [_change(name, before[name], after[name], cause) for name in other_days]
    for name, read, why in (("meters", _mounted, EXCHANGE), ("factors", _factors, FACTOR)):
        if read(before) != read(after):
            changes.append(_change(name, read(before), read(after), why))
    return changes


def _change(figure: str, old: Any, new: Any, cause: str) -> Change:
    difference = None
    if old is not None and new is not None and not isinstance(new, dict):
        difference = new - old
    told = {"old": old, "new": new, "difference": difference}
    return {"figure": figure, **{name: _shown(value) for name, value in told.items()}, "cause": cause}


def _shown(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else round(value, 4) if isinstance(value, float) else value


def _cause_of_energy(before: Quantity, after: Quantity, edited_at: datetime | None) -> str:
    if _mounted(before) != _mounted(after):
        return EXCHANGE
    if _factors(before) != _factors(after):
        return FACTOR
    if edited_at is not None and edited_at >= before["created_at"]:
        return EDIT
    return LATE_READINGS if before["rule_set_id"] == after["rule_set_id"] else RULE_SET


def _steps(quantity: Quantity) -> dict[str, int]:
    """Energy of each tier step: it may move although the sum stays, and a tariff by date bills it differently."""
    return {
        ".".join(filter(None, (step.get("from"), step["tier"]))): step["energy_j"]
        for step in quantity["determinants"].get("tiers", [])
    }


def _mounted(quantity: Quantity) -> dict[str, list[str | None]]:
    """When each meter counted, by serial: from and to, None where it reaches beyond the period."""
    told = quantity["determinants"]
    spans: dict[str, list[str | None]] = {}
    for segment in told.get("segments", []):  # in the order of time; an index that broke makes several of one meter
        start = None if segment["from"] == told["from"] else segment["from"]
        end = None if segment["to"] == told["to"] else segment["to"]
        spans[segment["serial"]] = [spans.get(segment["serial"], [start])[0], end]
    return spans


def _factors(quantity: Quantity) -> dict[str, str]:
    return {segment["serial"]: segment["factor"] for segment in quantity["determinants"].get("segments", [])}
