"""What meters say about themselves with each delivery: info-code bits and their clock (rules V2, V16, H7)."""

from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection

from ingest.model import MeterStatus
from ingest.store.packing import Int4Array, Int8Array, TimestampArray


async def insert(connection: AsyncConnection[Any], rows: Sequence[tuple[int, MeterStatus]]) -> None:
    """Write statuses as (delivery id, status); one a meter and instant, the first one stays."""
    await connection.execute(
        "INSERT INTO meter_status (ts, delivery_id, meter_id, info_code, meter_time, flags)"
        " SELECT ts, delivery_id, meter_id, info_code, meter_time, string_to_array(flags, ' ')"
        " FROM unnest(%b::timestamptz[], %b::int8[], %b::int[], %s::int8[], %s::timestamptz[], %s::text[])"
        " AS item (ts, delivery_id, meter_id, info_code, meter_time, flags)"
        " ON CONFLICT DO NOTHING",
        (
            TimestampArray([status.ts_us for _, status in rows]),
            Int8Array([number for number, _ in rows]),
            Int4Array([status.meter_id for _, status in rows]),
            [status.info_code for _, status in rows],
            [status.meter_time for _, status in rows],
            [" ".join(status.flags) for _, status in rows],
        ),
    )
