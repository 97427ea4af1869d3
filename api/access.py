"""Who may do what: API keys, sessions, roles and areas.

Rules: the role stands in the endpoint's signature (`actor: Reviewer`); a person or key with areas sees only those;
one answer for every failed proof; comparisons of secrets take constant time (hash look-ups, argon2).
"""

import hashlib
import secrets
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPBearer
from psycopg import AsyncConnection

from api.context import context_of
from api.errors import UnauthenticatedError
from ingest.errors import ForbiddenError, NotFoundError
from ingest.store import people

KEY_PREFIX: Final = "hbk_"
COOKIE: Final = "heatbook_session"
ROLES: Final = ("technician", "reviewer", "approver", "lead", "billing", "admin")

# The audiences of domain.md: who may call the endpoints and services made for them.
AUDIENCES: Final[dict[str, frozenset[str]]] = {
    "reader": frozenset(ROLES),
    "technician": frozenset({"technician", "lead", "admin"}),
    "reviewer": frozenset({"reviewer", "approver", "lead", "admin"}),
    "approver": frozenset({"approver", "lead", "admin"}),
    "lead": frozenset({"lead", "admin"}),
    "biller": frozenset({"billing", "admin"}),
    "figures": frozenset({"billing", "reviewer", "approver", "lead", "admin"}),
    "settler": frozenset({"billing", "approver", "admin"}),
    "admin": frozenset({"admin"}),
}
# Rooms that a key's scopes may name, each as "room:read" or "room:write".
SCOPES: Final = tuple(
    f"{room}:{way}"
    for room in ("deliveries", "readings", "registry", "alerts", "billing", "field", "reports", "rules", "people")
    for way in ("read", "write")
)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who calls. `areas` None means every area; `scopes` empty means all that the role allows."""

    name: str
    role: str
    areas: frozenset[int] | None = None
    kind: str = "person"
    language: str = "en"
    scopes: frozenset[str] = field(default_factory=frozenset)

    @property
    def area_list(self) -> list[int] | None:
        """Areas as the store's queries take them; None for all."""
        return None if self.areas is None else sorted(self.areas)

    def may(self, audience: str) -> bool:
        """Whether the role belongs to an audience."""
        return self.role in AUDIENCES[audience]

    def require(self, audience: str) -> None:
        """Raise ForbiddenError unless the role belongs to the audience."""
        if not self.may(audience):
            raise ForbiddenError(f"the role {self.role} may not do this", code="role.wrong")

    def sees(self, area_id: int | None) -> bool:
        """Whether things of an area are told to the caller; those of no area only to who sees all."""
        return self.areas is None or area_id in self.areas

    def require_everywhere(self) -> None:
        """Raise ForbiddenError where the caller sees some areas only, and what they ask for concerns all of them."""
        if self.areas is not None:
            raise ForbiddenError("this reaches beyond your areas", code="area.limited")

    def require_within(self, area_ids: Collection[int]) -> None:
        """Raise ForbiddenError unless all these areas are the caller's; no areas mean every area."""
        if self.areas is not None and not (area_ids and self.areas.issuperset(area_ids)):
            raise ForbiddenError("this reaches beyond your areas", code="area.limited")

    def require_area(self, area_id: int | None, what: str) -> None:
        """Raise NotFoundError for a thing outside the caller's areas: what one may not see, one is not told of."""
        if not self.sees(area_id):
            raise NotFoundError(f"no such {what}", field=what)


SYSTEM: Final = Actor("system", "admin", kind="system")


def new_key() -> tuple[str, str, bytes]:
    """A fresh API key: the key (shown once), its prefix for lists, its SHA-256."""
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    return key, key[: len(KEY_PREFIX) + 6], hash_of_secret(key)


def hash_of_secret(text: str) -> bytes:
    """SHA-256 of a key or session token: 256 random bits need no slow hash."""
    return hashlib.sha256(text.encode()).digest()


