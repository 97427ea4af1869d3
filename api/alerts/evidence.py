"""The evidence of an alert in one answer: index, consumption, temperatures, neighbours, weather, flags, info codes, raw
telegrams.

Long spans come by the day, so that a year is a few hundred values; hours on request, for the part that is looked at.
"""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import AsyncConnection

from api.access import Actor
from api.alerts import service
from api.alerts.expectation import expected_band
from ingest.store import evidence, registry
from ingest.store.info_codes import info_code_spans

Row = dict[str, Any]
QUANTITIES: Final = (
    "heat_energy",
    "cooling_energy",
    "electric_energy",
    "volume",
    "power",
    "flow",
    "supply_temperature",
    "return_temperature",
)
_BEFORE: Final = timedelta(days=14)
_AFTER: Final = timedelta(days=3)
_HOURS_UP_TO: Final = timedelta(days=62)


async def of_alert(
    connection: AsyncConnection[Any],
    actor: Actor,
    alert_id: int,
    *,
    now: datetime,
    start: datetime | None = None,
    end: datetime | None = None,
    hourly: bool | None = None,
    points: int = 2_000,
) -> Row:
    """Everything a reviewer decides on.

    Parameters
    ----------
    start, end : two weeks before the alert until three days after it, unless given.
    hourly : hours or days of consumption; None: hours up to two months.
    points : about how many readings a register's line has at most.
    """
    alert = await service.get(connection, actor, alert_id, now=now)
    begins = start or alert["from_ts"] - _BEFORE
    ends = min(now, end or (alert["to_ts"] or now) + _AFTER)
    if ends <= begins:
        ends = begins + timedelta(days=1)
    point_id: int = alert["point_id"]
    span: dict[str, Any] = {"start": begins, "end": ends}
    place = await registry.get_point(connection, point_id=point_id)
    series = await evidence.register_series(connection, point_id=point_id, quantities=QUANTITIES, points=points, **span)
    by_hour = ends - begins <= _HOURS_UP_TO if hourly is None else hourly
    resolution = evidence.HOUR if by_hour else evidence.DAY
    return {
        "alert": alert,
        "from": begins,
        "to": ends,
        "resolution": "hour" if by_hour else "day",
        "series": [asdict(line) for line in series],
        "consumption": await evidence.consumption_columns(
            connection, point_id=point_id, resolution=resolution, service=alert["service"], **span
        ),
        "neighbours": await evidence.neighbour_band(connection, point_id=point_id, **span),
        "expected": await expected_band(connection, point_id=point_id, area_id=place.area_id, **span)
        if alert["service"] == 1
        else None,
        "weather": asdict(await evidence.weather_columns(connection, area_id=place.area_id, **span)),
        "info_codes": await info_code_spans(connection, point_id=point_id, **span),
        "deliveries": []
        if alert["meter_id"] is None
        else [
            {**row, "payload": bytes(row["payload"]).hex()}
            for row in await evidence.latest_deliveries(connection, meter_id=alert["meter_id"])
        ],
    }
