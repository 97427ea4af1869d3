"""Why a quantity is what it is: from the kWh down to intervals, index readings, deliveries and their raw bytes.

The two sums stand side by side: the intervals of the period, and the difference of the cut-off indexes. They agree
to the
joule, or the explanation says by how much they don't.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from psycopg import AsyncConnection

from api.access import Actor
from api.billing import calculation, service
from api.deliveries.service import decoding
from compute.quality import Method, Quality
from ingest.billing import MAIN_REGISTER
from ingest.errors import NotFoundError
from ingest.store import billing_sources, deliveries, estimates, feed, installations, lookup

if TYPE_CHECKING:
    from ingest.directory import Directory

Row = dict[str, Any]
_MAX_INTERVALS: Final = 10_000


async def explain(
    connection: AsyncConnection[Any],
    actor: Actor,
    quantity_id: int,
    directory: "Directory | None",
    *,
    known: datetime | None = None,
) -> Row:
    """Everything behind one version of a quantity.

    `known`: show the intervals as they were known at that instant; else as the assessment left them that the
    quantity was
    computed from.
    """
    quantity = await service.quantity(connection, actor, quantity_id)
    determinants = quantity["determinants"]
    start, end = (datetime.fromisoformat(determinants[name]) for name in ("from", "to"))
    unit = "j" if MAIN_REGISTER[quantity["service"]][1] == "J" else "ml"
    intervals = await _intervals(connection, quantity, known)
    column = "energy_j" if unit == "j" else "volume_ml"
    total = sum(row[column] or 0 for row in intervals)
    difference = determinants["index_difference"]
    cited = {
        reading["delivery_id"]
        for segment in determinants["segments"]
        for cut in (segment["first"], segment["last"])
        for reading in cut["readings"]
    }
    return {
        "quantity": quantity,
        "as_known_on": known,
        "as_of_run": None if known is not None else determinants["run"],
        "sums": {
            f"intervals_{unit}": total,
            f"beyond_index_{unit}": determinants["beyond_index"],
            f"index_difference_{unit}": difference,
            f"difference_{unit}": None if difference is None else total - determinants["beyond_index"] - difference,
            "conserved": difference is not None and total - determinants["beyond_index"] == difference,
        },
        "segments": determinants["segments"],
        "intervals": [_interval(row) for row in intervals],
        "flags": _counted(flag for row in intervals for flag in flag_names(row["flags"])),
        "methods": _counted(Method(row["method"]).name.lower() for row in intervals),
        "rule_sets": sorted({row["rule_set_id"] for row in intervals}),
        "runs": sorted({row["run_id"] for row in intervals}),
        "estimates": [
            row | {"method": Method(row["method"]).name.lower()}
            for row in await estimates.inputs_of_point(
                connection, quantity["point_id"], quantity["service"], start, end
            )
        ],
        "edits": await billing_sources.edits(connection, quantity["point_id"], start, end),
        "findings": await billing_sources.findings(connection, quantity["point_id"], quantity["service"], start, end),
        "versions": await feed.versions(connection, quantity["period_id"], quantity["point_id"], quantity["service"]),
        "photos": await installations.photos_of_point(connection, quantity["point_id"], start, end),
        "deliveries": await _deliveries(connection, sorted(cited), directory),
    }


async def intervals_of(connection: AsyncConnection[Any], actor: Actor, quantity_id: int) -> tuple[Row, list[Row]]:
    """A version of a quantity with the hourly intervals it was computed from."""
    quantity = await service.quantity(connection, actor, quantity_id)
    return quantity, await _intervals(connection, quantity, None)


async def _intervals(connection: AsyncConnection[Any], quantity: Row, known: datetime | None) -> list[Row]:
    determinants = quantity["determinants"]
    start, end = (datetime.fromisoformat(determinants[name]) for name in ("from", "to"))
    place = (quantity["point_id"], quantity["service"])
    if known is None and determinants["run"] is not None:
        return await lookup.consumption_after_run(connection, *place, start, end, determinants["run"])
    return await lookup.consumption(connection, *place, 1, start, end, known=known, limit=_MAX_INTERVALS)


async def explain_point(
    connection: AsyncConnection[Any],
    actor: Actor,
    code: str,
    point_code: str,
    directory: "Directory | None",
    *,
    service_id: int = 1,
    now: datetime,
) -> Row:
    """The explanation of a point's newest quantity in a period."""
    rows = await service.page(connection, actor, code, now=now, point=point_code, limit=10)
    for row in rows:
        if row["service"] == service_id:
            return await explain(connection, actor, row["quantity_id"], directory)
    raise NotFoundError(f"the point {point_code} has no quantity in {code}", field="point")


async def as_known_on(
    connection: AsyncConnection[Any], actor: Actor, code: str, point_code: str, known: datetime, *, now: datetime
) -> list[Row]:
    """What a point's quantities would have been, from what was known at an instant."""
    period = await service.period(connection, code)
    points = [row for row in await calculation.all_points(connection) if row["code"] == point_code]
    if not points:
        raise NotFoundError(f"there is no point {point_code!r}", field="point")
    actor.require_area(points[0]["area_id"], "point")
    rows = await calculation.quantities(connection, period, points, now=min(now, known), known=known)
    return [service.shown({**row, "period": code, "point": point_code, "as_known_on": known}) for row in rows]


def flag_names(flags: int) -> list[str]:
    """Names of the quality bits that are set, lower case."""
    return [str(flag.name).lower() for flag in Quality if flag and flags & flag]


def _interval(row: Row) -> Row:
    return {
        "start_at": row["start_at"],
        "duration_s": row["duration_s"],
        "energy_j": row["energy_j"],
        "energy_kwh": None if row["energy_j"] is None else row["energy_j"] / 3_600_000,
        "volume_ml": row["volume_ml"],
        "flags": flag_names(row["flags"]),
        "method": Method(row["method"]).name.lower(),
        "version": row["version"],
        "run_id": row["run_id"],
        "rule_set_id": row["rule_set_id"],
        "known_from": row["known_from"],
    }


def _counted(names: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return counts


async def _deliveries(connection: AsyncConnection[Any], ids: list[int], directory: "Directory | None") -> list[Row]:
    kept = await deliveries.get_many(connection, ids)
    return [
        {
            "delivery_id": row.delivery_id,
            "arrived_at": row.arrived_at,
            "protocol": row.protocol,
            "channel": row.channel,
            "hex": row.payload.hex(),
            "details": row.details,
            "decoding": decoding({"protocol": row.protocol, "details": row.details}, row.payload, directory),
        }
        for row in kept
    ]
