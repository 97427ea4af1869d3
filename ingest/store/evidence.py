"""The series behind a point's charts: indexes, consumption, momentary values, neighbours, weather.

Every function returns columns (lists of equal length), oldest first, in display units: kWh, m3, kW, m3/h, °C, K.
`points` bounds the number of samples: longer spans are thinned by time buckets in the database, keeping real
readings (the last of each bucket), never averages of an index.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row

HOUR, DAY = 1, 2


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart: `name`, `unit`, times and values (None where missing)."""

    name: str
    unit: str
    times: list[datetime]
    values: list[float | None]


_UNIT_FACTOR = """
    CASE r.unit WHEN 'Wh' THEN 0.001 WHEN 'MWh' THEN 1000 WHEN 'GWh' THEN 1000000
         WHEN 'J' THEN 1/3600000.0 WHEN 'kJ' THEN 1/3600.0 WHEN 'MJ' THEN 1/3.6 WHEN 'GJ' THEN 1000/3.6
         WHEN 'mL' THEN 0.000001 WHEN 'L' THEN 0.001 WHEN 'L/h' THEN 0.001 WHEN 'L/min' THEN 0.06
         WHEN 'W' THEN 0.001 WHEN 'MW' THEN 1000 WHEN 's' THEN 1/3600.0 WHEN 'min' THEN 1/60.0 WHEN 'd' THEN 24
         ELSE 1 END
"""
_DISPLAY_UNIT = {
    "heat_energy": "kWh",
    "cooling_energy": "kWh",
    "electric_energy": "kWh",
    "volume": "m3",
    "power": "kW",
    "flow": "m3/h",
    "supply_temperature": "°C",
    "return_temperature": "°C",
    "temperature_difference": "K",
    "operating_time": "h",
}


async def register_series(
    connection: AsyncConnection[Any],
    *,
    point_id: int,
    quantities: Sequence[str],
    start: datetime,
    end: datetime,
    points: int = 2_000,
) -> list[Series]:
    """Readings of the point's meters, one series a register and meter, within their installation periods."""
    query = f"""
        SELECT m.serial, r.name, r.quantity, d.times, d.counts, r.scale, {_UNIT_FACTOR} AS factor
        FROM installation i JOIN meter m USING (meter_id) JOIN register r USING (meter_id)
        CROSS JOIN LATERAL (
            SELECT array_agg(ts ORDER BY ts) AS times, array_agg(value ORDER BY ts) AS counts FROM (
                SELECT DISTINCT ON (date_bin(%(bucket)s, ts, %(start)s)) ts, value FROM reading
                WHERE register_id = r.register_id AND ts >= %(start)s AND ts < %(end)s AND i.period @> ts
                ORDER BY date_bin(%(bucket)s, ts, %(start)s), ts DESC, version DESC
            ) AS thinned
        ) AS d
        WHERE i.point_id = %(point)s AND i.period && tstzrange(%(start)s, %(end)s)
          AND r.quantity = ANY(%(quantities)s) AND r.tariff = 0 AND d.times IS NOT NULL
        ORDER BY array_position(%(quantities)s::text[], r.quantity), lower(i.period), r.name
    """  # noqa: S608 - the only insertion is a constant of this file
    bucket_s = max(1.0, (end - start).total_seconds() / max(points, 1))
    cursor = await connection.execute(
        query,
        {
            "bucket": f"{bucket_s:.3f} seconds",
            "start": start,
            "end": end,
            "point": point_id,
            "quantities": list(quantities),
        },
    )
    result = []
    for serial, name, quantity, times, counts, scale, factor in await cursor.fetchall():
        size = 10.0**scale * float(factor)
        result.append(
            Series(f"{name} ({serial})", _DISPLAY_UNIT.get(quantity, ""), times, [count * size for count in counts])
        )
    return result


