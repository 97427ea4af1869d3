"""After the freeze another area, state or factor makes an adjustment, and the reference consumer takes it."""

import asyncio
import importlib.util
import sqlite3
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from api.jobs import adjust_frozen

START = datetime(2026, 1, 31, 16, tzinfo=UTC)
HOURS = 28 * 24
PERIOD = {"code": "2026-02", "start_date": "2026-02-01", "end_date": "2026-03-01"}


class FromThread(httpx.BaseTransport):
    """The consumer is synchronous: its requests are handed to the service in this loop."""

    def __init__(self, app, loop):
        self.transport, self.loop = httpx.ASGITransport(app), loop

    def handle_request(self, request):
        async def send():
            asked = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
            answer = await self.transport.handle_async_request(asked)
            return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())

        return asyncio.run_coroutine_threadsafe(send(), self.loop).result(60)


@pytest.fixture
async def consumer(service):
    """The reference consumer of the documentation with a store of its own."""
    spec = importlib.util.spec_from_file_location(
        "reference_consumer", Path(__file__).parents[2] / "docs" / "reference_consumer.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    headers = {"Authorization": f"Bearer {service.keys['billing']}"}
    client = httpx.Client(transport=FromThread(service.app, asyncio.get_running_loop()), headers=headers)
    store = sqlite3.connect(":memory:", check_same_thread=False)
    yield module.Consumer(client, "http://heatbook.test/api/v1", store)
    await asyncio.to_thread(client.close)
    store.close()


@pytest.fixture
async def frozen(service, new_place, push_hours, assessed, consumer):
    """A frozen February of a point of 100 m2 that the consumer has taken."""
    place = await new_place(heated_area_m2=Decimal("100.00"))
    await push_hours(place, START, HOURS + 2)
    await assessed()
    caller = service.caller("billing")
    await caller.post("/api/v1/billing/periods", json=PERIOD)
    assert (await caller.post("/api/v1/billing/periods/2026-02/freeze", json={})).json()["newly_frozen"] == 1
    assert await asyncio.to_thread(consumer.pull) == 1
    return place


@pytest.fixture
def adjusted(service, consumer):
    """What the consumer holds after the hourly job has run, and how many quantities came."""

    async def run():
        await adjust_frozen(service.pool, now=datetime(2026, 3, 12, tzinfo=UTC))
        taken = await asyncio.to_thread(consumer.pull)
        return taken, next(iter(consumer.current("2026-02")))

    return run


async def test_nothing_changed_makes_no_adjustment(frozen, adjusted):
    taken, row = await adjusted()
    assert (taken, row["state"]) == (0, "frozen")


async def test_a_corrected_heated_area_is_an_adjustment_without_any_new_reading(service, frozen, adjusted):
    body = {"heated_area_m2": "88.50"}
    assert (await service.caller("technician").patch("/api/v1/points/P-1", json=body)).status_code == 204
    taken, row = await adjusted()
    assert (taken, row["state"], row["cause"], row["heated_area_m2"]) == (1, "adjustment", "heated_area", "88.50")
    assert row["adjustment"]["difference_j"] == 0
    assert row["adjustment"]["changes"] == [
        {"figure": "heated_area_m2", "old": "100.00", "new": "88.50", "difference": "-11.50", "cause": "heated_area"}
    ]
    assert (await adjusted())[0] == 0


async def test_a_suspension_that_is_told_late_moves_the_days(service, frozen, adjusted):
    since = START + timedelta(days=18)
    told = {"state": "suspended", "since": since.isoformat(), "note": "told late"}
    assert (await service.caller("technician").post("/api/v1/points/P-1/state", json=told)).status_code == 204
    taken, row = await adjusted()
    assert (taken, row["cause"], row["days_suspended"], row["days_in_service"]) == (1, "state", 10.0, 18.0)
    changes = {change["figure"]: change for change in row["adjustment"]["changes"]}
    assert (changes["days_suspended"]["old"], changes["days_suspended"]["difference"]) == (0.0, 10.0)
    assert changes["days_in_service"]["difference"] == -10.0


async def test_a_corrected_factor_is_an_adjustment_by_that_cause(service, frozen, adjusted, assessed):
    point = (await service.caller("lead").get("/api/v1/points/P-1")).json()
    number = point["installations"][0]["installation_id"]
    body = {"factor": "2", "reason": "transformer 2:1"}
    assert (await service.caller("technician").patch(f"/api/v1/installations/{number}", json=body)).status_code == 403
    assert (await service.caller("lead").patch(f"/api/v1/installations/{number}", json=body)).status_code == 204
    await assessed(datetime(2026, 3, 11, tzinfo=UTC))
    taken, row = await adjusted()
    assert (taken, row["cause"], row["energy_kwh"]) == (1, "factor", "1653.120")
    changes = {change["figure"]: change for change in row["adjustment"]["changes"]}
    assert changes["energy_j"]["difference"] == row["adjustment"]["difference_j"]
    assert changes["factors"] == {
        "figure": "factors", "old": {"12345678": "1"}, "new": {"12345678": "2"}, "difference": None, "cause": "factor"
    }  # fmt: skip


async def test_a_meter_mounted_later_than_was_said_shortens_the_days_in_service(service, frozen, adjusted, assessed):
    async with service.pool.connection() as connection:
        await connection.execute(
            "UPDATE installation SET period = tstzrange(%s, NULL) WHERE meter_id = %s",
            (START + timedelta(days=8), frozen.meter_id),
        )
        await connection.execute("INSERT INTO touched (meter_id, from_ts) VALUES (%s, %s)", (frozen.meter_id, START))
    await assessed(datetime(2026, 3, 11, tzinfo=UTC))
    taken, row = await adjusted()
    assert (taken, row["cause"], row["days_in_service"]) == (1, "exchange", 20.0)
    assert {change["cause"] for change in row["adjustment"]["changes"]} == {"exchange"}


async def test_a_change_whose_transaction_is_still_open_at_the_freeze_is_not_missed(service, frozen, adjusted):
    # The change begins before the period is looked at and commits after it.
    async with service.pool.connection() as other, other.transaction():
        await other.execute("UPDATE metering_point SET heated_area_m2 = 70 WHERE point_id = %s", (frozen.point_id,))
        assert (await adjusted())[0] == 0
    taken, row = await adjusted()
    assert (taken, row["heated_area_m2"]) == (1, "70.00")
