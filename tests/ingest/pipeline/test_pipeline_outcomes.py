"""What a caller hears of its delivery, and what is in the store when it hears it."""

import asyncio
import random
from datetime import UTC, datetime, timedelta

import pytest

from compute.quality import Quality
from ingest.errors import UnavailableError
from ingest.pipeline.gathering import PipelineLimits
from ingest.pipeline.intake import Pipeline

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def pipeline(store_pool, directory):
    limits = PipelineLimits(batch_wait_s=0.05)
    async with Pipeline(pool=store_pool, directory=directory, limits=limits) as running:
        yield running


@pytest.fixture
async def meters(book, directory, identity):
    numbers = [await book.meter(identity(number)) for number in range(1, 6)]
    await directory.refresh()
    return numbers


async def test_the_outcome_comes_after_the_commit(book, pipeline, meters, delivery_of) -> None:
    outcome = await pipeline.submit(delivery_of(1))
    assert outcome.state == "stored"
    assert outcome.readings == 4
    assert outcome.meter_ids == (meters[0],)
    assert await book.value("SELECT count(*) FROM reading WHERE delivery_id = %s", outcome.delivery_id) == 4
    assert await book.value("SELECT meter_id FROM delivery") == meters[0]


async def test_the_same_delivery_twice_is_stored_once(book, pipeline, meters, delivery_of) -> None:
    first = await pipeline.submit(delivery_of(1))
    again = await pipeline.submit(delivery_of(1))
    assert (again.state, again.delivery_id) == ("duplicate", first.delivery_id)
    assert await book.value("SELECT count(*) FROM reading") == 4


async def test_everything_twice_and_shuffled_is_stored_once(book, pipeline, meters, delivery_of) -> None:
    once = [delivery_of(number, hour) for number in range(1, 6) for hour in range(200)]
    twice = once + once
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    random.Random(seed).shuffle(twice)
    outcomes = await asyncio.gather(*map(pipeline.submit, twice))
    states = [outcome.state for outcome in outcomes]
    assert (states.count("stored"), states.count("duplicate")) == (1000, 1000)
    balance = await book.balance()
    assert balance == {"deliveries": 1000, "keys": 1000, "quarantined": 0, "stored": 1000, "twice": 0}
    assert await book.value("SELECT count(*) FROM reading") == 4000


async def test_an_unknown_meter_is_kept_and_discovered(book, pipeline, delivery_of) -> None:
    outcome = await pipeline.submit(delivery_of(77))
    assert (outcome.state, outcome.code) == ("quarantined", "meter.unknown")
    assert await book.rows("SELECT serial, manufacturer, deliveries FROM discovered_meter") == [("00000077", "KAM", 1)]
    assert await book.value("SELECT payload FROM delivery") == delivery_of(77).payload


async def test_another_meter_than_the_one_asked_is_never_booked(book, pipeline, meters, delivery_of) -> None:
    outcome = await pipeline.submit(delivery_of(2, meter_id=meters[0]))
    assert (outcome.state, outcome.code) == ("quarantined", "meter.mismatch")
    assert await book.value("SELECT count(*) FROM reading") == 0


async def test_instants_that_cannot_be_are_quarantined(pipeline, meters, delivery_of) -> None:
    soon = datetime.now(UTC) + 20 * MINUTE
    codes = {
        (await pipeline.submit(delivery_of(1, read_at=soon))).code: "time.future",
        (await pipeline.submit(delivery_of(1, read_at=datetime(1999, 12, 31, tzinfo=UTC)))).code: "time.past",
    }
    assert all(said == wanted for said, wanted in codes.items())
    assert (await pipeline.submit(delivery_of(1, read_at=soon - 10 * MINUTE))).state == "stored"


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"payload": b""}, "payload.empty"),
        ({"payload": b"\x68" * 70_000}, "payload.too_large"),
        ({"protocol": "smoke-signals"}, "protocol.unknown"),
        ({"payload": bytes.fromhex("680a0a6808057200000000ff16")}, "frame.truncated"),
    ],
)
async def test_bad_input_gets_a_coded_reason(pipeline, delivery_of, facts, code) -> None:
    outcome = await pipeline.submit(delivery_of(1, **facts))
    assert (outcome.state, outcome.code) == ("quarantined", code)
    assert pipeline.counters.rejected.labels(code)._value.get() == 1


