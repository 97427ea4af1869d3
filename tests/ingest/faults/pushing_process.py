"""A process with a pipeline: hands in deliveries 0 to COUNT and prints the number of each when it is safe.

Run as ``python pushing_process.py DATABASE_URL DATA COUNT``; ends when all are safe and the spool is empty.
"""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from ingest.config import Settings
from ingest.directory import Directory
from ingest.model import Delivery
from ingest.pipeline.intake import Pipeline
from ingest.store.database import Pool
from protocols.telegram import MeterId
from simulators.counting import CountingMbus

METERS = 10
START = datetime(2026, 1, 5, tzinfo=UTC)


def delivery(number: int) -> Delivery:
    """The number-th delivery: hours of ten meters, one after another."""
    at = START + timedelta(minutes=number // METERS)
    meter = CountingMbus(MeterId(f"{number % METERS + 1:08d}", "KAM", 0x34, "heat"))
    return Delivery("mbus", meter.telegram_bytes(at), at, at, f"push/{number % METERS}")


async def main(url: str, data: str, count: int) -> None:
    """Push and report."""
    settings = Settings(Path(data), database_url=url, batch_rows=2_000, batch_wait_s=0.05)
    pool = Pool(url, min_size=0, max_size=4, open=False, kwargs={"autocommit": True})
    await pool.open()
    directory = Directory(pool)
    async with Pipeline(settings=settings, pool=pool, directory=directory) as pipeline:

        async def one(number: int) -> None:
            await pipeline.submit(delivery(number))
            print(number, flush=True)

        for start in range(0, count, 1_000):
            await asyncio.gather(*(one(number) for number in range(start, min(count, start + 1_000))))
        while pipeline.spool is not None and not pipeline.spool.is_empty:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await pool.close()
    print("done", flush=True)


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
