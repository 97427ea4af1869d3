"""What each meter said last, byte for byte, so that a worker that begins knows a frozen answer when it sees one."""

from datetime import datetime
from typing import Any

from psycopg import AsyncConnection

_LAST = (
    "SELECT m.meter_id, d.payload, s.meter_time, s.ts FROM meter m"
    " CROSS JOIN LATERAL (SELECT delivery_id, meter_time, ts FROM meter_status"
    " WHERE meter_id = m.meter_id AND ts >= %(since)s ORDER BY ts DESC LIMIT 1) s"
    " JOIN delivery d ON d.delivery_id = s.delivery_id AND d.arrived_at >= %(since)s"
    " WHERE s.meter_time IS NOT NULL"
)


async def last_said(connection: AsyncConnection[Any], since: datetime) -> list[tuple[int, bytes, datetime, datetime]]:
    """(meter, payload, its clock, instant of the reading) of the last telegram with a clock, not older than `since`."""
    cursor = await connection.execute(_LAST, {"since": since})
    return [(meter, bytes(payload), clock, at) for meter, payload, clock, at in await cursor.fetchall()]
