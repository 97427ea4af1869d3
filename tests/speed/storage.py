"""Bytes a reading on TimescaleDB after compression, with noise as real meters have it, and on plain PostgreSQL.

``HEATBOOK_NODE_MODULES=... python -m tests.speed.storage``. Sixty days of hourly energy, volume, power, flow and two
temperatures of forty meters: counters that grow by a daily and weekly pattern with noise, momentary values with noise
in the last digits, instants that jitter by seconds, delivery numbers as they fall in a fleet of ten thousand meters
whose order changes a little from hour to hour.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from psycopg import AsyncConnection

from api.embedded import THROW_AWAY, EmbeddedPostgres
from ingest.store import reading_writes
from ingest.store.database import migrate
from ingest.store.habit import new_habits
from ingest.store.reading_columns import ReadingColumns
from ingest.store.reading_rows import VALUES

METERS, HOURS = 40, 24 * 60
FLEET = 10_000
# Two chunks of thirty days from their beginning on: few meters must not pay for half-filled ones.
START_US = 1_751_328_000_000_000 // (30 * 86_400_000_000) * (30 * 86_400_000_000)


def noisy(jitter_s: int) -> ReadingColumns:
    """Readings of six registers a meter, at instants that jitter by so many seconds."""
    rng = np.random.default_rng(7)
    hour = np.arange(HOURS)
    parts: list[list[Any]] = [[], [], []]
    for meter in range(METERS):
        ts_us = START_US + hour * 3_600_000_000 + rng.integers(0, jitter_s + 1, HOURS) * 1_000_000
        load_kw = np.maximum(0, 4 + 3 * np.cos(hour * 2 * np.pi / (24 * 365)) + rng.normal(0, 0.8, HOURS))
        supply = 70 + rng.normal(0, 1.5, HOURS)
        back = supply - 25 - rng.normal(0, 2, HOURS)
        flow = load_kw / (1.16 * np.maximum(supply - back, 5))
        values = (
            np.cumsum(load_kw) + 1000, np.cumsum(flow) * 100, load_kw * 100, flow * 1000, supply * 100, back * 100
        )  # fmt: skip
        for number, value in enumerate(values):
            parts[0].append(ts_us)
            parts[1].append(value.astype(np.int64))
            parts[2].append(np.full(HOURS, meter * 6 + number + 1))
    ts, value, register = (np.concatenate(part) for part in parts)
    # A delivery an hour and meter: the six readings of an hour share its number.
    late = rng.normal(0, 30, (METERS, HOURS)).astype(np.int64)
    meter, every = (register - 1) // 6, np.tile(hour, METERS * 6)
    delivery = every * FLEET + meter * (FLEET // METERS) + late[meter, every]
    columns = ReadingColumns(ts, value, delivery, register, np.zeros(len(ts), dtype=np.int64))
    # Hour by hour and meter by meter, as deliveries bring them.
    return columns.take(np.lexsort((register, every)))


async def register(connection: AsyncConnection[Any]) -> None:
    """Meter m has the registers 6m-5 to 6m."""
    await connection.execute("INSERT INTO meter (serial) SELECT g::text FROM generate_series(1, %s) g", (METERS,))
    await connection.execute(
        "INSERT INTO register (meter_id, name, quantity, unit, scale) SELECT m, 'r' || k, 'power', 'kW', 0"
        " FROM generate_series(1, %s) m, generate_series(1, 6) k ORDER BY 1, 2",
        (METERS,),
    )


async def fill(url: str, jitter_s: int, *, copy: bool) -> tuple[int, AsyncConnection[Any]]:
    """Write the readings; their number."""
    readings = noisy(jitter_s)
    connection = await AsyncConnection.connect(url, autocommit=True, prepare_threshold=None)
    if not await one(connection, "SELECT count(*) FROM register"):
        await register(connection)
    habits = new_habits()
    for start in range(0, len(readings), 48_000):
        rows = np.arange(start, min(start + 48_000, len(readings)))
        async with connection.transaction():
            # Nothing is asked: without COPY a question takes little more than a message may hold.
            nothing = np.zeros(len(rows), dtype=bool)
            await reading_writes.insert(connection, readings.take(rows), habits, history=nothing, copy=copy)
    return len(readings), connection


async def one(connection: AsyncConnection[Any], query: str) -> int:
    """A single number."""
    row = await (await connection.execute(query)).fetchone()  # type: ignore[arg-type]
    return int(row[0]) if row else 0


async def of_columns(connection: AsyncConnection[Any], count: int) -> str:
    """Compressed bytes a reading of each column that costs any."""
    cursor = await connection.execute(
        "SELECT format('%I.%I', schema_name, table_name) FROM _timescaledb_catalog.chunk WHERE id IN"
        " (SELECT compressed_chunk_id FROM _timescaledb_catalog.chunk)"
    )
    chunks = [name for (name,) in await cursor.fetchall()]
    shares = []
    for column in ("ts", "delivery_id", "part", "version", "flags", *VALUES[:6]):
        sizes = [await one(connection, f"SELECT sum(pg_column_size({column}))::int8 FROM {chunk}") for chunk in chunks]
        shares.append(f"{column} {sum(sizes) / count:.2f}")
    return ", ".join(shares)


async def timescale(url: str) -> None:
    """Print bytes a reading before and after compression."""
    for jitter_s in (0, 20):
        connection = await AsyncConnection.connect(url, autocommit=True, prepare_threshold=None)
        await connection.execute("TRUNCATE meter_reading")
        await connection.close()
        count, connection = await fill(url, jitter_s, copy=False)
        before = await one(connection, "SELECT hypertable_size('meter_reading')")
        await connection.execute("SELECT compress_chunk(c) FROM show_chunks('meter_reading') c")
        stats = "SELECT sum(after_compression_total_bytes)::int8 FROM hypertable_compression_stats('meter_reading')"
        compressed = await one(connection, stats)
        columns = await of_columns(connection, count)
        await connection.close()
        print(
            f"TimescaleDB, {count:,} readings, instants {f'within {jitter_s} s' if jitter_s else 'on the hour'}:"
            f" {before / count:.1f} bytes each as rows, {compressed / count:.2f} in the columnstore"
            f"\n  of which {columns}; the rest is pages, half-filled ones too: {METERS} meters are a small fleet"
        )


async def plain(url: str) -> None:
    """Print bytes a reading with its indexes."""
    count, connection = await fill(url, 20, copy=True)
    size = await one(connection, "SELECT pg_total_relation_size('meter_reading')")
    await connection.close()
    print(f"plain PostgreSQL: {size / count:.1f} bytes each, indexes included")


def main() -> None:
    """Both servers; TimescaleDB where its Node packages are."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder), settings=THROW_AWAY) as server:
        migrate(server.url())
        asyncio.run(plain(server.url()))
    modules = os.environ.get("HEATBOOK_NODE_MODULES")
    if modules is None:
        print("TimescaleDB: HEATBOOK_NODE_MODULES is not set", file=sys.stderr)
        return
    server = Path(__file__).parents[1] / "timescale" / "server.mjs"
    process = subprocess.Popen(["node", str(server), modules], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        address = json.loads(process.stdout.readline())["address"]
        url = f"postgresql://postgres:postgres@{address}/postgres?sslmode=disable"
        migrate(url)
        asyncio.run(timescale(url))
    finally:
        process.stdin.close()
        process.wait(20)


if __name__ == "__main__":
    main()
