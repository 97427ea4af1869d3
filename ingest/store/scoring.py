"""What a scorecard needs of the store: every alert with the instants at which it could be told, and when areas heat.

Rules: synchronous, reads only.
"""

from datetime import UTC, datetime
from typing import Any

from psycopg import Connection

from ingest.store.series import reading_span

# (point, kind, from, to, instants in microseconds, explanation)
Alert = tuple[str, str, int, int, list[int], dict[str, Any]]

_ALERTS = """
SELECT p.code, a.kind, (extract(epoch FROM a.from_ts) * 1000000)::int8,
  (extract(epoch FROM coalesce(a.to_ts, a.from_ts)) * 1000000)::int8,
  coalesce(array_agg((extract(epoch FROM (f.details ->> 'noticed_at')::timestamptz) * 1000000)::int8
    ORDER BY f.details ->> 'noticed_at') FILTER (WHERE f.details ? 'noticed_at'), ARRAY[]::int8[]),
  a.explanation
FROM alert a JOIN metering_point p USING (point_id) LEFT JOIN finding f USING (alert_id)
GROUP BY a.alert_id, p.code ORDER BY a.from_ts, a.alert_id
"""
# A day of an area is in season where it is cold, as far as anybody knows, and at least half of its points use energy.
_HEATING = """
SELECT u.area_id, (extract(epoch FROM u.start_at) * 1000000)::int8 AS day_us
FROM (SELECT p.area_id, c.start_at, avg((c.energy_j > 0)::int) AS users
      FROM consumption c JOIN metering_point p USING (point_id)
      WHERE c.resolution = 2 AND c.known_to = 'infinity' AND c.energy_j IS NOT NULL GROUP BY 1, 2) u
LEFT JOIN LATERAL (SELECT avg(w.temperature_c) AS temperature_c FROM weather w WHERE w.area_id = u.area_id
                   AND w.ts >= u.start_at AND w.ts < u.start_at + interval '1 day') t ON true
WHERE u.users >= 0.5 AND coalesce(t.temperature_c < %s, true)
"""
_AREAS = "SELECT code, area_id FROM metering_point"
_METER_DAYS = """
SELECT coalesce(sum(extract(epoch FROM least(coalesce(upper(i.period), 'infinity'), %(last)s) -
  greatest(lower(i.period), %(first)s)) / 86400), 0)::float8
FROM installation i WHERE i.period && tstzrange(%(first)s, %(last)s)
"""
_EVER = datetime(9999, 1, 1, tzinfo=UTC)


def alerts(connection: Connection[Any]) -> list[Alert]:
    """Every alert, whatever became of it."""
    return connection.execute(_ALERTS).fetchall()


def heating_days(connection: Connection[Any], limit_c: float) -> set[tuple[int, int]]:
    """(area, local midnight in microseconds) of days in season; `limit_c`: mean outside temperature of a cold day."""
    return set(connection.execute(_HEATING, (limit_c,)).fetchall())


def areas_of_points(connection: Connection[Any]) -> dict[str, int]:
    """Area of every point by its code."""
    return dict(connection.execute(_AREAS).fetchall())


def meter_days(connection: Connection[Any]) -> float:
    """Days of all meters between the first and the last reading of the fleet."""
    first, last = reading_span(connection, _EVER)
    row = connection.execute(_METER_DAYS, {"first": first, "last": last}).fetchone()
    return 0.0 if row is None else float(row[0])
