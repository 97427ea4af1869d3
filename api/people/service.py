"""Logins, people, API keys and the audit log; callable without HTTP.

Rules: passwords are argon2id hashes; a wrong name costs as long as a wrong password; ten failures in a quarter of an
hour
close a name for a while; whatever changes who may come in is in the audit log; an administrator of some areas lets
nobody into others.
"""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from psycopg import AsyncConnection

from api.access import ROLES, SCOPES, Actor, hash_of_secret, new_key
from api.errors import ThrottledError, UnauthenticatedError
from ingest.errors import ConflictError, InvalidInputError, NotFoundError
from ingest.store import audit, people, registry

Row = dict[str, Any]
SESSION: Final = timedelta(hours=12)
_MAX_FAILURES: Final = 10
_WINDOW_MIN: Final = 15
_MIN_PASSWORD: Final = 10
_hasher = PasswordHasher()
# Verified when the name is unknown, so that the answer takes as long.
_DECOY: Final = _hasher.hash(secrets.token_urlsafe(16))


async def hash_of_password(password: str) -> str:
    """Argon2id hash, made off the event loop. InvalidInputError for a password that is too short."""
    if not _MIN_PASSWORD <= len(password) <= 1_000:
        raise InvalidInputError(f"a password has at least {_MIN_PASSWORD} characters", field="password")
    return await asyncio.to_thread(_hasher.hash, password)


async def log_in(connection: AsyncConnection[Any], name: str, password: str) -> tuple[str, Row]:
    """Open a session: its token (for the cookie) and the person.

    A failure is noted, so the caller must commit even then; `UnauthenticatedError` and `ThrottledError` are returned by
    `log_in_or_error` for that reason.
    """
    result = await log_in_or_error(connection, name, password)
    if isinstance(result, Exception):
        raise result
    return result


async def log_in_or_error(
    connection: AsyncConnection[Any], name: str, password: str
) -> tuple[str, Row] | ThrottledError | UnauthenticatedError:
    """As `log_in`, with the refusal as a value: raising would roll back the note of the failure."""
    if await people.login_failures(connection, name, _WINDOW_MIN) >= _MAX_FAILURES:
        return ThrottledError(f"too many attempts; wait {_WINDOW_MIN} minutes", field="name")
    person = await people.person_by_name(connection, name)
    known = person is not None and person["password_hash"] is not None and person["disabled_at"] is None
    stored = person["password_hash"] if person is not None and known else _DECOY
    matches = await asyncio.to_thread(_matches, stored, password)
    if not matches or not known or person is None:
        await people.add_login_failure(connection, name[:200])
        return UnauthenticatedError("name or password is wrong")
    await people.clear_login_failures(connection, name)
    return await open_session(connection, person), person


async def open_session(connection: AsyncConnection[Any], person: Row) -> str:
    """A new session token for a person who has proved who they are."""
    token = secrets.token_urlsafe(32)
    await people.add_session(connection, hash_of_secret(token), person["person_id"], datetime.now(UTC) + SESSION)
    await audit.record(connection, person["name"], "person.login", f"person/{person['name']}")
    return token


