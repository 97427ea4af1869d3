"""Logging in by an OpenID provider, against a small real one on a socket of its own."""

import asyncio
import base64
import contextlib
import hashlib
import time
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import uvicorn
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.applications import Starlette
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route

from api.access import COOKIE, SYSTEM
from api.app import create_app, load_secrets
from api.people import oidc
from api.people import service as people
from api.people.oidc_endpoints import LOGIN_COOKIE
from ingest.config import Settings
from ingest.errors import SettingsError
from ingest.store import registry

SECRET = "s3cret of the client"
START = "/api/v1/session/openid"


class SmallProvider:
    """Discovery, authorization code with PKCE, signed tokens, userinfo. `claims` speaks of whoever comes next."""

    def __init__(self):
        self.key = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig"}, private=True)
        self.claims = {"sub": "42", "preferred_username": "mei", "groups": ["heat-review"], "districts": ["A1"]}
        self.userinfo = {}
        self.base = ""
        self.codes = {}
        self.change = lambda token: token
        self.signer = self.key

    def app(self):
        paths = {
            "/.well-known/openid-configuration": self.metadata,
            "/authorize": self.authorize,
            "/token": self.token,
            "/keys": self.keys,
            "/me": self.me,
        }
        return Starlette(routes=[Route(path, call, methods=["GET", "POST"]) for path, call in paths.items()])

    async def metadata(self, request):
        names = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        found = {name: f"{self.base}/{path}" for name, path in names.items()}
        return JSONResponse({"issuer": self.base, "userinfo_endpoint": f"{self.base}/me", **found})

    async def authorize(self, request):
        asked = dict(request.query_params)
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?code={code}&state={asked['state']}&iss={self.base}")

    async def token(self, request):
        form = await request.form()
        asked = self.codes.pop(form["code"], None)
        basic = "Basic " + base64.b64encode(f"heatbook:{SECRET}".encode()).decode()
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if asked is None or request.headers.get("authorization") != basic or asked["code_challenge"] != challenge:
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        token = {
            "iss": self.base, "aud": "heatbook", "iat": now, "exp": now + 300, "nonce": asked["nonce"], **self.claims,
        }  # fmt: skip
        signed = jwt.encode({"alg": "RS256", "kid": "k1"}, self.change(token), self.signer)
        return JSONResponse({"access_token": "at", "token_type": "Bearer", "id_token": signed})

    async def keys(self, request):
        return JSONResponse(KeySet([self.key]).as_dict(private=False))

    async def me(self, request):
        return JSONResponse({"sub": self.claims["sub"], **self.userinfo})


@contextlib.asynccontextmanager
async def serving(app):
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn tells by a flag
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@pytest.fixture
async def provider():
    small = SmallProvider()
    async with serving(small.app()) as small.base:
        yield small


@pytest.fixture
async def browser(service, provider, tmp_path):
    """A browser in front of the service that trusts the provider."""
    settings = Settings(
        data=tmp_path,
        oidc_issuer=provider.base,
        oidc_client_id="heatbook",
        oidc_client_secret=SECRET,
        oidc_role_claim="groups",
        oidc_roles="heat-admin=admin, heat-review=reviewer",
        oidc_area_claim="districts",
        public_url="http://heatbook.test/",
    )
    async with service.pool.connection() as connection, connection.transaction():
        for code in ("A1", "A2"):
            await registry.create_area(connection, code=code, name=code)
    app = create_app(settings=settings, pool=service.pool, pipeline=service.pipeline, directory=service.directory)
    await load_secrets(app.state.heatbook)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://heatbook.test") as client:
        yield client


async def come_back(browser, **change):
    """From the login button to the provider and back: the last answer of the service."""
    begun = await browser.get(START, params={"next": "/alerts?kind=zero"})
    assert begun.status_code == 303, begun.text
    async with httpx.AsyncClient() as outside:
        there = await outside.get(begun.headers["location"])
    back = urlsplit(there.headers["location"])
    answer = {name: values[0] for name, values in parse_qs(back.query).items()}
    return await browser.get(back.path, params={**answer, **change})


async def test_the_provider_vouches_for_a_person_with_role_and_areas(service, browser, provider):
    landed = await come_back(browser)
    assert landed.status_code == 200
    assert 'content="0;url=/alerts?kind=zero"' in landed.text
    cookies = [text.lower() for text in landed.headers.get_list("set-cookie")]
    assert any(text.startswith(f"{COOKIE}=") and "httponly" in text and "samesite=strict" in text for text in cookies)
    me = (await browser.get("/api/v1/me")).json()
    assert (me["name"], me["role"], len(me["areas"])) == ("mei", "reviewer", 1)
    # What the provider grants today counts today, and it is the same person.
    provider.claims |= {"groups": ["heat-review", "heat-admin"], "districts": ["*"], "preferred_username": "mei.li"}
    await come_back(browser)
    me = (await browser.get("/api/v1/me")).json()
    assert (me["name"], me["role"], me["areas"]) == ("mei", "admin", None)
    provider.claims["groups"] = ["canteen"]
    refused = await come_back(browser)
    assert refused.headers["location"] == "/login?refused=login.no_role"


