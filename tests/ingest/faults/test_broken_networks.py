"""Networks, disks and clocks that fail while a worker runs: the counts add up exactly at the end."""

import asyncio
import contextlib
import random
import resource
import signal
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from compute.quality import Quality
from ingest.clock import SystemClock
from ingest.directory import Directory
from ingest.errors import UnavailableError
from ingest.model import Delivery
from ingest.on_demand import ReadFailedError, read_now, search_bus
from ingest.pipeline.gathering import PipelineLimits
from ingest.pipeline.intake import Pipeline
from ingest.spool import Spool
from ingest.store.database import open_pool
from ingest.supervisor import Worker, running_worker
from protocols.telegram import MeterId
from simulators.counting import CountingCjt188, CountingMbus
from simulators.line import LineBehaviour
from simulators.mbus_server import MbusServer, MbusSlave
from simulators.proxy import FaultyProxy

FAST = 2_400_000
START = datetime(2026, 1, 5, tzinfo=UTC)
LIMITS = PipelineLimits(batch_wait_s=0.02, batch_deliveries=200)


def delivery(number: int) -> Delivery:
    """Hours of ten meters, one after another."""
    at = START + timedelta(hours=number // 10)
    meter = CountingMbus(MeterId(f"{number % 10 + 1:08d}", "KAM", 0x34, "heat"))
    return Delivery("mbus", meter.telegram_bytes(at), at, at, f"push/{number % 10}")


@pytest.fixture
async def proxied_pool(database_url):
    """A pool that reaches the database through a proxy that can be broken."""
    parts = urlsplit(database_url)
    async with FaultyProxy("127.0.0.1", parts.port) as proxy:
        netloc = f"{parts.username}:{parts.password}@127.0.0.1:{proxy.port}"
        pool = await open_pool(parts._replace(netloc=netloc).geturl())
        yield pool, proxy
        await pool.close()


@pytest.fixture
def spool(tmp_path):
    one = Spool(tmp_path / "spool", 64 * 1024 * 1024)
    yield one
    one.close()


async def test_the_network_to_the_database_breaks_again_and_again(book, proxied_pool, spool, eventually) -> None:
    pool, proxy = proxied_pool
    for number in range(1, 11):
        await book.meter(MeterId(f"{number:08d}", "KAM", 0x34, "heat"))
    directory = await Directory.load(pool)
    source = random.Random(5)
    async with Pipeline(pool=pool, directory=directory, spool=spool, limits=LIMITS) as pipeline:
        outcomes = []
        for number, start in enumerate(range(0, 3_000, 300), start=1):
            # In the middle of an answer of the database: whether the commit happened, nobody knows.
            proxy.cut_after(source.randrange(1, 300))
            outcomes += await asyncio.gather(*(pipeline.submit(delivery(n)) for n in range(start, start + 300)))
            await eventually(lambda number=number: proxy.cuts == number and spool.is_empty)
    assert len(outcomes) == 3_000
    assert await book.balance() == {"deliveries": 3000, "keys": 3000, "quarantined": 0, "stored": 3000, "twice": 0}
    assert await book.value("SELECT count(*) FROM reading") == 12_000
    assert proxy.connections > 10


async def test_while_the_database_is_away_a_full_spool_holds_callers_and_loses_nothing(
    book, proxied_pool, tmp_path, eventually
) -> None:
    pool, proxy = proxied_pool
    directory = await Directory.load(pool)
    with_room_for_some = Spool(tmp_path / "small", 40_000)
    limits = PipelineLimits(batch_wait_s=0.02, batch_deliveries=50, queue_deliveries=50)
    async with Pipeline(pool=pool, directory=directory, spool=with_room_for_some, limits=limits) as pipeline:
        await proxy.refuse()
        waiting = [asyncio.create_task(pipeline.submit(delivery(number))) for number in range(1_000)]
        await eventually(lambda: pipeline.counters.spool_refused._value.get() > 0)
        safe = [task for task in waiting if task.done()]
        assert 0 < len(safe) < 1_000
        assert all(task.result().readings == -1 for task in safe)
        proxy.mend()
        await asyncio.gather(*waiting)
        await eventually(lambda: with_room_for_some.is_empty)
    with_room_for_some.close()
    balance = await book.balance()
    assert (balance["deliveries"], balance["twice"]) == (1_000, 0)


async def test_a_full_disk_under_the_spool_holds_callers_until_there_is_room(
    book, proxied_pool, spool, eventually
) -> None:
    pool, proxy = proxied_pool
    directory = await Directory.load(pool)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    async with Pipeline(pool=pool, directory=directory, spool=spool, limits=LIMITS) as pipeline:
        await proxy.refuse()
        try:
            # The kernel lets no file of this process grow beyond a few deliveries.
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, old[1]))
            waiting = [asyncio.create_task(pipeline.submit(delivery(number))) for number in range(500)]
            await eventually(lambda: pipeline.counters.spool_refused._value.get() > 1)
            assert not all(task.done() for task in waiting)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, old)
            signal.signal(signal.SIGXFSZ, ignored)
        await asyncio.gather(*waiting)
        proxy.mend()
        await eventually(lambda: spool.is_empty)
    balance = await book.balance()
    assert (balance["deliveries"], balance["twice"]) == (500, 0)


