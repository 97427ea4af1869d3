"""The series behind a point's charts: indexes, consumption, momentary values, neighbours, weather.

Every function returns columns (lists of equal length), oldest first, in display units: kWh, m3, kW, m3/h, °C, K.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from ingest.store.chart_series import Series as Series
from ingest.store.chart_series import register_series as register_series

HOUR, DAY = 1, 2


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
            SELECT p.point_id, p.heated_area_m2::float8 * 3600000 AS j_per_kwh_m2 FROM metering_point p, own
            WHERE p.point_id <> own.point_id AND p.kind <> 'building' AND p.heated_area_m2 > 0
              AND CASE WHEN own.building <> '' THEN p.building = own.building ELSE p.area_id = own.area_id END
            ORDER BY p.point_id LIMIT 200
        )
        SELECT c.start_at,
               percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY c.energy_j::float8 / p.j_per_kwh_m2)
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
            SELECT d.delivery_id, s.ts, d.arrived_at, d.protocol, d.channel, d.payload FROM (
                SELECT r.delivery_id, max(r.ts) AS ts FROM (
                    SELECT DISTINCT slot >> 3 AS bank FROM register WHERE meter_id = %(meter)s
                ) b CROSS JOIN LATERAL (
                    SELECT ts, delivery_id FROM meter_reading WHERE meter_id = %(meter)s AND bank = b.bank
                    ORDER BY ts DESC LIMIT %(limit)s
                ) r GROUP BY 1 ORDER BY 2 DESC LIMIT %(limit)s
            ) s JOIN delivery d USING (delivery_id) ORDER BY s.ts DESC
            """,
            {"meter": meter_id, "limit": limit},
        )
        return await cursor.fetchall()


