"""kill -9 and power cuts: whatever was acknowledged is there, and nothing is there twice."""

import asyncio
import contextlib
import subprocess

import psycopg

COUNT = 8_000


def acknowledged(child: subprocess.Popen[str], at_least: int) -> set[int]:
    """Numbers that the process printed, up to and beyond so many."""
    numbers = set()
    assert child.stdout is not None
    for line in child.stdout:
        if line.strip() == "done":
            break
        numbers.add(int(line))
        if len(numbers) >= at_least:
            break
    return numbers


def rest_of(child: subprocess.Popen[str]) -> set[int]:
    assert child.stdout is not None
    return {int(line) for line in child.stdout if line.strip().isdigit()}


def balance(url: str) -> tuple[int, int, int]:
    """Deliveries, quarantined ones, and instants of a meter that are there twice."""
    with psycopg.connect(url) as connection:
        counts = connection.execute(
            "SELECT (SELECT count(*) FROM delivery), (SELECT count(*) FROM quarantine),"
            " (SELECT count(*) FROM (SELECT 1 FROM delivery GROUP BY channel, arrived_at HAVING count(*) > 1) twice)"
        ).fetchone()
    assert counts is not None
    return counts[0], counts[1], counts[2]


def test_kill_9_of_ingest_during_a_batch_loses_nothing_acknowledged(own_postgres, push) -> None:
    first = push(own_postgres.url(), COUNT)
    safe = acknowledged(first, 1_500)
    first.kill()
    safe |= rest_of(first)
    assert 1_500 <= len(safe) < COUNT
    stored, _, twice = balance(own_postgres.url())
    assert stored >= len(safe)
    assert twice == 0
    # The sender does not know what was safe: everything comes again.
    second = push(own_postgres.url(), COUNT)
    assert len(acknowledged(second, COUNT + 1)) == COUNT
    assert second.wait(90) == 0
    # Nobody registered these meters: each delivery is stored and stands in quarantine.
    assert balance(own_postgres.url()) == (COUNT, COUNT, 0)


def test_a_power_cut_of_the_database_in_the_middle_loses_nothing(own_postgres, push) -> None:
    child = push(own_postgres.url(), COUNT)
    safe = acknowledged(child, 1_000)
    own_postgres.kill()
    safe |= acknowledged(child, 2_000)
    own_postgres.start()
    safe |= rest_of(child)
    assert child.wait(90) == 0
    assert safe == set(range(COUNT))
    assert balance(own_postgres.url()) == (COUNT, COUNT, 0)


def test_kill_9_while_the_database_is_away_keeps_what_the_spool_acknowledged(own_postgres, push) -> None:
    child = push(own_postgres.url(), COUNT)
    safe = acknowledged(child, 500)
    own_postgres.stop()
    safe |= acknowledged(child, 3_000)
    child.kill()
    safe |= rest_of(child)
    own_postgres.start()
    # A new process finds the spool of the dead one and drains it, without being handed anything.
    heir = push(own_postgres.url(), 0)
    assert heir.wait(90) == 0
    stored, quarantined, twice = balance(own_postgres.url())
    assert stored >= len(safe)
    assert stored == quarantined
    assert twice == 0
    everything = push(own_postgres.url(), COUNT)
    assert len(acknowledged(everything, COUNT + 1)) == COUNT
    assert everything.wait(90) == 0
    assert balance(own_postgres.url()) == (COUNT, COUNT, 0)


async def test_when_a_worker_is_killed_another_takes_its_gateways_over_within_thirty_seconds(
    book, database_url, tmp_path, heatbook, eventually
) -> None:
    from protocols.telegram import MeterId
    from simulators.counting import CountingMbus
    from simulators.mbus_server import MbusServer, MbusSlave

    baud = 2_400_000
    async with contextlib.AsyncExitStack() as field:
        for number in range(1, 5):
            meter = CountingMbus(MeterId(f"1000000{number}", "KAM", 0x34, "heat"))
            server = MbusServer([MbusSlave(meter, 1)], baud_rate=baud, connections=2)
            await field.enter_async_context(server)
            bus = await book.gateway(f"G{number}", "mbus_tcp", server.address, baud_rate=baud, schedule_s=1)
            await book.meter(meter.identity, bus, "1")
        environment = {"HEATBOOK_DATABASE_URL": database_url, "HEATBOOK_LOG_LEVEL": "WARNING"}
        workers = [heatbook("ingest", **environment, HEATBOOK_DATA=str(tmp_path / name)) for name in ("one", "two")]

        async def shared_evenly() -> bool:
            rows = await book.rows("SELECT worker, count(*) FROM gateway_health WHERE connected GROUP BY worker")
            return sorted(count for _, count in rows) == [2, 2]

        async def readers() -> set[str]:
            query = "SELECT DISTINCT worker FROM gateway_health WHERE last_success_at > now() - interval '7 seconds'"
            return {row[0] for row in await book.rows(query)}

        async with asyncio.timeout(150):
            while not await shared_evenly():  # noqa: ASYNC110
                await asyncio.sleep(0.2)

        async def still_dead() -> bool:
            return await book.value("SELECT count(*) FROM gateway_health WHERE worker LIKE %s", f"%{dead}") > 0

        workers[0].kill()
        dead = f"/{workers[0].pid}"
        async with asyncio.timeout(30):
            while await still_dead():  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        assert all(not worker.endswith(dead) for worker in await readers())
        workers[1].terminate()
        assert await asyncio.to_thread(workers[1].wait, 30) == 0
    assert (await book.balance())["twice"] == 0
