"""What billing quantities are computed from: intervals, installations, index readings, states, weather, edits.

Rules: each question is asked once for many points; an approved edit counts before what the meter said; a value that is
garbage never counts.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.rows import dict_row

Row = dict[str, Any]
# Flags of compute.quality: 2 missing, 32768 estimated, 65536 edited, 131072 distribution only.
# A distributed hour is estimated in time, but its energy is part of a measured total.
_SUMS: Final = """
SELECT point_id, service, coalesce(sum(energy_j), 0)::int8 AS energy_j, sum(volume_ml)::int8 AS volume_ml,
       coalesce(sum(CASE WHEN service IN (3, 4, 6) THEN volume_ml ELSE energy_j END)
                FILTER (WHERE flags & 32768 <> 0 AND (method >= 6 OR flags & 131072 = 0)), 0)::int8 AS estimated,
       coalesce(sum(CASE WHEN service IN (3, 4, 6) THEN volume_ml ELSE energy_j END)
                FILTER (WHERE flags & 65536 <> 0), 0)::int8 AS edited,
       coalesce(sum(CASE WHEN service IN (3, 4, 6) THEN volume_ml ELSE energy_j END)
                FILTER (WHERE method BETWEEN 6 AND 9 OR method = 11), 0)::int8 AS beyond,
       coalesce(sum(uncertainty_j), 0)::int8 AS uncertainty, sum(duration_s)::int8 AS seconds,
       coalesce(sum(duration_s) FILTER (WHERE flags & 2 <> 0), 0)::int8 AS missing_s,
       coalesce(sum(duration_s) FILTER (WHERE flags & 32768 <> 0), 0)::int8 AS estimated_s,
       coalesce(sum(duration_s) FILTER (WHERE flags & 65536 <> 0), 0)::int8 AS edited_s,
       count(*) FILTER (WHERE flags & 2 = 0) AS intervals, bit_or(flags) AS flags,
       min(start_at) FILTER (WHERE flags & 2 = 0) AS first_at,
       max(start_at + make_interval(secs => duration_s)) FILTER (WHERE flags & 2 = 0) AS last_at,
       max(run_id) AS run_id, max(rule_set_id) AS rule_set_id
FROM consumption
WHERE point_id = ANY(%(points)s) AND resolution = 1 AND start_at >= %(start)s AND start_at < %(end)s
  AND known_from <= coalesce(%(known)s, 'infinity'::timestamptz)
  AND CASE WHEN %(known)s::timestamptz IS NULL THEN known_to = 'infinity' ELSE known_to > %(known)s END
GROUP BY point_id, service
"""
_SEGMENTS: Final = """
SELECT i.point_id, i.service, i.meter_id, m.serial, m.manufacturer, i.factor,
       CASE WHEN i.service IN (3, 4, 6) THEN i.initial_volume ELSE i.initial_index END AS initial_index,
       CASE WHEN i.service IN (3, 4, 6) THEN i.final_volume ELSE i.final_index END AS final_index,
       lower(i.period) AS installed_from, upper(i.period) AS installed_to,
       r.register_id, r.name AS register, r.unit, r.scale, r.digits, m.qp_m3h, m.qs_m3h
FROM installation i JOIN meter m USING (meter_id)
LEFT JOIN LATERAL (
    SELECT g.register_id, g.name, g.unit, g.scale, g.digits FROM register g
    WHERE g.meter_id = i.meter_id AND g.tariff = 0 AND g.storage = 0
      AND g.quantity = CASE i.service WHEN 2 THEN 'cooling_energy' WHEN 5 THEN 'electric_energy'
                                      WHEN 3 THEN 'volume' WHEN 4 THEN 'volume' WHEN 6 THEN 'volume' ELSE
                                      'heat_energy' END
    ORDER BY g.subunit, g.scale, g.register_id LIMIT 1
) r ON true
WHERE i.point_id = ANY(%(points)s) AND i.period && tstzrange(%(start)s, %(end)s)
ORDER BY i.point_id, i.service, lower(i.period)
"""
# An approved edit counts before what the meter said at the same instant; garbage (32) never counts.
_NEAR: Final = """
SELECT register_id, ts, value, delivery_id, flags::int AS flags, version, false AS edited FROM reading
WHERE register_id = ANY(%(registers)s) AND ts BETWEEN %(low)s AND %(high)s AND flags & 32 = 0
UNION ALL
SELECT register_id, ts, value, coalesce(delivery_id, 0), 65536, 0, true FROM manual_reading
WHERE register_id = ANY(%(registers)s) AND ts BETWEEN %(low)s AND %(high)s AND state = 'approved' AND kind IN
('edit', 'estimate')
"""
_BEFORE: Final = f"""
SELECT DISTINCT ON (register_id) register_id, ts, value, delivery_id, flags FROM ({_NEAR}) AS near
ORDER BY register_id, ts DESC, edited DESC, version DESC
"""
_AFTER: Final = f"""
SELECT DISTINCT ON (register_id) register_id, ts, value, delivery_id, flags FROM ({_NEAR}) AS near
ORDER BY register_id, ts, edited DESC, version DESC
"""
# Every version of every reading, as the sequence rules see them; an approved edit stands in the place of what was read.
_BETWEEN: Final = """
WITH edit AS (
    SELECT DISTINCT ON (ts) ts, value, coalesce(delivery_id, 0) AS delivery_id,
           CASE kind WHEN 'edit' THEN 65536 ELSE 32768 END AS flags FROM manual_reading
    WHERE register_id = %(register)s AND ts BETWEEN %(low)s AND %(high)s AND state = 'approved'
      AND kind IN ('edit', 'estimate') ORDER BY ts, manual_id DESC)
