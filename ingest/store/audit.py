"""The audit log: who decided what, when; append-only and hash-chained, so that a changed or missing line shows.

hash = SHA-256(previous hash || canonical JSON of the entry). One advisory lock keeps the chain's order the commit
order.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from psycopg import AsyncConnection, Connection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

_LOCK: Final = 0x48424155  # "HBAU"
_GENESIS: Final = bytes(32)
_LAST = "SELECT audit_id, hash FROM audit_entry ORDER BY audit_id DESC LIMIT 1"
_INSERT = """
INSERT INTO audit_entry (audit_id, at, actor, action, subject, details, previous, hash)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""
_PAGE = """
SELECT audit_id, at, actor, action, subject, details, hash FROM audit_entry
WHERE (%(before)s::int8 IS NULL OR audit_id < %(before)s) AND (%(actor)s::text IS NULL OR actor = %(actor)s)
  AND (%(action)s::text IS NULL OR action = %(action)s) AND (%(subject)s::text IS NULL OR subject = %(subject)s)
  AND (%(areas)s::int[] IS NULL OR actor = %(own)s
       OR actor IN (SELECT name FROM person JOIN person_area USING (person_id)
                    GROUP BY name HAVING bool_and(area_id = ANY(%(areas)s)))
       OR actor IN (SELECT 'key:' || name FROM api_key WHERE areas <> '{}' AND areas <@ %(areas)s::int[]))
ORDER BY audit_id DESC LIMIT %(limit)s
"""
_CHAIN = "SELECT audit_id, at, actor, action, subject, details, previous, hash FROM audit_entry ORDER BY audit_id"


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What the verifier found. `broken_at`: audit_id of the first entry that does not fit; None where all fit."""

    entries: int
    broken_at: int | None = None
    reason: str = ""
    last_hash: str = ""


def _hash(previous: bytes, audit_id: int, at: datetime, actor: str, action: str, subject: str, details: Any) -> bytes:
    instant = at.astimezone(UTC).isoformat(timespec="microseconds")
    entry = msgspec.json.encode([audit_id, instant, actor, action, subject, details], order="deterministic")
    return hashlib.sha256(previous + entry).digest()


def _canonical(details: Mapping[str, Any]) -> Any:
    # jsonb drops key order and respells floats (1e20): what is hashed must be what comes back.
    return _without_floats(msgspec.json.decode(msgspec.json.encode(details, order="deterministic", enc_hook=str)))


def _without_floats(value: Any) -> Any:
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dict):
        return {key: _without_floats(item) for key, item in value.items()}
    return [_without_floats(item) for item in value] if isinstance(value, list) else value


async def record(
    connection: AsyncConnection[Any], actor: str, action: str, subject: str, details: Mapping[str, Any] | None = None
) -> int:
    """Append one entry inside the caller's transaction; returns its audit_id.

    The lock is held until the transaction ends, so write the entry last.
    """
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    row = await (await connection.execute(_LAST)).fetchone()
    audit_id, previous = (1, _GENESIS) if row is None else _last(row)
    at = datetime.now(UTC)
    content = _canonical(details or {})
    digest = _hash(previous, audit_id, at, actor, action, subject, content)
    await connection.execute(_INSERT, (audit_id, at, actor, action, subject, Jsonb(content), previous, digest))
    return audit_id


def _last(row: Any) -> tuple[int, bytes]:
    if isinstance(row, dict):
        return int(row["audit_id"]) + 1, bytes(row["hash"])
    return int(row[0]) + 1, bytes(row[1])


async def entries(
    connection: AsyncConnection[Any],
    *,
    before: int | None = None,
    actor: str | None = None,
    action: str | None = None,
    subject: str | None = None,
    limit: int = 100,
    areas: list[int] | None = None,
    own: str = "",
) -> list[dict[str, Any]]:
    """Newest entries first, below audit_id `before`; with `areas` only what `own` and people and keys of these did."""
    query: dict[str, Any] = {"before": before, "actor": actor, "action": action, "subject": subject, "limit": limit}
    query |= {"areas": areas, "own": own}
    cursor = await connection.cursor(row_factory=dict_row).execute(_PAGE, query)
    return await cursor.fetchall()


def verify_chain(connection: Connection[Any]) -> ChainReport:
    """Walk the whole chain (synchronous: bulk) and tell the first entry that does not fit its place."""
    previous, count = _GENESIS, 0
    with connection.cursor(name="audit_chain", row_factory=dict_row) as cursor:
        cursor.itersize = 5_000
        for row in cursor.execute(_CHAIN):
            count += 1
            if row["audit_id"] != count:
                return ChainReport(count, count, "entry missing", previous.hex())
            if bytes(row["previous"]) != previous:
                return ChainReport(count, count, "does not follow the entry before it", previous.hex())
            expected = _hash(
                previous, row["audit_id"], row["at"], row["actor"], row["action"], row["subject"], row["details"]
            )
            if bytes(row["hash"]) != expected:
                return ChainReport(count, count, "content was changed", previous.hex())
            previous = expected
    return ChainReport(count, last_hash=previous.hex())
