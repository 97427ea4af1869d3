"""People and API keys from the terminal: the first administrator, lost passwords, keys for machines, the audit chain.

Functions take a database URL and return what to print; the `heatbook users` commands are made of them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from psycopg import AsyncConnection

from api.access import SYSTEM
from api.people import service
from ingest.store import audit
from ingest.store.audit import ChainReport
from ingest.store.database import connect_sync

T = TypeVar("T")


def add_person(
    url: str,
    name: str,
    role: str,
    password: str | None,
    *,
    full_name: str = "",
    language: str = "en",
    areas: list[str] | None = None,
) -> int:
    """New person; their number. `areas`: codes, none for all."""
    return _run(
        url,
        lambda connection: service.add_person(
            connection, SYSTEM, name, role, password, full_name=full_name, language=language, areas=areas
        ),
    )


def change_person(
    url: str,
    name: str,
    *,
    role: str | None = None,
    password: str | None = None,
    areas: list[str] | None = None,
    disabled: bool | None = None,
) -> dict[str, Any]:
    """Change role, password or areas, lock out or let in again; the person as they are now."""
    return _run(
        url,
        lambda connection: service.change_person(
            connection, SYSTEM, name, role=role, password=password, areas=areas, disabled=disabled
        ),
    )


def list_people(url: str) -> list[dict[str, Any]]:
    """Everybody, without password hashes."""
    return _run(url, lambda connection: service.everyone(connection, SYSTEM))


def add_key(
    url: str,
    name: str,
    role: str,
    *,
    scopes: list[str] | None = None,
    areas: list[str] | None = None,
    days: int | None = None,
) -> str:
    """New API key, valid for `days` (none: until revoked); the key, shown this once."""
    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    return _run(
        url,
        lambda connection: service.add_key(
            connection, SYSTEM, name, role, scopes=scopes, areas=areas, expires_at=expires_at
        ),
    )[1]


def list_keys(url: str) -> list[dict[str, Any]]:
    """All keys with prefix, role and expiry."""
    return _run(url, lambda connection: service.keys(connection, SYSTEM))


def revoke_key(url: str, api_key_id: int) -> None:
    """End a key at once. NotFoundError where there is no such living key."""
    _run(url, lambda connection: service.revoke_key(connection, SYSTEM, api_key_id))


def verify_audit(url: str) -> ChainReport:
    """Walk the audit chain; `broken_at` is None where nothing was changed or taken out."""
    with connect_sync(url) as connection:
        return audit.verify_chain(connection)


def _run(url: str, work: Callable[[AsyncConnection[Any]], Awaitable[T]]) -> T:
    async def inside() -> T:
        async with await AsyncConnection.connect(url) as connection:
            return await work(connection)

    return asyncio.run(inside())
