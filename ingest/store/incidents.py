"""Incidents: what many points show together, one row a kind and scope, carried on while it goes on.

Rules: synchronous. An incident that ended less than two days before a span is the same one.
"""

from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

Row = dict[str, Any]

_INCIDENT = """
INSERT INTO incident (kind, scope, from_ts, to_ts, explanation, details, created_at)
VALUES (%(kind)s, %(scope)s, %(from_ts)s, %(to_ts)s, %(explanation)s, %(details)s, %(now)s)
RETURNING incident_id
"""
_OPEN_INCIDENT = """
SELECT incident_id FROM incident WHERE kind = %(kind)s AND scope = %(scope)s AND from_ts <= %(to_ts)s
  AND coalesce(to_ts, 'infinity') >= %(from_ts)s::timestamptz - interval '2 days' ORDER BY from_ts LIMIT 1
"""
_EXTEND_INCIDENT = """
UPDATE incident SET from_ts = least(from_ts, %(from_ts)s), to_ts = %(to_ts)s, explanation = %(explanation)s,
       details = %(details)s
WHERE incident_id = %(incident_id)s
  AND (from_ts, to_ts, details) IS DISTINCT FROM (least(from_ts, %(from_ts)s), %(to_ts)s, %(details)s)
"""


def record_incident(
    connection: Connection[Any],
    kind: str,
    scope: str,
    span: tuple[datetime, datetime],
    explanation: str,
    details: Row,
    now: datetime,
) -> int:
    """The incident of a kind and scope around a span, extended or new; its number."""
    values = {"kind": kind, "scope": scope, "from_ts": span[0], "to_ts": span[1], "explanation": explanation,
              "details": Jsonb(details), "now": now}  # fmt: skip
    row = connection.execute(_OPEN_INCIDENT, values).fetchone()
    if row is not None:
        connection.execute(_EXTEND_INCIDENT, values | {"incident_id": row[0]})
        return int(row[0])
    row = connection.execute(_INCIDENT, values).fetchone()
    assert row is not None
    return int(row[0])
