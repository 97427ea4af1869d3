"""That a meter was heard, and what it said about itself: info-code bits and its clock (rules V2, V16, H7)."""

import struct
from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection

from ingest.model import MeterStatus
from ingest.store.packing import (
    COPY_HEADER,
    COPY_TRAILER,
    POSTGRES_EPOCH_US,
    Int4Array,
    TimestampArray,
    microseconds,
)

_COLUMNS = "ts, delivery_id, meter_id, info_code, meter_time, flags"
_HEAD = struct.Struct(">hiqiqii")
_INT8 = struct.Struct(">iq")
_NULL = b"\xff\xff\xff\xff"
# An empty text[]: no dimensions, no NULLs, element type text.
_NO_FLAGS = struct.pack(">iiii", 12, 0, 0, 25)


def _flags_field(flags: tuple[str, ...]) -> bytes:
    if not flags:
        return _NO_FLAGS
    words = [flag.replace("\0", " ").encode() for flag in flags]
    body = struct.pack(">iiiii", 1, 0, 25, len(words), 1) + b"".join(
        len(word).to_bytes(4, "big") + word for word in words
    )
    return len(body).to_bytes(4, "big") + body


def packed(rows: Sequence[tuple[int, MeterStatus]]) -> bytes:
    """Statuses as a binary COPY: (delivery id, status)."""
    parts = [COPY_HEADER]
    head, int8 = _HEAD.pack, _INT8.pack
    for number, status in rows:
        time, code = status.meter_time, status.info_code
        parts += (
            head(6, 8, status.ts_us - POSTGRES_EPOCH_US, 8, number, 4, status.meter_id),
            _NULL if code is None else int8(8, code),
            _NULL if time is None else int8(8, microseconds(time) - POSTGRES_EPOCH_US),
            _flags_field(status.flags) if status.flags else _NO_FLAGS,
        )
    parts.append(COPY_TRAILER)
    return b"".join(parts)


async def insert(
    connection: AsyncConnection[Any], rows: Sequence[tuple[int, MeterStatus]], *, copy: bool = True
) -> None:
    """Write statuses as (delivery id, status); `copy` False goes by INSERT."""
    if not rows:
        return
    cursor = connection.cursor()
    if copy:
        async with cursor.copy(f"COPY meter_status ({_COLUMNS}) FROM STDIN (FORMAT BINARY)") as stream:
            await stream.write(packed(rows))
        return
    await cursor.executemany(
        f"INSERT INTO meter_status ({_COLUMNS}) VALUES (to_timestamp(%s / 1000000.0), %s, %s, %s, %s, %s)",
        [(s.ts_us, number, s.meter_id, s.info_code, s.meter_time, list(s.flags)) for number, s in rows],
    )


async def unsaid(
    connection: AsyncConnection[Any], rows: Sequence[tuple[int, MeterStatus]]
) -> list[tuple[int, MeterStatus]]:
    """Those of (delivery id, status) that are not stored yet, for deliveries that are taken through again."""
    cursor = await connection.execute(
        "SELECT DISTINCT s.delivery_id, s.meter_id, (extract(epoch FROM s.ts) * 1000000)::int8"
        " FROM unnest(%b::int4[], %b::timestamptz[]) AS item (meter_id, ts) JOIN meter_status s USING (meter_id, ts)",
        (Int4Array([s.meter_id for _, s in rows]), TimestampArray([s.ts_us for _, s in rows])),
    )
    known = set(await cursor.fetchall())
    return [(number, s) for number, s in rows if (number, s.meter_id, s.ts_us) not in known]
