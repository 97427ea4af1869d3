"""People, API keys, sessions, idempotency keys and shared secrets in the database.

Functions take a connection and never commit. Passwords and keys come in hashed; nothing here sees one in clear.
"""

from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row

Row = dict[str, Any]

_PERSON = """
SELECT p.person_id, p.name, p.full_name, p.role, p.password_hash, p.language, p.subject, p.disabled_at, p.created_at,
       coalesce((SELECT array_agg(a.area_id ORDER BY a.area_id) FROM person_area a WHERE a.person_id = p.person_id),
       '{}')
         AS areas
FROM person p
"""
_PERSON_BY_NAME = _PERSON + " WHERE p.name = %s"
_PERSON_BY_SUBJECT = _PERSON + " WHERE p.subject = %s"
_PEOPLE = _PERSON + " ORDER BY p.name"
_ADD_PERSON = """
INSERT INTO person (name, full_name, role, password_hash, language, subject) VALUES (%s, %s, %s, %s, %s, %s)
RETURNING person_id
"""
_SESSION = """
SELECT p.person_id, p.name, p.full_name, p.role, p.language, s.expires_at,
       coalesce((SELECT array_agg(a.area_id) FROM person_area a WHERE a.person_id = p.person_id), '{}') AS areas
FROM session s JOIN person p USING (person_id)
WHERE s.token_hash = %s AND s.expires_at > now() AND p.disabled_at IS NULL
"""
_KEY = """
SELECT api_key_id, name, prefix, role, scopes, areas, expires_at, revoked_at, last_used_at FROM api_key WHERE
key_hash = %s
"""
# Once a minute is enough to know whether a key is still in use; a write a request is not.
_KEY_USED = """
UPDATE api_key SET last_used_at = now()
WHERE api_key_id = %s AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
"""
_ADD_KEY = """
INSERT INTO api_key (name, prefix, key_hash, role, scopes, areas, created_by, expires_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING api_key_id
"""
_KEYS = """
SELECT api_key_id, name, prefix, role, scopes, areas, created_by, created_at, expires_at, revoked_at, last_used_at
FROM api_key ORDER BY api_key_id
"""


async def _one(connection: AsyncConnection[Any], query: Any, values: Any = None) -> Row | None:
    return await (await connection.cursor(row_factory=dict_row).execute(query, values)).fetchone()


async def _all(connection: AsyncConnection[Any], query: Any, values: Any = None) -> list[Row]:
    return await (await connection.cursor(row_factory=dict_row).execute(query, values)).fetchall()


async def person_by_name(connection: AsyncConnection[Any], name: str) -> Row | None:
    """A person with their areas (empty: all areas), or None."""
    return await _one(connection, _PERSON_BY_NAME, (name,))


async def person_by_subject(connection: AsyncConnection[Any], subject: str) -> Row | None:
    """The person whom an OpenID provider knows as `subject`, or None."""
    return await _one(connection, _PERSON_BY_SUBJECT, (subject,))


async def lead_of(connection: AsyncConnection[Any], area_id: int) -> str | None:
    """Who leads an area: somebody of that area before somebody of all areas; None where nobody does."""
    query = """
        SELECT p.name FROM person p LEFT JOIN person_area a USING (person_id)
        WHERE p.role = 'lead' AND p.disabled_at IS NULL AND (a.area_id = %s OR a.area_id IS NULL)
        ORDER BY a.area_id IS NULL, p.person_id LIMIT 1
    """
    row = await _one(connection, query, (area_id,))
    return None if row is None else str(row["name"])


async def people(connection: AsyncConnection[Any]) -> list[Row]:
    """Everybody, by name."""
    return await _all(connection, _PEOPLE)


async def add_person(
    connection: AsyncConnection[Any],
    name: str,
    role: str,
    password_hash: str | None,
    *,
    full_name: str = "",
    language: str = "en",
    subject: str | None = None,
) -> int:
    """New person; returns person_id. UniqueViolation where the name is taken."""
    row = await _one(connection, _ADD_PERSON, (name, full_name, role, password_hash, language, subject))
    assert row is not None
    return int(row["person_id"])


async def set_areas(connection: AsyncConnection[Any], person_id: int, areas: list[int]) -> None:
    """Restrict a person to these areas; an empty list lifts the restriction."""
    await connection.execute("DELETE FROM person_area WHERE person_id = %s", (person_id,))
    await connection.execute(
        "INSERT INTO person_area (person_id, area_id) SELECT %s, unnest(%s::int[])", (person_id, areas)
    )


async def set_password(connection: AsyncConnection[Any], person_id: int, password_hash: str) -> None:
    """Replace the password and end every session of the person."""
    await connection.execute("UPDATE person SET password_hash = %s WHERE person_id = %s", (password_hash, person_id))
    await connection.execute("DELETE FROM session WHERE person_id = %s", (person_id,))


