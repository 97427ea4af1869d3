"""Whom an OpenID provider's claims let in: the person is known by issuer and subject, and follows the claims."""

from collections.abc import Mapping
from typing import Any, Final

from psycopg import AsyncConnection

from api.access import SYSTEM
from api.people import service
from api.people.oidc import LoginError, Provider, areas_of, role_of
from ingest.errors import ConflictError, ForbiddenError
from ingest.store import people, registry

Row = dict[str, Any]
ALL_AREAS: Final = "*"


async def person_from_claims(connection: AsyncConnection[Any], provider: Provider, claims: Mapping[str, Any]) -> Row:
    """The person of these claims, made at their first login, with the role and areas that the claims grant today.

    Raises
    ------
    ForbiddenError
        ``login.no_role``, ``login.no_area``: the claims grant nothing here.
    LoginError
        ``login.locked``: an administrator has locked this person out.
    ConflictError
        ``login.name_taken``: somebody else has that name.
    """
    role = role_of(provider, claims)
    if role is None:
        raise ForbiddenError("the provider grants no role here", code="login.no_role")
    areas = await _areas(connection, provider, claims)
    subject = f"{provider.issuer}#{claims['sub']}"
    person = await people.person_by_subject(connection, subject)
    if person is None:
        return await _new(connection, claims, subject, role, areas or [])
    if person["disabled_at"] is not None:
        raise LoginError("this person is locked out", code="login.locked")
    known = {area.code: area.area_id for area in await registry.areas(connection)}
    wanted = None if areas is None else sorted(known[code] for code in areas)
    if role != person["role"] or (wanted is not None and wanted != person["areas"]):
        change: Row = {"role": role if role != person["role"] else None, "areas": areas}
        await service.change_person(connection, SYSTEM, person["name"], **change)
    changed = await people.person_by_subject(connection, subject)
    assert changed is not None
    return changed


async def _areas(connection: AsyncConnection[Any], provider: Provider, claims: Mapping[str, Any]) -> list[str] | None:
    granted = areas_of(provider, claims)
    if granted is None:
        return None
    if ALL_AREAS in granted:
        return []
    known = {area.code for area in await registry.areas(connection)}
    found = sorted(known & set(granted))
    if not found:  # an empty list would mean every area
        raise ForbiddenError("the provider grants no area here", code="login.no_area")
    return found


async def _new(
    connection: AsyncConnection[Any], claims: Mapping[str, Any], subject: str, role: str, areas: list[str]
) -> Row:
    said = (claims.get(name) for name in ("preferred_username", "email", "sub"))
    name = next(word for word in said if isinstance(word, str) and word.strip() and word.isprintable())[:100]
    if await people.person_by_name(connection, name) is not None:
        raise ConflictError(f"somebody else is called {name!r} here", code="login.name_taken")
    full_name = claims.get("name")
    await service.add_person(
        connection,
        SYSTEM,
        name,
        role,
        None,
        full_name=full_name[:200] if isinstance(full_name, str) and full_name.isprintable() else "",
        language="zh" if str(claims.get("locale", "")).lower().startswith("zh") else "en",
        areas=areas,
        subject=subject,
    )
    made = await people.person_by_subject(connection, subject)
    assert made is not None
    return made
