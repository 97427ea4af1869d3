"""Raw deliveries: kept as they came, found again by number.

Rules: payloads are bytes, never text; a delivery is written once and never changed.
"""

import functools
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
import numpy as np
from psycopg import AsyncConnection

from ingest.errors import NotFoundError
from ingest.model import Delivery, Resolved
from ingest.store.copying import Copies
from ingest.store.packing import (
    COPY_HEADER,
    COPY_TRAILER,
    POSTGRES_EPOCH_US,
    Int4Array,
    Int8Array,
    TimestampArray,
    all_microseconds,
    stored_text,
)

# Delivery number, arrival, meter and gateway, each after its size.
_HEAD = np.dtype(
    [
        ("fields", ">i2"), ("id_size", ">i4"), ("id", ">i8"), ("at_size", ">i4"), ("at", ">i8"),
        ("meter_size", ">i4"), ("meter", ">i4"), ("gateway_size", ">i4"), ("gateway", ">i4"),
    ]
)  # fmt: skip
# So many rows go out at a time.
_PIECE = 250
_INT4 = struct.Struct(">ii").pack
_SIZE = struct.Struct(">i").pack
_NULL = b"\xff\xff\xff\xff"
_JSON = msgspec.json.Encoder()
_COLUMNS: Final = "delivery_id, arrived_at, meter_id, gateway_id, protocol, channel, payload, details"
_COPY: Final = f"COPY delivery ({_COLUMNS}) FROM STDIN (FORMAT BINARY)"
_OF_METER = "d.delivery_id, d.arrived_at, d.meter_id, d.gateway_id, d.protocol, d.channel, d.payload, d.details"


# The store's number of a delivery, the meter it was resolved to, the delivery.
Row = tuple[int, int | None, Delivery]


@dataclass(frozen=True, slots=True)
class StoredDelivery:
    """A delivery as it was kept; `details` holds what its source noted: read_at, profile, port, topic, caller."""

    delivery_id: int
    arrived_at: datetime
    meter_id: int | None
    gateway_id: int | None
    protocol: str
    channel: str
    payload: bytes
    details: dict[str, Any]

    def as_delivery(self) -> Delivery:
        """The delivery as its source handed it in, for replay."""
        details = dict(self.details)
        read_at = details.pop("read_at", None)
        return Delivery(
            protocol=self.protocol,
            payload=self.payload,
            arrived_at=self.arrived_at,
            read_at=self.arrived_at if read_at is None else datetime.fromisoformat(read_at),
            channel=self.channel,
            gateway_id=self.gateway_id,
            meter_id=details.pop("asked_meter_id", None),
            profile=details.pop("profile", None),
            port=details.pop("port", None),
            topic=details.pop("topic", None),
            idempotency=details.pop("idempotency", ""),
            details=details,
        )


def details_of(delivery: Delivery) -> dict[str, Any]:
    """What must be kept beside the bytes so that a replay gets the same delivery again."""
    details = dict(delivery.details) if delivery.details else {}
    if delivery.read_at != delivery.arrived_at:
        details["read_at"] = delivery.read_at.isoformat()
    if delivery.meter_id is not None:
        details["asked_meter_id"] = delivery.meter_id
    if delivery.profile is not None:
        details["profile"] = delivery.profile
    if delivery.port is not None:
        details["port"] = delivery.port
    if delivery.topic is not None:
        details["topic"] = delivery.topic
    if delivery.idempotency:
        details["idempotency"] = delivery.idempotency
    return details


def _optional(number: int | None) -> bytes:
    return _NULL if number is None else _INT4(4, number)


def _bytes_field(value: bytes) -> bytes:
    return _SIZE(len(value)) + value


def _json(details: dict[str, Any]) -> bytes:
    # jsonb refuses this escape, and a decoder may hand it through.
    return _JSON.encode(details).replace(b"\\u0000", b"\\ufffd")


@functools.lru_cache(8192)
def _way_fields(protocol: str, channel: str) -> bytes:
    """The two texts that tell a delivery's way: a gateway's meters say the same ones for ever."""
    return b"".join(_bytes_field(stored_text(text).encode()) for text in (protocol, channel))


def pieces(rows: Sequence[Row]) -> Iterator[bytes]:
    """Deliveries as a binary COPY: (delivery id, the meter it was resolved to, delivery)."""
    yield COPY_HEADER
    for start in range(0, len(rows), _PIECE):
        yield _packed(rows[start : start + _PIECE])
    yield COPY_TRAILER


def _packed(rows: Sequence[Row]) -> bytes:
    """What has the same size in every row is packed by NumPy; a row without a gateway or meter has less of it."""
    heads = np.empty(len(rows), dtype=_HEAD)
    heads["fields"], heads["id_size"], heads["at_size"], heads["meter_size"], heads["gateway_size"] = 8, 8, 8, 4, 4
    heads["id"] = [number for number, _, _ in rows]
    heads["at"] = all_microseconds([delivery.arrived_at for _, _, delivery in rows]) - POSTGRES_EPOCH_US
    heads["meter"] = [meter_id or 0 for _, meter_id, _ in rows]
    heads["gateway"] = [delivery.gateway_id or 0 for _, _, delivery in rows]
    packed_heads, width = heads.tobytes(), _HEAD.itemsize
    parts: list[bytes] = []
    size, way = _SIZE, _way_fields
    start = 0
    for _, meter_id, delivery in rows:
        details = details_of(delivery)
        payload = delivery.payload
        gateway_id = delivery.gateway_id
        if meter_id is not None:
            fixed = packed_heads[start : start + width]
            if gateway_id is None:
                fixed = fixed[:-8] + _NULL
        else:
            fixed = packed_heads[start : start + width - 16] + _NULL + _optional(gateway_id)
        start += width
        parts += (
            fixed,
            way(delivery.protocol, delivery.channel),
            size(len(payload)),
            payload,
            # jsonb in binary form: version 1, then the text.
            _bytes_field(b"\x01" + _json(details)) if details else _NULL,
        )
    return b"".join(parts)


