"""TimescaleDB for real: compressed chunks, late rows into them, the daily aggregate, retention."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingest.store import deliveries, readings, retention
from ingest.store.habit import new_habits
from ingest.store.writes import write_batch

pytestmark = pytest.mark.node
WEEKS_H = 21 * 24
LEFT_OUT = 100
SPAN = (datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 2, 5, tzinfo=UTC))


async def rows(store: Any, query: str, *parameters: Any) -> list[Any]:
    found: list[Any] = await (await store.connection.execute(query, parameters or None)).fetchall()
    return found


async def write(store: Any, items: list[Any]) -> list[Any]:
    outcomes = []
    for start in range(0, len(items), 100):
        async with store.connection.transaction():
            outcomes += await write_batch(store.connection, items[start : start + 100], copy=False, habits=new_habits())
    return outcomes


@pytest.fixture
async def compressed(timescale: Any, make_place_in: Callable[..., Any]) -> Any:
    """(store, place): three weeks of one meter, hourly, one hour left out, every chunk compressed."""
    place = await make_place_in(timescale.connection)
    hours = [hour for hour in range(WEEKS_H) if hour != LEFT_OUT]
    await write(timescale, [place.delivery(hour, 500 + hour, hour * 7 % 900) for hour in hours])
    for table in ("meter_reading", "delivery", "meter_status"):
        await rows(timescale, "SELECT compress_chunk(c) FROM show_chunks(%s::regclass) c", table)
    return timescale, place


async def test_settled_chunks_are_compressed(compressed: Any) -> None:
    store, _ = compressed
    states = await rows(
        store,
        "SELECT DISTINCT is_compressed FROM timescaledb_information.chunks WHERE hypertable_name = 'meter_reading'",
    )
    assert states == [(True,)]


async def test_a_late_reading_goes_into_a_compressed_chunk(compressed: Any) -> None:
    store, place = compressed
    late = place.delivery(LEFT_OUT, 500 + LEFT_OUT)
    assert [outcome.readings for outcome in await write(store, [late])] == [2]
    assert [outcome.state for outcome in await write(store, [late])] == ["duplicate"]
    found = await readings.of_registers(store.connection, [place.energy], *SPAN, limit=WEEKS_H + 1)
    assert [item["value"] for item in found] == [500 + hour for hour in range(WEEKS_H)]


async def test_a_differing_late_reading_becomes_a_version(compressed: Any) -> None:
    store, place = compressed
    outcome = (await write(store, [place.delivery(50, 9, payload=b"other")]))[0]
    assert outcome.readings == 2
    assert await rows(
        store, "SELECT value, version FROM reading WHERE register_id = %s AND version > 0", place.energy
    ) == [(9, 1)]


async def test_queries_by_meter_find_compressed_rows(compressed: Any) -> None:
    store, place = compressed
    kept = await deliveries.of_meter(store.connection, place.meter_id, limit=3)
    assert len(kept) == 3
    assert (await deliveries.get(store.connection, kept[-1].delivery_id)).payload == kept[-1].payload
    said = await readings.of_delivery(store.connection, kept[0].delivery_id, *SPAN)
    assert [(item["name"], item["value"]) for item in said] == [
        ("energy", 500 + WEEKS_H - 1),
        ("flow", (WEEKS_H - 1) * 7 % 900),
    ]
    registers = [place.energy, place.flow]
    page = await readings.of_registers(store.connection, registers, *SPAN, limit=10)
    position = (page[-1]["ts"], page[-1]["register_id"], page[-1]["version"])
    more = await readings.of_registers(store.connection, registers, *SPAN, position=position, limit=10)
    assert more[0]["ts"] == page[-1]["ts"] + timedelta(hours=1)


async def test_the_daily_aggregate_says_the_same_before_and_after_its_refresh(compressed: Any) -> None:
    store, place = compressed
    query = (
        "SELECT day, first_value, last_value, readings FROM reading_daily WHERE register_id = %s ORDER BY day LIMIT 6"
    )
    live = await rows(store, query, place.energy)
    assert live[0] == (datetime(2026, 1, 5, tzinfo=UTC), 500, 523, 24)
    assert live[4][3] == 23
    await rows(store, "SELECT 1")
    await store.connection.execute(
        "CALL refresh_continuous_aggregate('meter_reading_daily', '2026-01-01', '2026-02-01')"
    )
    assert await rows(store, query, place.energy) == live


async def test_views_show_units_on_both(compressed: Any) -> None:
    store, place = compressed
    found = await rows(
        store,
        "SELECT register, value, unit FROM reading_in_units WHERE meter_id = %s ORDER BY ts, register LIMIT 2",
        place.meter_id,
    )
    assert [(name, float(value), unit) for name, value, unit in found] == [
        ("energy", 500.0, "kWh"),
        ("flow", 0.0, "m3/h"),
    ]


async def test_retention_drops_whole_chunks(compressed: Any) -> None:
    store, _ = compressed
    await retention.set_period(store.connection, "delivery", timedelta(days=10))
    now = datetime(2026, 1, 5, tzinfo=UTC) + timedelta(days=21)
    before = (await rows(store, "SELECT count(*) FROM delivery"))[0][0]
    assert await retention.clear_slice(store.connection, "delivery", now) > 0
    assert 0 < (await rows(store, "SELECT count(*) FROM delivery"))[0][0] < before
    await retention.set_period(store.connection, "delivery", timedelta(days=1095))
