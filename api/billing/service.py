"""What the billing system does: periods, quantities before and after the freeze, changes, acknowledgement.

Rules: open quantities follow assessment; a frozen one never changes, what differs later becomes an adjustment that
names its cause; a period is everybody's, so who sees some areas only neither makes nor freezes one; every decision is
in the audit log. Callable without HTTP.
"""

import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final

from psycopg import AsyncConnection

from api.access import Actor
from api.billing import calculation
from api.billing.causes import changes_between
from api.billing.settings import checked
from api.billing.window import window_of
from compute.rounding import energy_units, rounded
from ingest.errors import ConflictError, InvalidInputError, NotFoundError
from ingest.store import audit, billing, billing_sources, feed, outbox

Row = dict[str, Any]
_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_LONGEST_DAYS: Final = 400


async def periods(connection: AsyncConnection[Any], actor: Actor) -> list[Row]:
    """Every billing period, newest first."""
    return await billing.periods(connection)


async def period(connection: AsyncConnection[Any], code: str, *, lock: bool = False) -> Row:
    """One period. NotFoundError where there is none of that code."""
    row = await billing.period(connection, code, lock=lock)
    if row is None:
        raise NotFoundError(f"there is no billing period {code!r}", field="period")
    return row


async def create_period(
    connection: AsyncConnection[Any],
    actor: Actor,
    code: str,
    start: date,
    end: date,
    *,
    name: str = "",
    settings: Row | None = None,
) -> Row:
    """New period of local days [start, end). `settings`: gate, tiers, base_c, tolerance_min."""
    actor.require("settler")
    actor.require_everywhere()
    if _CODE.fullmatch(code) is None:
        raise InvalidInputError("a code has 1-40 letters, digits, dots, hyphens and underscores", field="code")
    if not start < end or (end - start).days > _LONGEST_DAYS:
        raise InvalidInputError(f"a period has 1-{_LONGEST_DAYS} days", field="end_date")
    given = checked(settings or {}, start, end)
    if await billing.period(connection, code) is not None:
        raise ConflictError(f"the period {code} exists already", code="billing.period_exists", field="code")
    await billing.add_period(connection, code, name or code, start, end, given, actor.name)
    told = {"start": start.isoformat(), "end": end.isoformat(), "settings": given}
    await audit.record(connection, actor.name, "billing.period", f"period/{code}", told)
    return await period(connection, code)


async def refresh(connection: AsyncConnection[Any], code: str, *, now: datetime, force: bool = False) -> Row:
    """Bring a period's open quantities up to the newest assessment run and the registry; the period.

    An open period is recalculated; a frozen one gets adjustments where its figures have changed. Where no run has
    finished since, only points whose area, states or installations were changed are looked at.
    """
    row = await period(connection, code)
    if not force and await _stale_points(connection, row) == []:
        return row
    row = await period(connection, code, lock=True)
    facts, run = await billing.known_facts(connection), await billing_sources.last_run(connection)
    stale = None if force else await _stale_points(connection, row)
    if stale == []:
        return row  # another caller was faster
    adjusted = await _store(connection, row, await calculation.all_points(connection, only=stale), now)
    if adjusted:
        await outbox.announce(connection, "billing.adjusted", {"period": code, "quantities": len(adjusted)})
    await billing.set_calculated(connection, row["period_id"], run, facts, now)
    return await period(connection, code)


async def recalculate(connection: AsyncConnection[Any], actor: Actor, code: str, *, now: datetime) -> Row:
    """Calculate every quantity of a period anew; the period."""
    actor.require("settler")
    actor.require_everywhere()
    return await refresh(connection, code, now=now, force=True)


async def _stale_points(connection: AsyncConnection[Any], period_row: Row) -> list[int] | None:
    """Points that must be calculated again; None for all of them."""
    run = period_row["calculated_run"]
    if run is None or run != await billing_sources.last_run(connection):
        return None
    return await billing.changed_points(connection, period_row["period_id"])


async def _store(connection: AsyncConnection[Any], period_row: Row, points: Sequence[Row], now: datetime) -> list[Row]:
    """Write new open rows, replace open ones, adjust frozen ones; returns the adjustments."""
    adjustments: list[Row] = []
    for start in range(0, len(points), 2_000):
        chunk = points[start : start + 2_000]
        computed = await calculation.quantities(connection, period_row, chunk, now=now)
        ids = [point["point_id"] for point in chunk]
        latest = await billing.latest(connection, period_row["period_id"], ids)
        edited = await billing_sources.edited_at(connection, ids, period_row["start_date"], period_row["end_date"])
        rows = []
        for quantity in computed:
            before = latest.get((quantity["point_id"], quantity["service"]))
            state = "blocked" if quantity["reason"] else "open"
            base = {**quantity, "previous_id": None, "cause": None, "created_by": "system"}
            if before is None:
                rows.append({**base, "version": 1, "state": state})
            elif before["state"] in ("open", "blocked"):
                rows.append({**base, "version": before["version"], "state": state})
            elif changes := changes_between(before, quantity, edited.get(quantity["point_id"])):
                version = {"version": before["version"] + 1, "previous_id": before["quantity_id"]}
                quantity["determinants"]["changes"] = changes
                rows.append({**base, **version, "state": "adjustment", "cause": changes[0]["cause"]})
                adjustments.append(rows[-1])
        await billing.write(connection, rows)
    return adjustments


