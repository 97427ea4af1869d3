"""Delivery keys: one digest a delivery decides whether its bytes have been here before.

Rules: a sender's own message key stands in for the instant: without one, equal bytes read at another instant are a new
reading (a meter without a clock repeats itself), with one they are the same message come twice. Claiming is atomic
among concurrent writers; digests go in sorted, so that two writers never wait for each other in a circle.
"""

import functools
import struct
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, Final

import numpy as np
import psycopg
from psycopg import AsyncConnection

from ingest.model import Delivery
from ingest.store.copying import Copies
from ingest.store.habit import Habit
from ingest.store.packing import COPY_HEADER, COPY_TRAILER, DigestArray, microseconds

_INSTANT = struct.Struct(">q").pack
_NEW_NUMBERS = "SELECT array_agg(nextval('delivery_number')) FROM generate_series(1, %s)"
_INSERT = (
    "INSERT INTO delivery_key (digest, delivery_id, arrived_at)"
    " SELECT digest, nextval('delivery_number'), now() FROM unnest(%b::uuid[]) AS item (digest)"
    " ON CONFLICT DO NOTHING RETURNING uuid_send(digest), delivery_id"
)
TABLE: Final = "delivery_key"
COPY: Final = "COPY delivery_key (delivery_id, digest) FROM STDIN (FORMAT BINARY)"
_ROW = np.dtype([("fields", ">i2"), ("id_size", ">i4"), ("id", ">i8"), ("size", ">i4"), ("digest", "V16")])
_KNOWN = "SELECT uuid_send(digest), delivery_id FROM delivery_key WHERE digest = ANY(%b::uuid[])"


def digest_of(delivery: Delivery) -> bytes:
    """16 bytes: blake2b over channel, protocol, payload and the sender's key or else the instant."""
    return digests_of([delivery], [microseconds(delivery.read_at)])[0]


def digests_of(deliveries: Iterable[Delivery], read_us: Iterable[int]) -> list[bytes]:
    """`digest_of` of many, whose instants are known in epoch microseconds."""
    found, hashed, instant, way = [], blake2b, _INSTANT, _way
    for delivery, us in zip(deliveries, read_us, strict=True):
        payload, hint = delivery.payload, delivery.idempotency
        told = b"%b%d\0%b%b" % (
            way(delivery.channel, delivery.protocol), len(payload), payload, hint.encode() if hint else instant(us)
        )  # fmt: skip
        found.append(hashed(told, digest_size=16).digest())
    return found


@functools.lru_cache(8192)
def _way(channel: str, protocol: str) -> bytes:
    """A gateway's meters say the same ones for ever."""
    return f"{channel}\0{protocol}\0".encode()


async def claim(
    connection: AsyncConnection[Any], digests: Sequence[bytes], habit: Habit, *, copy: bool = True
) -> tuple[dict[bytes, int], dict[bytes, int]]:
    """Number the deliveries that are new.

    Parameters
    ----------
    digests : (n,) of 16 bytes, each once
    habit : Habit
        Whether known digests are expected: then they are asked for first, else all are copied in and a refusal is
        dealt with.

    Returns
    -------
    digest -> delivery id, of the new ones and of those known before.
    """
    ordered = sorted(digests)
    known: dict[bytes, int] = {}
    if habit.expects_known:
        known = await _known(connection, ordered)
        habit.saw(len(known))
        ordered = [digest for digest in ordered if digest not in known] if known else ordered
    if not ordered:
        return {}, known
    if copy:
        try:
            async with connection.transaction(), Copies(connection) as copies:
                numbers = await new_numbers(connection, len(ordered))
                await copies.send(COPY, [packed(ordered, numbers)])
                return dict(zip(ordered, numbers, strict=True)), known
        except psycopg.errors.UniqueViolation:
            habit.saw(1)
    cursor = await connection.execute(_INSERT, (DigestArray(ordered),), binary=True)
    fresh: dict[bytes, int] = dict(await cursor.fetchall())
    if len(fresh) < len(ordered):
        known |= await _known(connection, [digest for digest in ordered if digest not in fresh])
    return fresh, known


async def new_numbers(connection: AsyncConnection[Any], count: int) -> list[int]:
    """Numbers for so many deliveries, in order."""
    cursor = await connection.execute(_NEW_NUMBERS, (count,), binary=True)
    row = await cursor.fetchone()
    return row[0] if row and row[0] else []


def packed(digests: Sequence[bytes], numbers: Sequence[int]) -> bytes:
    """Digests with their numbers for `COPY`, in the order in which two writers never wait for each other."""
    joined = b"".join(digests)
    high, low = np.frombuffer(joined, dtype=">u8").reshape(-1, 2).T
    order = np.lexsort((low, high))
    rows = np.empty(len(digests), dtype=_ROW)
    rows["fields"], rows["id_size"], rows["size"] = 2, 8, 16
    rows["id"] = np.array(numbers)[order]
    rows["digest"] = np.frombuffer(joined, dtype="V16")[order]
    return b"".join((COPY_HEADER, rows.tobytes(), COPY_TRAILER))


async def _known(connection: AsyncConnection[Any], digests: Sequence[bytes]) -> dict[bytes, int]:
    cursor = await connection.execute(_KNOWN, (DigestArray(digests),), binary=True)
    return dict(await cursor.fetchall())