async def test_a_day_of_backfill_after_an_outage_comes_twice_and_shuffled(book, store_pool) -> None:
    numbers = [await book.meter(MeterId(f"{number:08d}", "KAM", 0x34, "heat")) for number in range(1, 11)]
    directory = await Directory.load(store_pool)
    day = [delivery(number) for number in range(240)]
    later = [delivery(number) for number in range(240, 300)]
    backfill = day + day
    random.Random(3).shuffle(backfill)
    async with Pipeline(pool=store_pool, directory=directory, limits=LIMITS) as pipeline:
        await asyncio.gather(*map(pipeline.submit, later))
        await asyncio.gather(*map(pipeline.submit, backfill))
    balance = await book.balance()
    assert (balance["deliveries"], balance["stored"], balance["twice"]) == (300, 300, 0)
    rows = await book.rows("SELECT g.meter_id, count(*) FROM reading JOIN register g USING (register_id) GROUP BY 1")
    assert dict(rows) == dict.fromkeys(numbers, 30 * 4)


async def test_ten_thousand_unknown_meters_are_kept_and_listed(book, store_pool) -> None:
    directory = await Directory.load(store_pool)
    strangers = [
        Delivery("mbus", CountingMbus(MeterId(f"{number:08d}", "LUG", 4, "heat")).telegram_bytes(START), START, START)
        for number in range(10_000)
    ]
    async with Pipeline(pool=store_pool, directory=directory) as pipeline:
        outcomes = await asyncio.gather(*map(pipeline.submit, strangers))
    assert {outcome.code for outcome in outcomes} == {"meter.unknown"}
    assert await book.value("SELECT count(*) FROM discovered_meter") == 10_000
    assert (await book.balance())["quarantined"] == 10_000


async def test_a_meter_clock_of_2000_is_kept_beside_the_reading_and_never_is_its_time(book, store_pool) -> None:
    meter = CountingCjt188(MeterId("11110000000001", "1111", None, "heat"))
    meter_id = await book.meter(meter.identity)
    directory = await Directory.load(store_pool)
    now = datetime.now(UTC)
    old = meter.telegram_bytes(datetime(2000, 1, 1, 0, 5, tzinfo=UTC))
    async with Pipeline(pool=store_pool, directory=directory) as pipeline:
        outcome = await pipeline.submit(Delivery("cjt188", old, now, now, "dtu/1", meter_id=meter_id))
        drift_s = pipeline.resolver.watch.take_drifts()[meter_id]
    assert outcome.state == "stored"
    assert drift_s < -20 * 365 * 86_400
    assert await book.value("SELECT bool_and(ts = %s AND flags & %s <> 0) FROM reading", now, int(Quality.CLOCK))


class FieldWork:
    """Runs a worker over the registry as it is at the start."""

    def __init__(self, pool, settings) -> None:
        self._pool, self._settings = pool, settings
        self._stack = contextlib.AsyncExitStack()

    async def start(self) -> Worker:
        directory = await Directory.load(self._pool)
        pipeline = Pipeline(settings=self._settings, pool=self._pool, directory=directory)
        await self._stack.enter_async_context(pipeline)
        worker = Worker(self._settings, self._pool, directory, pipeline, SystemClock())
        return await self._stack.enter_async_context(running_worker(worker))

    async def stop(self) -> None:
        """Sources first, then the pipeline: everything taken is stored afterwards."""
        await self._stack.aclose()


@pytest.fixture
async def field_work(store_pool, ingest_settings):
    work = FieldWork(store_pool, ingest_settings)
    yield work
    await work.stop()


async def _house(book, code: str, address: str, first: int, count: int = 3) -> None:
    bus = await book.gateway(code, "mbus_tcp", address, baud_rate=FAST, schedule_s=1, network_s=0.1, gap_s=0.05)
    for number in range(first, first + count):
        await book.meter(MeterId(f"{number:08d}", "KAM", 0x34, "heat"), bus, str(number - first + 1))


def _slaves(first: int, count: int = 3) -> list[MbusSlave]:
    meters = [CountingMbus(MeterId(f"{number:08d}", "KAM", 0x34, "heat")) for number in range(first, first + count)]
    return [MbusSlave(meter, place) for place, meter in enumerate(meters, start=1)]


