"""How near a worker comes to what the buses can give: gateways of 20 M-Bus meters, all of it real.

The gateways live in a process of their own, so that their processor time is not counted as the poller's; worker,
pipeline and PostgreSQL run as in production. Printed are reads against the bus-limited maximum (question, thinking,
answer, idle: nothing else), the processor time of a telegram, the cores that poller, field and PostgreSQL take, memory,
and what a dead gateway costs the others: phases with and without it take turns in one run, so that a busy machine
troubles both alike. At 300 baud (1,000 gateways: 240 reads a second) the buses are the limit on any machine, at 2400 on
one with two free cores.
Run: ``python -m tests.speed.poller [gateways] [seconds] [baud]``.
"""

import asyncio
import contextlib
import multiprocessing
import os
import resource
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from api.cli.serve import fast_event_loop
from api.embedded import THROW_AWAY, EmbeddedPostgres
from ingest.clock import SystemClock
from ingest.collecting import collecting_seldom
from ingest.config import Settings
from ingest.directory import Directory
from ingest.model import Delivery, Outcome
from ingest.pipeline.intake import Pipeline
from ingest.schedule import Grid
from ingest.sources.asking import Target
from ingest.sources.handover import Sink
from ingest.sources.health import Tally
from ingest.sources.masters import MASTERS, GatewayAddress
from ingest.sources.mbus import IDLE_BITS
from ingest.sources.polling import GatewayPoller
from ingest.store.database import migrate, open_pool
from ingest.supervisor import Worker, running_worker
from protocols.telegram import MeterId
from simulators.counting import CountingMbus
from simulators.line import CHARACTER_BITS
from simulators.mbus_server import QUICKEST_BITS, USUAL_BITS, MbusServer, MbusSlave

METERS = 20
TURNS = 2
TAIL = 60  # makes a telegram of 113 bytes, about what a heat meter sends


def identity(gateway: int, meter: int) -> MeterId:
    """The number of a meter."""
    return MeterId(f"{gateway * 100 + meter:08d}", "KAM", 0x34, "heat")


def serve(gateways: int, baud: int, pipe: Connection) -> None:
    """The field, in a process of its own: sends the addresses, ends when the pipe closes."""
    asyncio.run(_serve(gateways, baud, pipe))


async def _serve(gateways: int, baud: int, pipe: Connection) -> None:
    async with contextlib.AsyncExitStack() as stack:
        addresses = []
        for number in range(gateways):
            meters = [CountingMbus(identity(number, meter), tail=TAIL, primary=meter) for meter in range(1, METERS + 1)]
            slaves = [MbusSlave(meter, meter.primary) for meter in meters]
            server = await stack.enter_async_context(MbusServer(slaves, baud_rate=baud, seed=number))
            addresses.append(server.address)
        pipe.send(addresses)
        await asyncio.to_thread(pipe.poll, None)


