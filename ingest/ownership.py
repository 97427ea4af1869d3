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
GATHER_S = 0.3
RELOAD_S = 60.0
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
                share = _Share(connection, owner)
                while True:
                    await share.look_round()
                    backoff.reset()
                    await share.wait()
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            log.warning("ownership connection lost, reading goes on", worker=owner.name, reason=str(error))
        await asyncio.sleep(backoff.next_s())


class _Share:
    """What one connection holds of the fleet."""

    def __init__(self, connection: AsyncConnection[Any], owner: Owner) -> None:
        self._connection, self._owner = connection, owner
        self._locked: set[int] = set()
        self._fleet: dict[int, FieldGateway] = {}
        self._shared: set[int] = set()
        self._loaded_at = -math.inf
        self._changed = True

    async def wait(self) -> None:
        """Until the next look: gateways or buses changed, or the round's time.

        Changes come in swarms (an import, thousands of first telegrams that make registers): they are gathered, and
        news of single meters wait for the round.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + ROUND_S
        while (left := end - loop.time()) > 0:
            async for notice in self._connection.notifies(timeout=left, stop_after=1):
                self._changed = True
                if notice.payload == "all":
                    end = min(end, loop.time() + GATHER_S)

    async def look_round(self) -> None:
        """Give up what is too much or not ours, take what is free, start and change what is read."""
        owner, connection = self._owner, self._connection
        await self._load()
        exclusive = [number for number in self._fleet if number not in self._shared]
        share = math.ceil(len(exclusive) / max(1, await field.workers(connection)))
        for number in [number for number in owner.held if number not in self._fleet]:
            await self._give_up(number)
        await self._confirm()
        for number in self._held()[share:]:
            await self._give_up(number)
        held = set(owner.held)
        room = share - len(self._held())
        free = [number for number in exclusive if number not in held]
        if room > 0 and free:
            self._locked |= set(await field.lock_gateways(connection, await field.unowned(connection, free), room))
        for number in self._locked - held - self._fleet.keys():
            await self._give_up(number)
        for number in [*(self._locked - held), *(self._shared - held)]:
            owner.start(self._fleet[number])

    async def _load(self) -> None:
        """The registry, when it has changed, and now and then in case a notice was lost."""
        now = asyncio.get_running_loop().time()
        if not self._changed and now - self._loaded_at < RELOAD_S:
            return
        self._changed, self._loaded_at = False, now
        fleet = {one.gateway_id: one for one in await field.gateways(self._connection, self._owner.kinds)}
        for number in self._owner.held:
            if number in fleet and fleet[number] != self._fleet.get(number):
                await self._owner.update(fleet[number])
        self._fleet = fleet
        self._shared = {number for number, one in fleet.items() if one.kind == "mqtt" and one.settings.get("group")}

    async def _confirm(self) -> None:
        """After a lost connection we read without holding locks: take them back or give the gateways up."""
        unlocked = [number for number in self._held() if number not in self._locked]
        won = set(await field.lock_gateways(self._connection, unlocked)) if unlocked else set()
        self._locked |= won
        for number in set(unlocked) - won:
            log.warning("gateway taken by another worker meanwhile", gateway=self._fleet[number].code)
            await self._owner.halt(number)

    def _held(self) -> list[int]:
        return [number for number in self._owner.held if number not in self._shared]

    async def _give_up(self, number: int) -> None:
        await self._owner.halt(number)
        if number in self._locked:
            self._locked.discard(number)
            await field.unlock_gateway(self._connection, number)
