"""Who is looking at a page, in which language and units; and how a page gets its database connection.

The console uses the same session cookie as the HTTP interface: a page without a valid one leads to the log-in page.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import RedirectResponse
from psycopg import AsyncConnection

from api.access import COOKIE, Actor, actor_from_token
from api.console.texts import Texts
from api.context import Context
from api.errors import UnauthenticatedError

LANGUAGE_COOKIE = "heatbook_language"
UNIT_COOKIE = "heatbook_unit"


@dataclass(frozen=True, slots=True)
class Visitor:
    """A logged-in person on one page: who, how they read, and the process's parts."""

    actor: Actor
    texts: Texts
    parts: Context

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection[Any]]:
        """One transaction of the pool."""
        async with self.parts.pool.connection() as connection:
            yield connection


def texts_of(request: Request, parts: Context, language: str | None = None) -> Texts:
    """The reader's words: cookie first, then the person's own language, then the browser's."""
    chosen = request.cookies.get(LANGUAGE_COOKIE) or language
    if chosen is None:
        chosen = "zh" if request.headers.get("accept-language", "").lower().startswith("zh") else "en"
    return Texts(chosen, parts.settings.time_zone, request.cookies.get(UNIT_COOKIE, "kWh"))


async def visitor_of(request: Request, parts: Context) -> Visitor | None:
    """The person behind the session cookie, or None."""
    token = request.cookies.get(COOKIE)
    if not token:
        return None
    try:
        async with parts.pool.connection() as connection:
            actor = await actor_from_token(connection, token)
    except UnauthenticatedError:
        return None
    return Visitor(actor, texts_of(request, parts, actor.language), parts)


def to_login(request: Request) -> RedirectResponse:
    """The way to the log-in page and back."""
    return RedirectResponse(f"/login?next={quote(request.url.path, safe='/')}", status_code=303)
