"""Webhooks, notifications and periodic jobs: told once, signed, tried again, silent at night."""

import asyncio
from datetime import UTC, datetime, time, timedelta

import httpx
import pytest

from api import jobs, notify
from api.access import SYSTEM
from api.alerts import service as alerts
from api.billing import webhooks
from api.idempotency import MASK, MASKED, REPLAYED
from api.people import service as people
from ingest.clock import CatchUpClock, SystemClock
from ingest.sealing import Sealer, sealer_for
from ingest.store import outbox

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def sealer(service):
    """The service's own."""
    return sealer_for(service.app.state.heatbook.settings.data)


@pytest.fixture
async def receiver():
    """A consumer on a socket that keeps what it gets and answers as told."""
    got, answers = [], []

    async def serve(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
        got.append((headers, await reader.readexactly(int(headers["content-length"]))))
        status = answers.pop(0) if answers else 204
        writer.write(f"HTTP/1.1 {status} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook", got, answers


async def test_a_freeze_is_announced_signed_and_tried_again_until_it_is_taken(service, receiver, sealer):
    url, got, answers = receiver
    caller = service.caller("billing")
    body = {"url": url, "events": ["billing.frozen"]}
    secret = (await caller.post("/api/v1/billing/webhooks", json=body)).json()["secret"].encode()
    await caller.post(
        "/api/v1/billing/periods", json={"code": "x", "start_date": "2026-01-01", "end_date": "2026-02-01"}
    )
    assert (await caller.post("/api/v1/billing/periods/x/freeze", json={})).status_code == 200
    answers.append(500)
    now = datetime.now(UTC)
    async with httpx.AsyncClient() as client:
        assert await webhooks.deliver_due(service.pool, client, sealer, now=now) == 1
        assert await webhooks.deliver_due(service.pool, client, sealer, now=now) == 0  # not before a minute has passed
        later = now + timedelta(minutes=2)
        assert await webhooks.deliver_due(service.pool, client, sealer, now=later) == 1
        assert await webhooks.deliver_due(service.pool, client, sealer, now=later + timedelta(days=1)) == 0
    headers, payload = got[1]
    header = headers[webhooks.SIGNATURE.lower()]
    assert webhooks.is_genuine(secret, payload, header, now=later)
    assert not webhooks.is_genuine(secret, payload + b" ", header, now=later)
    assert not webhooks.is_genuine(secret, payload, header, now=later + timedelta(hours=1))
    assert b'"event":"billing.frozen"' in payload
    (row,) = (await caller.get("/api/v1/billing/webhooks")).json()
    assert (row["waiting"], row["failed"]) == (0, 0)
    assert "secret" not in row


async def test_a_consumer_that_is_away_is_given_up_after_a_day(service, sealer):
    caller = service.caller("billing")
    body = {"url": "http://127.0.0.1:9/", "events": ["billing.frozen"]}
    await caller.post("/api/v1/billing/webhooks", json=body)
    async with service.pool.connection() as connection:
        assert await outbox.announce(connection, "billing.frozen", {}) == 1
        assert await outbox.announce(connection, "billing.adjusted", {}) == 0
    now, tried = datetime.now(UTC), 0
    async with httpx.AsyncClient() as client:
        for _ in range(40):
            tried += await webhooks.deliver_due(service.pool, client, sealer, now=now)
            now += timedelta(hours=4)
    assert tried == webhooks.ATTEMPTS
    (row,) = (await caller.get("/api/v1/billing/webhooks")).json()
    assert (row["waiting"], row["failed"]) == (0, 1)


async def test_a_secret_lies_sealed_and_one_from_before_is_sealed_with_the_next_look(service, receiver, sealer):
    url, got, _ = receiver
    body = {"url": url, "events": ["billing.frozen"]}
    secret = (await service.caller("billing").post("/api/v1/billing/webhooks", json=body)).json()["secret"]
    old = "written-in-clear-by-an-older-version"
    stored = "SELECT secret, sealed FROM webhook ORDER BY webhook_id"
    async with service.pool.connection() as connection, connection.transaction():
        (row,) = await (await connection.execute(stored)).fetchall()
        assert row[0] is None
        assert secret.encode() not in bytes(row[1])
        await connection.execute(
            "INSERT INTO webhook (url, secret, events, created_by) VALUES (%s, %s, %s, 'x')",
            (url, old.encode(), ["billing.adjusted"]),
        )
        await outbox.announce(connection, "billing.adjusted", {})
    now = datetime.now(UTC) + timedelta(seconds=1)
    async with httpx.AsyncClient() as client:
        assert await webhooks.deliver_due(service.pool, client, sealer, now=now) == 1
        assert webhooks.is_genuine(old.encode(), got[0][1], got[0][0][webhooks.SIGNATURE.lower()], now=now)
        async with service.pool.connection() as connection:
            rows = await (await connection.execute(stored)).fetchall()
            assert [row[0] for row in rows] == [None, None]
            await outbox.announce(connection, "billing.adjusted", {})
        other = Sealer(bytes(32))
        assert await webhooks.deliver_due(service.pool, client, other, now=now + timedelta(seconds=1)) == 1
    assert len(got) == 1
    async with service.pool.connection() as connection:
        row = await (await connection.execute("SELECT state, error FROM webhook_call ORDER BY call_id DESC")).fetchone()
    assert row[0] == "waiting"
    assert "does not open with this master key" in row[1]


@pytest.mark.parametrize(
    ("role", "path", "body", "secret"),
    [
        ("billing", "/api/v1/billing/webhooks", {"url": "http://127.0.0.1:9/", "events": ["billing.frozen"]}, "secret"),
        ("admin", "/api/v1/keys", {"name": "robot", "role": "reviewer"}, "key"),
    ],
)
async def test_a_replayed_answer_has_no_secret_and_says_so(service, role, path, body, secret):
    caller, headers = service.caller(role), {"Idempotency-Key": "once"}
    first = await caller.post(path, json=body, headers=headers)
    assert first.status_code == 201, first.text
    assert MASKED not in first.headers
    again = await caller.post(path, json=body, headers=headers)
    assert (again.status_code, again.headers[REPLAYED], again.headers[MASKED]) == (201, "true", secret)
    assert again.json() == {**first.json(), secret: MASK}
    async with service.pool.connection() as connection:
        ((kept,),) = await (await connection.execute("SELECT response FROM idempotency_key")).fetchall()
    assert first.json()[secret].encode() not in bytes(kept)


@pytest.mark.parametrize("url", ["ftp://x/", "http://user:pw@host/", "https://", "http://[/hook"])
async def test_only_web_addresses_are_called(service, url):
    answer = await service.caller("billing").post(
        "/api/v1/billing/webhooks", json={"url": url, "events": ["billing.frozen"]}
    )
    assert (answer.status_code, answer.json()["field"]) == (422, "url")


@pytest.mark.parametrize(
    ("hour", "begins", "ends", "quiet"),
    [
        (14, 22, 7, True),
        (13, 22, 7, False),
        (16, 22, 7, True),
        (23, 22, 7, False),
        (4, 12, 14, True),
        (6, 12, 14, False),
        (4, 5, 5, False),
    ],
)
def test_quiet_hours_are_local_and_may_span_midnight(hour, begins, ends, quiet):
    # `hour` is UTC: 14:00 is 22:00 in Shanghai.
    assert notify.is_quiet(NOW.replace(hour=hour), "Asia/Shanghai", time(begins), time(ends)) == quiet


@pytest.fixture
async def alarming(service, new_place):
    """Makes an alert at a point of its own; its number."""

    async def make(severity="critical", *, hours_ago=0.0, state="open", due_h=None, area="A1"):
        number = len(sent_places) + 1
        place = await new_place(f"P-{number}", f"4000000{number}", area=area)
        sent_places.append(place)
        async with service.pool.connection() as connection:
            cursor = await connection.execute(
                "INSERT INTO alert (point_id, kind, severity, from_ts, energy_at_stake_kwh, opened_at, state, due_at)"
                " VALUES (%s, 'zero', %s, now(), 50, %s, %s, %s) RETURNING alert_id",
                (
                    place.point_id,
                    severity,
                    NOW - timedelta(hours=hours_ago),
                    state,
                    None if due_h is None else NOW + timedelta(hours=due_h),
                ),
            )
            return place, (await cursor.fetchone())[0]

    sent_places = []
    return make


async def test_a_rule_tells_news_once_and_quiet_hours_lose_nothing(service, alarming, sealer):
    sent = []

    def send(url, title, body):
        sent.append((url, title, body))
        return True

    async with service.pool.connection() as connection, connection.transaction():
        quiet = (time(22), time(7))
        await notify.add_rule(connection, SYSTEM, sealer, "technician", "json://u:pw@localhost", quiet=quiet)
    await alarming()
    night, morning = NOW.replace(hour=16), NOW.replace(hour=23, minute=30)
    assert await notify.tell(service.pool, sealer, now=night, send=send) == 0
    assert await notify.tell(service.pool, sealer, now=morning, send=lambda *_: False) == 0
    assert await notify.tell(service.pool, sealer, now=morning, send=send) == 1
    assert await notify.tell(service.pool, sealer, now=morning, send=send) == 0
    assert sent == [("json://u:pw@localhost", "Heatbook:1 条新告警", "critical zero: P-1  (50 kWh)")]


async def test_an_administrator_makes_tests_and_ends_a_rule_and_nobody_reads_its_address(service, receiver, new_place):
    await new_place()
    url, got, answers = receiver
    caller = service.caller("admin")
    body = {
        "role": "lead",
        "area": "A1",
        "url": url.replace("http://", "json://user:hunter2@"),
        "events": ["alert.opened", "alert.overdue"],
        "quiet_from": "22:00",
        "quiet_to": "06:30",
    }
    made = await caller.post("/api/v1/notifications", json=body)
    assert made.status_code == 201, made.text
    number = made.json()["rule_id"]
    answers += [200, 500]
    assert (await caller.post(f"/api/v1/notifications/{number}/test", json={})).json() == {"taken": True}
    assert (await caller.post(f"/api/v1/notifications/{number}/test", json={})).json() == {"taken": False}
    assert b"Messages of this rule arrive here." in got[0][1]
    listed = await caller.get("/api/v1/notifications")
    assert (listed.json()[0]["service"], listed.json()[0]["refused"]) == ("json", 1)
    told = (await caller.get("/api/v1/notifications/messages")).json()
    assert [(row["event"], row["taken"]) for row in told] == [("test", False), ("test", True)]
    async with service.pool.connection() as connection:
        rows = await (await connection.execute("SELECT n::text FROM notification_rule n")).fetchall()
        logged = await (await connection.execute("SELECT details::text FROM audit_entry")).fetchall()
    assert not any("hunter2" in row[0] for row in (*rows, *logged))
    assert "hunter2" not in listed.text
    assert (await caller.delete(f"/api/v1/notifications/{number}")).status_code == 204
    assert (await caller.get("/api/v1/notifications")).json() == []
    assert (await caller.post(f"/api/v1/notifications/{number}/test", json={})).status_code == 404
    assert (await service.caller("lead").get("/api/v1/notifications")).status_code == 403


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": "nonsense"}, "url"),
        ({"area": "A9"}, "areas"),
        ({"events": ["alert.closed"]}, "events.0"),
        ({"quiet_from": "22:00"}, "body"),
        ({"role": "guest"}, "role"),
    ],
)
async def test_a_rule_that_cannot_work_is_refused_by_name(service, change, field):
    body = {"role": "lead", "url": "json://localhost", **change}
    answer = await service.caller("admin").post("/api/v1/notifications", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text


async def test_overdue_alerts_go_to_the_lead_of_their_area_once(service, alarming, sealer):
    _, late = await alarming(hours_ago=25)
    _, fresh = await alarming(hours_ago=23)
    _, checked = await alarming("info", hours_ago=1, state="field_check", due_h=-1)
    _, elsewhere = await alarming("warning", hours_ago=73, area="A2")
    sent = []
    async with service.pool.connection() as connection, connection.transaction():
        for name, areas in (("anna", ["A1"]), ("boss", [])):
            await people.add_person(connection, SYSTEM, name, "lead", None, areas=areas)
        await notify.add_rule(
            connection, SYSTEM, sealer, "lead", "json://localhost", events=["alert.overdue"], min_severity="info",
            language="en",
        )  # fmt: skip
    later = datetime.now(UTC) + timedelta(seconds=1)
    async with service.pool.connection() as connection, connection.transaction():
        assert await alerts.escalate(connection, now=NOW) == 3
        assert await alerts.escalate(connection, now=NOW) == 0
        await connection.execute("UPDATE alert SET escalated_at = %s WHERE escalated_at IS NOT NULL", (later,))

    def send(url, title, body):
        sent.append((title, body.count("\n") + 1))
        return True

    assert await notify.tell(service.pool, sealer, now=NOW, send=send) == 1
    assert await notify.tell(service.pool, sealer, now=NOW, send=send) == 0
    assert sent == [("Heatbook: 3 alerts are overdue", 3)]
    queue = (await service.caller("lead").get("/api/v1/alerts", params={"escalated": True})).json()["items"]
    assert {row["alert_id"]: row["assignee"] for row in queue} == {late: "anna", checked: "anna", elsewhere: "boss"}
    shown = (await service.caller("lead").get(f"/api/v1/alerts/{late}")).json()
    assert [event["action"] for event in shown["events"]] == ["escalate"]
    assert "escalate" not in shown["actions"]
    assert (await service.caller("lead").get(f"/api/v1/alerts/{fresh}")).json()["escalated_at"] is None


async def test_what_is_overdue_is_told_by_the_clock_that_pages_show(service, alarming, sealer):
    # A demo whose clock stands two days behind the wall's: nothing has waited too long there yet.
    wall = datetime.now(UTC)
    behind = CatchUpClock(wall, wall - timedelta(days=2), 1.0, wall=lambda: wall)
    _, waiting = await alarming(hours_ago=(NOW - wall) / timedelta(hours=1) + 49)
    for clock, escalated in ((behind, False), (SystemClock(), True)):
        app = jobs.service_jobs(service.url, service.pool, sealer, clock)
        async with app.open_async():
            await app.tasks["wake alerts"].defer_async(timestamp=0)
            await app.run_worker_async(queues=[jobs.QUEUE], wait=False, install_signal_handlers=False)
        shown = (await service.caller("lead").get(f"/api/v1/alerts/{waiting}")).json()
        assert (shown["escalated_at"] is not None) == escalated


async def test_the_jobs_run_on_the_queue_of_the_database(service):
    app = jobs.service_jobs(service.url, service.pool)
    async with app.open_async():
        await app.tasks["wake alerts"].defer_async(timestamp=0)
        await app.tasks["notify"].defer_async(timestamp=0)
        await app.run_worker_async(queues=[jobs.QUEUE], wait=False, install_signal_handlers=False)
    async with service.pool.connection() as connection:
        cursor = await connection.execute("SELECT task_name, status FROM procrastinate_jobs ORDER BY id LIMIT 2")
        assert await cursor.fetchall() == [("wake alerts", "succeeded"), ("notify", "succeeded")]