async def test_claims_may_come_from_userinfo_and_from_inside_a_claim(browser, provider):
    provider.userinfo = {"groups": "canteen heat-review"}
    del provider.claims["groups"]
    await come_back(browser)
    assert (await browser.get("/api/v1/me")).json()["role"] == "reviewer"
    deep = oidc.Provider("i", "c", "r", role_claim="realm_access.roles", roles=(("lead", "lead"),))
    assert oidc.role_of(deep, {"realm_access": {"roles": ["x", "lead"]}}) == "lead"
    assert oidc.role_of(deep, {"realm_access": "lead"}) is None


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"districts": []}, "login.no_area"),
        ({"districts": ["A9"]}, "login.no_area"),
        ({"preferred_username": "local"}, "login.name_taken"),
    ],
)
async def test_a_claim_that_grants_nothing_lets_nobody_in(service, browser, provider, claims, code):
    async with service.pool.connection() as connection, connection.transaction():
        await people.add_person(connection, SYSTEM, "local", "admin", "a local password")
    provider.claims |= claims
    refused = await come_back(browser)
    assert refused.headers["location"] == f"/login?refused={code}"
    assert (await browser.get("/api/v1/me")).status_code == 401


async def test_a_person_who_was_locked_out_stays_out(service, browser, provider):
    await come_back(browser)
    await service.caller("admin").patch("/api/v1/people/mei", json={"disabled": True})
    assert (await come_back(browser)).headers["location"] == "/login?refused=login.locked"


async def test_an_answer_for_another_browser_or_login_is_refused(browser, provider):
    assert (await come_back(browser, state="forged")).headers["location"] == "/login?refused=login.state"
    assert (await come_back(browser, iss="http://evil.test")).headers["location"] == "/login?refused=login.issuer"
    assert (await come_back(browser, code="guessed")).headers["location"] == "/login?refused=login.refused"
    begun = await browser.get(START)
    state = parse_qs(urlsplit(begun.headers["location"]).query)["state"][0]
    browser.cookies.clear()
    stolen = await browser.get(f"{START}/callback", params={"code": "code-9", "state": state})
    assert stolen.headers["location"] == "/login?refused=login.state"
    cancelled = await browser.get(f"{START}/callback", params={"error": "access_denied"})
    assert cancelled.headers["location"] == "/login?refused=login.state"
    assert (await browser.get("/api/v1/me")).status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        {"nonce": "of another login"},
        {"aud": "another client"},
        {"iss": "http://evil.test"},
        {"exp": 1_000_000_000},
        {"sub": None},
    ],
)
async def test_a_token_that_does_not_hold_opens_nothing(browser, provider, change):
    provider.change = lambda token: {key: value for key, value in {**token, **change}.items() if value is not None}
    assert (await come_back(browser)).headers["location"] == "/login?refused=login.token"


async def test_a_token_signed_by_somebody_else_opens_nothing(browser, provider):
    provider.signer = RSAKey.generate_key(2048, {"kid": "k1"}, private=True)
    assert (await come_back(browser)).headers["location"] == "/login?refused=login.token"


@pytest.mark.parametrize(
    "path", ["//evil.test", "/\\evil.test", "https://evil.test/", "javascript:alert(1)", "", None, "/a\nb", "alerts"]
)
def test_nobody_is_sent_elsewhere_after_the_login(path):
    assert oidc.local_path(path) == "/"


async def test_a_login_that_took_too_long_and_a_cookie_that_was_changed_are_refused(browser, provider):
    begun = await browser.get(START)
    assert begun.status_code == 303
    browser.cookies.set(LOGIN_COOKIE, "AAAA", domain="heatbook.test", path=START)
    answer = await browser.get(f"{START}/callback", params={"code": "x", "state": "y"})
    assert answer.headers["location"] == "/login?refused=login.state"


async def test_without_a_provider_there_is_no_such_login(service):
    answer = await service.caller(None).get(START)
    assert (answer.status_code, answer.json()["code"]) == (404, "login.not_configured")


async def test_a_provider_that_is_away_is_told_as_such(browser, provider, service, tmp_path):
    settings = Settings(data=tmp_path, oidc_issuer="http://127.0.0.1:9", oidc_client_id="x", oidc_roles="a=admin")
    app = create_app(settings=settings, pool=service.pool, pipeline=service.pipeline, directory=service.directory)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://heatbook.test") as client:
        assert (await client.get(START)).headers["location"] == "/login?refused=login.provider"


@pytest.mark.parametrize(
    "wrong",
    [
        {"oidc_client_id": None},
        {"oidc_issuer": "http://id.example.org"},
        {"oidc_roles": ""},
        {"oidc_roles": "staff=king"},
        {"oidc_roles": "admin"},
    ],
)
def test_half_a_configuration_is_told_at_the_start(tmp_path, wrong):
    whole = Settings(
        data=tmp_path, oidc_issuer="https://id.example.org", oidc_client_id="heatbook", oidc_roles="staff=reviewer"
    )
    assert oidc.provider_from_settings(whole) is not None
    with pytest.raises(SettingsError):
        oidc.provider_from_settings(replace(whole, **wrong))
