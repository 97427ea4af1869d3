"""Writing batches: whatever is delivered, however often and in whatever order, is stored once."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection

from compute.quality import Quality
from ingest.model import Delivery, Rejected, Resolved
from ingest.store import deliveries, discovered, quarantine, readings, touched
from ingest.store.habit import new_habits
from ingest.store.packing import microseconds
from ingest.store.writes import write_batch, write_replayed
from protocols.telegram import MeterId

T0 = datetime(2026, 1, 5, tzinfo=UTC)


async def rows(connection: AsyncConnection[Any], query: str) -> list[Any]:
    cursor = await connection.execute(query)  # type: ignore[arg-type]
    return await cursor.fetchall()


async def write(store: Any, *items: Any) -> list[Any]:
    async with store.connection.transaction():
        return await write_batch(store.connection, items, copy=store.copy, habits=new_habits())


async def test_a_delivery_is_stored_with_bytes_readings_status_and_touch(store: Any, place: Any) -> None:
    outcome = (await write(store, place.delivery(0, 500, payload=b"\x68raw\x16")))[0]
    assert (outcome.state, outcome.readings, outcome.meter_ids) == ("stored", 2, (place.meter_id,))
    kept = await deliveries.get(store.connection, outcome.delivery_id)
    assert (kept.payload, kept.meter_id, kept.channel) == (b"\x68raw\x16", place.meter_id, "g/1")
    values = await readings.of_delivery(store.connection, outcome.delivery_id, T0, T0)
    assert [(item["name"], item["value"], item["serial"]) for item in values] == [
        ("energy", 500, "00000001"),
        ("flow", 100, "00000001"),
    ]
    assert await rows(store.connection, "SELECT meter_id, info_code, flags FROM meter_status") == [
        (place.meter_id, 1, ["battery low", "x"])
    ]
    assert (place.meter_id, datetime(2026, 1, 5, tzinfo=UTC)) in await rows(
        store.connection, "SELECT meter_id, from_ts FROM touched"
    )


async def test_everything_twice_and_shuffled_is_there_once(store: Any, place: Any) -> None:
    items = [place.delivery(hour, 500 + hour) for hour in range(40)]
    again = items * 2
    random.Random(5).shuffle(again)
    states = []
    for start in range(0, len(again), 16):
        states += [outcome.state for outcome in await write(store, *again[start : start + 16])]
    assert (states.count("stored"), states.count("duplicate")) == (40, 40)
    assert await rows(store.connection, "SELECT count(*) FROM reading") == [(80,)]
    assert await rows(store.connection, "SELECT count(*) FROM delivery") == [(40,)]


async def test_a_duplicate_inside_one_batch_names_the_first_delivery(store: Any, place: Any) -> None:
    first, second = await write(store, place.delivery(0, 500), place.delivery(0, 500))
    assert (first.state, second.state) == ("stored", "duplicate")
    assert first.delivery_id == second.delivery_id


async def test_equal_bytes_at_another_instant_are_a_reading_of_their_own(store: Any, place: Any) -> None:
    outcomes = await write(store, place.delivery(0, 500, payload=b"same"), place.delivery(1, 500, payload=b"same"))
    assert [outcome.state for outcome in outcomes] == ["stored", "stored"]


async def test_a_senders_own_key_makes_equal_bytes_one_message(store: Any, place: Any) -> None:
    at = datetime(2026, 1, 5, tzinfo=UTC)
    nothing = Resolved((place.meter_id,), (), (), (), ())
    items = [
        (Delivery("mqtt", b"{}", at + timedelta(hours=n), at + timedelta(hours=n), "t", idempotency="7"), nothing)
        for n in range(2)
    ]
    assert [outcome.state for outcome in await write(store, *items)] == ["stored", "duplicate"]


async def test_an_equal_reading_of_another_delivery_is_dropped(store: Any, place: Any) -> None:
    await write(store, place.delivery(0, 500, payload=b"a"))
    outcome = (await write(store, place.delivery(0, 500, payload=b"b")))[0]
    assert (outcome.state, outcome.readings) == ("stored", 0)


async def test_a_differing_reading_is_kept_beside_the_first_and_flagged(store: Any, place: Any) -> None:
    await write(store, place.delivery(0, 500, payload=b"a"))
    await write(store, place.delivery(0, 501, payload=b"b"), place.delivery(0, 502, payload=b"c"))
    await write(store, place.delivery(0, 501, payload=b"d"))
    found = await readings.of_registers(store.connection, [place.energy], T0, T0 + timedelta(days=1))
    assert [(item["value"], item["version"], item["flags"]) for item in found] == [
        (500, 0, 0),
        (501, 1, int(Quality.CONFLICT)),
        (502, 2, int(Quality.CONFLICT)),
    ]


async def test_one_delivery_with_two_values_of_an_instant_keeps_both(store: Any, place: Any) -> None:
    delivery, made = place.delivery(0, 500)
    us = made.ts_us[0]
    twice = Resolved((place.meter_id,), (place.energy,) * 3, (us,) * 3, (500, 500, 7), (0,) * 3)
    assert (await write(store, (delivery, twice)))[0].readings == 2


async def test_months_that_a_meter_repeats_in_every_telegram_are_stored_once(store: Any, place: Any) -> None:
    month_us = microseconds(datetime(2025, 12, 31, tzinfo=UTC))
    for hour in range(3):
        delivery, made = place.delivery(hour, 500 + hour)
        more = Resolved(
            made.meter_ids, (*made.register_ids, place.energy), (*made.ts_us, month_us), (*made.values, 480), (0,) * 3
        )
        outcome = (await write(store, (delivery, more)))[0]
        assert outcome.readings == (3 if hour == 0 else 2)
    assert (place.meter_id, datetime(2025, 12, 31, tzinfo=UTC)) in await rows(
        store.connection, "SELECT meter_id, from_ts FROM touched"
    )


async def test_a_rejected_delivery_keeps_its_bytes_with_the_reason(store: Any, place: Any) -> None:
    delivery, _ = place.delivery(0, 1)
    outcome = (await write(store, (delivery, Rejected("frame.checksum", "checksum 3A, byte 41", 41))))[0]
    assert (outcome.state, outcome.code) == ("quarantined", "frame.checksum")
    entry = await quarantine.get(store.connection, outcome.quarantine_id or 0)
    assert (entry.delivery_id, entry.byte_offset, entry.state) == (outcome.delivery_id, 41, "open")
    assert (await deliveries.get(store.connection, outcome.delivery_id)).payload == delivery.payload
    assert await quarantine.counts(store.connection) == {"frame.checksum": 1}


async def test_ten_thousand_unknown_meters_become_a_list(plain: Any) -> None:
    at = datetime(2026, 1, 5, tzinfo=UTC)
    items = [
        (
            Delivery("wmbus", f"{n}".encode(), at, at, "air"),
            Rejected("meter.unknown", "?", meter=MeterId(f"{n:08d}", "XYZ")),
        )
        for n in range(10_000)
    ]
    await write(plain, *items)
    assert await rows(plain.connection, "SELECT count(*), sum(deliveries) FROM discovered_meter") == [(10_000, 10_000)]
    await write(plain, items[0])
    assert (await discovered.discovered(plain.connection, limit=1))[0].deliveries == 1


async def test_text_that_a_database_cannot_hold_does_not_lose_the_delivery(store: Any, place: Any) -> None:
    at = datetime(2026, 1, 5, tzinfo=UTC)
    reason = Rejected("meter.unknown", "bad \0 text", meter=MeterId("1\x002", "K\0M"))
    outcome = (await write(store, (Delivery("mbus", b"\0\0", at, at, "c"), reason)))[0]
    assert (await quarantine.get(store.connection, outcome.quarantine_id or 0)).serial == "1\N{REPLACEMENT CHARACTER}2"


async def test_a_partly_refused_delivery_is_stored_and_in_quarantine(store: Any, place: Any) -> None:
    delivery, made = place.delivery(0, 500)
    us = made.ts_us[0]
    part = Resolved(
        (place.meter_id,), (place.energy,), (us,), (500,), (0,), (), Rejected("meter.unknown", "?", meter=MeterId("9"))
    )
    outcome = (await write(store, (delivery, part)))[0]
    assert (outcome.state, outcome.code, outcome.readings) == ("stored", "meter.unknown", 1)
    assert outcome.quarantine_id is not None


async def test_a_replayed_delivery_adds_what_is_new_and_settles(store: Any, place: Any) -> None:
    delivery, made = place.delivery(0, 500)
    refused = (await write(store, (delivery, Rejected("meter.unknown", "?", meter=MeterId("1")))))[0]
    async with store.connection.transaction():
        again = await write_replayed(store.connection, [(refused.delivery_id, delivery, made)], copy=store.copy)
        once_more = await write_replayed(store.connection, [(refused.delivery_id, delivery, made)], copy=store.copy)
        assert await quarantine.settle(store.connection, [refused.delivery_id], state="replayed", actor="ann") == 1
    assert (again[0].readings, once_more[0].readings) == (2, 0)
    assert await rows(store.connection, "SELECT count(*) FROM meter_status") == [(1,)]


async def test_a_batch_that_fails_leaves_nothing(store: Any, place: Any) -> None:
    broken = Resolved(
        (place.meter_id,), (place.energy,), (microseconds(datetime(2026, 1, 5, tzinfo=UTC)),), (2**62,), (40_000,)
    )
    delivery, _ = place.delivery(1, 1)
    with pytest.raises((psycopg.Error, OverflowError)):
        await write(store, place.delivery(0, 500), (delivery, broken))
    assert await rows(store.connection, "SELECT count(*) FROM delivery") == [(0,)]


async def test_a_writer_that_met_a_stored_reading_asks_for_a_while_and_then_no_more(
    plain: Any, plain_place: Any
) -> None:
    habits = new_habits()

    async def one(*items: Any) -> None:
        async with plain.connection.transaction():
            await write_batch(plain.connection, items, habits=habits)

    await one(plain_place.delivery(0, 500, payload=b"a"))
    await one(plain_place.delivery(0, 500, payload=b"b"))
    assert habits.readings.expects_known
    assert not habits.deliveries.expects_known
    for hour in range(1, 10):
        await one(plain_place.delivery(hour, 500 + hour))
    assert not habits.readings.expects_known
    assert await rows(plain.connection, "SELECT count(*) FROM reading") == [(20,)]


@pytest.mark.parametrize("seed", range(3))
async def test_two_writers_with_the_same_stream_store_it_once(plain: Any, plain_place: Any, seed: int) -> None:
    items = [plain_place.delivery(hour, 500 + hour, channel="a") for hour in range(300)]
    # The same readings by another way: their deliveries differ, their readings don't.
    items += [plain_place.delivery(hour, 500 + hour, channel="b") for hour in range(300)]
    print("seed", seed)

    async def writer(number: int) -> list[str]:
        mine = list(items)
        random.Random(seed * 10 + number).shuffle(mine)
        states = []
        async with await AsyncConnection.connect(plain.url, autocommit=True) as connection:
            for start in range(0, len(mine), 50):
                for _ in range(10):
                    try:
                        async with connection.transaction():
                            outcomes = await write_batch(connection, mine[start : start + 50], habits=new_habits())
                        break
                    except psycopg.errors.DeadlockDetected:
                        continue
                states += [outcome.state for outcome in outcomes]
        return states

    first, second = await asyncio.gather(writer(1), writer(2))
    assert (first + second).count("stored") == 600
    assert await rows(plain.connection, "SELECT count(*), count(DISTINCT (register_id, ts)) FROM reading") == [
        (600, 600)
    ]
    assert await rows(plain.connection, "SELECT count(*) FROM delivery") == [(600,)]


def test_taking_touches_leaves_those_that_came_meanwhile(plain: Any, plain_place: Any, sync_plain: Any) -> None:
    with psycopg.connect(plain.url) as assessing:
        touched.touch_sync(sync_plain, {plain_place.meter_id: 5_000_000})
        taken = touched.take(assessing)
        touched.touch_sync(sync_plain, {plain_place.meter_id: 9_000_000})
        assessing.commit()
        assert taken[plain_place.meter_id] == datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC)
        assert touched.waiting(assessing) == {plain_place.meter_id: datetime(1970, 1, 1, 0, 0, 9, tzinfo=UTC)}


def test_touches_come_back_when_an_assessment_rolls_back(plain: Any, plain_place: Any, sync_plain: Any) -> None:
    touched.touch_sync(sync_plain, {plain_place.meter_id: 5_000_000})
    with psycopg.connect(plain.url) as assessing:
        touched.take(assessing)
        assessing.rollback()
    assert plain_place.meter_id in touched.waiting(sync_plain)