async def test_a_gateway_that_accepts_and_never_answers_costs_the_others_nothing(book, field_work, eventually) -> None:
    async with (
        MbusServer(_slaves(1), baud_rate=FAST) as living,
        MbusServer(_slaves(11), baud_rate=FAST, behaviour=LineBehaviour(silent=True)) as dead,
    ):
        await _house(book, "LIVING", living.address, 1)
        await _house(book, "DEAD", dead.address, 11)
        await field_work.start()

        async def living_is_read() -> bool:
            return await book.value("SELECT count(*) FROM delivery WHERE channel LIKE 'LIVING/%%'") >= 9

        await eventually(living_is_read)

        async def dead_is_known() -> bool:
            return bool(
                await book.value(
                    "SELECT coalesce(max(timeouts), 0) >= 3 FROM gateway_health JOIN gateway USING (gateway_id)"
                    " WHERE code = 'DEAD'"
                )
            )

        await eventually(dead_is_known)
    assert await book.value("SELECT count(*) FROM delivery WHERE channel LIKE 'DEAD/%%'") == 0
    lost = "SELECT coalesce(sum(timeouts), 0) FROM gateway_health JOIN gateway USING (gateway_id) WHERE code = 'LIVING'"
    assert await book.value(lost) == 0


async def test_lines_that_are_cut_garbled_and_out_of_step_give_exact_counts(book, field_work, eventually) -> None:
    async with (
        MbusServer(_slaves(1), baud_rate=FAST, connections=2) as server,
        FaultyProxy("127.0.0.1", server.port) as proxy,
    ):
        await _house(book, "HOUSE", proxy.address, 1)
        worker = await field_work.start()
        for trouble in ("cut", "corrupt", "one_behind", "echo", "merge"):
            server.behaviour.corrupt = 0.3 if trouble == "corrupt" else 0.0
            server.behaviour.one_behind = trouble == "one_behind"
            server.behaviour.echo = trouble == "echo"
            server.behaviour.noise = 0.5 if trouble == "merge" else 0.0
            if trouble == "cut":
                proxy.cut_after(30)
            asked = server.counters.requests
            await eventually(lambda asked=asked: server.counters.requests >= asked + 12)
        server.behaviour.one_behind = server.behaviour.echo = False
        before = await book.value("SELECT count(*) FROM delivery")

        async def read_on() -> bool:
            return await book.value("SELECT count(*) FROM delivery") >= before + 3

        await eventually(read_on)
        await field_work.stop()
    offered = worker.pipeline.counters.offered.labels("mbus")._value.get()
    balance = await book.balance()
    assert (balance["deliveries"], balance["twice"]) == (offered, 0)
    assert balance["stored"] + balance["quarantined"] == balance["deliveries"]
    wrong = await book.value(
        "SELECT count(*) FROM delivery d JOIN meter m USING (meter_id) JOIN meter_link l USING (meter_id)"
        " WHERE d.channel <> 'HOUSE/' || l.address"
    )
    assert wrong == 0


async def test_any_process_has_a_meter_read_or_a_bus_searched_at_once(
    book, field_work, database_url, eventually
) -> None:
    async with MbusServer(_slaves(1), baud_rate=FAST) as server:
        await _house(book, "HOUSE", server.address, 1)
        meter_id = await book.value("SELECT meter_id FROM meter WHERE serial = '00000002'")
        with pytest.raises(UnavailableError, match="no worker"):
            await read_now(database_url, meter_id)
        worker = await field_work.start()
        await eventually(lambda: bool(worker.running))
        result = await read_now(database_url, meter_id)
        assert result.worker == worker.name
        assert bytes.fromhex(result.frames[0])[7:11] == bytes.fromhex("00000002")[::-1]
        assert result.outcomes[0]["state"] == "stored"
        gateway_id = book.numbers["HOUSE"]
        steps = [step async for step in search_bus(database_url, gateway_id, "primary", pattern="1-4")]
        assert [step.result for step in steps] == ["one", "one", "one", "none"]
        await server.stop_listening()
        with pytest.raises(ReadFailedError):
            await read_now(database_url, meter_id)


async def test_the_worker_hears_of_changes_in_the_registry(book, field_work, store_pool, eventually) -> None:
    async with MbusServer(_slaves(1, 4), baud_rate=FAST) as server:
        await _house(book, "HOUSE", server.address, 1, 2)
        worker = await field_work.start()

        async def heard(count: int) -> bool:
            return await book.value("SELECT count(DISTINCT meter_id) FROM delivery") == count

        await eventually(lambda: heard(2))
        bus = await book.value("SELECT bus_id FROM bus")
        await book.meter(MeterId("00000003", "KAM", 0x34, "heat"), bus, "3")
        await eventually(lambda: heard(3))
        async with store_pool.connection() as connection:
            await connection.execute("UPDATE gateway SET enabled = false")
        await eventually(lambda: not worker.running)
