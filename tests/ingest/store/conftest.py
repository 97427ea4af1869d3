"""The store on both its servers: plain PostgreSQL, and TimescaleDB in WebAssembly (one connection, no COPY)."""

import json
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection, sql

from ingest.model import Delivery, MeterStatus, Resolved
from ingest.store import registry
from ingest.store.database import migrate
from ingest.store.packing import microseconds
from protocols.registers import Register
from protocols.units import Quantity

SERVER = Path(__file__).parents[2] / "timescale" / "server.mjs"
T0 = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
# What a migration put there, and what may not be emptied.
KEPT = {"schema_migration", "rule_group", "rule_set", "unit_conversion", "retention", "audit_entry"}


@dataclass(slots=True)
class Store:
    """A migrated, empty store: a connection in a transaction of the test's own, and whether it has COPY."""

    connection: AsyncConnection[Any]
    copy: bool
    url: str


def node_modules() -> Path | None:
    """Folder of the Node packages, by environment or beside the tests."""
    for place in (os.environ.get("HEATBOOK_NODE_MODULES"), SERVER.parent / "node_modules", Path("node_modules")):
        if place and (Path(place) / "@unni-craftsman" / "pglite").is_dir():
            return Path(place).resolve()
    return None


@contextmanager
def timescale_server() -> Iterator[str]:
    """URL of an empty TimescaleDB that takes one connection at a time."""
    modules = node_modules()
    if modules is None:
        pytest.skip("TimescaleDB needs the Node packages of tests/timescale/package.json (npm install there)")
    process = subprocess.Popen(
        ["node", str(SERVER), str(modules)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        address = json.loads(process.stdout.readline())["address"]
        yield f"postgresql://postgres:postgres@{address}/postgres?sslmode=disable"
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


@pytest.fixture
def new_timescale_url() -> Iterator[str]:
    """URL of an empty TimescaleDB of the test's own."""
    with timescale_server() as url:
        yield url


@pytest.fixture(scope="session")
def timescale_url() -> Iterator[str]:
    """URL of a migrated TimescaleDB that takes one connection at a time."""
    with timescale_server() as url:
        migrate(url)
        yield url


@pytest.fixture
async def timescale(timescale_url: str) -> AsyncIterator[Store]:
    """An empty store on TimescaleDB."""
    async with await AsyncConnection.connect(timescale_url, autocommit=True, prepare_threshold=None) as connection:
        # All connections share the one session that there is.
        await connection.execute("DEALLOCATE ALL")
        cursor = await connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'procrastinate%%'"
            " AND tablename <> ALL(%s)",
            (list(KEPT),),
        )
        names = sql.SQL(", ").join(sql.Identifier(name) for (name,) in await cursor.fetchall())
        await connection.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY").format(names))
        yield Store(connection, False, timescale_url)


@pytest.fixture
async def plain(database_url: str) -> AsyncIterator[Store]:
    """An empty store on plain PostgreSQL."""
    async with await AsyncConnection.connect(database_url, autocommit=True) as connection:
        yield Store(connection, True, database_url)


@pytest.fixture(params=["plain", pytest.param("timescale", marks=pytest.mark.node)])
def store(request: pytest.FixtureRequest) -> Store:
    """An empty store, once on each server."""
    found: Store = request.getfixturevalue(request.param)
    return found


@dataclass(slots=True)
class Place:
    """A point with an installed meter of two registers."""

    area_id: int
    point_id: int
    meter_id: int
    installation_id: int
    energy: int
    flow: int

    def delivery(self, hour: int, energy: int, flow: int = 100, *, payload: bytes = b"", channel: str = "g/1") -> Any:
        """A delivery read `hour` hours after T0, with what it was resolved to."""
        at = T0 + hour * HOUR
        us = microseconds(at)
        return (
            Delivery("mbus", payload or f"{hour}:{energy}:{flow}".encode(), at, at, channel),
            Resolved(
                (self.meter_id,),
                (self.energy, self.flow),
                (us, us),
                (energy, flow),
                (0, 0),
                (MeterStatus(self.meter_id, us, 1, at, ("battery low", "x")),),
            ),
        )


async def make_place(connection: AsyncConnection[Any], number: int = 1, area_id: int | None = None) -> Place:
    """Register a point and its meter, installed a year before T0."""
    area = area_id or await registry.create_area(connection, code=f"A{number}")
    point = await registry.create_point(connection, code=f"P{number}", area_id=area)
    meter = await registry.create_meter(connection, serial=f"{number:08d}", manufacturer="KAM")
    energy = await registry.create_register(connection, meter, Register("energy", Quantity.HEAT_ENERGY, "kWh", 0, 7))
    flow = await registry.create_register(connection, meter, Register("flow", Quantity.FLOW, "m3/h", -3))
    installed = await registry.install(
        connection, point_id=point, meter_id=meter, start=T0 - timedelta(days=365), actor="ann"
    )
    return Place(area, point, meter, installed, energy, flow)


@pytest.fixture
async def place(store: Store) -> Place:
    """A point with a meter in `store`."""
    return await make_place(store.connection)


@pytest.fixture
async def plain_place(plain: Store) -> Place:
    """A point with a meter in `plain`."""
    return await make_place(plain.connection)


@pytest.fixture
def sync_plain(plain: Store) -> Iterator[psycopg.Connection[Any]]:
    """A synchronous connection to `plain`."""
    with psycopg.connect(plain.url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def make_place_in() -> Any:
    """`make_place` for tests that register their own places."""
    return make_place
