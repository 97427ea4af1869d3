"""Saved views of the queue: filters under a name, one's own or shared."""

from typing import Any, Final

import msgspec
from psycopg import AsyncConnection

from api.access import Actor
from ingest.errors import InvalidInputError, NotFoundError
from ingest.store import campaigns

Row = dict[str, Any]
_MAX_BYTES: Final = 10_000


async def listed(connection: AsyncConnection[Any], actor: Actor, room: str = "alerts") -> list[Row]:
    """One's own views, then those that others share."""
    return await campaigns.views(connection, actor.name, room)


async def save(
    connection: AsyncConnection[Any],
    actor: Actor,
    name: str,
    settings: Row,
    *,
    room: str = "alerts",
    shared: bool = False,
) -> int:
    """Keep a view; one of the same name is replaced."""
    if not name.strip() or len(name) > 100:
        raise InvalidInputError("a view has a name of at most 100 characters", field="name")
    text = msgspec.json.encode(settings)
    if len(text) > _MAX_BYTES or b"\\u0000" in text:
        raise InvalidInputError("a view holds filters, not a book", field="settings")
    return await campaigns.save_view(connection, actor.name, room, name, settings, shared)


async def delete(connection: AsyncConnection[Any], actor: Actor, view_id: int) -> None:
    """Drop one's own view."""
    if not await campaigns.delete_view(connection, actor.name, view_id):
        raise NotFoundError("no such view of yours", field="view_id")