async def consumption_columns(
    connection: AsyncConnection[Any],
    *,
    point_id: int,
    start: datetime,
    end: datetime,
    resolution: int = DAY,
    service: int = 1,
) -> dict[str, list[Any]]:
    """Current consumption of [start, end): start_at, energy_kwh, volume_m3, flags, method, version, uncertainty_kwh."""
    cursor = await connection.execute(
        """
        SELECT start_at, energy_j / 3600000.0::float8, volume_ml / 1000000.0::float8, flags, method, version,
               uncertainty_j / 3600000.0::float8
        FROM consumption
        WHERE point_id = %(point)s AND service = %(service)s AND resolution = %(resolution)s
          AND start_at >= %(start)s AND start_at < %(end)s AND known_to = 'infinity'
        ORDER BY start_at
        """,
        {"point": point_id, "service": service, "resolution": resolution, "start": start, "end": end},
    )
    rows = await cursor.fetchall()
    names = ("start_at", "energy_kwh", "volume_m3", "flags", "method", "version", "uncertainty_kwh")
    return {name: [row[index] for row in rows] for index, name in enumerate(names)}


async def neighbour_band(
    connection: AsyncConnection[Any], *, point_id: int, start: datetime, end: datetime
) -> dict[str, list[Any]]:
    """Daily quartiles of kWh per m2 of the active neighbours in the same building (else area), scaled to this point."""
    cursor = await connection.execute(
        """
        WITH own AS (SELECT point_id, area_id, building, heated_area_m2 FROM metering_point WHERE point_id = %(point)s),
        peers AS (
            SELECT p.point_id, p.heated_area_m2 FROM metering_point p, own
            WHERE p.point_id <> own.point_id AND p.kind <> 'building' AND p.heated_area_m2 > 0
              AND CASE WHEN own.building <> '' THEN p.building = own.building ELSE p.area_id = own.area_id END
            ORDER BY p.point_id LIMIT 200
        )
        SELECT c.start_at,
               percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY c.energy_j / 3600000.0 / p.heated_area_m2)
        FROM consumption c JOIN peers p USING (point_id)
        WHERE c.resolution = 2 AND c.service = 1 AND c.known_to = 'infinity' AND c.energy_j IS NOT NULL
          AND c.start_at >= %(start)s AND c.start_at < %(end)s
        GROUP BY 1 ORDER BY 1
        """,
        {"point": point_id, "start": start, "end": end},
    )
    rows = await cursor.fetchall()
    own = await connection.execute("SELECT heated_area_m2 FROM metering_point WHERE point_id = %s", (point_id,))
    area = await own.fetchone()
    size = float(area[0]) if area and area[0] else 0.0
    return {
        "start_at": [row[0] for row in rows],
        "low": [row[1][0] * size for row in rows],
        "median": [row[1][1] * size for row in rows],
        "high": [row[1][2] * size for row in rows],
    }


async def weather_columns(connection: AsyncConnection[Any], *, area_id: int, start: datetime, end: datetime) -> Series:
    """Outside temperature of an area, °C."""
    cursor = await connection.execute(
        "SELECT ts, temperature_c FROM weather WHERE area_id = %s AND ts >= %s AND ts < %s ORDER BY ts",
        (area_id, start, end),
    )
    rows = await cursor.fetchall()
    return Series("outside", "°C", [row[0] for row in rows], [row[1] for row in rows])


async def latest_deliveries(
    connection: AsyncConnection[Any], *, meter_id: int, limit: int = 20
) -> list[dict[str, Any]]:
    """The newest raw deliveries of a meter: delivery_id, arrived_at, protocol, channel, payload (bytes)."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            """
            SELECT d.delivery_id, s.ts, d.arrived_at, d.protocol, d.channel, d.payload
            FROM meter_status s JOIN delivery d USING (delivery_id)
            WHERE s.meter_id = %s ORDER BY s.ts DESC LIMIT %s
            """,
            (meter_id, limit),
        )
        return await cursor.fetchall()
