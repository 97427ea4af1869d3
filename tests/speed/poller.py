"""How near a worker comes to what the buses can give: gateways of 20 M-Bus meters at real 2400 baud, all of it real.

The gateways live in a process of their own; worker, pipeline and PostgreSQL run as in production. Printed as ratios:
reads a second against the bus-limited maximum (question, thinking, answer, idle: nothing else), the cost of dead
gateways to the others, and memory. Run: ``python -m tests.speed.poller [gateways] [seconds]``.
"""

import asyncio
import multiprocessing
import resource
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

from api.embedded import THROW_AWAY, EmbeddedPostgres
from ingest.clock import SystemClock
from ingest.config import Settings
from ingest.directory import Directory
from ingest.pipeline.intake import Pipeline
from ingest.sources.mbus import IDLE_BITS
from ingest.store.database import migrate, open_pool
from ingest.supervisor import Worker, running_worker
from protocols.telegram import MeterId
from simulators.counting import CountingMbus
from simulators.line import CHARACTER_BITS, LineBehaviour
from simulators.mbus_server import QUICKEST_BITS, USUAL_BITS, MbusServer, MbusSlave

METERS = 20
BAUD = 2400
TAIL = 60  # makes a telegram of 113 bytes, about what a heat meter sends


def identity(gateway: int, meter: int) -> MeterId:
    """The number of a meter."""
    return MeterId(f"{gateway * 100 + meter:08d}", "KAM", 0x34, "heat")


def serve(gateways: int, dead: int, manner: str, pipe: Connection) -> None:
    """The field, in a process of its own: sends the addresses, ends when the pipe closes."""
    asyncio.run(_serve(gateways, dead, manner, pipe))


async def _serve(gateways: int, dead: int, manner: str, pipe: Connection) -> None:
    """The first `dead` gateways are "silent" (accept and never answer) or "refusing" (nobody listens at the port)."""
    servers = []
    for number in range(gateways):
        meters = [CountingMbus(identity(number, meter), tail=TAIL, primary=meter) for meter in range(1, METERS + 1)]
        behaviour = LineBehaviour(silent=number < dead and manner == "silent")
        slaves = [MbusSlave(meter, meter.primary) for meter in meters]
        servers.append(await MbusServer(slaves, baud_rate=BAUD, seed=number, behaviour=behaviour).__aenter__())
    gone = servers[: dead if manner == "refusing" else 0]
    addresses = [server.address for server in servers]
    for server in gone:
        await server.__aexit__(None, None, None)
    pipe.send(addresses)
    await asyncio.to_thread(pipe.poll, None)
    for server in servers[len(gone) :]:
        await server.__aexit__(None, None, None)


def bus_limit() -> float:
    """Reads a second that one bus allows."""
    answer = len(CountingMbus(identity(1, 1), tail=TAIL).telegram_bytes(SystemClock().now()))
    bits = (5 + answer) * CHARACTER_BITS + (QUICKEST_BITS + USUAL_BITS) / 2 + IDLE_BITS
    return BAUD / bits


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


async def register(url: str, addresses: list[str]) -> None:
    """The fleet in one transaction."""
    pool = await open_pool(url)
    async with pool.connection() as connection, connection.transaction():
        for query in (_GATEWAYS, _BUSES, _METERS, _LINKS, _REGISTERS):
            await connection.execute(query, {"addresses": addresses, "baud": BAUD, "meters": METERS})
    await pool.close()


async def polled(url: str, folder: Path, gateways: int, seconds: float, dead: int = 0) -> dict[str, float]:
    """Run a worker; reads a second after everybody was heard once, stored deliveries, memory."""
    settings = Settings(folder, database_url=url, time_zone="UTC")
    pool = await open_pool(url)
    directory = await Directory.load(pool)
    async with Pipeline(settings=settings, pool=pool, directory=directory) as pipeline:
        worker = Worker(settings, pool, directory, pipeline, SystemClock())
        async with running_worker(worker):
            while len(worker.running) < gateways:  # noqa: ASYNC110
                await asyncio.sleep(0.1)

            def reads() -> float:
                return pipeline.counters.readings._value.get()

            # Everybody once, then what counts is the life after it.
            while reads() < 4 * METERS * (gateways - dead) or pipeline.depth > gateways:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            await asyncio.sleep(5)

            before, began, cpu = reads(), time.perf_counter(), time.process_time()
            await asyncio.sleep(seconds)
            took = time.perf_counter() - began
            result = {
                "reads_s": (reads() - before) / 4 / took,
                "cpu": (time.process_time() - cpu) / took,
                "depth": float(pipeline.depth),
            }
    await pool.close()
    result["memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return result


def measured(gateways: int, seconds: float, dead: int, manner: str = "silent") -> dict[str, float]:
    """One run against a fresh database."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    field = context.Process(target=serve, args=(gateways, dead, manner, theirs), name="field", daemon=True)
    field.start()
    with (
        tempfile.TemporaryDirectory() as name,
        EmbeddedPostgres(Path(name) / "postgres", settings=THROW_AWAY) as server,
    ):
        migrate(server.url())
        addresses = ours.recv()

        async def run() -> dict[str, float]:
            await register(server.url(), addresses)
            return await polled(server.url(), Path(name) / "data", gateways, seconds, dead)

        result = asyncio.run(run())
    ours.send("end")
    field.join(20)
    return result


def main(gateways: int = 1_000, seconds: float = 30.0) -> None:
    """Print the ratios."""
    limit = bus_limit()
    whole = measured(gateways, seconds, 0)
    print(
        f"poller: {gateways} gateways x {METERS} meters at {BAUD} baud: {whole['reads_s']:.0f} reads/s,"
        f" {whole['reads_s'] / (gateways * limit):.3f} of the bus-limited {gateways * limit:.0f}/s,"
        f" CPU {whole['cpu']:.2f}, {whole['memory_mb']:.0f} MiB, {whole['depth']:.0f} deliveries in hand"
    )
    dead = max(1, gateways // 1000)
    for manner in ("silent", "refusing"):
        rest = measured(gateways, seconds, dead, manner)
        lost = 1 - (rest["reads_s"] / (gateways - dead)) / (whole["reads_s"] / gateways)
        print(f"poller: {dead} dead gateway(s), {manner}, cost each other one {100 * lost:.2f} % of its reads")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:3]))