async def set_role(connection: AsyncConnection[Any], person_id: int, role: str) -> None:
    """Give a person another role; their sessions end."""
    await connection.execute("UPDATE person SET role = %s WHERE person_id = %s", (role, person_id))
    await connection.execute("DELETE FROM session WHERE person_id = %s", (person_id,))


async def set_disabled(connection: AsyncConnection[Any], person_id: int, disabled: bool) -> None:
    """Lock a person out (their sessions end) or let them in again."""
    query = "UPDATE person SET disabled_at = CASE WHEN %s THEN now() END WHERE person_id = %s"
    await connection.execute(query, (disabled, person_id))
    if disabled:
        await connection.execute("DELETE FROM session WHERE person_id = %s", (person_id,))


async def add_session(
    connection: AsyncConnection[Any], token_hash: bytes, person_id: int, expires_at: datetime
) -> None:
    """Open a session; expired ones are swept on the way."""
    await connection.execute("DELETE FROM session WHERE expires_at < now()")
    await connection.execute(
        "INSERT INTO session (token_hash, person_id, expires_at) VALUES (%s, %s, %s)",
        (token_hash, person_id, expires_at),
    )


async def session(connection: AsyncConnection[Any], token_hash: bytes) -> Row | None:
    """The person of a living session, or None."""
    return await _one(connection, _SESSION, (token_hash,))


async def end_session(connection: AsyncConnection[Any], token_hash: bytes) -> None:
    """Close a session."""
    await connection.execute("DELETE FROM session WHERE token_hash = %s", (token_hash,))


async def add_login_failure(connection: AsyncConnection[Any], name: str) -> None:
    """Note a failed attempt; notes older than a day are swept."""
    await connection.execute("DELETE FROM login_failure WHERE at < now() - interval '1 day'")
    await connection.execute("INSERT INTO login_failure (name) VALUES (%s)", (name,))


async def login_failures(connection: AsyncConnection[Any], name: str, minutes: int) -> int:
    """Failed attempts on a name in the last `minutes`."""
    query = "SELECT count(*) AS n FROM login_failure WHERE name = %s AND at > now() - make_interval(mins => %s)"
    row = await _one(connection, query, (name, minutes))
    return 0 if row is None else int(row["n"])


async def clear_login_failures(connection: AsyncConnection[Any], name: str) -> None:
    """Forget the failures after a success."""
    await connection.execute("DELETE FROM login_failure WHERE name = %s", (name,))


async def key_by_hash(connection: AsyncConnection[Any], key_hash: bytes) -> Row | None:
    """An API key, whatever its state, or None; its use is noted."""
    row = await _one(connection, _KEY, (key_hash,))
    if row is not None:
        await connection.execute(_KEY_USED, (row["api_key_id"],))
    return row


async def add_key(
    connection: AsyncConnection[Any],
    name: str,
    prefix: str,
    key_hash: bytes,
    role: str,
    *,
    scopes: list[str],
    areas: list[int],
    created_by: str,
    expires_at: datetime | None,
) -> int:
    """New API key; returns api_key_id."""
    values = (name, prefix, key_hash, role, scopes, areas, created_by, expires_at)
    row = await _one(connection, _ADD_KEY, values)
    assert row is not None
    return int(row["api_key_id"])


async def keys(connection: AsyncConnection[Any]) -> list[Row]:
    """Every API key without its hash."""
    return await _all(connection, _KEYS)


async def revoke_key(connection: AsyncConnection[Any], api_key_id: int) -> bool:
    """End a key at once; False where there is no such living key."""
    cursor = await connection.execute(
        "UPDATE api_key SET revoked_at = now() WHERE api_key_id = %s AND revoked_at IS NULL", (api_key_id,)
    )
    return cursor.rowcount == 1


async def shared_secret(connection: AsyncConnection[Any], name: str, proposal: bytes) -> bytes:
    """The installation's secret called `name`; `proposal` becomes it where there is none yet."""
    await connection.execute(
        "INSERT INTO service_secret (name, value) VALUES (%s, %s) ON CONFLICT (name) DO NOTHING", (name, proposal)
    )
    row = await _one(connection, "SELECT value FROM service_secret WHERE name = %s", (name,))
    assert row is not None
    return bytes(row["value"])


async def idempotent_answer(connection: AsyncConnection[Any], caller: str, key: str) -> Row | None:
    """What was answered under this key before, or None. Concurrent callers of one key wait for each other."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"{caller}\x1f{key}",))
    query = "SELECT request_hash, status, response FROM idempotency_key WHERE caller = %s AND key = %s"
    return await _one(connection, query, (caller, key))


async def keep_answer(
    connection: AsyncConnection[Any], caller: str, key: str, request_hash: bytes, status: int, response: bytes
) -> None:
    """Remember an answer for a replay; answers older than two days are swept."""
    await connection.execute("DELETE FROM idempotency_key WHERE created_at < now() - interval '2 days'")
    await connection.execute(
        "INSERT INTO idempotency_key (key, caller, request_hash, status, response) VALUES (%s, %s, %s, %s, %s)",
        (key, caller, request_hash, status, response),
    )