SELECT ts, value, delivery_id, flags::int AS flags, version FROM reading
WHERE register_id = %(register)s AND ts BETWEEN %(low)s AND %(high)s AND ts NOT IN (SELECT ts FROM edit)
UNION ALL SELECT ts, value, delivery_id, flags, 0 FROM edit ORDER BY ts, version
"""
_POINTS: Final = """
SELECT p.point_id, p.code, p.account, p.heated_area_m2, p.kind, p.contract, p.area_id, a.code AS area_code, a.time_zone
FROM metering_point p JOIN area a USING (area_id)
WHERE p.point_id > %(after)s AND (%(points)s::int[] IS NULL OR p.point_id = ANY(%(points)s))
  AND (%(area)s::int IS NULL OR p.area_id = %(area)s) ORDER BY p.point_id LIMIT %(limit)s
"""
_STATES: Final = """
SELECT point_id, state, sum(extract(epoch FROM least(coalesce(upper(period), 'infinity'), %(end)s::timestamptz)
                                 - greatest(coalesce(lower(period), '-infinity'), %(start)s::timestamptz)))::float8 /
                                 86400 AS days
FROM point_state WHERE point_id = ANY(%(points)s) AND period && tstzrange(%(start)s, %(end)s) GROUP BY 1, 2
"""
_DEGREE_DAYS: Final = """
SELECT sum(greatest(%(base)s - mean_c, 0))::float8 AS degree_days FROM (
    SELECT avg(temperature_c) AS mean_c FROM weather
    WHERE area_id = %(area)s AND ts >= %(start)s AND ts < %(end)s GROUP BY date_trunc('day', ts, %(zone)s)) AS daily
"""


async def _rows(connection: AsyncConnection[Any], query: Any, values: Any = None) -> list[Row]:
    return await (await connection.cursor(row_factory=dict_row).execute(query, values)).fetchall()


async def last_run(connection: AsyncConnection[Any]) -> int | None:
    """Number of the newest finished assessment run."""
    rows = await _rows(connection, "SELECT max(run_id) AS run_id FROM assessment_run WHERE state = 'done'")
    return None if rows[0]["run_id"] is None else int(rows[0]["run_id"])


async def points(
    connection: AsyncConnection[Any],
    *,
    after: int = 0,
    area: int | None = None,
    only: list[int] | None = None,
    limit: int = 1_000,
) -> list[Row]:
    """Points above point_id `after` with what billing asks of them."""
    return await _rows(connection, _POINTS, {"after": after, "area": area, "points": only, "limit": limit})


async def sums(
    connection: AsyncConnection[Any],
    point_ids: list[int],
    start: datetime,
    end: datetime,
    known: datetime | None = None,
) -> dict[tuple[int, int], Row]:
    """Sums over the hourly intervals of [start, end), by point and service; as known on `known`."""
    values = {"points": point_ids, "start": start, "end": end, "known": known}
    return {(row["point_id"], row["service"]): row for row in await _rows(connection, _SUMS, values)}


async def energies(
    connection: AsyncConnection[Any], point_ids: list[int], start: datetime, end: datetime, known: datetime | None
) -> dict[tuple[int, int], int]:
    """Energy in J of the hourly intervals of [start, end), by point and service; as known on `known`."""
    query = """
        SELECT point_id, service, coalesce(sum(energy_j), 0)::int8 AS energy_j FROM consumption
        WHERE point_id = ANY(%(points)s) AND resolution = 1 AND start_at >= %(start)s AND start_at < %(end)s
          AND known_from <= coalesce(%(known)s, 'infinity'::timestamptz)
          AND CASE WHEN %(known)s::timestamptz IS NULL THEN known_to = 'infinity' ELSE known_to > %(known)s END
        GROUP BY point_id, service
    """
    values = {"points": point_ids, "start": start, "end": end, "known": known}
    rows = await _rows(connection, query, values)
    return {(row["point_id"], row["service"]): int(row["energy_j"]) for row in rows}


async def edited_at(
    connection: AsyncConnection[Any], point_ids: list[int], start: date, end: date
) -> dict[int, datetime]:
    """When a hand-made value of each point's meters, for a time within two days of [start, end], was last approved."""
    query = """
        SELECT i.point_id, max(coalesce(e.approved_at, e.entered_at)) AS at
        FROM installation i JOIN manual_reading e ON e.meter_id = i.meter_id AND i.period @> e.ts
        WHERE i.point_id = ANY(%s) AND e.state = 'approved' AND e.kind IN ('edit', 'estimate')
          AND e.ts >= %s::date - 2 AND e.ts < %s::date + 2
        GROUP BY i.point_id
    """
    return {row["point_id"]: row["at"] for row in await _rows(connection, query, (point_ids, start, end))}


