"""What leaves the store in bulk: consumption, alerts, readings, the registry; streamed from a server-side cursor.

Rules: rows come in the order of their key; one snapshot for the whole export; memory holds one batch.
"""

from collections.abc import Generator, Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection

_BATCH = 20_000
Batches = Generator[list[tuple[Any, ...]], None, None]
# The local calendar of the area makes days and months; 'hour' and 'day' are stored, a month is their sum.
_INTERVALS = {
    "hour": "SELECT p.code, c.start_at, c.start_at + make_interval(secs => c.duration_s), c.energy_j, c.volume_ml,"
    " c.flags, c.method, c.version, c.service FROM consumption c JOIN metering_point p USING (point_id)"
    " WHERE c.resolution = 1 AND c.start_at >= %(start)s AND c.start_at < %(end)s AND c.known_from <= %(known)s"
    " AND c.known_to > %(known)s AND (%(points)s::text[] IS NULL OR p.code = ANY(%(points)s::text[]))"
    " ORDER BY c.point_id, c.service, c.start_at",
    "month": "SELECT p.code, date_trunc('month', c.start_at, a.time_zone),"
    " (date_trunc('month', c.start_at AT TIME ZONE a.time_zone) + interval '1 month') AT TIME ZONE a.time_zone,"
    " sum(c.energy_j)::int8,"
    " sum(c.volume_ml)::int8, bit_or(c.flags), max(c.method), max(c.version), c.service"
    " FROM consumption c JOIN metering_point p USING (point_id) JOIN area a USING (area_id)"
    " WHERE c.resolution = 2 AND c.start_at >= %(start)s AND c.start_at < %(end)s AND c.known_from <= %(known)s"
    " AND c.known_to > %(known)s AND (%(points)s::text[] IS NULL OR p.code = ANY(%(points)s::text[]))"
    " GROUP BY c.point_id, p.code, c.service, 2, 3 ORDER BY c.point_id, c.service, 2",
}
_INTERVALS["day"] = _INTERVALS["hour"].replace("c.resolution = 1", "c.resolution = 2")
INTERVALS = tuple(_INTERVALS)
_ALERTS = (
    "SELECT p.code, m.serial, a.kind, a.severity, a.from_ts, a.to_ts, a.state, a.explanation, a.energy_at_stake_kwh,"
    " a.confidence, a.incident_id FROM alert a JOIN metering_point p USING (point_id) LEFT JOIN meter m"
    " USING (meter_id)"
    " WHERE a.from_ts < %(end)s AND coalesce(a.to_ts, 'infinity') > %(start)s"
    " AND (%(points)s::text[] IS NULL OR p.code = ANY(%(points)s::text[])) ORDER BY a.from_ts, a.alert_id"
)
_READINGS = (
    "SELECT m.serial, m.manufacturer, r.ts, g.quantity, r.value, g.scale, g.unit, g.name, r.version,"
    " r.flags, r.delivery_id"
    " FROM meter m JOIN register g USING (meter_id) CROSS JOIN LATERAL readings_of(g.meter_id, g.slot) r"
    " WHERE r.ts >= %(start)s AND r.ts < %(end)s"
    " AND (%(points)s::text[] IS NULL OR m.meter_id IN (SELECT i.meter_id FROM installation i"
    " JOIN metering_point p USING (point_id) WHERE p.code = ANY(%(points)s::text[])))"
    " ORDER BY g.register_id, r.ts, r.version"
)
_POINTS = (
    "SELECT p.code, a.code, p.address, p.kind, coalesce(s.state, 'active'), p.heated_area_m2, p.design_load_kw,"
    " p.building, p.account, r.code, p.latitude, p.longitude, p.contract, above.code"
    " FROM metering_point p JOIN area a USING (area_id) LEFT JOIN metering_point above ON above.point_id = p.parent_id"
    " LEFT JOIN route r ON r.route_id = p.route_id"
    " LEFT JOIN point_state s ON s.point_id = p.point_id AND s.period @> now() ORDER BY p.code"
)
_METERS = (
    "SELECT m.serial, m.manufacturer, m.medium, m.model, p.code, lower(i.period), coalesce(i.initial_index,"
    " i.initial_volume),"
    " g.unit, g.digits, g.scale, m.qp_m3h, upper(i.period), coalesce(i.final_index, i.final_volume),"
    " i.factor, i.service,"
    " m.profile, m.mounting_side, m.version"
    " FROM meter m LEFT JOIN installation i USING (meter_id) LEFT JOIN metering_point p USING (point_id)"
    " LEFT JOIN LATERAL (SELECT * FROM register WHERE register.meter_id = m.meter_id AND register.name ="
    " CASE WHEN i.service IN (3, 4, 6, 0) THEN 'volume' WHEN i.service = 2 THEN 'cooling_energy' ELSE"
    " 'energy' END) g ON true"
    " ORDER BY m.serial, m.manufacturer, i.period"
)
_REGISTRY = {"points": _POINTS, "meters": _METERS}


def consumption(
    connection: Connection[Any],
    start: datetime,
    end: datetime,
    *,
    interval: str,
    known_at: datetime,
    points: Sequence[str] | None = None,
) -> Batches:
    """Batches of (point, start, end, energy J, volume mL, flags, method, version, service) as known at an instant."""
    return _stream(
        connection, _INTERVALS[interval], {"start": start, "end": end, "known": known_at, "points": _list(points)}
    )


def alerts(
    connection: Connection[Any], start: datetime, end: datetime, *, points: Sequence[str] | None = None
) -> Batches:
    """Batches of (point, serial, kind, severity, from, to, state, explanation, kWh at stake, confidence, incident)."""
    return _stream(connection, _ALERTS, {"start": start, "end": end, "points": _list(points)})


def readings(
    connection: Connection[Any], start: datetime, end: datetime, *, points: Sequence[str] | None = None
) -> Batches:
    """Batches of (serial, manufacturer, time, quantity, count, scale, unit, register, version, flags, delivery)."""
    return _stream(connection, _READINGS, {"start": start, "end": end, "points": _list(points)})


def registry(connection: Connection[Any], what: str) -> Batches:
    """Batches of points or meters, columns as their import formats have them."""
    return _stream(connection, _REGISTRY[what], {})


def _list(points: Sequence[str] | None) -> list[str] | None:
    return None if points is None else list(points)


def _stream(connection: Connection[Any], query: str, parameters: dict[str, Any]) -> Batches:
    with connection.transaction(), connection.cursor(name="export") as cursor:
        cursor.itersize = _BATCH
        cursor.execute(query, parameters, binary=True)
        while rows := cursor.fetchmany(_BATCH):
            yield rows