async def actor_from_key(connection: AsyncConnection[Any], key: str, now: datetime) -> Actor:
    """The holder of an API key.

    Raises
    ------
    UnauthenticatedError
        Unknown, expired or revoked; the reason is not told.
    """
    row = await people.key_by_hash(connection, hash_of_secret(key)) if key.startswith(KEY_PREFIX) else None
    if row is None or row["revoked_at"] is not None or (row["expires_at"] is not None and row["expires_at"] <= now):
        raise UnauthenticatedError("the API key is unknown, expired or revoked")
    areas = frozenset(row["areas"]) or None
    return Actor(f"key:{row['name']}", row["role"], areas, "key", scopes=frozenset(row["scopes"]))


async def actor_from_token(connection: AsyncConnection[Any], token: str) -> Actor:
    """The person of a session token. Raises UnauthenticatedError for one that is unknown or over."""
    row = await people.session(connection, hash_of_secret(token))
    if row is None:
        raise UnauthenticatedError("the session is over; log in again")
    return Actor(row["name"], row["role"], frozenset(row["areas"]) or None, "person", row["language"])


_bearer = HTTPBearer(auto_error=False, scheme_name="apiKey", description="An API key: hbk_...")
_cookie = APIKeyCookie(name=COOKIE, auto_error=False, scheme_name="session", description="A person's session")


async def require_proof(request: Request) -> Actor:
    """The caller of a request, outside an endpoint's dependencies."""
    return await _authenticated(request, await _bearer(request), await _cookie(request))


async def _authenticated(
    request: Request, bearer: Annotated[Any, Depends(_bearer)], cookie: Annotated[str | None, Depends(_cookie)]
) -> Actor:
    if bearer is None and not cookie:
        raise UnauthenticatedError("an API key (Authorization: Bearer) or a session is needed")
    async with context_of(request).pool.connection() as connection:
        if bearer is not None:
            actor = await actor_from_key(connection, bearer.credentials, datetime.now(UTC))
        else:
            assert cookie is not None
            _require_same_origin(request)
            actor = await actor_from_token(connection, cookie)
    _require_scope(actor, request)
    return actor


def _require_same_origin(request: Request) -> None:
    # A browser sends the cookie along whoever made the request; only our own pages may change something with it.
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "same-origin")
    # An origin is scheme://host[:port]; no parser that could stumble over a forged one.
    foreign = origin is not None and origin.partition("://")[2] != request.headers.get("host", "")
    if foreign or site not in ("same-origin", "none"):
        raise ForbiddenError("this request comes from another site", code="origin.foreign")


def _require_scope(actor: Actor, request: Request) -> None:
    if not actor.scopes:
        return
    route = request.scope.get("route")
    room = next((str(tag) for tag in getattr(route, "tags", [])), "")
    needed = f"{room}:{'read' if request.method in ('GET', 'HEAD') else 'write'}"
    if needed not in actor.scopes:
        raise ForbiddenError(f"the key lacks the scope {needed}", code="scope.missing")


def _audience(name: str) -> Callable[..., Coroutine[Any, Any, Actor]]:
    async def allowed(actor: Annotated[Actor, Depends(_authenticated)]) -> Actor:
        actor.require(name)
        return actor

    return allowed


Reader = Annotated[Actor, Depends(_audience("reader"))]
Technician = Annotated[Actor, Depends(_audience("technician"))]
Reviewer = Annotated[Actor, Depends(_audience("reviewer"))]
Approver = Annotated[Actor, Depends(_audience("approver"))]
Lead = Annotated[Actor, Depends(_audience("lead"))]
Biller = Annotated[Actor, Depends(_audience("biller"))]
Figures = Annotated[Actor, Depends(_audience("figures"))]
Settler = Annotated[Actor, Depends(_audience("settler"))]
Admin = Annotated[Actor, Depends(_audience("admin"))]
