"""A running service over a fresh database, and callers of every role."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.access import SYSTEM
from api.app import create_app, load_secrets
from api.people import service as people
from ingest.assessment.run import assess
from ingest.config import Settings
from ingest.directory import Directory
from ingest.pipeline.intake import Pipeline
from ingest.store import registry
from ingest.store.database import Pool, open_pool

ROLES = ("technician", "reviewer", "approver", "lead", "billing", "admin")


@dataclass
class Service:
    """The app with its parts; `caller(role)` is an HTTP client with that role's API key."""

    app: FastAPI
    pool: Pool
    pipeline: Pipeline
    directory: Directory
    url: str
    keys: dict[str, str] = field(default_factory=dict)
    clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    def caller(self, role: str | None, *, raise_app_exceptions: bool = True) -> httpx.AsyncClient:
        name = role or ""
        if name not in self.clients:
            headers = {"Authorization": f"Bearer {self.keys[role]}"} if role else {}
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=raise_app_exceptions)
            self.clients[name] = httpx.AsyncClient(
                transport=transport, base_url="http://heatbook.test", headers=headers
            )
        return self.clients[name]


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    settings = Settings(data=tmp_path, database_url=database_url, batch_wait_s=0.02)
    pool = await open_pool(database_url, maximum=12)
    directory = await Directory.load(pool)
    async with Pipeline(settings=settings, pool=pool, directory=directory) as pipeline:
        app = create_app(settings=settings, pool=pool, pipeline=pipeline, directory=directory)
        await load_secrets(app.state.heatbook)
        running = Service(app, pool, pipeline, directory, database_url)
        async with pool.connection() as connection, connection.transaction():
            for role in ROLES:
                _, running.keys[role] = await people.add_key(connection, SYSTEM, role, role)
        yield running
        for client in running.clients.values():
            await client.aclose()
    await pool.close()


@dataclass
class Place:
    """A point with a meter, ready to be read."""

    area_id: int
    point_id: int
    code: str
    meter_id: int
    serial: str


@pytest.fixture
def new_place(service: Service) -> Callable[..., Awaitable[Place]]:
    """Registers a point with an installed heat meter."""

    async def make(
        code: str = "P-1",
        serial: str = "12345678",
        *,
        area: str = "A1",
        since: datetime = datetime(2026, 1, 1, tzinfo=UTC),
        **facts: Any,
    ) -> Place:
        async with service.pool.connection() as connection, connection.transaction():
            areas = {row.code: row.area_id for row in await registry.areas(connection)}
            area_id = areas.get(area) or await registry.create_area(connection, code=area, name=area)
            point_id = await registry.create_point(connection, code=code, area_id=area_id, **facts)
            meter_id = await registry.create_meter(connection, serial=serial, manufacturer="KAM", medium="heat")
            await registry.install(connection, point_id=point_id, meter_id=meter_id, start=since, actor="test")
        await service.directory.refresh()
        return Place(area_id, point_id, code, meter_id, serial)

    return make


def reading_body(serial: str, at: datetime, energy: str, volume: str | None = None) -> dict[str, Any]:
    """A pushed reading in the JSON form, kWh and m3."""
    values = [{"register": "energy", "value": energy, "unit": "kWh"}]
    if volume is not None:
        values.append({"register": "volume", "value": volume, "unit": "m3"})
    meter = {"serial": serial, "manufacturer": "KAM", "medium": "heat"}
    return {
        "protocol": "reading",
        "payload": {"meter": meter, "time": at.isoformat(), "readings": values},
        "time": at.isoformat(),
    }


@pytest.fixture
def push_hours(service: Service) -> Callable[..., Awaitable[list[int]]]:
    """Pushes hourly readings of a meter: `first` hour, number, kWh of the first index and of every hour."""

    async def push(
        place: Place,
        first: datetime,
        hours: int,
        *,
        index: Decimal = Decimal("1000.00"),
        step: Decimal = Decimal("1.23"),
        offset: timedelta = timedelta(0),
    ) -> list[int]:
        items = []
        for number in range(hours):
            at = first + timedelta(hours=number) + offset
            items.append(reading_body(place.serial, at, f"{index + number * step:.2f}", f"{(index + number) / 10:.3f}"))
        answer = await service.caller("technician").post("/api/v1/deliveries", json=items)
        assert answer.json()["stored"] == hours, answer.text
        return [row["delivery_id"] for row in answer.json()["results"]]

    return push


@pytest.fixture
def assessed(service: Service) -> Callable[..., Awaitable[Any]]:
    """Runs the assessment as a worker does."""

    async def run(now: datetime = datetime(2026, 3, 10, tzinfo=UTC), *, full: bool = False) -> Any:
        return await asyncio.to_thread(assess, service.url, now=now, full=full)

    return run
