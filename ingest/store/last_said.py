"""What each meter said last, byte for byte, so that a worker that begins knows one that comes again."""

from datetime import datetime
from typing import Any

from psycopg import AsyncConnection

from ingest.heard import LastSaid

# A repeater or a broker brings the last few again; a frozen gateway the very last.
_MOST = 4
_LAST = (
    "SELECT m.meter_id, d.protocol, d.payload, s.meter_time, s.ts FROM meter m"
    " CROSS JOIN LATERAL (SELECT delivery_id, meter_time, ts FROM meter_status"
    " WHERE meter_id = m.meter_id AND ts >= %(since)s ORDER BY ts DESC LIMIT %(most)s) s"
    " JOIN delivery d ON d.delivery_id = s.delivery_id AND d.arrived_at >= %(since)s ORDER BY s.ts"
)


async def last_said(connection: AsyncConnection[Any], since: datetime) -> list[LastSaid]:
    """The last telegrams of each meter, not older than `since`, oldest first."""
    cursor = await connection.execute(_LAST, {"since": since, "most": _MOST})
    return [
        LastSaid(meter, protocol, bytes(payload), clock, at)
        for meter, protocol, payload, clock, at in await cursor.fetchall()
    ]
