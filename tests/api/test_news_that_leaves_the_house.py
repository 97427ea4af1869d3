"""Webhooks, notifications and periodic jobs: told once, signed, tried again, silent at night."""

import asyncio
from datetime import UTC, datetime, time, timedelta

import httpx
import pytest

from api import jobs, notify
from api.access import SYSTEM
from api.billing import webhooks
from ingest.store import outbox

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


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


async def test_a_freeze_is_announced_signed_and_tried_again_until_it_is_taken(service, receiver):
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
        assert await webhooks.deliver_due(service.pool, client, now=now) == 1
        assert await webhooks.deliver_due(service.pool, client, now=now) == 0  # not before a minute has passed
        later = now + timedelta(minutes=2)
        assert await webhooks.deliver_due(service.pool, client, now=later) == 1
        assert await webhooks.deliver_due(service.pool, client, now=later + timedelta(days=1)) == 0
    headers, payload = got[1]
    header = headers[webhooks.SIGNATURE.lower()]
    assert webhooks.is_genuine(secret, payload, header, now=later)
    assert not webhooks.is_genuine(secret, payload + b" ", header, now=later)
    assert not webhooks.is_genuine(secret, payload, header, now=later + timedelta(hours=1))
    assert b'"event":"billing.frozen"' in payload
    (row,) = (await caller.get("/api/v1/billing/webhooks")).json()
    assert (row["waiting"], row["failed"]) == (0, 0)
    assert "secret" not in row


async def test_a_consumer_that_is_away_is_given_up_after_a_day(service):
    caller = service.caller("billing")
    body = {"url": "http://127.0.0.1:9/", "events": ["billing.frozen"]}
    await caller.post("/api/v1/billing/webhooks", json=body)
    async with service.pool.connection() as connection:
        assert await outbox.announce(connection, "billing.frozen", {}) == 1
        assert await outbox.announce(connection, "billing.adjusted", {}) == 0
    now, tried = datetime.now(UTC), 0
    async with httpx.AsyncClient() as client:
        for _ in range(40):
            tried += await webhooks.deliver_due(service.pool, client, now=now)
            now += timedelta(hours=4)
    assert tried == webhooks.ATTEMPTS
    (row,) = (await caller.get("/api/v1/billing/webhooks")).json()
    assert (row["waiting"], row["failed"]) == (0, 1)


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


async def test_a_rule_tells_news_once_and_quiet_hours_lose_nothing(service, new_place):
    place = await new_place()
    sent = []

    def send(url, title, body):
        sent.append((title, body))
        return True

    async with service.pool.connection() as connection, connection.transaction():
        quiet = (time(22), time(7))
        await notify.add_rule(connection, SYSTEM, "technician", "json://localhost", area_id=place.area_id, quiet=quiet)
        await connection.execute(
            "INSERT INTO alert (point_id, kind, severity, from_ts, energy_at_stake_kwh)"
            " VALUES (%s, 'zero', 'critical', now(), 50)",
            (place.point_id,),
        )
    night, morning = NOW.replace(hour=16), NOW.replace(hour=23, minute=30)
    assert await notify.tell(service.pool, now=night, send=send) == 0
    assert await notify.tell(service.pool, now=morning, send=lambda *_: False) == 0
    assert await notify.tell(service.pool, now=morning, send=send) == 1
    assert await notify.tell(service.pool, now=morning, send=send) == 0
    assert sent == [("Heatbook:1 条新告警", "critical zero: P-1  (50 kWh)")]


async def test_the_jobs_run_on_the_queue_of_the_database(service):
    app = jobs.service_jobs(service.url, service.pool)
    async with app.open_async():
        await app.tasks["wake alerts"].defer_async(timestamp=0)
        await app.tasks["notify"].defer_async(timestamp=0)
        await app.run_worker_async(queues=[jobs.QUEUE], wait=False, install_signal_handlers=False)
    async with service.pool.connection() as connection:
        cursor = await connection.execute("SELECT task_name, status FROM procrastinate_jobs ORDER BY id LIMIT 2")
        assert await cursor.fetchall() == [("wake alerts", "succeeded"), ("notify", "succeeded")]
