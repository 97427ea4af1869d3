"""Keys, sessions, roles, scopes, cursors, health: who gets in, and what the others are told."""

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from api.access import SYSTEM
from api.people import service as people
from ingest.store import audit
from ingest.store.database import connect_sync


@pytest.mark.parametrize("header", [None, "Bearer hbk_wrong", "Bearer ", "Basic YTpi", "Bearer not-a-key"])
async def test_without_a_valid_key_nobody_gets_in(service, header):
    headers = {} if header is None else {"Authorization": header}
    answer = await service.caller(None).get("/api/v1/alerts", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_an_expired_and_a_revoked_key_are_refused(service):
    async with service.pool.connection() as connection, connection.transaction():
        soon = datetime.now(UTC) + timedelta(minutes=5)
        number, key = await people.add_key(connection, SYSTEM, "soon over", "billing", expires_at=soon)
    headers = {"Authorization": f"Bearer {key}"}
    caller = service.caller(None)
    assert (await caller.get("/api/v1/me", headers=headers)).json()["role"] == "billing"
    async with service.pool.connection() as connection:
        await connection.execute("UPDATE api_key SET expires_at = now() WHERE api_key_id = %s", (number,))
    assert (await caller.get("/api/v1/me", headers=headers)).status_code == 401
    made = (await service.caller("admin").post("/api/v1/keys", json={"name": "x", "role": "lead"})).json()
    headers = {"Authorization": f"Bearer {made['key']}"}
    assert (await caller.get("/api/v1/me", headers=headers)).status_code == 200
    assert (await service.caller("admin").delete(f"/api/v1/keys/{made['api_key_id']}")).status_code == 204
    assert (await caller.get("/api/v1/me", headers=headers)).status_code == 401


@pytest.mark.parametrize(
    ("role", "method", "path", "status"),
    [
        ("billing", "POST", "/api/v1/deliveries", 403),
        ("reviewer", "POST", "/api/v1/deliveries", 403),
        ("technician", "GET", "/api/v1/billing/periods", 403),
        ("technician", "POST", "/api/v1/alerts/1/acknowledge", 403),
        ("reviewer", "POST", "/api/v1/billing/periods", 403),
        ("billing", "GET", "/api/v1/people", 403),
        ("lead", "GET", "/api/v1/keys", 403),
        ("lead", "GET", "/api/v1/people", 200),
        ("billing", "GET", "/api/v1/billing/periods", 200),
    ],
)
async def test_the_role_decides(service, role, method, path, status):
    answer = await service.caller(role).request(method, path, json=None if method == "GET" else {"revision": 1})
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "role.wrong"


async def test_a_key_with_scopes_may_do_only_those(service):
    made = await service.caller("admin").post(
        "/api/v1/keys", json={"name": "reads", "role": "admin", "scopes": ["billing:read"]}
    )
    headers = {"Authorization": f"Bearer {made.json()['key']}"}
    caller = service.caller(None)
    assert (await caller.get("/api/v1/billing/periods", headers=headers)).status_code == 200
    for method, path in (("GET", "/api/v1/alerts"), ("POST", "/api/v1/billing/periods"), ("GET", "/api/v1/people")):
        answer = await caller.request(method, path, headers=headers, json={} if method == "POST" else None)
        assert (answer.status_code, answer.json()["code"]) == (403, "scope.missing")


async def test_a_person_logs_in_works_and_logs_out(service):
    await service.caller("admin").post(
        "/api/v1/people", json={"name": "li", "role": "reviewer", "password": "correct horse", "language": "zh"}
    )
    caller = service.caller(None)
    wrong = await caller.post("/api/v1/session", json={"name": "li", "password": "wrong horse"})
    nobody = await caller.post("/api/v1/session", json={"name": "nobody", "password": "wrong horse"})
    assert (wrong.status_code, wrong.json()["detail"]) == (401, nobody.json()["detail"])
    entered = await caller.post("/api/v1/session", json={"name": "li", "password": "correct horse"})
    assert entered.status_code == 201
    cookie = entered.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert (await caller.get("/api/v1/me")).json()["name"] == "li"
    foreign = await caller.post("/api/v1/alerts/bulk", json={}, headers={"Origin": "http://evil.test"})
    assert (foreign.status_code, foreign.json()["code"]) == (403, "origin.foreign")
    assert (await caller.delete("/api/v1/session")).status_code == 204
    assert (await caller.get("/api/v1/me")).status_code == 401


async def test_guessing_passwords_closes_the_name_for_a_while(service):
    caller = service.caller(None)
    answers = [await caller.post("/api/v1/session", json={"name": "ghost", "password": "x"}) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]


async def test_locking_a_person_out_ends_their_session(service):
    admin, caller = service.caller("admin"), service.caller(None)
    await admin.post("/api/v1/people", json={"name": "wu", "role": "lead", "password": "long enough pw"})
    await caller.post("/api/v1/session", json={"name": "wu", "password": "long enough pw"})
    assert (await caller.get("/api/v1/me")).status_code == 200
    await admin.patch("/api/v1/people/wu", json={"disabled": True})
    assert (await caller.get("/api/v1/me")).status_code == 401


@pytest.mark.parametrize("cursor", ["x", "AAAA", "é", "a" * 400, "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3A"])
async def test_a_forged_cursor_is_refused(service, cursor):
    answer = await service.caller("reviewer").get("/api/v1/alerts", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (422, "cursor.invalid")


async def test_a_cursor_of_another_question_is_refused(service):
    cursors = service.app.state.heatbook.cursors
    text = cursors.text_from_position("audit", [5], person=None, action=None, subject=None)
    lead = service.caller("lead")
    assert (await lead.get("/api/v1/audit", params={"cursor": text})).status_code == 200
    assert (await lead.get("/api/v1/audit", params={"cursor": text, "person": "li"})).status_code == 422
    assert (await lead.get("/api/v1/alerts", params={"cursor": text})).status_code == 422


async def test_the_audit_chain_shows_what_was_changed(service):
    async def note(number):
        async with service.pool.connection() as connection, connection.transaction():
            await audit.record(connection, "li", "test", f"thing/{number}", {"n": number, "x": 1.5, "big": 1e20})

    await asyncio.gather(*(note(number) for number in range(8)))
    with connect_sync(service.url) as connection:
        report = audit.verify_chain(connection)
        assert report.broken_at is None
        assert report.entries >= 8
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("UPDATE audit_entry SET actor = 'me'")
        connection.rollback()
        connection.execute("ALTER TABLE audit_entry DISABLE TRIGGER audit_append_only")
        connection.execute("UPDATE audit_entry SET details = '{\"n\": 99}' WHERE audit_id = 5")
        assert audit.verify_chain(connection).broken_at == 5
        connection.rollback()
        connection.execute("ALTER TABLE audit_entry DISABLE TRIGGER audit_append_only")
        connection.execute("DELETE FROM audit_entry WHERE audit_id = 3")
        assert audit.verify_chain(connection).broken_at == 3
        connection.rollback()


async def test_health_and_metrics_are_open_and_tell_the_state(service):
    caller = service.caller(None)
    assert (await caller.get("/health/live")).json() == {"status": "live"}
    assert (await caller.get("/health/ready")).json() == {"status": "ready", "database": "here"}
    await caller.get("/api/v1/alerts")
    text = (await caller.get("/metrics")).text
    assert 'heatbook_http_requests_total{method="GET",route="/api/v1/alerts",status="401"} 1.0' in text


async def test_answers_carry_the_headers_that_protect_browsers(service):
    headers = (await service.caller("admin").get("/api/v1/me")).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
