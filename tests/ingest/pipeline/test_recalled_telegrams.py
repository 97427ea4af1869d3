"""Telegrams that are not decoded again: the store gets what decoding would give, for the registry as it is now."""

from datetime import timedelta

import pytest

from compute.quality import Quality
from ingest.clock import wall_now
from ingest.clock_watch import ClockWatch, watch_from_store
from ingest.directory import Directory
from ingest.heard import LastSaid
from ingest.model import Delivery, Resolved
from ingest.pipeline.intake import Pipeline
from ingest.resolving import DeliveryResolver
from protocols.telegram import MeterId
from simulators.counting import CountingCjt188


@pytest.fixture
async def meters(book, identity, directory: Directory) -> list[int]:
    numbers = [await book.meter(identity(number)) for number in range(1, 6)]
    await directory.refresh()
    return numbers


async def made(resolver: DeliveryResolver, delivery: Delivery) -> Resolved:
    """What becomes of a delivery the long way."""
    telegrams = resolver.decoded(delivery)
    assert isinstance(telegrams, list)
    found = resolver.resolved(delivery, telegrams)
    if found is None:
        await resolver.prepare()
        found = resolver.resolved(delivery, telegrams)
    assert isinstance(found, Resolved)
    return found


async def test_what_is_recalled_is_what_decoding_gives(directory, meters, delivery_of) -> None:
    resolver = DeliveryResolver(directory)
    for hour in range(3):
        await made(resolver, delivery_of(1, hour))
    for number in range(1, 6):
        for hour in (10, 11):
            delivery = delivery_of(number, hour)
            plain = DeliveryResolver(directory)
            expected = await made(plain, delivery)
            recalled = resolver.recalled(delivery)
            if not isinstance(recalled, Resolved):
                await resolver.prepare()
                recalled = resolver.recalled(delivery)
            assert recalled == expected


async def test_a_change_of_the_registry_is_noticed(book, directory, meters, delivery_of) -> None:
    resolver = DeliveryResolver(directory)
    for hour in range(3):
        await made(resolver, delivery_of(1, hour))
    assert isinstance(resolver.recalled(delivery_of(1, 5)), Resolved)
    await book.rows("UPDATE meter SET serial = '99999999' WHERE meter_id = %s RETURNING 1", meters[0])
    await directory.refresh([meters[0]])
    assert resolver.recalled(delivery_of(1, 5)) is None


async def test_another_meter_than_the_one_asked_is_never_recalled(directory, meters, delivery_of) -> None:
    resolver = DeliveryResolver(directory)
    for hour in range(3):
        await made(resolver, delivery_of(1, hour, meter_id=meters[0]))
    assert isinstance(resolver.recalled(delivery_of(1, 5, meter_id=meters[0])), Resolved)
    assert resolver.recalled(delivery_of(2, 5, meter_id=meters[0])) is None


async def test_a_frozen_answer_is_known_after_a_restart(book, store_pool, directory) -> None:
    meter = CountingCjt188(MeterId("11110000000001", "1111", None, "heat"))
    await book.meter(meter.identity)
    await directory.refresh()
    said_at = wall_now() - timedelta(hours=2)
    payload = meter.telegram_bytes(said_at)

    async def read(minutes: int) -> None:
        at = said_at + timedelta(minutes=minutes)
        async with Pipeline(pool=store_pool, directory=directory) as pipeline:
            await watch_from_store(pipeline.resolver.watch, store_pool)
            await pipeline.submit(Delivery("cjt188", payload, at, at, "dtu/1"))

    await read(0)
    await read(60)
    flags = await book.rows("SELECT DISTINCT ts, flags & %s FROM reading ORDER BY ts", int(Quality.STALE))
    assert [flag for _, flag in flags] == [0, int(Quality.STALE)]


def test_an_older_memory_does_not_replace_a_newer_one() -> None:
    watch, now = ClockWatch(), wall_now()
    fresh = Delivery("mbus", b"fresh", now, now)
    watch.judged(fresh, 1, now)
    watch.learn([LastSaid(1, "mbus", b"old", now, now - timedelta(hours=1))])
    later = now + timedelta(minutes=1)
    assert watch.judged(Delivery("mbus", b"fresh", later, later), 1, now)[1] == ["stale"]
