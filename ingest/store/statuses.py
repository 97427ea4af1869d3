"""That a meter was heard, and what it said about itself: info-code bits and its clock (rules V2, V16, H7)."""

import struct
from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection

from ingest.model import MeterStatus
from ingest.store.packing import (
    COPY_HEADER,
    COPY_PIECE,
    COPY_TRAILER,
    POSTGRES_EPOCH_US,
    Int4Array,
    TimestampArray,
    microseconds,
)

_COLUMNS = "ts, delivery_id, meter_id, info_code, meter_time, flags"
_NULL = -1
# Field count, then size and value of ts, delivery_id and meter_id, of info_code, of meter_time; a NULL is a size alone.
_WHOLE = struct.Struct(">hiqiqiiiqiq").pack
_NO_CLOCK = struct.Struct(">hiqiqiiiqi").pack
_NO_CODE = struct.Struct(">hiqiqiiiiq").pack
_HEARD_ONLY = struct.Struct(">hiqiqiiii").pack
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
    return b"".join((COPY_HEADER, _packed_rows(rows), COPY_TRAILER))


def _packed_rows(rows: Sequence[tuple[int, MeterStatus]]) -> bytes:
    parts: list[bytes] = []
    for number, status in rows:
        time, code, meter = status.meter_time, status.info_code, status.meter_id
        ts = status.ts_us - POSTGRES_EPOCH_US
        if time is not None:
            clock = microseconds(time) - POSTGRES_EPOCH_US
            if code is not None:
                row = _WHOLE(6, 8, ts, 8, number, 4, meter, 8, code, 8, clock)
            else:
                row = _NO_CODE(6, 8, ts, 8, number, 4, meter, _NULL, 8, clock)
        elif code is not None:
            row = _NO_CLOCK(6, 8, ts, 8, number, 4, meter, 8, code, _NULL)
        else:
            row = _HEARD_ONLY(6, 8, ts, 8, number, 4, meter, _NULL, _NULL)
        parts.append(row)
        parts.append(_flags_field(status.flags) if status.flags else _NO_FLAGS)
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
            await stream.write(COPY_HEADER)
            for start in range(0, len(rows), COPY_PIECE):
                await stream.write(_packed_rows(rows[start : start + COPY_PIECE]))
            await stream.write(COPY_TRAILER)
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
