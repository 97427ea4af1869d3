"""HTTP for logging in by an OpenID provider: two addresses that a browser is sent to, no JSON."""

from datetime import UTC, datetime
from html import escape
from typing import Annotated, Any, Final

import httpx
import structlog
from fastapi import APIRouter, Cookie, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.context import Context, Parts
from api.paging import SAFE_TEXT
from api.people import oidc, service
from api.people.oidc_people import person_from_claims
from api.people.session_cookie import set_session_cookie
from ingest.errors import IngestError, NotFoundError
from ingest.sealing import Sealer, sealer_for

_log = structlog.get_logger(__name__)

router = APIRouter(tags=["people"], prefix="/session/openid")
LOGIN_COOKIE: Final = "heatbook_login"
_PATH: Final = "/api/v1/session/openid"
_TIMEOUT_S: Final = 10.0
_ONWARDS: Final = """<!doctype html><meta charset="utf-8"><title>Heatbook</title>
<meta http-equiv="refresh" content="0;url={where}"><a href="{where}">Heatbook</a>
"""
Text = Annotated[str | None, Query(max_length=4_000, pattern=SAFE_TEXT)]


def _parts_of_login(parts: Context) -> tuple[oidc.Provider, Sealer]:
    provider = oidc.provider_from_settings(parts.settings)
    if provider is None:
        raise NotFoundError("no OpenID provider is configured", code="login.not_configured")
    return provider, sealer_for(parts.settings.data, parts.settings.master_key)


def _refused(error: IngestError) -> Response:
    _log.warning("login by the provider failed", reason=error.code)
    return RedirectResponse(f"/login?refused={error.code}", 303)


@router.get("", status_code=303, response_class=RedirectResponse, summary="Log in by the OpenID provider")
async def begin(parts: Parts, next_path: Annotated[str | None, Query(alias="next", max_length=2_000)] = None) -> Any:
    """Sends the browser to the provider; `next` is the path to come back to."""
    provider, sealer = _parts_of_login(parts)
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT_S) as client:
            url, cookie = await oidc.begin(provider, client, sealer, next_path=next_path, now=datetime.now(UTC))
    except IngestError as error:
        return _refused(error)
    answer = RedirectResponse(url, 303)
    # Lax: the cookie must come back with the provider's redirect, which is another site's navigation.
    answer.set_cookie(
        LOGIN_COOKIE,
        cookie,
        max_age=int(oidc.LASTS.total_seconds()),
        httponly=True,
        secure=parts.settings.cookie_secure,
        samesite="lax",
        path=_PATH,
    )
    return answer


@router.get("/callback", response_class=HTMLResponse, summary="Back from the OpenID provider")
async def callback(
    request: Request,
    parts: Parts,
    code: Text = None,
    state: Text = None,
    iss: Text = None,
    cookie: Annotated[str | None, Cookie(alias=LOGIN_COOKIE)] = None,
) -> Response:
    """Opens the session and shows the page that was asked for."""
    provider, sealer = _parts_of_login(parts)
    answer = {name: text for name, text in (("code", code), ("state", state), ("iss", iss)) if text is not None}
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT_S) as client:
            claims, path = await oidc.finish(
                provider, client, sealer, cookie=cookie, answer=answer, now=datetime.now(UTC)
            )
        async with parts.pool.connection() as connection, connection.transaction():
            person = await person_from_claims(connection, provider, claims)
            token = await service.open_session(connection, person)
    except IngestError as error:
        result = _refused(error)
    else:
        # A redirect would still count as the provider's navigation, and a strict cookie would stay at home.
        where = escape(path, quote=True)
        result = HTMLResponse(_ONWARDS.format(where=where))
        set_session_cookie(result, token, secure=parts.settings.cookie_secure)
    result.delete_cookie(LOGIN_COOKIE, path=_PATH)
    return result
