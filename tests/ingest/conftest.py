"""A field for the tests of ingest: a registry that is filled in one call, and what is in the store at the end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ingest.config import Settings
from ingest.directory import Directory
from ingest.store import gateways, meters
from ingest.store.database import Pool, open_pool
from protocols.telegram import MeterId

SOON_S = 60.0


@dataclass
class FieldBook:
    """Registers gateways and meters, and counts what the store holds."""

    pool: Pool
    numbers: dict[str, int] = field(default_factory=dict)

    async def gateway(
        self, code: str, kind: str, address: str, *, baud_rate: int = 2400, schedule_s: int = 3600, **settings: Any
    ) -> int:
        """A gateway with one bus; its bus id."""
        async with self.pool.connection() as connection, connection.transaction():
            gateway_id = await gateways.create_gateway(
                connection, code=code, kind=kind, address=address, settings=settings
            )
            self.numbers[code] = gateway_id
            return await gateways.create_bus(
                connection, gateway_id=gateway_id, baud_rate=baud_rate, schedule_s=schedule_s
            )

    async def meter(
        self, identity: MeterId, bus_id: int | None = None, address: str = "", *, profile: str = "", **settings: Any
    ) -> int:
        """A meter, linked to a bus where one is given; its id."""
        async with self.pool.connection() as connection, connection.transaction():
            meter_id = await meters.create_meter(
                connection,
                serial=identity.serial,
                manufacturer=identity.manufacturer,
                medium=identity.medium or "heat",
                profile=profile,
            )
            if bus_id is not None:
                await meters.link_meter(connection, meter_id, bus_id=bus_id, address=address, settings=settings)
            return meter_id

    async def value(self, query: str, *parameters: Any) -> Any:
        """First column of the first row."""
        async with self.pool.connection() as connection:
            cursor = await connection.execute(query, parameters)
            row = await cursor.fetchone()
            return None if row is None else row[0]

    async def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """All rows."""
        async with self.pool.connection() as connection:
            cursor = await connection.execute(query, parameters)
            return await cursor.fetchall()

    async def balance(self) -> dict[str, int]:
        """Deliveries, those with readings or status, those in quarantine, keys, and readings that are there twice."""
        names = {
            "deliveries": "SELECT count(*) FROM delivery",
            "keys": "SELECT count(*) FROM delivery_key",
            "quarantined": "SELECT count(*) FROM quarantine",
            "stored": "SELECT count(*) FROM delivery d WHERE NOT EXISTS"
            " (SELECT FROM quarantine q WHERE q.delivery_id = d.delivery_id)",
            "twice": "SELECT count(*) FROM (SELECT channel, payload, coalesce(details ->> 'read_at', arrived_at::text)"
            " FROM delivery GROUP BY 1, 2, 3 HAVING count(*) > 1) twice",
        }
        return {name: int(await self.value(query)) for name, query in names.items()}


@pytest.fixture
async def store_pool(database_url: str) -> AsyncIterator[Pool]:
    """An open pool of a fresh database."""
    pool = await open_pool(database_url)
    yield pool
    await pool.close()


@pytest.fixture
async def book(store_pool: Pool) -> FieldBook:
    """The registry of this test."""
    return FieldBook(store_pool)


@pytest.fixture
def ingest_settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings of an ingest process of this test."""
    return Settings(tmp_path, database_url=database_url, batch_wait_s=0.05, time_zone="UTC")


@pytest.fixture
async def directory(store_pool: Pool) -> Directory:
    """The registry in memory, as it is when the test asks for it; `refresh` after registering."""
    return await Directory.load(store_pool)


@pytest.fixture
def eventually() -> Callable[[Callable[[], Awaitable[bool] | bool]], Awaitable[None]]:
    """Wait until a condition holds, asking it again after every turn of a short timer; fails after a minute."""

    async def wait(condition: Callable[[], Awaitable[bool] | bool]) -> None:
        async with asyncio.timeout(SOON_S):
            while True:
                held = condition()
                if held if isinstance(held, bool) else await held:
                    return
                await asyncio.sleep(0.02)

    return wait
