"""That a meter was heard, and what it said about itself: info-code bits and its clock (rules V2, V16, H7)."""

import struct
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, cast

import numpy as np
from psycopg import AsyncConnection

from ingest.model import MeterStatus
from ingest.store.copying import Copies
from ingest.store.packing import (
    COPY_HEADER,
    COPY_TRAILER,
    POSTGRES_EPOCH_US,
    Int4Array,
    TimestampArray,
    all_microseconds,
)

_COLUMNS: Final = "ts, delivery_id, meter_id, info_code, meter_time, flags"
_COPY: Final = f"COPY meter_status ({_COLUMNS}) FROM STDIN (FORMAT BINARY)"
# An empty text[]: no dimensions, no NULLs, element type text.
_NO_FLAGS = struct.pack(">iiii", 12, 0, 0, 25)
_HEAD = [
    ("fields", ">i2"), ("ts_size", ">i4"), ("ts", ">i8"), ("delivery_size", ">i4"), ("delivery", ">i8"),
    ("meter_size", ">i4"), ("meter", ">i4"),
]  # fmt: skip
# By whether an info code and whether a clock is there.
_LAYOUTS = {
    (coded, clocked): np.dtype(
        [
            *_HEAD,
            ("code_size", ">i4"), *([("code", ">i8")] if coded else []),
            ("clock_size", ">i4"), *([("clock", ">i8")] if clocked else []),
            ("flags", "V16"),
        ]
    )
    for coded in (False, True)
    for clocked in (False, True)
}  # fmt: skip
Row = tuple[int, MeterStatus]


def _flags_field(flags: tuple[str, ...]) -> bytes:
    if not flags:
        return _NO_FLAGS
    words = [flag.replace("\0", " ").encode() for flag in flags]
    body = struct.pack(">iiiii", 1, 0, 25, len(words), 1) + b"".join(
        len(word).to_bytes(4, "big") + word for word in words
    )
    return len(body).to_bytes(4, "big") + body


def packed(rows: Sequence[Row]) -> bytes:
    """Statuses as a binary COPY: (delivery id, status)."""
    # Rows that say the same kinds of things are packed together; the order of rows in a COPY means nothing.
    alike: dict[tuple[bool, bool], list[Row]] = {}
    flagged: list[bytes] = []
    for row in rows:
        status = row[1]
        if status.flags:
            flagged.append(_packed_alike([row], status.info_code is not None, status.meter_time is not None)[:-16])
            flagged.append(_flags_field(status.flags))
        else:
            alike.setdefault((status.info_code is not None, status.meter_time is not None), []).append(row)
    parts = [_packed_alike(some, *kind) for kind, some in alike.items()]
    return b"".join([COPY_HEADER, *parts, *flagged, COPY_TRAILER])


def _packed_alike(rows: Sequence[Row], coded: bool, clocked: bool) -> bytes:
    """Rows without flags; a field that is not there is a size of -1 alone."""
    table = np.empty(len(rows), dtype=_LAYOUTS[coded, clocked])
    table["fields"], table["ts_size"], table["delivery_size"], table["meter_size"] = 6, 8, 8, 4
    table["code_size"], table["clock_size"] = 8 if coded else -1, 8 if clocked else -1
    table["ts"] = [status.ts_us for _, status in rows]
    table["ts"] -= POSTGRES_EPOCH_US
    table["delivery"] = [number for number, _ in rows]
    table["meter"] = [status.meter_id for _, status in rows]
    if coded:
        table["code"] = [status.info_code for _, status in rows]
    if clocked:
        clocks = [cast("datetime", status.meter_time) for _, status in rows]
        table["clock"] = all_microseconds(clocks) - POSTGRES_EPOCH_US
    table["flags"] = np.frombuffer(_NO_FLAGS, dtype="V16")
    return table.tobytes()


async def insert(connection: AsyncConnection[Any], rows: Sequence[Row], copies: Copies | None) -> None:
    """Write statuses as (delivery id, status); without `copies` by INSERT."""
    if not rows:
        return
    if copies is not None:
        await copies.send(_COPY, [packed(rows)])
        return
    await connection.cursor().executemany(
        f"INSERT INTO meter_status ({_COLUMNS}) VALUES (to_timestamp(%s / 1000000.0), %s, %s, %s, %s, %s)",
        [(s.ts_us, number, s.meter_id, s.info_code, s.meter_time, list(s.flags)) for number, s in rows],
    )


async def unsaid(connection: AsyncConnection[Any], rows: Sequence[Row]) -> list[Row]:
    """Those of (delivery id, status) that are not stored yet, for deliveries that are taken through again."""
    cursor = await connection.execute(
        "SELECT DISTINCT s.delivery_id, s.meter_id, (extract(epoch FROM s.ts) * 1000000)::int8"
        " FROM unnest(%b::int4[], %b::timestamptz[]) AS item (meter_id, ts) JOIN meter_status s USING (meter_id, ts)",
        (Int4Array([s.meter_id for _, s in rows]), TimestampArray([s.ts_us for _, s in rows])),
    )
    known = set(await cursor.fetchall())
    return [(number, s) for number, s in rows if (number, s.meter_id, s.ts_us) not in known]