async def segments(connection: AsyncConnection[Any], point_ids: list[int], start: datetime, end: datetime) -> list[Row]:
    """Installations that overlap [start, end), with the counter that each is billed by."""
    return await _rows(connection, _SEGMENTS, {"points": point_ids, "start": start, "end": end})


async def readings_at(
    connection: AsyncConnection[Any], register_ids: Sequence[int], at: datetime, *, before: bool
) -> dict[int, Row]:
    """The last reading at or before (`before`) or the first at or after an instant, by register.

    Windows widen only for the registers that were not found: one narrow scan serves nearly all of them.
    """
    found: dict[int, Row] = {}
    missing = list(register_ids)
    for window in (timedelta(hours=3), timedelta(days=2), timedelta(days=40)):
        if not missing:
            break
        low, high = (at - window, at) if before else (at, at + window)
        values = {"registers": missing, "low": low, "high": high}
        for row in await _rows(connection, _BEFORE if before else _AFTER, values):
            found[row["register_id"]] = row
        missing = [register for register in missing if register not in found]
    return found


async def readings_between(
    connection: AsyncConnection[Any], register_id: int, low: datetime, high: datetime
) -> list[Row]:
    """Readings of one register in [low, high], all versions in order, approved edits in their places."""
    return await _rows(connection, _BETWEEN, {"register": register_id, "low": low, "high": high})


async def days_by_state(
    connection: AsyncConnection[Any], point_ids: list[int], start: datetime, end: datetime
) -> dict[int, dict[str, float]]:
    """Days that each point spent in each state within [start, end)."""
    result: dict[int, dict[str, float]] = {}
    for row in await _rows(connection, _STATES, {"points": point_ids, "start": start, "end": end}):
        result.setdefault(row["point_id"], {})[row["state"]] = row["days"]
    return result


async def degree_days(
    connection: AsyncConnection[Any], area_id: int, start: datetime, end: datetime, *, zone: str, base_c: float
) -> float | None:
    """Heating degree days of an area; None without weather."""
    values = {"area": area_id, "start": start, "end": end, "zone": zone, "base": base_c}
    value: float | None = (await _rows(connection, _DEGREE_DAYS, values))[0]["degree_days"]
    return value


async def edits(connection: AsyncConnection[Any], point_id: int, start: datetime, end: datetime) -> list[Row]:
    """Hand-made values of the point's meters in a span, with author and approver."""
    query = """
        SELECT e.manual_id, e.meter_id, m.serial, g.name AS register, e.ts, e.value, e.kind, e.reason, e.state,
        e.entered_by,
               e.entered_at, e.approved_by, e.approved_at, e.confirmed_by, e.delivery_id
        FROM manual_reading e JOIN meter m USING (meter_id) JOIN register g USING (register_id)
        JOIN installation i ON i.meter_id = e.meter_id AND i.point_id = %s AND i.period @> e.ts
        WHERE e.ts >= %s AND e.ts <= %s ORDER BY e.ts, e.manual_id
    """
    return await _rows(connection, query, (point_id, start, end))


async def findings(
    connection: AsyncConnection[Any], point_id: int, service: int, start: datetime, end: datetime
) -> list[Row]:
    """What the rules found on a point in a span."""
    query = """
        SELECT finding_id, alert_id, kind, rule, severity, from_ts, to_ts, observed, expected_low, expected_high,
        details
        FROM finding WHERE point_id = %s AND service = %s AND from_ts < %s AND to_ts > %s ORDER BY from_ts LIMIT 500
    """
    return await _rows(connection, query, (point_id, service, end, start))