async def freeze(
    connection: AsyncConnection[Any], actor: Actor, code: str, *, now: datetime, early: bool = False
) -> Row:
    """Make every quantity that passes the gate immutable; counts of frozen and still blocked ones.

    A second freeze takes those that were blocked and pass now; where there is nothing left it is refused. A period
    that has not ended is refused unless `early`.

    Raises
    ------
    ConflictError
        ``billing.frozen``: nothing left to freeze; ``billing.running``: the period has not ended.
    """
    actor.require("settler")
    actor.require_everywhere()
    row = await period(connection, code, lock=True)
    facts, points = await billing.known_facts(connection), await calculation.all_points(connection)
    zones = {point["time_zone"] for point in points}
    ends = [window_of(row["start_date"], row["end_date"], zone, now).planned_end for zone in zones]
    if not early and any(end > now for end in ends):
        raise ConflictError(f"the period {code} has not ended", code="billing.running", field="code")
    await _store(connection, row, points, now)
    frozen = await billing.freeze_open(connection, row["period_id"])
    if frozen == 0 and row["state"] == "frozen":
        raise ConflictError(f"the period {code} is frozen already", code="billing.frozen", field="code")
    if row["state"] != "frozen":
        await billing.set_frozen(connection, row["period_id"], actor.name, now)
    await billing.set_calculated(connection, row["period_id"], await billing_sources.last_run(connection), facts, now)
    blocked = await billing.blocked(connection, row["period_id"])
    await outbox.announce(connection, "billing.frozen", {"period": code, "frozen": frozen, "blocked": blocked})
    await audit.record(
        connection, actor.name, "billing.freeze", f"period/{code}", {"frozen": frozen, "blocked": blocked}
    )
    return {**await period(connection, code), "newly_frozen": frozen, "blocked": blocked}


async def release(
    connection: AsyncConnection[Any], actor: Actor, quantity_id: int, reason: str, *, now: datetime
) -> Row:
    """Freeze a quantity that the gate holds back, with a reason: an approver answers for it."""
    actor.require("approver")
    if not reason.strip():
        raise InvalidInputError("a release needs a reason", field="reason")
    row = await quantity(connection, actor, quantity_id)
    if not await billing.release(connection, quantity_id, reason, actor.name):
        raise ConflictError(f"the quantity is {row['state']}, not blocked", code="billing.not_blocked")
    told = {"reason": reason, "held_back": row["reason"]}
    await audit.record(connection, actor.name, "billing.release", f"quantity/{quantity_id}", told)
    return await quantity(connection, actor, quantity_id)


async def page(
    connection: AsyncConnection[Any],
    actor: Actor,
    code: str,
    *,
    now: datetime,
    after: tuple[int, int] = (0, -1),
    states: list[str] | None = None,
    point: str | None = None,
    limit: int = 1_000,
) -> list[Row]:
    """Newest versions of a period's quantities, by point; computed on the spot where an assessment has finished
    since."""
    row = await refresh(connection, code, now=now)
    found = await feed.page(
        connection, row["period_id"], after=after, areas=actor.area_list, states=states, code=point, limit=limit
    )
    return [shown(quantity_row) for quantity_row in found]


async def changes(
    connection: AsyncConnection[Any],
    actor: Actor,
    *,
    after: tuple[int, int] = (0, 0),
    code: str | None = None,
    limit: int = 1_000,
) -> list[Row]:
    """Frozen quantities and adjustments in commit order; each row carries its `position` for the cursor."""
    rows = await feed.changes(connection, actor.name, after=after, areas=actor.area_list, period=code, limit=limit)
    return [{**shown(row), "position": (int(row["transaction"]), row["quantity_id"])} for row in rows]


async def acknowledge(connection: AsyncConnection[Any], actor: Actor, quantity_ids: Sequence[int]) -> int:
    """Note that the caller has stored these; how many are new."""
    count = await feed.acknowledge(connection, actor.name, sorted(set(quantity_ids)))
    told = {"count": len(set(quantity_ids)), "first": min(quantity_ids), "last": max(quantity_ids)}
    await audit.record(connection, actor.name, "billing.acknowledge", "quantities", told)
    return count


async def quantity(connection: AsyncConnection[Any], actor: Actor, quantity_id: int) -> Row:
    """One version of a quantity. NotFoundError where there is none in the caller's areas."""
    row = await feed.quantity(connection, quantity_id)
    if row is None:
        raise NotFoundError("no such billing quantity", field="quantity_id")
    actor.require_area(row["area_id"], "billing quantity")
    return shown(row)


def shown(row: Row) -> Row:
    """A stored quantity with its decimals: kWh, MWh and GJ rounded once from joules; an adjustment with its
    difference."""
    energy, volume = row["energy_j"], row["volume_ml"]
    result = {
        key: value
        for key, value in row.items()
        if key not in ("transaction", "previous_energy_j", "previous_volume_ml")
    }
    result |= dict.fromkeys(("energy_kwh", "energy_mwh", "energy_gj")) if energy is None else energy_units(energy)
    result["volume_m3"] = None if volume is None else rounded(volume, 1_000_000, 3)
    if row.get("previous_id") is not None:
        old = row.get("previous_energy_j")
        old_volume = row.get("previous_volume_ml")
        result["adjustment"] = {
            "old_energy_j": old,
            "new_energy_j": energy,
            "difference_j": (energy or 0) - (old or 0),
            "difference_kwh": rounded((energy or 0) - (old or 0), 3_600_000, 3),
            "old_volume_ml": old_volume,
            "difference_volume_ml": (volume or 0) - (old_volume or 0),
            "cause": row["cause"],
            "changes": (row.get("determinants") or {}).get("changes", []),
        }
    return result


async def all_periods(connection: AsyncConnection[Any]) -> list[Row]:
    """Every billing period, for jobs."""
    return await billing.periods(connection)


async def newest(connection: AsyncConnection[Any], period_row: Row) -> int:
    """A number that grows with every version written for a period, for ETags."""
    return await billing.newest(connection, period_row["period_id"])
