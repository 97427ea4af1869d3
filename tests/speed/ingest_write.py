"""Idempotent writing of decoded telegrams beside raw binary COPY of the same rows, on plain PostgreSQL, in one run.

``python -m tests.speed.ingest_write [rounds]``. The limit is what nobody could beat: rows packed beforehand and
copied into tables without index, one COPY a table, one row a reading. Two limits are printed, of the readings alone and
of all rows that a delivery means (its bytes, its key, its status, its readings). Ours commits as many deliveries at
once as the pipeline does under load and decides duplicates of deliveries and of readings; decoding is not part of it.
The last column compares the processors' time, of client and server together, and holds on a busy machine too.
"""

import asyncio
import gc
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg

from api.embedded import EmbeddedPostgres
from ingest.model import Delivery, MeterStatus, Resolved
from ingest.pipeline.gathering import PipelineLimits
from ingest.store import deliveries, reading_writes, statuses
from ingest.store.database import Pool, migrate, open_pool
from ingest.store.habit import new_habits
from ingest.store.packing import copy_rows, microseconds
from ingest.store.reading_columns import ReadingColumns
from ingest.store.writes import write_batch

METERS = 5_000
REGISTERS = 6
BATCH = PipelineLimits().batch_deliveries
HOURS = 12
T0 = datetime(2025, 11, 1, tzinfo=UTC)
TYPES = ("timestamptz", "int8", "int8", "int4", "int2", "int2")
READING = (
    "(ts timestamptz NOT NULL, value int8 NOT NULL, delivery_id int8 NOT NULL, register_id int NOT NULL,"
    " version smallint NOT NULL, flags smallint NOT NULL)"
)
Item = tuple[Delivery, Resolved]
Seconds = npt.NDArray[np.float64]