async def insert(connection: AsyncConnection[Any], rows: Sequence[Row], copies: Copies | None) -> None:
    """Write new deliveries; without `copies` by INSERT, for servers that have no COPY."""
    if not rows:
        return
    if copies is not None:
        await copies.send(_COPY, pieces(rows))
        return
    values = []
    for number, meter, delivery in rows:
        details = details_of(delivery)
        text = _json(details).decode() if details else None
        protocol, channel = stored_text(delivery.protocol), stored_text(delivery.channel)
        values.append(
            (number, delivery.arrived_at, meter, delivery.gateway_id, protocol, channel, delivery.payload, text)
        )
    await connection.cursor().executemany(
        f"INSERT INTO delivery ({_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s::jsonb)", values
    )


async def get(connection: AsyncConnection[Any], delivery_id: int) -> StoredDelivery:
    """One delivery with its bytes.

    Raises
    ------
    NotFoundError
        There is no such delivery, or its time to be kept is over.
    """
    found = await get_many(connection, [delivery_id])
    if not found:
        raise NotFoundError(f"delivery {delivery_id} is not kept")
    return found[0]


async def get_many(connection: AsyncConnection[Any], delivery_ids: Sequence[int]) -> list[StoredDelivery]:
    """Those of the deliveries that are kept, by number."""
    cursor = await connection.execute(
        f"SELECT {_COLUMNS} FROM delivery WHERE delivery_id = ANY(%s) ORDER BY delivery_id", (list(delivery_ids),)
    )
    return [_stored(row) for row in await cursor.fetchall()]


async def of_meter(
    connection: AsyncConnection[Any], meter_id: int, *, before: tuple[datetime, int] | None = None, limit: int = 100
) -> list[StoredDelivery]:
    """Deliveries that a meter was heard in, latest first; `before` is (read_at, delivery_id) of the last one seen."""
    cursor = await connection.execute(
        f"SELECT {_OF_METER} FROM meter_status s JOIN delivery d USING (delivery_id) WHERE s.meter_id = %(meter)s"
        " AND (%(at)s::timestamptz IS NULL OR (s.ts, s.delivery_id) < (%(at)s, %(id)s))"
        " ORDER BY s.ts DESC, s.delivery_id DESC LIMIT %(limit)s",
        {"meter": meter_id, "at": before[0] if before else None, "id": before[1] if before else 0, "limit": limit},
    )
    return [_stored(row) for row in await cursor.fetchall()]


async def differing(connection: AsyncConnection[Any], items: Sequence[tuple[int, Delivery, Any]]) -> int:
    """How many readings of deliveries (id, delivery, resolved) stand beside another value of the same instant."""
    resolved = [(number, made) for number, _, made in items if isinstance(made, Resolved)]
    cursor = await connection.execute(
        "SELECT count(DISTINCT (r.register_id, r.ts, r.version)) FROM unnest(%b::int4[], %b::timestamptz[], %b::int8[])"
        " AS item (register_id, ts, delivery_id) JOIN reading r USING (register_id, ts, delivery_id) WHERE"
        " r.version > 0",
        (
            Int4Array([register for _, made in resolved for register in made.register_ids]),
            TimestampArray([ts_us for _, made in resolved for ts_us in made.ts_us]),
            Int8Array([number for number, made in resolved for _ in made.register_ids]),
        ),
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def span(
    connection: AsyncConnection[Any],
    start: datetime,
    end: datetime,
    *,
    protocol: str | None = None,
    meter_id: int | None = None,
    after: int = 0,
    limit: int = 1000,
) -> list[StoredDelivery]:
    """Deliveries that arrived in [start, end), by number; `after` is the last number seen. Imported files are left
    out.
    """
    cursor = await connection.execute(
        f"SELECT {_COLUMNS} FROM delivery WHERE arrived_at >= %(start)s AND arrived_at < %(end)s"
        " AND delivery_id > %(after)s AND protocol <> 'import'"
        " AND (%(protocol)s::text IS NULL OR protocol = %(protocol)s)"
        " AND (%(meter)s::int IS NULL OR meter_id = %(meter)s) ORDER BY delivery_id LIMIT %(limit)s",
        {"start": start, "end": end, "protocol": protocol, "meter": meter_id, "after": after, "limit": limit},
    )
    return [_stored(row) for row in await cursor.fetchall()]


def _stored(row: Sequence[Any]) -> StoredDelivery:
    number, arrived_at, meter_id, gateway_id, protocol, channel, payload, details = row
    return StoredDelivery(number, arrived_at, meter_id, gateway_id, protocol, channel, bytes(payload), details or {})
