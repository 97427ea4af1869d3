"""Which worker reads which gateway: session-level advisory locks, an even share each, take-over when one dies.

Rules: a lock is (`GATEWAY_LOCKS`, gateway id) on one connection that the worker keeps for nothing else; the connection
dies with the worker (keep-alives find a dead host in about 15 s) and the locks with it; every worker looks round each
`ROUND_S` seconds and at every change of the registry. A worker that loses its connection goes on reading, because a
database that is away must not stop the field; when it is back, what another has taken meanwhile is given up.
"""

import asyncio
import math
from collections.abc import Iterable
from typing import Any, Protocol

import psycopg
import structlog
from psycopg import AsyncConnection

from ingest.sources.backoff import Backoff
from ingest.store import field
from ingest.store.field import FieldGateway

log = structlog.get_logger(__name__)

ROUND_S = 5.0
_KEEPALIVE: dict[str, Any] = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
}
# The server's side finds a dead worker's host just as fast.
_OPTIONS = "-c timezone=UTC -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=3 -c tcp_keepalives_count=3"


class Owner(Protocol):
    """What is told about gateways: `ingest.supervisor.Worker`."""

    name: str

    @property
    def held(self) -> Iterable[int]:
        """Gateways that are being read."""
        ...

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of gateway that it can read."""
        ...

    def start(self, gateway: FieldGateway) -> None:
        """Begin to read."""
        ...

    async def halt(self, gateway_id: int) -> None:
        """Stop reading; returns when the line is closed."""
        ...

    async def update(self, gateway: FieldGateway) -> None:
        """The registry says something else about a gateway that is being read."""
        ...


async def hold_gateways(url: str, owner: Owner) -> None:
    """Own a fair share of the gateways until cancelled."""
    backoff = Backoff(0.5, 5.0)
    while True:
        try:
            async with await AsyncConnection.connect(
                url, autocommit=True, options=_OPTIONS, **_KEEPALIVE
            ) as connection:
                await field.announce_worker(connection)
                await field.listen(connection, field.REGISTRY_CHANNEL)
                locked: set[int] = set()
                while True:
                    await _look_round(connection, owner, locked)
                    backoff.reset()
                    await _notice(connection)
        except psycopg.OperationalError as error:
            log.warning("ownership connection lost, reading goes on", worker=owner.name, reason=str(error))
        await asyncio.sleep(backoff.next_s())


async def _notice(connection: AsyncConnection[Any]) -> None:
    """Wait for the next look: a change of the registry, or the round's time."""
    async for _ in connection.notifies(timeout=ROUND_S, stop_after=1):
        return


async def _look_round(connection: AsyncConnection[Any], owner: Owner, locked: set[int]) -> None:
    fleet = {gateway.gateway_id: gateway for gateway in await field.gateways(connection, owner.kinds)}
    shared = {number for number, gateway in fleet.items() if gateway.kind == "mqtt" and gateway.settings.get("group")}
    exclusive = [number for number in fleet if number not in shared]
    share = math.ceil(len(exclusive) / max(1, await field.workers(connection)))
    for number in [number for number in owner.held if number not in fleet]:
        await _give_up(connection, owner, number, locked)
    # After a lost connection we still read without holding the lock: take it back or give the gateway up.
    unlocked = [number for number in owner.held if number not in locked and number not in shared]
    won = set(await field.lock_gateways(connection, unlocked))
    locked |= won
    for number in set(unlocked) - won:
        log.warning("gateway taken by another worker meanwhile", gateway=fleet[number].code)
        await owner.halt(number)
    for number in [number for number in owner.held if number not in shared][share:]:
        await _give_up(connection, owner, number, locked)
    room = share - len([number for number in owner.held if number not in shared])
    free = [number for number in exclusive if number not in set(owner.held)]
    if room > 0 and free:
        locked |= set(await field.lock_gateways(connection, await field.unowned(connection, free), room))
    for number, gateway in fleet.items():
        if number in set(owner.held):
            await owner.update(gateway)
        elif number in locked or number in shared:
            owner.start(gateway)


async def _give_up(connection: AsyncConnection[Any], owner: Owner, number: int, locked: set[int]) -> None:
    await owner.halt(number)
    if number in locked:
        locked.discard(number)
        await field.unlock_gateway(connection, number)