async def deliveries_around(
    connection: AsyncConnection[Any], *, meter_id: int, at: datetime, limit: int = 4
) -> list[dict[str, Any]]:
    """Raw deliveries of a meter on both sides of an instant, oldest first; columns as `latest_deliveries`."""
    half = """
        SELECT r.delivery_id, max(r.ts) AS ts FROM (
            SELECT DISTINCT slot >> 3 AS bank FROM register WHERE meter_id = %(meter)s
        ) b CROSS JOIN LATERAL (
            SELECT ts, delivery_id FROM meter_reading WHERE meter_id = %(meter)s AND bank = b.bank AND ts {side} %(at)s
            ORDER BY ts {order} LIMIT %(half)s
        ) r GROUP BY 1 ORDER BY 2 {order} LIMIT %(half)s
    """
    query = f"""
        SELECT d.delivery_id, s.ts, d.arrived_at, d.protocol, d.channel, d.payload
        FROM (({half.format(side="<=", order="DESC")}) UNION ALL ({half.format(side=">", order="ASC")})) s
        JOIN delivery d USING (delivery_id) ORDER BY s.ts
    """
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, {"meter": meter_id, "at": at, "half": max(1, limit // 2)})
        return await cursor.fetchall()


async def top_alerts(
    connection: AsyncConnection[Any], *, areas: Sequence[int] | None = None, limit: int = 8
) -> list[dict[str, Any]]:
    """The open alerts with most energy at stake: alert_id, code, kind, severity, energy_at_stake_kwh, from_ts."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            """
            SELECT a.alert_id, p.code, a.kind, a.severity, a.energy_at_stake_kwh, a.from_ts
            FROM alert a JOIN metering_point p USING (point_id)
            WHERE a.state IN ('open', 'acknowledged') AND (%(areas)s::int[] IS NULL OR p.area_id = ANY(%(areas)s))
            ORDER BY a.rank DESC, a.alert_id LIMIT %(limit)s
            """,
            {"areas": None if areas is None else list(areas), "limit": limit},
        )
        return await cursor.fetchall()


async def point_facts(connection: AsyncConnection[Any], code: str) -> dict[str, Any] | None:
    """A metering point by its code with its area, its state now and its installations, newest first."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            """
            SELECT p.point_id, p.code, p.kind, p.address, p.building, p.account, p.area_id, a.name AS area_name,
                   a.time_zone, p.heated_area_m2::float8, p.design_load_kw::float8, p.latitude, p.longitude,
                   (SELECT s.state FROM point_state s WHERE s.point_id = p.point_id
                     ORDER BY (s.period @> now()) DESC, upper(s.period) DESC NULLS FIRST LIMIT 1) AS state
            FROM metering_point p JOIN area a USING (area_id) WHERE p.code = %s
            """,
            (code,),
        )
        point = await cursor.fetchone()
        if point is None:
            return None
        await cursor.execute(
            """
            SELECT i.installation_id, i.meter_id, i.service, lower(i.period) AS from_ts, upper(i.period) AS to_ts,
                   i.initial_index, i.final_index, i.reason, i.factor::float8, m.serial, m.manufacturer, m.medium,
                   m.model, m.profile, m.qp_m3h::float8, l.address AS link_address, g.code AS gateway,
                   h.last_success_at, h.clock_drift_s,
                   (SELECT coalesce(jsonb_agg(jsonb_build_object('shows', f.shows, 'reference', f.reference)
                                              ORDER BY f.place), '[]')
                    FROM installation_photo f WHERE f.installation_id = i.installation_id) AS photos,
                   newest_reading_of(m.meter_id) AS last_reading_at,
                   (SELECT r.unit FROM register r WHERE r.meter_id = m.meter_id AND r.name = 'energy') AS energy_unit,
                   (SELECT r.scale FROM register r WHERE r.meter_id = m.meter_id AND r.name = 'energy') AS energy_scale
            FROM installation i JOIN meter m USING (meter_id)
            LEFT JOIN meter_link l USING (meter_id)
            LEFT JOIN bus b USING (bus_id) LEFT JOIN gateway g USING (gateway_id)
            LEFT JOIN meter_health h USING (meter_id)
            WHERE i.point_id = %s ORDER BY i.service, lower(i.period) DESC
            """,
            (point["point_id"],),
        )
        point["installations"] = await cursor.fetchall()
        await cursor.execute(
            "SELECT alert_id, kind, severity, state, from_ts, to_ts, energy_at_stake_kwh FROM alert"
            " WHERE point_id = %s ORDER BY (state = 'resolved'), rank DESC LIMIT 50",
            (point["point_id"],),
        )
        point["alerts"] = await cursor.fetchall()
        return point


async def find_points(
    connection: AsyncConnection[Any],
    *,
    text: str = "",
    area_id: int | None = None,
    areas: Sequence[int] | None = None,
    limit: int = 50,
    offset: int = 0,
) -> tuple[int, list[dict[str, Any]]]:
    """Points whose code, address, account, building or meter serial contains `text`; total count and one page."""
    pattern = "%" + text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    where = """
        WHERE (%(areas)s::int[] IS NULL OR p.area_id = ANY(%(areas)s))
          AND (%(area)s::int IS NULL OR p.area_id = %(area)s)
          AND (%(text)s = '' OR p.code ILIKE %(pattern)s OR p.address ILIKE %(pattern)s OR p.building ILIKE %(pattern)s
               OR p.account ILIKE %(pattern)s OR EXISTS (
                  SELECT 1 FROM installation i JOIN meter m USING (meter_id)
                  WHERE i.point_id = p.point_id AND m.serial ILIKE %(pattern)s))
    """
    values = {
        "areas": None if areas is None else list(areas),
        "area": area_id,
        "text": text,
        "pattern": pattern,
        "limit": limit,
        "offset": offset,
    }
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(f"SELECT count(*) AS n FROM metering_point p {where}", values)
        total = await cursor.fetchone()
        await cursor.execute(
            f"""
            SELECT p.code, p.address, p.building, p.kind, a.name AS area_name, s.state,
                   (SELECT string_agg(m.serial, ', ') FROM installation i JOIN meter m USING (meter_id)
                     WHERE i.point_id = p.point_id AND upper_inf(i.period)) AS serials,
                   (SELECT count(*) FROM alert l WHERE l.point_id = p.point_id AND l.state <> 'resolved') AS open_alerts
            FROM metering_point p JOIN area a USING (area_id)
            LEFT JOIN LATERAL (SELECT state FROM point_state s WHERE s.point_id = p.point_id
                                ORDER BY upper(period) DESC NULLS FIRST LIMIT 1) s ON true
            {where} ORDER BY p.code LIMIT %(limit)s OFFSET %(offset)s
            """,
            values,
        )
        rows = await cursor.fetchall()
    return (int(total["n"]) if total else 0), rows
