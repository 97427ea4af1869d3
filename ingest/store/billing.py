"""Billing in the database: periods, what quantities are computed from, and their versions.

A quantity of a frozen period never changes (the database refuses); an adjustment is a new version.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

Row = dict[str, Any]

_PERIOD: Final = """
SELECT period_id, code, name, start_date, end_date, settings, state, frozen_at, frozen_by, calculated_at,
calculated_run,
       created_at, created_by FROM billing_period
"""
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
# One pass over a narrow window of time serves every register: the key of readings begins with time. An approved edit
# counts before what the meter said at the same instant; garbage (32) never counts.
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
_LATEST: Final = """
SELECT DISTINCT ON (q.point_id, q.service) q.quantity_id, q.point_id, q.service, q.version, q.state, q.energy_j,
q.volume_ml
FROM billing_quantity q WHERE q.period_id = %(period)s AND q.point_id = ANY(%(points)s)
ORDER BY q.point_id, q.service, q.version DESC
"""
_WRITE: Final = """
INSERT INTO billing_quantity (period_id, point_id, service, version, state, energy_j, volume_ml, share_measured,
    share_estimated, share_edited, quality, rule_set_id, run_id, determinants, previous_id, cause, created_by,
    days_in_service, days_suspended, heated_area_m2, degree_days, reason)
VALUES (%(period_id)s, %(point_id)s, %(service)s, %(version)s, %(state)s, %(energy_j)s, %(volume_ml)s,
%(share_measured)s,
    %(share_estimated)s, %(share_edited)s, %(quality)s, %(rule_set_id)s, %(run_id)s, %(determinants)s, %(previous_id)s,
    %(cause)s, %(created_by)s, %(days_in_service)s, %(days_suspended)s, %(heated_area_m2)s, %(degree_days)s, %(reason)s)
ON CONFLICT (period_id, point_id, service, version) DO UPDATE SET
    state = excluded.state, energy_j = excluded.energy_j, volume_ml = excluded.volume_ml,
    share_measured = excluded.share_measured, share_estimated = excluded.share_estimated,
    share_edited = excluded.share_edited, quality = excluded.quality, rule_set_id = excluded.rule_set_id,
    run_id = excluded.run_id, determinants = excluded.determinants, created_at = now(),
    days_in_service = excluded.days_in_service, days_suspended = excluded.days_suspended,
    heated_area_m2 = excluded.heated_area_m2, degree_days = excluded.degree_days, reason = excluded.reason
"""


async def _rows(connection: AsyncConnection[Any], query: Any, values: Any = None) -> list[Row]:
    return await (await connection.cursor(row_factory=dict_row).execute(query, values)).fetchall()


async def periods(connection: AsyncConnection[Any]) -> list[Row]:
    """Every billing period, newest first."""
    return await _rows(connection, _PERIOD + " ORDER BY start_date DESC, period_id DESC")


async def period(connection: AsyncConnection[Any], code: str, *, lock: bool = False) -> Row | None:
    """One period by code, or None. `lock` holds it until the transaction ends."""
    rows = await _rows(connection, _PERIOD + " WHERE code = %s" + (" FOR UPDATE" if lock else ""), (code,))
    return rows[0] if rows else None


async def add_period(
    connection: AsyncConnection[Any], code: str, name: str, start: date, end: date, settings: Row, actor: str
) -> int:
    """New period [start, end) of local days; returns period_id."""
    query = """
        INSERT INTO billing_period (code, name, start_date, end_date, settings, created_by) VALUES (%s, %s, %s, %s,
        %s, %s)
        RETURNING period_id
    """
    rows = await _rows(connection, query, (code, name, start, end, Jsonb(settings), actor))
    return int(rows[0]["period_id"])


async def set_calculated(connection: AsyncConnection[Any], period_id: int, run_id: int | None, now: datetime) -> None:
    """Note up to which assessment run the open quantities are current."""
    await connection.execute(
        "UPDATE billing_period SET calculated_at = %s, calculated_run = %s WHERE period_id = %s",
        (now, run_id, period_id),
    )


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


async def latest(connection: AsyncConnection[Any], period_id: int, point_ids: list[int]) -> dict[tuple[int, int], Row]:
    """Newest version of each quantity, by point and service."""
    rows = await _rows(connection, _LATEST, {"period": period_id, "points": point_ids})
    return {(row["point_id"], row["service"]): row for row in rows}


async def write(connection: AsyncConnection[Any], rows: Sequence[Row]) -> None:
    """Write versions; one that is open or blocked is replaced, a frozen one is refused by the database."""
    values = [{**row, "determinants": Jsonb(row["determinants"])} for row in rows]
    await connection.cursor().executemany(_WRITE, values)


async def freeze_open(connection: AsyncConnection[Any], period_id: int, area_id: int | None = None) -> int:
    """Freeze every quantity that passed the gate; returns how many."""
    query = """
        UPDATE billing_quantity q SET state = 'frozen' FROM metering_point p
        WHERE p.point_id = q.point_id AND q.period_id = %(period)s AND q.state = 'open'
          AND (%(area)s::int IS NULL OR p.area_id = %(area)s)
    """
    return (await connection.execute(query, {"period": period_id, "area": area_id})).rowcount


async def set_frozen(connection: AsyncConnection[Any], period_id: int, actor: str, now: datetime) -> None:
    """Close the period for recalculation."""
    await connection.execute(
        "UPDATE billing_period SET state = 'frozen', frozen_at = %s, frozen_by = %s WHERE period_id = %s",
        (now, actor, period_id),
    )


async def blocked(connection: AsyncConnection[Any], period_id: int) -> int:
    """How many quantities the gate holds back."""
    query = "SELECT count(*) AS n FROM billing_quantity WHERE period_id = %s AND state = 'blocked'"
    return int((await _rows(connection, query, (period_id,)))[0]["n"])


async def release(connection: AsyncConnection[Any], quantity_id: int, cause: str, actor: str) -> bool:
    """Freeze a blocked quantity by decision; False where it is not blocked."""
    query = """
        UPDATE billing_quantity SET state = 'frozen', cause = %s, created_by = %s WHERE quantity_id = %s AND state =
        'blocked'
    """
    return (await connection.execute(query, (cause, actor, quantity_id))).rowcount == 1


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


async def newest(connection: AsyncConnection[Any], period_id: int) -> int:
    """Transaction number of the period's latest write; 0 where there is none."""
    query = "SELECT transaction::text AS n FROM billing_quantity WHERE period_id = %s ORDER BY transaction DESC LIMIT 1"
    rows = await _rows(connection, query, (period_id,))
    return int(rows[0]["n"]) if rows else 0
