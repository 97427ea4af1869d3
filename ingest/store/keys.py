"""Delivery keys: one digest a delivery decides whether its bytes have been here before.

Rules: claiming is atomic among concurrent writers; digests go in sorted, so that two writers never wait for each other in
a circle. A sender's own message key stands in for the instant: without one, equal bytes read at another instant are a new
reading (a meter without a clock repeats itself), with one they are the same message come twice.
"""

import hashlib
import struct
from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection

from ingest.model import Delivery
from ingest.store.packing import DigestArray, TimestampArray, microseconds


def digest_of(delivery: Delivery) -> bytes:
    """16 bytes: blake2b over channel, protocol, payload and the sender's key or else the instant."""
    hint = delivery.idempotency.encode() if delivery.idempotency else struct.pack(">q", microseconds(delivery.read_at))
    head = f"{delivery.channel}\0{delivery.protocol}\0{len(delivery.payload)}\0".encode()
    return hashlib.blake2b(b"".join((head, delivery.payload, hint)), digest_size=16).digest()


async def claim(
    connection: AsyncConnection[Any], digests: Sequence[bytes], arrived_us: Sequence[int]
) -> tuple[list[int], list[bool]]:
    """Number the deliveries that are new.

    Parameters
    ----------
    digests : (n,) of 16 bytes, each once
    arrived_us : (n,) epoch microseconds

    Returns
    -------
    (n,) delivery ids, the first one's where a digest was known, and (n,) whether it was new.
    """
    order = sorted(range(len(digests)), key=digests.__getitem__)
    cursor = await connection.execute(
        "INSERT INTO delivery_key (digest, delivery_id, arrived_at)"
        " SELECT digest, nextval('delivery_number'), arrived_at"
        " FROM unnest(%b::bytea[], %b::timestamptz[]) AS item (digest, arrived_at)"
        " ON CONFLICT DO NOTHING RETURNING digest, delivery_id",
        (DigestArray([digests[i] for i in order]), TimestampArray([arrived_us[i] for i in order])),
        binary=True,
    )
    fresh = dict(await cursor.fetchall())
    known: dict[bytes, int] = {}
    if len(fresh) < len(digests):
        missing = [digest for digest in digests if digest not in fresh]
        cursor = await connection.execute(
            "SELECT digest, delivery_id FROM delivery_key WHERE digest = ANY(%b::bytea[])",
            (DigestArray(missing),),
            binary=True,
        )
        known = dict(await cursor.fetchall())
    return [fresh[d] if d in fresh else known[d] for d in digests], [d in fresh for d in digests]


async def forget_older_than(connection: AsyncConnection[Any], days: int) -> int:
    """Drop keys of deliveries that arrived more than `days` ago; how many went."""
    cursor = await connection.execute(
        "DELETE FROM delivery_key WHERE arrived_at < now() - make_interval(days => %s)", (days,)
    )
    return cursor.rowcount
