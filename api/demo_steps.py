"""What the demo does to a fresh database, step by step: the fleet's registry, its people, its history, its periods."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from psycopg import AsyncConnection

from api.access import SYSTEM
from api.billing import service as billing
from api.demo_registry import register_fleet, set_addresses
from api.people import service as people
from ingest.clock import wall_now
from ingest.config import Settings
from ingest.directory import Directory
from ingest.errors import ConflictError
from ingest.model import Delivery, Outcome
from ingest.pipeline.intake import Pipeline
from ingest.sealing import sealer_for
from ingest.store.database import Pool, open_pool
from ingest.store.overview import newest_reading
from simulators.fleet import Fleet
from simulators.meter import VirtualMeter
from simulators.scenarios import demo as demo_fleet

# Futures held at once while history is read: enough to fill batches, little enough to stay small.
IN_FLIGHT = 4_000
PROGRESS_EVERY = 20_000


def fleet_of(seed: int, meters: int, origin: datetime) -> Fleet:
    """The demo's fleet; the same arguments always give the same meters."""
    return demo_fleet(seed=seed, meters=meters, origin=origin)


@asynccontextmanager
async def _pool(database_url: str) -> AsyncIterator[Pool]:
    pool = await open_pool(database_url)
    try:
        yield pool
    finally:
        await pool.close()


async def last_reading(database_url: str) -> datetime | None:
    """Instant of the newest reading, where a restarted demo goes on; None before the first."""
    async with _pool(database_url) as pool, pool.connection() as connection:
        return await newest_reading(connection)


async def register(settings: Settings, database_url: str, fleet: Fleet) -> None:
    """The whole fleet in one transaction: a half-registered demo can't be left behind."""
    async with _pool(database_url) as pool, pool.connection() as connection:
        await register_fleet(connection, fleet, sealer_for(settings.data, settings.master_key))


async def tell_addresses(database_url: str, addresses: Mapping[str, str]) -> None:
    """Write down where the virtual gateways listen in this run."""
    async with _pool(database_url) as pool, pool.connection() as connection:
        await set_addresses(connection, addresses)


async def let_people_in(
    database_url: str, roles: tuple[tuple[str, str, str], ...], key_roles: tuple[str, ...], known: Mapping[str, Any]
) -> tuple[list[dict[str, str]], dict[str, str]]:
    """Demo people and API keys with fresh secrets, unless `known` (the log-in file of an earlier run) has them.

    Returns
    -------
    list of {name, password, role}, and keys by role
    """
    if known:
        return list(known["users"]), dict(known["api_keys"])
    users, keys = [], {}
    async with _pool(database_url) as pool, pool.connection() as connection:
        for name, full_name, role in roles:
            password = secrets.token_urlsafe(12)
            await _person(connection, name, full_name, role, password)
            users.append({"name": name, "password": password, "role": role})
        for role in key_roles:
            keys[role] = await _key(connection, role)
    return users, keys


async def _person(connection: AsyncConnection[Any], name: str, full_name: str, role: str, password: str) -> None:
    try:
        async with connection.transaction():
            await people.add_person(connection, SYSTEM, name, role, password, full_name=full_name)
    except ConflictError:
        # The log-in file was deleted: the person gets a new password, everything else stays.
        await people.change_person(connection, SYSTEM, name, password=password)


async def _key(connection: AsyncConnection[Any], role: str) -> str:
    _, key = await people.add_key(connection, SYSTEM, f"demo {role}", role)
    return key


async def read_history(
    settings: Settings, database_url: str, fleet: Fleet, span: timedelta, say: Callable[[str], None]
) -> int:
    """Send `span` of every meter's telegrams before the fleet's origin through the pipeline; how many were taken."""
    count, states = 0, {"stored": 0, "duplicate": 0, "quarantined": 0}
    async with _pool(database_url) as pool:
        directory = await Directory.load(pool, sealer_for(settings.data, settings.master_key))
        async with Pipeline(settings=settings, pool=pool, directory=directory) as pipeline:
            waiting: set[asyncio.Future[Outcome]] = set()
            for delivery in _history(fleet, span, directory):
                waiting.add(await pipeline.offer(delivery))
                count += 1
                if len(waiting) >= IN_FLIGHT:
                    done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                    _tally(states, done)
                if count % PROGRESS_EVERY == 0:
                    say(f"history: {count} telegrams, {states['quarantined']} of them in quarantine")
            if waiting:
                done, _ = await asyncio.wait(waiting)
                _tally(states, done)
    return count


def _tally(states: dict[str, int], done: set["asyncio.Future[Outcome]"]) -> None:
    for future in done:
        states[future.result().state] += 1


def _history(fleet: Fleet, span: timedelta, directory: Directory) -> Iterator[Delivery]:
    for meter in fleet.meters:
        entry = directory.meter_for(meter.id)
        meter_id = None if entry is None else entry.meter_id
        step = timedelta(seconds=max(meter.model.interval_s, 3600))
        for at, payload in fleet.history(meter, fleet.origin - span, fleet.origin, step):
            yield delivery_of(meter, meter_id, at, payload)


def delivery_of(meter: VirtualMeter, meter_id: int | None, at: datetime, payload: bytes) -> Delivery:
    """A telegram of history in the form in which its source would have handed it in."""
    topic = meter.link.settings.get("topic")
    if topic is not None:
        text = payload.hex().upper().encode() if meter.protocol == "wmbus" else payload
        return Delivery("mqtt", text, wall_now(), at, channel=topic, topic=topic)
    channel = f"{meter.link.gateway}/{meter.link.address}"
    return Delivery(
        meter.protocol, payload, wall_now(), at, channel=channel, meter_id=meter_id, profile=meter.profile or None
    )


async def open_periods(database_url: str, origin: datetime, span: timedelta) -> list[str]:
    """Billing periods that the demo's data fall into: the two weeks of history and the months they touch."""
    # Whole local days: the history begins in the middle of one.
    start, end = (origin - span).date() + timedelta(days=1), origin.date()
    wanted = {"demo": (start, end)}
    month = start.replace(day=1)
    while month <= end:
        following = (month + timedelta(days=32)).replace(day=1)
        wanted[f"{month:%Y-%m}"] = (month, following)
        month = following
    async with _pool(database_url) as pool, pool.connection() as connection:
        known = {row["code"] for row in await billing.periods(connection, SYSTEM)}
        for code, (first, last) in wanted.items():
            if code not in known:
                await billing.create_period(connection, SYSTEM, code, first, last)
    return list(wanted)
