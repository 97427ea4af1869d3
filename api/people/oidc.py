"""Logging in by an OpenID provider: authorization code with PKCE; roles and areas come from the provider's claims.

Rules: state, nonce and verifier travel in a sealed cookie of ten minutes, so a login ends in the browser it began in;
nothing that a browser says decides where it is sent afterwards, except a path of this service; a claim that grants
nothing lets nobody in; a name that a local person has is never taken over.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx
import msgspec
from authlib.common.security import generate_token
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import get_well_known_url
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from api.access import ROLES
from api.errors import UnauthenticatedError
from ingest.config import PREFIX, Settings
from ingest.errors import SettingsError, UnavailableError
from ingest.sealing import Sealer, SealError

CALLBACK: Final = "/api/v1/session/openid/callback"
LASTS: Final = timedelta(minutes=10)
# Signatures that need the provider's private key; with a shared secret, whoever knows it could name anybody.
_ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)
_OWNER: Final = "login"
_LEEWAY_S: Final = 60


class LoginError(UnauthenticatedError):
    """A login by the provider did not hold; the code says why."""


@dataclass(frozen=True, slots=True)
class Provider:
    """Who vouches for people, and what their claims grant. `roles`: (value of the role claim, role), first fit wins."""

    issuer: str
    client_id: str
    redirect_uri: str
    client_secret: str | None = field(default=None, repr=False)
    scopes: str = "openid profile email"
    role_claim: str = "roles"
    roles: tuple[tuple[str, str], ...] = ()
    area_claim: str = ""


class Login(msgspec.Struct, frozen=True):
    """A login under way, as the sealed cookie holds it. `at`: epoch seconds of its beginning."""

    state: str
    nonce: str
    verifier: str
    next: str
    at: float


def provider_from_settings(settings: Settings) -> Provider | None:
    """The configured provider, None where there is none.

    Raises
    ------
    SettingsError
        Half a configuration, an unknown role, or an address without TLS that is not this machine's.
    """
    if not settings.oidc_issuer:
        return None
    if not settings.oidc_client_id:
        raise SettingsError(f"{PREFIX}OIDC_CLIENT_ID is missing")
    parts = urlsplit(settings.oidc_issuer)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise SettingsError(f"{PREFIX}OIDC_ISSUER: {settings.oidc_issuer!r} is not an https address")
    base = settings.public_url.rstrip("/") or f"http://{settings.host}:{settings.port}"
    return Provider(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        redirect_uri=base + CALLBACK,
        client_secret=settings.oidc_client_secret,
        scopes=settings.oidc_scopes,
        role_claim=settings.oidc_role_claim,
        roles=_roles(settings.oidc_roles),
        area_claim=settings.oidc_area_claim,
    )


def _roles(text: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        value, _, role = item.rpartition("=")
        if not value or role not in ROLES:
            raise SettingsError(f"{PREFIX}OIDC_ROLES: {item!r} is not CLAIM=ROLE with a role of {', '.join(ROLES)}")
        pairs.append((value, role))
    if not pairs:
        raise SettingsError(f"{PREFIX}OIDC_ROLES: say which claim gives which role, like heat-lead=lead")
    return tuple(pairs)


def local_path(text: str | None) -> str:
    """A path of this service to go to after the login; the front page for everything that leads elsewhere."""
    if not text or not text.isprintable() or not text.startswith("/") or text[1:2] in ("/", "\\") or "\\" in text:
        return "/"
    return text


async def begin(
    provider: Provider, client: httpx.AsyncClient, sealer: Sealer, *, next_path: str | None, now: datetime
) -> tuple[str, str]:
    """Where to send the browser, and the cookie that it must bring back."""
    known = await _metadata(provider, client)
    login = Login(generate_token(32), generate_token(32), generate_token(64), local_path(next_path), now.timestamp())
    question = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": provider.redirect_uri,
        "scope": provider.scopes,
        "state": login.state,
        "nonce": login.nonce,
        "code_challenge": create_s256_code_challenge(login.verifier),
        "code_challenge_method": "S256",
    }
    address = str(known["authorization_endpoint"])
    sealed = sealer.seal_text(msgspec.json.encode(login).decode(), _OWNER)
    return f"{address}{'&' if '?' in address else '?'}{urlencode(question)}", base64.urlsafe_b64encode(sealed).decode()


async def finish(
    provider: Provider,
    client: httpx.AsyncClient,
    sealer: Sealer,
    *,
    cookie: str | None,
    answer: Mapping[str, str],
    now: datetime,
) -> tuple[dict[str, Any], str]:
    """Claims of the person who has come back, and the path they wanted to see.

    Raises
    ------
    LoginError
        Another browser, too late, refused by the provider, or a token that does not hold.
    UnavailableError
        The provider does not answer.
    """
    login = _opened(cookie, sealer, now)
    if not hmac.compare_digest(login.state.encode(), answer.get("state", "").encode()):
        raise LoginError("the answer belongs to another login", code="login.state")
    if answer.get("iss", provider.issuer) != provider.issuer:  # RFC 9207: an answer of another provider
        raise LoginError("the answer comes from another provider", code="login.issuer")
    if "code" not in answer:
        raise LoginError("the provider let nobody in", code="login.refused")
    known = await _metadata(provider, client)
    tokens = await _exchange(provider, client, known, answer["code"], login.verifier)
    claims = await _verified(provider, client, known, tokens, login.nonce, now)
    wanted = filter(None, (provider.role_claim, provider.area_claim))
    untold = any(_path(claims, name) is None for name in wanted)
    if untold and "userinfo_endpoint" in known and "access_token" in tokens:
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        more = await _json(client, "GET", str(known["userinfo_endpoint"]), headers=headers)
        if more.get("sub") != claims["sub"]:
            raise LoginError("the provider speaks of another person", code="login.token")
        claims = {**more, **claims}
    return claims, login.next


def _opened(cookie: str | None, sealer: Sealer, now: datetime) -> Login:
    try:
        text = sealer.open_text(base64.urlsafe_b64decode((cookie or "").encode("ascii")), _OWNER)
        login = msgspec.json.decode(text, type=Login)
    except (SealError, binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise LoginError("this browser began no login", code="login.state") from error
    if not 0 <= now.timestamp() - login.at <= LASTS.total_seconds():
        raise LoginError("the login took too long", code="login.late")
    return login


async def _metadata(provider: Provider, client: httpx.AsyncClient) -> dict[str, Any]:
    known = await _json(client, "GET", get_well_known_url(provider.issuer, external=True))
    if known.get("issuer") != provider.issuer:
        raise UnavailableError("the OpenID provider calls itself otherwise", code="login.provider")
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        if not isinstance(known.get(name), str):
            raise UnavailableError(f"the OpenID provider tells no {name}", code="login.provider")
    return known


async def _exchange(
    provider: Provider, client: httpx.AsyncClient, known: Mapping[str, Any], code: str, verifier: str
) -> dict[str, Any]:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": provider.redirect_uri,
        "code_verifier": verifier,
    }
    basic = None
    ways = known.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    if provider.client_secret is not None and "client_secret_basic" in ways:
        basic = httpx.BasicAuth(provider.client_id, provider.client_secret)
    else:
        form["client_id"] = provider.client_id
        if provider.client_secret is not None:
            form["client_secret"] = provider.client_secret
    return await _json(client, "POST", str(known["token_endpoint"]), data=form, auth=basic)


async def _verified(
    provider: Provider,
    client: httpx.AsyncClient,
    known: Mapping[str, Any],
    tokens: Mapping[str, Any],
    nonce: str,
    now: datetime,
) -> dict[str, Any]:
    keys = await _json(client, "GET", str(known["jwks_uri"]))
    options = {
        "iss": {"essential": True, "value": provider.issuer},
        "aud": {"essential": True, "value": provider.client_id},
    }
    asked = {"nonce": nonce, "client_id": provider.client_id, "access_token": tokens.get("access_token")}
    try:
        token = jwt.decode(str(tokens.get("id_token", "")), KeySet.import_key_set(keys), algorithms=_ALGORITHMS)  # type: ignore[arg-type]
        claims = CodeIDToken(token.claims, token.header, options, asked)
        claims.validate(now=int(now.timestamp()), leeway=_LEEWAY_S)
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise LoginError("the provider's token does not hold", code="login.token") from error
    return dict(token.claims)


async def _json(client: httpx.AsyncClient, method: str, url: str, **options: Any) -> dict[str, Any]:
    try:
        answer = await client.request(method, url, follow_redirects=False, **options)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise UnavailableError("the OpenID provider does not answer", code="login.provider") from error
    if answer.status_code >= 500:
        raise UnavailableError("the OpenID provider does not answer", code="login.provider")
    try:
        body = answer.json()
    except ValueError as error:
        raise UnavailableError("the OpenID provider answers no JSON", code="login.provider") from error
    if answer.status_code >= 400 or not isinstance(body, dict):
        raise LoginError("the provider refused", code="login.refused")
    return body


def _path(claims: Mapping[str, Any], dotted: str) -> Any:
    """A claim by its name, or by a path of names like ``realm_access.roles``."""
    if dotted in claims:
        return claims[dotted]
    found: Any = claims
    for name in dotted.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _words(value: Any) -> list[str]:
    if isinstance(value, str):
        return value.split()
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def role_of(provider: Provider, claims: Mapping[str, Any]) -> str | None:
    """The role that the claims grant, None for none."""
    held = set(_words(_path(claims, provider.role_claim)))
    return next((role for value, role in provider.roles if value in held), None)


def areas_of(provider: Provider, claims: Mapping[str, Any]) -> list[str] | None:
    """Area codes that the claims grant; None where areas are not the provider's business."""
    return _words(_path(claims, provider.area_claim)) if provider.area_claim else None
