"""Quarantine, a fix in the registry, replay: shown end to end, previewed first."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingest.directory import Directory
from ingest.model import Delivery, Rejected
from ingest.replay import ReplayScope, replay
from ingest.resolving import DeliveryResolver
from ingest.store import discovered, quarantine, registry
from ingest.store.database import Pool, open_pool
from ingest.store.writes import write_batch
from protocols.registers import Register
from protocols.units import Quantity

T0 = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture
async def pool(plain: Any) -> AsyncIterator[Pool]:
    """A pool on the plain store."""
    opened = await open_pool(plain.url, maximum=3)
    yield opened
    await opened.close()


def said(hour: int, value: str, unit: str = "kWh") -> Delivery:
    """A delivery of meter 555: its energy at an hour."""
    body = {"meter": {"serial": "555"}, "readings": [{"register": "energy", "value": value, "unit": unit}]}
    at = T0 + timedelta(hours=hour)
    return Delivery("reading", json.dumps(body).encode(), at, at, "push:test")


@pytest.fixture
def take(pool: Pool) -> Callable[..., Any]:
    """Decode, resolve and store deliveries as the pipeline does."""

    async def run(*deliveries: Delivery) -> None:
        resolver = DeliveryResolver(await Directory.load(pool))
        items = []
        for delivery in deliveries:
            telegrams = resolver.decoded(delivery)
            made = telegrams if isinstance(telegrams, Rejected) else resolver.resolved(delivery, telegrams)
            if made is None:
                await resolver.prepare()
                assert not isinstance(telegrams, Rejected)
                made = resolver.resolved(delivery, telegrams)
            assert made is not None
            items.append((delivery, made))
        async with pool.connection() as connection, connection.transaction():
            await write_batch(connection, items)

    return run


async def again(pool: Pool, scope: ReplayScope, *, preview: bool = False) -> Any:
    resolver = DeliveryResolver(await Directory.load(pool))
    return await replay(pool, resolver, scope, actor="ann", preview=preview)


async def test_an_adopted_meters_quarantine_becomes_readings(plain: Any, pool: Pool, take: Any) -> None:
    await take(*[said(hour, str(100 + hour)) for hour in range(5)], Delivery("mbus", b"\x68\x00", T0, T0, "g"))
    counts = await quarantine.counts(plain.connection)
    assert counts["meter.unknown"] == 5
    assert sum(counts.values()) == 6
    heard = (await discovered.discovered(plain.connection))[0]
    await discovered.adopt(plain.connection, heard.discovered_id, actor="ann")

    preview = await again(pool, ReplayScope(serial="555"), preview=True)
    assert (preview.deliveries, preview.settled, preview.readings, preview.registers["energy"]) == (5, 5, 5, 5)
    assert (await quarantine.counts(plain.connection))["meter.unknown"] == 5

    done = await again(pool, ReplayScope(serial="555"))
    assert (done.settled, done.readings, done.differing, dict(done.refused)) == (5, 5, 0, {})
    assert "meter.unknown" not in await quarantine.counts(plain.connection)
    cursor = await plain.connection.execute("SELECT array_agg(value ORDER BY ts) FROM reading")
    assert await cursor.fetchone() == ([100, 101, 102, 103, 104],)
    entry = (await quarantine.entries(plain.connection, state="replayed"))[0]
    assert entry.settled_by == "ann"


async def test_what_is_still_refused_keeps_its_place_with_the_newer_reason(plain: Any, pool: Pool, take: Any) -> None:
    await take(said(0, "100"), said(1, "0.5", "GJ"))
    meter = await registry.create_meter(plain.connection, serial="555", manufacturer="")
    await registry.create_register(plain.connection, meter, Register("energy", Quantity.HEAT_ENERGY, "kWh", 0))
    report = await again(pool, ReplayScope(code="meter.unknown"))
    assert (report.settled, report.readings, dict(report.refused)) == (1, 1, {"unit.mismatch": 1})
    assert await quarantine.counts(plain.connection) == {"unit.mismatch": 1}


async def test_replaying_a_span_after_a_fix_keeps_old_values_beside_the_new(plain: Any, pool: Pool, take: Any) -> None:
    await registry.create_meter(plain.connection, serial="555", manufacturer="")
    await take(*[said(hour, str(100 + hour)) for hour in range(3)])
    # As if the first decoding had been wrong by a factor.
    await plain.connection.execute("UPDATE meter_reading SET v0 = v0 * 10 WHERE ts = %s", (T0,))
    scope = ReplayScope(start=T0 - timedelta(days=1), end=T0 + timedelta(days=1))
    for preview in (True, False):
        report = await again(pool, scope, preview=preview)
        assert (report.deliveries, report.readings, report.differing, report.unchanged) == (3, 1, 1, 2)
    cursor = await plain.connection.execute("SELECT value, version FROM reading WHERE ts = %s ORDER BY version", (T0,))
    assert await cursor.fetchall() == [(1000, 0), (100, 1)]
    assert (await again(pool, scope)).readings == 0