def _matches(stored: str, password: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


async def log_out(connection: AsyncConnection[Any], token: str) -> None:
    """End a session."""
    await people.end_session(connection, hash_of_secret(token))


async def everyone(connection: AsyncConnection[Any], actor: Actor) -> list[Row]:
    """All people without their hashes."""
    actor.require("lead")
    return [
        {key: value for key, value in row.items() if key != "password_hash"}
        for row in await people.people(connection)
        if _shares_areas(actor, row)
    ]


def _shares_areas(actor: Actor, row: Row) -> bool:
    """Whether a person or key works in the caller's areas only, or is the caller."""
    return (
        actor.areas is None
        or actor.name == row["name"]
        or (bool(row["areas"]) and actor.areas.issuperset(row["areas"]))
    )


async def add_person(
    connection: AsyncConnection[Any],
    actor: Actor,
    name: str,
    role: str,
    password: str | None,
    *,
    full_name: str = "",
    language: str = "en",
    areas: list[str] | None = None,
    subject: str | None = None,
) -> int:
    """A new person; `areas`: codes, empty for all; without a password they come in by OpenID only. Returns
    person_id."""
    actor.require("admin")
    if role not in ROLES:
        raise InvalidInputError(f"role {role!r} is none of {', '.join(ROLES)}", field="role")
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise InvalidInputError("a name has 1-100 printable characters", field="name")
    if await people.person_by_name(connection, name) is not None:
        raise ConflictError(f"there is a person called {name!r}", code="person.exists", field="name")
    allowed = await area_ids(connection, areas or [])
    actor.require_within(allowed)
    hashed = None if password is None else await hash_of_password(password)
    person_id = await people.add_person(
        connection, name, role, hashed, full_name=full_name, language=language, subject=subject
    )
    await people.set_areas(connection, person_id, allowed)
    await audit.record(connection, actor.name, "person.add", f"person/{name}", {"role": role, "areas": areas or []})
    return person_id


async def change_person(
    connection: AsyncConnection[Any],
    actor: Actor,
    name: str,
    *,
    role: str | None = None,
    password: str | None = None,
    areas: list[str] | None = None,
    disabled: bool | None = None,
) -> Row:
    """Change what is given; sessions end where the person's rights shrink or the password changes."""
    actor.require("admin")
    person = await people.person_by_name(connection, name)
    if person is None or not _shares_areas(actor, person):
        raise NotFoundError(f"there is no person called {name!r}", field="name")
    number = person["person_id"]
    if role is not None:
        if role not in ROLES:
            raise InvalidInputError(f"role {role!r} is none of {', '.join(ROLES)}", field="role")
        await people.set_role(connection, number, role)
    if password is not None:
        await people.set_password(connection, number, await hash_of_password(password))
    if areas is not None:
        allowed = await area_ids(connection, areas)
        actor.require_within(allowed)
        await people.set_areas(connection, number, allowed)
    if disabled is not None:
        await people.set_disabled(connection, number, disabled)
    told = {"role": role, "password": password is not None, "areas": areas, "disabled": disabled}
    await audit.record(connection, actor.name, "person.change", f"person/{name}", told)
    changed = await people.person_by_name(connection, name)
    assert changed is not None
    return {key: value for key, value in changed.items() if key != "password_hash"}


async def area_ids(connection: AsyncConnection[Any], codes: list[str]) -> list[int]:
    """Numbers of areas by their codes. InvalidInputError names one that does not exist."""
    known = {area.code: area.area_id for area in await registry.areas(connection)}
    for code in codes:
        if code not in known:
            raise InvalidInputError(f"there is no area {code!r}", field="areas")
    return [known[code] for code in codes]


async def add_key(
    connection: AsyncConnection[Any],
    actor: Actor,
    name: str,
    role: str,
    *,
    scopes: list[str] | None = None,
    areas: list[str] | None = None,
    expires_at: datetime | None = None,
) -> tuple[int, str]:
    """A new API key: its number and the key itself, which is never shown again."""
    actor.require("admin")
    if role not in ROLES:
        raise InvalidInputError(f"role {role!r} is none of {', '.join(ROLES)}", field="role")
    for scope in scopes or []:
        if scope not in SCOPES:
            raise InvalidInputError(f"scope {scope!r} is none of {', '.join(SCOPES)}", field="scopes")
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise InvalidInputError("a name has 1-100 printable characters", field="name")
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise InvalidInputError("the key would be over before it begins", field="expires_at")
    allowed = await area_ids(connection, areas or [])
    actor.require_within(allowed)
    key, prefix, digest = new_key()
    number = await people.add_key(
        connection,
        name,
        prefix,
        digest,
        role,
        scopes=scopes or [],
        areas=allowed,
        created_by=actor.name,
        expires_at=expires_at,
    )
    told = {"role": role, "scopes": scopes or [], "areas": areas or [], "expires_at": expires_at}
    await audit.record(connection, actor.name, "key.add", f"key/{name}", told)
    return number, key


async def keys(connection: AsyncConnection[Any], actor: Actor) -> list[Row]:
    """All API keys (in the caller's areas) without their hashes."""
    actor.require("admin")
    return [row for row in await people.keys(connection) if _shares_areas(actor, row)]


async def revoke_key(connection: AsyncConnection[Any], actor: Actor, api_key_id: int) -> None:
    """End a key at once."""
    known = {row["api_key_id"] for row in await keys(connection, actor)}
    if api_key_id not in known or not await people.revoke_key(connection, api_key_id):
        raise NotFoundError("there is no such living key", field="api_key_id")
    await audit.record(connection, actor.name, "key.revoke", f"key/{api_key_id}")


async def audit_entries(
    connection: AsyncConnection[Any],
    actor: Actor,
    *,
    before: int | None = None,
    person: str | None = None,
    action: str | None = None,
    subject: str | None = None,
    limit: int = 100,
) -> list[Row]:
    """The audit log, newest first, hashes as hex; to who sees some areas only what people and keys of these did."""
    actor.require("lead")
    rows = await audit.entries(
        connection, before=before, actor=person, action=action, subject=subject, limit=limit, areas=actor.area_list,
        own=actor.name,
    )  # fmt: skip
    return [{**row, "hash": bytes(row["hash"]).hex()} for row in rows]