class Clock:
    """Seconds since it was made: on the wall, and of the processors for this process and the database server.

    It stands still between `pause` and `go_on`, while the server has nothing to do.
    """

    def __init__(self, server: int) -> None:
        self._server = server
        self._paused = np.zeros(2)
        self._server_began = self._server_seconds()
        self._began = self._own()

    @staticmethod
    def _own() -> Seconds:
        return np.array([time.perf_counter(), time.process_time()])

    def _server_seconds(self) -> float:
        ticks = 0
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            # utime and stime of a server process; those of processes that have ended stand with their parent.
            if folder.name == str(self._server):
                ticks += sum(map(int, fields[11:15]))
            elif int(fields[1]) == self._server:
                ticks += sum(map(int, fields[11:13]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def pause(self) -> None:
        """What follows is not counted."""
        self._paused -= self._own()

    def go_on(self) -> None:
        """What follows is counted again."""
        self._paused += self._own()

    def read(self) -> Seconds:
        """(2,) wall, processors."""
        taken = self._own() - self._began - self._paused
        taken[1] += self._server_seconds() - self._server_began
        return taken


def server_of(url: str) -> int:
    """Process number of the server that a connection's own process belongs to."""
    with psycopg.connect(url) as connection:
        stat = Path(f"/proc/{connection.info.backend_pid}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])


def batches() -> Iterator[list[Item]]:
    """One delivery a meter and hour, six readings each, as the resolver hands them on; the same ones every time."""
    rng, items = random.Random(1), []
    for hour in range(HOURS):
        for meter in range(METERS):
            at = T0 + timedelta(seconds=hour * 3600 + meter * 3600 // METERS)
            us = microseconds(at)
            first = meter * REGISTERS + 1
            items.append(
                (
                    Delivery("mbus", rng.randbytes(90), at, at, f"gateway-{meter // 50}/{meter % 50}"),
                    Resolved(
                        (meter + 1,),
                        tuple(range(first, first + REGISTERS)),
                        (us,) * REGISTERS,
                        (100_000 + hour * 3, 2_000 + hour, rng.randrange(9999), rng.randrange(400), 7_012, 4_410),
                        (0,) * REGISTERS,
                        (MeterStatus(meter + 1, us, 0, at),),
                    ),
                )
            )
            if len(items) == BATCH:
                yield items
                items = []


def columns_of(items: list[Item]) -> ReadingColumns:
    """The readings of all deliveries."""

    def flat(name: str) -> Any:
        return np.fromiter((value for _, item in items for value in getattr(item, name)), dtype=np.int64)

    numbers = np.repeat(np.arange(1, len(items) + 1), REGISTERS)
    return ReadingColumns(flat("ts_us"), flat("values"), numbers, flat("register_ids"), flat("flags"))


def raw_seconds(url: str, server: int, items: list[Item]) -> tuple[Seconds, Seconds]:
    """Seconds of a raw COPY of the readings, and of all rows of the deliveries."""
    columns = columns_of(items)
    readings = copy_rows(
        TYPES, (columns.ts_us, columns.value, columns.delivery_id, columns.register_id, 0, 0), len(columns)
    )
    numbered = [(number, item.meter_ids[0], delivery) for number, (delivery, item) in enumerate(items, 1)]
    parts = {
        "raw_reading": readings,
        "raw_delivery": b"".join(deliveries.pieces(numbered)),
        "raw_status": statuses.packed([(n, item.statuses[0]) for n, (_, item) in enumerate(items, 1)]),
        "raw_key": copy_rows(("int8", "timestamptz", "int8", "int8"), (np.arange(len(items)), 0, 1, 2), len(items)),
    }
    taken: dict[str, Seconds] = {}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS raw_reading, raw_delivery, raw_status, raw_key")
        connection.execute(f"CREATE TABLE raw_reading {READING}")  # type: ignore[arg-type]
        connection.execute("CREATE TABLE raw_delivery (LIKE delivery)")
        connection.execute("CREATE TABLE raw_status (LIKE meter_status)")
        connection.execute("CREATE TABLE raw_key (delivery_id int8, arrived_at timestamptz, a int8, b int8)")
        for table, payload in parts.items():
            clock = Clock(server)
            with connection.cursor().copy(f"COPY {table} FROM STDIN (FORMAT BINARY)") as stream:  # type: ignore[arg-type]
                stream.write(payload)
            taken[table] = clock.read()
    return taken["raw_reading"], np.sum(list(taken.values()), axis=0)


async def register(pool: Pool) -> None:
    """Meters and registers with the numbers that `made` uses."""
    async with pool.connection() as connection:
        await connection.execute(
            "TRUNCATE meter_reading, delivery, delivery_key, meter_status, touched, register, meter"
            " RESTART IDENTITY CASCADE"
        )
        await connection.execute("INSERT INTO meter (serial) SELECT g::text FROM generate_series(1, %s) g", (METERS,))
        await connection.execute(
            "INSERT INTO register (meter_id, name, quantity, unit, scale) SELECT m, 'r' || k, 'power', 'kW', 0"
            " FROM generate_series(1, %s) m, generate_series(1, %s) k ORDER BY 1, 2",
            (METERS, REGISTERS),
        )


async def ours(pool: Pool, server: int) -> Seconds:
    """Seconds to write all deliveries in batches, each batch just made as a decoder has just made it."""
    habits = new_habits()
    clock = Clock(server)
    clock.pause()
    for items in batches():
        clock.go_on()
        async with pool.connection() as connection, connection.transaction():
            await write_batch(connection, items, habits=habits)
        clock.pause()
    clock.go_on()
    return clock.read()


async def two_writers(pool: Pool, server: int, items: list[Item]) -> Seconds:
    """The same by two writers of one process, everything made beforehand."""
    clock = Clock(server)

    async def write(number: int) -> None:
        habits = new_habits()
        for start in range(number * BATCH, len(items), 2 * BATCH):
            async with pool.connection() as connection, connection.transaction():
                await write_batch(connection, items[start : start + BATCH], habits=habits)

    await asyncio.gather(write(0), write(1))
    return clock.read()


async def columnar(pool: Pool, server: int, items: list[Item]) -> Seconds:
    """Seconds to write the readings alone as columns, as an import does, duplicates decided."""
    columns = columns_of(items)
    habits = new_habits()
    clock = Clock(server)
    for start in range(0, len(columns), 60_000):
        rows = np.arange(start, min(start + 60_000, len(columns)))
        async with pool.connection() as connection, connection.transaction():
            history = np.zeros(len(rows), dtype=bool)
            await reading_writes.insert(connection, columns.take(rows), habits, history=history)
    return clock.read()


async def measure(url: str, rounds: int) -> None:
    """Print the table."""
    items = [item for batch in batches() for item in batch]
    gc.collect()
    gc.freeze()
    readings = len(items) * REGISTERS
    pool = await open_pool(url, minimum=2, maximum=4)
    server = server_of(url)
    results: dict[str, list[list[float]]] = {}
    for _ in range(rounds):
        limit, limit_all = raw_seconds(url, server, items)

        def note(name: str, taken: Seconds, limit: Seconds = limit, limit_all: Seconds = limit_all) -> None:
            shares = [limit[0] / taken[0], limit_all[0] / taken[0], limit[1] / taken[1], limit_all[1] / taken[1]]
            results.setdefault(name, []).append([readings / taken[0], *shares])

        note("raw COPY of the readings", limit)
        note("raw COPY of all rows", limit_all)
        await register(pool)
        note("write_batch, first delivery", await ours(pool, server))
        note("write_batch, everything again", await ours(pool, server))
        await register(pool)
        note("write_batch, two writers", await two_writers(pool, server, items))
        await register(pool)
        note("reading columns, as an import", await columnar(pool, server, items))
        note("reading columns, again", await columnar(pool, server, items))
    await pool.close()
    print(f"{readings:,} readings in {len(items):,} deliveries, medians of {rounds} rounds")
    print(f"{'':30}{'readings/s':>11}   share of raw readings / of raw rows: wall      processors")
    for name, rows in results.items():
        rate, wall, wall_all, work, work_all = np.median(np.array(rows), axis=0).tolist()
        print(f"{name:30}{rate:11,.0f}{wall:35.2f} / {wall_all:.2f}{work:10.2f} / {work_all:.2f}")


def main(rounds: int = 3) -> None:
    """Run on an embedded server with durable settings."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)) as server:
        migrate(server.url())
        asyncio.run(measure(server.url(), rounds))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
