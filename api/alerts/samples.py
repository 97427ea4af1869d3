"""The weekly random audit of an area's points: a seeded draw that anyone can repeat, with its results kept."""

import random
from datetime import date, timedelta
from math import ceil
from typing import Any, Final

from psycopg import AsyncConnection

from api.access import Actor
from ingest.errors import ConflictError, InvalidInputError, NotFoundError
from ingest.store import audit, campaigns, registry

Row = dict[str, Any]
SHARE: Final = 0.10
VERDICTS: Final = ("correct", "wrong", "unreachable")


def drawn(population: list[int], seed: str, share: float = SHARE) -> list[int]:
    """The points of a draw: `share` of the population, at least one; the same for the same seed and population."""
    if not population:
        return []
    # A seeded draw must be repeatable by the auditor; it guards no secret.
    return sorted(random.Random(seed).sample(sorted(population), ceil(len(population) * share)))  # noqa: S311


async def draw(connection: AsyncConnection[Any], actor: Actor, area: str, week_of: date) -> Row:
    """Draw the sample of an area for the week of a day (Monday to Sunday).

    Raises ConflictError where the week has its sample: there is one draw, not the best of several.
    """
    actor.require("lead")
    found = {row.code: row for row in await registry.areas(connection)}.get(area)
    if found is None:
        raise NotFoundError(f"there is no area {area!r}", field="area")
    actor.require_area(found.area_id, "area")
    week = week_of - timedelta(days=week_of.weekday())
    if await campaigns.sample_of_week(connection, found.area_id, week) is not None:
        raise ConflictError(f"{area} has its sample for the week of {week}", code="sample.exists", field="week")
    population = await campaigns.population(connection, found.area_id)
    seed = f"{area}/{week.isoformat()}/{len(population)}"
    chosen = drawn(population, seed)
    if not chosen:
        raise InvalidInputError(f"{area} has no points", field="area")
    number = await campaigns.add_sample(
        connection, found.area_id, week, seed, SHARE, len(population), chosen, actor.name
    )
    told = {"area": area, "week": week, "seed": seed, "points": len(chosen), "of": len(population)}
    await audit.record(connection, actor.name, "sample.draw", f"sample/{number}", told)
    return await get(connection, actor, number)


async def listed(connection: AsyncConnection[Any], actor: Actor) -> list[Row]:
    """Samples with how far they are, newest first."""
    return await campaigns.samples(connection, actor.area_list)


async def get(connection: AsyncConnection[Any], actor: Actor, sample_id: int) -> Row:
    """A sample with its points and results."""
    rows = await campaigns.samples(connection, actor.area_list, sample_id)
    if not rows:
        raise NotFoundError("no such sample", field="sample_id")
    return {**rows[0], "items": await campaigns.sample_items(connection, sample_id)}


async def settle(
    connection: AsyncConnection[Any],
    actor: Actor,
    sample_id: int,
    point: str,
    verdict: str,
    *,
    fault: str = "",
    note: str = "",
) -> Row:
    """Record what the audit found at a point."""
    actor.require("lead")
    if verdict not in VERDICTS:
        raise InvalidInputError(f"the verdict is one of {', '.join(VERDICTS)}", field="verdict")
    if verdict == "wrong" and not fault.strip():
        raise InvalidInputError("say what is wrong", field="fault")
    await get(connection, actor, sample_id)
    place = await registry.get_point(connection, code=point)
    if not await campaigns.settle_sample_item(connection, sample_id, place.point_id, verdict, fault, note, actor.name):
        raise NotFoundError(f"the point {point} is not in this sample", field="point")
    told = {"point": point, "verdict": verdict, "fault": fault, "note": note}
    await audit.record(connection, actor.name, "sample.check", f"sample/{sample_id}", told)
    return await get(connection, actor, sample_id)
