"""The reference consumer of the documentation works: it pulls, stores, acknowledges and takes an adjustment."""

import importlib.util
import sqlite3
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

DOCS = Path(__file__).parents[2] / "docs"
START = datetime(2026, 1, 31, 16, tzinfo=UTC)
HOURS = 28 * 24


def document(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class Bridge(httpx.BaseTransport):
    """The consumer is synchronous, the service lives in this loop: requests are handed over by a portal."""

    def __init__(self, app, portal):
        self.transport, self.portal = httpx.ASGITransport(app), portal

    def handle_request(self, request):
        async def send():
            answer = await self.transport.handle_async_request(
                httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
            )
            return answer.status_code, answer.headers, await answer.aread()

        status, headers, content = self.portal(send)
        return httpx.Response(status, headers=headers, content=content)


async def test_the_consumer_survives_an_adjustment_and_repeats_nothing(service, new_place, push_hours, assessed):
    import asyncio

    loop = asyncio.get_running_loop()
    consumer_module, tariffs = document("reference_consumer"), document("billing_tariffs")
    place = await new_place(heated_area_m2=Decimal("100.00"))
    await push_hours(place, START, HOURS + 2)
    await assessed()
    caller = service.caller("billing")
    tiers = [{"tier": "1", "upto_kwh": 500}, {"tier": "2", "upto_kwh": None}]
    period = {"code": "2026-02", "start_date": "2026-02-01", "end_date": "2026-03-01", "settings": {"tiers": tiers}}
    await caller.post("/api/v1/billing/periods", json=period)
    await caller.post("/api/v1/billing/periods/2026-02/freeze", json={})

    def portal(coroutine_function):
        return asyncio.run_coroutine_threadsafe(coroutine_function(), loop).result(60)

    headers = {"Authorization": f"Bearer {service.keys['billing']}"}
    client = httpx.Client(transport=Bridge(service.app, portal), headers=headers)
    store = sqlite3.connect(":memory:", check_same_thread=False)
    consumer = consumer_module.Consumer(client, "http://heatbook.test/api/v1", store)
    assert await asyncio.to_thread(consumer.pull) == 1
    assert await asyncio.to_thread(consumer.pull) == 0
    assert await asyncio.to_thread(consumer.acknowledge) == 1
    (before,) = consumer.current("2026-02")
    assert before["energy_kwh"] == "826.560"
    async with service.pool.connection() as connection:
        await connection.execute(
            """
            INSERT INTO manual_reading (meter_id, register_id, ts, value, kind, state, entered_by, approved_by)
            SELECT meter_id, register_id, %s, 183656, 'edit', 'approved', 'li', 'wu' FROM register WHERE name = 'energy'
            """,
            (START + timedelta(hours=HOURS),),
        )
        await connection.execute("INSERT INTO touched (meter_id, from_ts) VALUES (%s, %s)", (place.meter_id, START))
    await assessed(datetime(2026, 3, 11, tzinfo=UTC))
    await caller.post("/api/v1/billing/periods/2026-02/recalculate")
    assert await asyncio.to_thread(consumer.pull) == 1
    (after,) = consumer.current("2026-02")
    assert (after["state"], after["energy_kwh"]) == ("adjustment", "836.560")
    assert tariffs.correction(before, after, Decimal("0.30")) == Decimal("3.00")
    bill = tariffs.two_part(
        after, base_per_m2=Decimal(20), per_kwh=Decimal("0.25"), season_days=120, suspended_share=Decimal("0.3")
    )
    assert bill == {"base": Decimal("466.67"), "heat": Decimal("209.14"), "total": Decimal("675.81")}
    assert tariffs.tiered(after, [Decimal("0.2"), Decimal("0.3")]) == {
        "1": Decimal("100.00"),
        "2": Decimal("100.97"),
        "total": Decimal("200.97"),
    }
    await asyncio.to_thread(client.close)
    store.close()


def test_a_suspended_point_pays_its_share_of_the_base_charge():
    tariffs = document("billing_tariffs")
    quantity = {"heated_area_m2": "80.00", "days_in_service": 10.0, "days_suspended": 20.0, "energy_kwh": None}
    bill = tariffs.two_part(
        quantity, base_per_m2=Decimal(24), per_kwh=Decimal(1), season_days=120, suspended_share=Decimal("0.3")
    )
    assert bill["total"] == pytest.approx(Decimal("256.00"))
