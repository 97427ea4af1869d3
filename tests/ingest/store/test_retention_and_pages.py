"""Keeping and paging on plain PostgreSQL; the same calls run on TimescaleDB in their own file."""

from datetime import UTC, datetime, timedelta
from typing import Any

from api.jobs import QUEUE, service_jobs
from ingest.housekeeping import clear_old
from ingest.store import readings, retention
from ingest.store.database import open_pool
from ingest.store.writes import write_batch


async def test_pages_of_readings_follow_each_other_without_gap_or_overlap(store: Any, place: Any) -> None:
    async with store.connection.transaction():
        await write_batch(store.connection, [place.delivery(hour, 500 + hour) for hour in range(30)], copy=store.copy)
    span = (datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 7, tzinfo=UTC))
    registers = [place.energy, place.flow]
    seen, position = [], None
    while page := await readings.of_registers(store.connection, registers, *span, position=position, limit=7):
        seen += page
        position = (page[-1]["ts"], page[-1]["register_id"], page[-1]["version"])
    assert len(seen) == 60
    assert seen == sorted(seen, key=lambda item: (item["ts"], item["register_id"]))
    half = await readings.of_registers(store.connection, [place.energy], seen[20]["ts"], seen[30]["ts"])
    assert [item["value"] for item in half] == [510, 511, 512, 513, 514]


async def test_old_deliveries_go_and_their_readings_stay(plain: Any, plain_place: Any) -> None:
    async with plain.connection.transaction():
        await write_batch(plain.connection, [plain_place.delivery(hour, 500 + hour) for hour in range(48)])
    await retention.set_period(plain.connection, "delivery", timedelta(days=30))
    now = datetime(2026, 1, 6, tzinfo=UTC) + timedelta(days=30)
    assert await retention.clear_slice(plain.connection, "delivery", now) == 24
    assert await retention.clear_slice(plain.connection, "delivery", now) == 0
    assert await retention.clear_slice(plain.connection, "reading", now) == 0
    assert (await retention.periods(plain.connection))["reading"] is None
    counts = await plain.connection.execute("SELECT (SELECT count(*) FROM delivery), (SELECT count(*) FROM reading)")
    assert await counts.fetchone() == (24, 96)


async def test_housekeeping_clears_all_that_is_too_old_in_bounded_runs(plain: Any, plain_place: Any) -> None:
    async with plain.connection.transaction():
        await write_batch(plain.connection, [plain_place.delivery(hour, 500 + hour) for hour in range(48)])
        await plain.connection.execute("UPDATE delivery_key SET arrived_at = '2026-01-05'")
    for what in ("delivery", "delivery_key", "meter_status"):
        await retention.set_period(plain.connection, what, timedelta(days=30))
    now = datetime(2026, 1, 6, tzinfo=UTC) + timedelta(days=30)
    pool = await open_pool(plain.url)
    try:
        assert await clear_old(pool, now, stopped=lambda: True) == {}
        assert await clear_old(pool, now, slices=1) == {"delivery": 24, "delivery_key": 48, "meter_status": 24}
        assert await clear_old(pool, now) == {}
    finally:
        await pool.close()
    counts = await plain.connection.execute("SELECT (SELECT count(*) FROM delivery), (SELECT count(*) FROM reading)")
    assert await counts.fetchone() == (24, 96)


async def test_the_job_queue_applies_the_retention_table(plain: Any, plain_place: Any) -> None:
    async with plain.connection.transaction():
        await write_batch(plain.connection, [plain_place.delivery(hour, 500 + hour) for hour in range(3)])
        await plain.connection.execute("UPDATE delivery SET arrived_at = '2001-01-01' WHERE delivery_id = 1")
    pool = await open_pool(plain.url)
    try:
        app = service_jobs(plain.url, pool)
        async with app.open_async():
            await app.tasks["clear old data"].defer_async(timestamp=0)
            await app.run_worker_async(queues=[QUEUE], wait=False, install_signal_handlers=False)
    finally:
        await pool.close()
    counts = await plain.connection.execute("SELECT count(*), min(delivery_id) FROM delivery")
    assert await counts.fetchone() == (2, 2)