async def test_a_delivery_that_the_store_cannot_take_does_not_stop_the_others(
    book, pipeline, meters, delivery_of
) -> None:
    nul = "a\x00b"
    poison = delivery_of(1, 50, channel=nul, topic=nul, idempotency=nul, details={nul: nul})
    batch = [delivery_of(1, hour) for hour in range(40)] + [poison] + [delivery_of(2, hour) for hour in range(40)]
    outcomes = await asyncio.gather(*map(pipeline.submit, batch))
    assert [outcome.state for outcome in outcomes if outcome is not outcomes[40]] == ["stored"] * 80
    # The store may clean the text itself; then the delivery is simply stored.
    assert outcomes[40].state == "stored" or outcomes[40].code.startswith("internal.")
    assert (await book.balance())["deliveries"] == 81


async def test_a_stale_repeat_is_flagged_and_the_first_is_not(book, pipeline, directory, delivery_of) -> None:
    from protocols.telegram import MeterId
    from simulators.counting import CountingCjt188

    meter = CountingCjt188(MeterId("11110000000001", "1111", None, "heat"))
    await book.meter(meter.identity)
    await directory.refresh()
    first = delivery_of(1)
    payload = meter.telegram_bytes(first.read_at)
    for minutes in (0, 60):
        at = first.read_at + minutes * MINUTE
        await pipeline.submit(
            delivery_of(1, protocol="cjt188", payload=payload, read_at=at, arrived_at=at, channel="dtu/1")
        )
    flags = await book.rows("SELECT DISTINCT ts, flags & %s FROM reading ORDER BY ts", int(Quality.STALE))
    assert [flag for _, flag in flags] == [0, int(Quality.STALE)]


async def test_after_closing_nothing_is_taken(store_pool, directory, delivery_of) -> None:
    async with Pipeline(pool=store_pool, directory=directory) as pipeline:
        waiting = [await pipeline.offer(delivery_of(1, hour)) for hour in range(100)]
    assert all(one.result().state == "quarantined" for one in waiting)
    with pytest.raises(UnavailableError, match="closing"):
        await pipeline.submit(delivery_of(1))


async def test_a_busy_stream_is_written_in_large_batches(book, pipeline, meters, delivery_of) -> None:
    deliveries = [delivery_of(number, hour) for number in range(1, 6) for hour in range(1000)]
    await asyncio.gather(*map(pipeline.submit, deliveries))
    commits = pipeline.counters.batch_seconds._sum  # prometheus keeps no public count
    assert commits is not None
    samples = {
        sample.name: sample.value
        for metric in pipeline.counters.batch_deliveries.collect()
        for sample in metric.samples
    }
    rows = await book.value("SELECT count(*) FROM reading")
    assert rows == 20_000
    assert rows / samples["heatbook_batch_deliveries_count"] >= 1_000


async def test_a_full_queue_makes_callers_wait_instead_of_dropping(store_pool, directory, delivery_of) -> None:
    limits = PipelineLimits(queue_deliveries=8, batch_deliveries=4, batch_wait_s=0.0)
    async with Pipeline(pool=store_pool, directory=directory, limits=limits) as pipeline:
        async with store_pool.connection() as connection, connection.transaction():
            # Another session holds the table, so no batch can be committed.
            await connection.execute("LOCK TABLE delivery_key IN ACCESS EXCLUSIVE MODE")
            offers = [asyncio.ensure_future(pipeline.offer(delivery_of(1, hour))) for hour in range(100)]
            _, waiting = await asyncio.wait(offers, timeout=0.5)
            assert len(waiting) >= 100 - 8 - 3 * 4
        outcomes = await asyncio.gather(*[await offer for offer in offers])
    assert len({outcome.delivery_id for outcome in outcomes}) == 100


async def test_text_that_is_no_text_refuses_its_caller_and_nobody_else(book, pipeline, meters, delivery_of) -> None:
    surrogate = delivery_of(1, channel="half a \ud800 character")
    outcomes = await asyncio.gather(
        pipeline.submit(surrogate),
        *(pipeline.submit(delivery_of(2, hour)) for hour in range(5)),
        return_exceptions=True,
    )
    assert all(outcome.state == "stored" for outcome in outcomes[1:])
    assert isinstance(outcomes[0], UnavailableError) or outcomes[0].state in ("stored", "quarantined")
    assert (await pipeline.submit(delivery_of(3))).state == "stored"