@contextlib.contextmanager
def dead_addresses() -> Iterator[dict[str, str]]:
    """Addresses of dead gateways by their manner."""
    with contextlib.ExitStack() as stack:

        def bound(backlog: int | None) -> socket.socket:
            listener = stack.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            if backlog is not None:
                listener.listen(backlog)
            return listener

        # The kernel accepts for a listener that never does; bound without listening, it refuses; where the queue is
        # full, it drops what asks for a connection, as a host behind a broken route does.
        silent, refusing, dropping = bound(64), bound(None), bound(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(dropping.getsockname())
        listeners = {"accepts, never answers": silent, "refuses": refusing, "drops packets": dropping}
        yield {manner: f"127.0.0.1:{one.getsockname()[1]}" for manner, one in listeners.items()}


def bus_limit(baud: int) -> float:
    """Reads a second that one bus allows."""
    answer = len(CountingMbus(identity(1, 1), tail=TAIL).telegram_bytes(SystemClock().now()))
    bits = (5 + answer) * CHARACTER_BITS + (QUICKEST_BITS + USUAL_BITS) / 2 + IDLE_BITS
    return baud / bits


_GATEWAYS = (
    "INSERT INTO gateway (code, kind, address) SELECT 'G' || n, 'mbus_tcp', a"
    " FROM unnest(%(addresses)s::text[]) WITH ORDINALITY AS t (a, n)"
)
# A period of a second means: always due.
_BUSES = "INSERT INTO bus (gateway_id, baud_rate, schedule_s) SELECT gateway_id, %(baud)s, 1 FROM gateway"
_METERS = (
    "INSERT INTO meter (serial, manufacturer, medium) SELECT lpad(((g - 1) * 100 + m)::text, 8, '0'), 'KAM', 'heat'"
    " FROM generate_series(1, cardinality(%(addresses)s::text[])) g, generate_series(1, %(meters)s) m"
)
_LINKS = (
    "INSERT INTO meter_link (meter_id, bus_id, address) SELECT m.meter_id, b.bus_id, mod(m.serial::int, 100)::text"
    " FROM meter m JOIN gateway g ON g.code = 'G' || (m.serial::int / 100 + 1) JOIN bus b USING (gateway_id)"
)
# Meters that were read before: first contact would make these.
_REGISTERS = (
    "INSERT INTO register (meter_id, name, quantity, unit, scale, digits)"
    " SELECT meter_id, name, quantity, unit, scale, 8 FROM meter,"
    " (VALUES ('energy', 'heat_energy', 'kWh', 0), ('volume', 'volume', 'm3', -2),"
    " ('supply_temperature', 'supply_temperature', '°C', -2), ('return_temperature', 'return_temperature', '°C', -2))"
    " AS r (name, quantity, unit, scale)"
)


async def register(url: str, addresses: list[str], baud: int) -> None:
    """The fleet in one transaction."""
    pool = await open_pool(url)
    async with pool.connection() as connection, connection.transaction():
        for query in (_GATEWAYS, _BUSES, _METERS, _LINKS, _REGISTERS):
            await connection.execute(query, {"addresses": addresses, "baud": baud, "meters": METERS})
    await pool.close()


def processor_s() -> Counter[str]:
    """Processor seconds so far, of this process, of the field and of PostgreSQL."""
    taken = Counter({"poller": time.process_time()})
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            taken["PostgreSQL" if child.name() == "postgres" else "field"] += sum(child.cpu_times()[:2])
    return taken


class Fleet:
    """A worker that reads the whole fleet, and what it has done so far."""

    def __init__(self, pipeline: Pipeline, worker: Worker) -> None:
        self.pipeline, self.worker = pipeline, worker

    @property
    def answers(self) -> int:
        """Telegrams that meters have given."""
        return sum(change.successes for change in self.worker.tally.totals.values())

    async def reads_s(self, seconds: float) -> tuple[float, float]:
        """Reads a wall second over a span, and processor seconds a read."""
        before, began, cpu = self.answers, time.perf_counter(), time.process_time()
        await asyncio.sleep(seconds)
        reads = self.answers - before
        return reads / (time.perf_counter() - began), (time.process_time() - cpu) / max(1, reads)


@contextlib.asynccontextmanager
async def dead_gateway(sink: Sink, address: str, baud: int) -> AsyncIterator[None]:
    """A gateway of that address, whose meters never answer, is polled."""
    targets = [Target(-meter, str(meter), Grid(1.0), None, baud) for meter in range(1, METERS + 1)]
    master = MASTERS["mbus_tcp"](GatewayAddress("mbus_tcp", address, {}, baud))
    poller = GatewayPoller(-1, "dead", master, targets, sink, SystemClock(), Tally())
    task = asyncio.create_task(poller.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def reading(url: str, folder: Path, gateways: int) -> AsyncIterator[Fleet]:
    """The worker as in production, once every gateway has given so many telegrams that counting is fair."""
    settings = Settings(folder, database_url=url, time_zone="UTC")
    pool = await open_pool(url)
    directory = await Directory.load(pool)
    async with Pipeline(settings=settings, pool=pool, directory=directory) as pipeline:
        worker = Worker(settings, pool, directory, pipeline, SystemClock())
        with collecting_seldom():
            async with running_worker(worker):
                fleet = Fleet(pipeline, worker)
                # The first question to each meter is a reset, which the limit does not know.
                while fleet.answers < METERS * gateways:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
                yield fleet
    await pool.close()


@contextlib.contextmanager
def field_and_store(gateways: int, baud: int) -> Iterator[tuple[str, Path]]:
    """Database with the fleet registered, and a data folder."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    field = context.Process(target=serve, args=(gateways, baud, theirs), name="field", daemon=True)
    field.start()
    with (
        tempfile.TemporaryDirectory() as name,
        EmbeddedPostgres(Path(name) / "postgres", settings=THROW_AWAY) as server,
    ):
        migrate(server.url())
        asyncio.run(register(server.url(), ours.recv(), baud))
        yield server.url(), Path(name) / "data"
    ours.send("end")
    field.join(20)


async def share(url: str, folder: Path, gateways: int, seconds: float, baud: int) -> None:
    """Print what part of the buses is used."""
    limit = gateways * bus_limit(baud)
    async with reading(url, folder, gateways) as fleet:
        before, began = processor_s(), time.perf_counter()
        reads_s, cpu_s = await fleet.reads_s(seconds)
        took_s = time.perf_counter() - began
        cores = {name: (taken - before[name]) / took_s for name, taken in processor_s().items()}
        print(
            f"poller: {gateways} gateways x {METERS} meters at {baud} baud: {reads_s:.0f} reads/s,"
            f" {reads_s / limit:.3f} of the bus-limited {limit:.0f}/s; {1000 * cpu_s:.2f} ms of processor a telegram,"
            f" {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB,"
            f" {fleet.pipeline.depth} deliveries in hand; cores:"
            f" {', '.join(f'{name} {core:.2f}' for name, core in cores.items())}; load {os.getloadavg()[0]:.1f}"
        )


async def cost_of_dead(url: str, folder: Path, gateways: int, seconds: float, baud: int) -> None:
    """Print what one dead gateway costs the others, by its manner; phases with and without it take turns."""
    async with reading(url, folder, gateways) as fleet:
        with dead_addresses() as dead:
            for manner, address in dead.items():
                with_dead, without = [], []
                # In the order A B B A, so that what drifts over the minutes troubles both alike.
                for dead_now in (False, True, True, False) * TURNS:
                    if dead_now:
                        async with dead_gateway(fleet.pipeline, address, baud):
                            with_dead.append((await fleet.reads_s(seconds))[0])
                    else:
                        without.append((await fleet.reads_s(seconds))[0])
                lost = 1 - sum(with_dead) / sum(without)
                rates = [sum(turns) / len(turns) for turns in (without, with_dead)]
                print(
                    f"poller: beside {gateways} gateways at {baud} baud one that {manner} costs {100 * lost:+.2f} % of"
                    f" their reads ({rates[0]:.1f}/s without, {rates[1]:.1f}/s with, {2 * TURNS} turns of {seconds:g} s"
                    " each)"
                )


class NothingComes:
    """The pipeline of a gateway that is dead."""

    async def offer(self, delivery: Delivery) -> "asyncio.Future[Outcome]":
        """Never called."""
        raise AssertionError(f"a dead gateway delivered {delivery}")


async def processor_of_dead(seconds: float, baud: int) -> None:
    """Print what a dead gateway takes of a processor, which is all that the others could miss."""
    with dead_addresses() as dead:
        for manner, address in dead.items():
            began, cpu = time.perf_counter(), time.process_time()
            async with dead_gateway(NothingComes(), address, baud):
                await asyncio.sleep(seconds)
            share_of_core = (time.process_time() - cpu) / (time.perf_counter() - began)
            print(f"poller: a gateway that {manner} takes {100 * share_of_core:.3f} % of a processor")


def as_in_production(work: Coroutine[Any, Any, None]) -> None:
    """Run with the event loop that `heatbook ingest` has."""
    with asyncio.Runner(loop_factory=fast_event_loop()) as runner:
        runner.run(work)


def main(gateways: int = 1_000, seconds: int = 40, baud: int = 300) -> None:
    """Print the ratios."""
    with field_and_store(gateways, baud) as (url, folder):
        as_in_production(share(url, folder, gateways, seconds, baud))
    asyncio.run(processor_of_dead(seconds, 4 * baud))
    few = max(10, gateways // 10)
    with field_and_store(few, 4 * baud) as (url, folder):
        as_in_production(cost_of_dead(url, folder, few, seconds / 4, 4 * baud))


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:4]))
