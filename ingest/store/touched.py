"""Which meters have readings that assessment has not seen yet, and since when.

Rules: writers take the rows in the order of meters, so they never wait in a circle; every touch renews `touched_at`, so
that an assessment that ends removes only touches it has seen.
"""

from collections.abc import Mapping
from typing import Any

from psycopg import AsyncConnection

from ingest.store.packing import Int4Array, TimestampArray


async def touch(connection: AsyncConnection[Any], earliest_us: Mapping[int, int]) -> None:
    """Mark meters as changed. `earliest_us`: meter id -> epoch microseconds of its earliest changed reading."""
    if not earliest_us:
        return
    meters = sorted(earliest_us)
    await connection.execute(
        "INSERT INTO touched AS t (meter_id, from_ts, touched_at)"
        " SELECT meter_id, from_ts, clock_timestamp() FROM unnest(%b::int[], %b::timestamptz[]) AS item (meter_id, from_ts)"
        " ON CONFLICT (meter_id) DO UPDATE"
        " SET from_ts = least(t.from_ts, excluded.from_ts), touched_at = excluded.touched_at",
        (Int4Array(meters), TimestampArray([earliest_us[meter] for meter in meters])),
    )
