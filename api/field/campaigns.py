"""Campaigns: the whole-stock check of comms and plausibility before and after the season, with its report."""

from datetime import date, datetime
from typing import Any, Final

from psycopg import AsyncConnection

from api.access import Actor
from ingest.errors import InvalidInputError, NotFoundError
from ingest.store import audit, campaigns, registry

Row = dict[str, Any]
KINDS: Final = ("pre_season", "post_season", "other")
STATES: Final = ("ok", "fault", "repaired", "unreachable")


async def start(
    connection: AsyncConnection[Any],
    actor: Actor,
    code: str,
    kind: str,
    start_date: date,
    end_date: date,
    *,
    now: datetime,
    name: str = "",
    area: str | None = None,
) -> Row:
    """New campaign over an area or the whole stock, filled with what the service knows today."""
    actor.require("lead")
    if kind not in KINDS or not start_date <= end_date:
        raise InvalidInputError("a campaign has a kind and ends after it begins", field="kind")
    area_id = None
    if area is not None:
        area_id = {row.code: row.area_id for row in await registry.areas(connection)}.get(area)
        if area_id is None:
            raise NotFoundError(f"there is no area {area!r}", field="area")
        actor.require_area(area_id, "area")
    elif actor.areas is not None:
        raise InvalidInputError("say which of your areas", field="area")
    number = await campaigns.add(connection, code, name or code, kind, area_id, start_date, end_date, actor.name)
    points = await campaigns.fill(connection, number, area_id, now)
    await audit.record(connection, actor.name, "campaign.start", f"campaign/{code}", {"kind": kind, "points": points})
    return {"campaign_id": number, "code": code, "points": points}


async def listed(connection: AsyncConnection[Any], actor: Actor) -> list[Row]:
    """Campaigns, newest first."""
    rows = await campaigns.campaigns(connection)
    return [row for row in rows if row["area_id"] is None or actor.sees(row["area_id"])]


async def get(connection: AsyncConnection[Any], actor: Actor, code: str) -> Row:
    """One campaign. NotFoundError where there is none of that code."""
    for row in await listed(connection, actor):
        if row["code"] == code:
            return row
    raise NotFoundError(f"there is no campaign {code!r}", field="code")


async def refresh(connection: AsyncConnection[Any], actor: Actor, code: str, *, now: datetime) -> int:
    """Look at comms and alerts again; what people noted stays. Number of points."""
    actor.require("technician")
    row = await get(connection, actor, code)
    return await campaigns.fill(connection, row["campaign_id"], row["area_id"], now)


async def points(connection: AsyncConnection[Any], actor: Actor, code: str, state: str | None = None) -> list[Row]:
    """A campaign's points, the silent and the alarming first."""
    row = await get(connection, actor, code)
    return await campaigns.items(connection, row["campaign_id"], areas=actor.area_list, state=state)


async def settle(
    connection: AsyncConnection[Any], actor: Actor, code: str, point: str, state: str, note: str = ""
) -> None:
    """Note what somebody saw at a point."""
    actor.require("technician")
    if state not in STATES:
        raise InvalidInputError(f"the state is one of {', '.join(STATES)}", field="state")
    row = await get(connection, actor, code)
    place = await registry.get_point(connection, code=point)
    actor.require_area(place.area_id, "point")
    if not await campaigns.settle_item(connection, row["campaign_id"], place.point_id, state, note, actor.name):
        raise NotFoundError(f"the point {point} is not in this campaign", field="point")
    await audit.record(
        connection, actor.name, "campaign.check", f"campaign/{code}", {"point": point, "state": state, "note": note}
    )


async def report(connection: AsyncConnection[Any], actor: Actor, code: str) -> Row:
    """The campaign's figures per area and in total."""
    row = await get(connection, actor, code)
    areas = await campaigns.report(connection, row["campaign_id"], actor.area_list)
    counted = [name for name in (areas[0] if areas else {}) if name not in ("area", "area_name", "team")]
    return {**row, "areas": areas, "total": {name: sum(area[name] for area in areas) for name in counted}}
