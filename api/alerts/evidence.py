"""The evidence of an alert in one answer: index, consumption, temperatures, neighbours, weather, flags, raw
telegrams."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import AsyncConnection

from api.access import Actor
from api.alerts import service
from ingest.store import evidence, registry

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


async def of_alert(
    connection: AsyncConnection[Any],
    actor: Actor,
    alert_id: int,
    *,
    now: datetime,
    start: datetime | None = None,
    end: datetime | None = None,
) -> Row:
    """Everything a reviewer decides on. [start, end) defaults to two weeks before the alert until three days after
    it."""
    alert = await service.get(connection, actor, alert_id, now=now)
    begins = start or alert["from_ts"] - _BEFORE
    ends = min(now, end or (alert["to_ts"] or now) + _AFTER)
    if ends <= begins:
        ends = begins + timedelta(days=1)
    point_id: int = alert["point_id"]
    span: dict[str, Any] = {"start": begins, "end": ends}
    place = await registry.get_point(connection, point_id=point_id)
    series = await evidence.register_series(connection, point_id=point_id, quantities=QUANTITIES, **span)
    resolution = evidence.HOUR if ends - begins <= timedelta(days=62) else evidence.DAY
    return {
        "alert": alert,
        "from": begins,
        "to": ends,
        "series": [asdict(line) for line in series],
        "consumption": await evidence.consumption_columns(
            connection, point_id=point_id, resolution=resolution, service=alert["service"], **span
        ),
        "neighbours": await evidence.neighbour_band(connection, point_id=point_id, **span),
        "weather": asdict(await evidence.weather_columns(connection, area_id=place.area_id, **span)),
        "deliveries": []
        if alert["meter_id"] is None
        else [
            {**row, "payload": bytes(row["payload"]).hex()}
            for row in await evidence.latest_deliveries(connection, meter_id=alert["meter_id"])
        ],
    }
