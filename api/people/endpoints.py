"""HTTP for sessions, people, API keys and the audit log."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Cookie, Path, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from api.access import COOKIE, Admin, Lead, Reader
from api.context import Connection, Parts
from api.idempotency import IdempotentRoute, shown_once
from api.paging import SAFE_TEXT, CursorText, Limit, Page, Word, page
from api.people import service
from api.people.session_cookie import set_session_cookie
from api.problems import problem_from_error

router = APIRouter(tags=["people"], route_class=IdempotentRoute)
Role = Literal["technician", "reviewer", "approver", "lead", "billing", "admin"]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=SAFE_TEXT)]
Areas = Annotated[list[Annotated[str, Field(max_length=100, pattern=SAFE_TEXT)]], Field(max_length=1_000)]


class Login(BaseModel):
    """Name and password."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(max_length=200, pattern=SAFE_TEXT)]
    password: Annotated[str, Field(max_length=1_000)]


class NewPerson(BaseModel):
    """A person who may come in."""

    model_config = ConfigDict(extra="forbid")
    name: Name
    role: Role
    password: Annotated[str, Field(min_length=10, max_length=1_000)] | None = None
    full_name: Annotated[str, Field(max_length=200, pattern=SAFE_TEXT)] = ""
    language: Literal["en", "zh"] = "en"
    areas: Areas = []


class PersonChange(BaseModel):
    """What to change of a person; what is left out stays."""

    model_config = ConfigDict(extra="forbid")
    role: Role | None = None
    password: Annotated[str, Field(min_length=10, max_length=1_000)] | None = None
    areas: Areas | None = None
    disabled: bool | None = None


class NewKey(BaseModel):
    """An API key."""

    model_config = ConfigDict(extra="forbid")
    name: Name
    role: Role
    scopes: list[Annotated[str, Field(max_length=100)]] = Field(default_factory=list, max_length=100)
    areas: Areas = []
    expires_at: AwareDatetime | None = None


class AuditItem(BaseModel):
    """One line of the audit log."""

    audit_id: int
    at: datetime
    actor: str
    action: str
    subject: str
    details: Any
    hash: str


@router.post("/session", status_code=201, summary="Log in")
async def log_in(body: Login, connection: Connection, parts: Parts, request: Request) -> Response:
    """Sets the session cookie; API keys need no session."""
    result = await service.log_in_or_error(connection, body.name, body.password)
    if isinstance(result, Exception):
        return problem_from_error(result, request.url.path)
    token, person = result
    answer = JSONResponse({"name": person["name"], "role": person["role"], "language": person["language"]}, 201)
    set_session_cookie(answer, token, secure=parts.settings.cookie_secure)
    return answer


@router.delete("/session", status_code=204, summary="Log out")
async def log_out(connection: Connection, token: Annotated[str | None, Cookie(alias=COOKIE)] = None) -> Response:
    """Ends the session of the cookie."""
    if token:
        await service.log_out(connection, token)
    answer = Response(status_code=204)
    answer.delete_cookie(COOKIE, path="/")
    return answer


@router.get("/me", summary="Who am I")
async def me(actor: Reader) -> dict[str, Any]:
    """Name, role, areas (null: all), scopes (empty: all of the role)."""
    return {
        "name": actor.name,
        "role": actor.role,
        "kind": actor.kind,
        "language": actor.language,
        "areas": actor.area_list,
        "scopes": sorted(actor.scopes),
    }


@router.get("/people", summary="Everybody")
async def list_people(actor: Lead, connection: Connection) -> list[dict[str, Any]]:
    """Without passwords."""
    return await service.everyone(connection, actor)


@router.post("/people", status_code=201, summary="A new person")
async def add_person(body: NewPerson, actor: Admin, connection: Connection) -> dict[str, int]:
    """Without a password they come in by OpenID only."""
    number = await service.add_person(
        connection,
        actor,
        body.name,
        body.role,
        body.password,
        full_name=body.full_name,
        language=body.language,
        areas=body.areas,
    )
    return {"person_id": number}


@router.patch("/people/{name}", summary="Change a person")
async def change_person(
    name: Annotated[str, Path(max_length=100, pattern=r"^[^\x00]+$")],
    body: PersonChange,
    actor: Admin,
    connection: Connection,
) -> dict[str, Any]:
    """Role, password, areas, or lock out."""
    return await service.change_person(connection, actor, name, **body.model_dump())


@router.get("/keys", summary="API keys")
async def list_keys(actor: Admin, connection: Connection) -> list[dict[str, Any]]:
    """Prefixes and expiry, never the keys."""
    return await service.keys(connection, actor)


@router.post("/keys", status_code=201, summary="A new API key", openapi_extra=shown_once("key"))
async def add_key(body: NewKey, actor: Admin, connection: Connection) -> dict[str, Any]:
    """The key is shown in this answer and never again, not in a replay either."""
    number, key = await service.add_key(
        connection, actor, body.name, body.role, scopes=body.scopes, areas=body.areas, expires_at=body.expires_at
    )
    return {"api_key_id": number, "key": key}


@router.delete("/keys/{api_key_id}", status_code=204, summary="End an API key")
async def revoke_key(api_key_id: Annotated[int, Path(ge=1, lt=2**31)], actor: Admin, connection: Connection) -> None:
    """At once."""
    await service.revoke_key(connection, actor, api_key_id)


@router.get("/audit", response_model=Page[AuditItem], summary="The audit log")
async def audit_log(
    actor: Lead,
    connection: Connection,
    parts: Parts,
    person: Word = None,
    action: Word = None,
    subject: Word = None,
    limit: Limit = 100,
    cursor: CursorText = None,
) -> dict[str, Any]:
    """Newest first. `heatbook users audit` verifies the chain."""
    question = {"person": person, "action": action, "subject": subject}
    before = parts.cursors.position_from_text("audit", cursor, [int], **question)[0] if cursor else None
    rows = await service.audit_entries(connection, actor, before=before, limit=limit, **question)
    following = parts.cursors.text_from_position("audit", [rows[-1]["audit_id"]], **question) if rows else None
    return page(rows, limit, following)
