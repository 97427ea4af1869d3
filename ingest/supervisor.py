"""Runs the sources of a worker: loads the field from the registry, owns gateways by lock, stops in order.

Rules: one TaskGroup, every task named. A gateway belongs to one worker at a time (`ingest.ownership`); a source that
fails by its own fault is started again with back-off and costs nobody else. Stop order: sources, pipeline by deadline
(what is left goes to the spool), health, pool. A database that is away stops nothing: the sources go on into the spool.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import psycopg
import structlog

from ingest.clock import Clock
from ingest.clock_watch import watch_from_store
from ingest.collecting import collecting_seldom
from ingest.config import Settings
from ingest.decoding.memory import kept_state
from ingest.directory import Directory
from ingest.errors import ConflictError, IngestError, SettingsError, UnavailableError
from ingest.health_report import report_health
from ingest.metrics_endpoint import WorkerCollector, metrics_served
from ingest.on_demand import answer_requests
from ingest.ownership import hold_gateways
from ingest.pipeline.intake import Pipeline
from ingest.profiles import load_own_profiles
from ingest.schedule import grid_of
from ingest.sealing import sealer_for
from ingest.sources.asking import Target
from ingest.sources.backoff import Backoff
from ingest.sources.health import Tally
from ingest.sources.masters import MASTERS, GatewayAddress
from ingest.sources.mqtt import MqttSource
from ingest.sources.mqtt_settings import OWN_BROKER, settings_from_url
from ingest.sources.polling import GatewayPoller
from ingest.store.database import Pool, open_pool
from ingest.store.field import FieldGateway, FieldMeter
from ingest.store.gateways import create_gateway, gateways

log = structlog.get_logger(__name__)

KINDS = (*MASTERS, "mqtt")
HEALTH_S = 5.0


@dataclass(slots=True)
class Running:
    """A gateway that this worker reads; `poller` is None for MQTT, `source` for all others."""

    gateway: FieldGateway
    task: "asyncio.Task[None]"
    poller: GatewayPoller | None = None
    source: MqttSource | None = None


class Worker:
    """The sources of one process.

    Parameters
    ----------
    settings : Settings
        Of the process; `database_url` must be set.
    pool, directory, pipeline : Pool, Directory, Pipeline
        Open; closed by the caller.
    clock : Clock
        Instant that readings belong to.
    name : str, optional
        Shown on the comms board; host and process id by default.
    """

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        directory: Directory,
        pipeline: Pipeline,
        clock: Clock,
        *,
        name: str | None = None,
    ) -> None:
        self.settings, self.pool, self.directory, self.pipeline, self.clock = settings, pool, directory, pipeline, clock
        self.name = name or f"{socket.gethostname()}/{os.getpid()}"
        self.tally = Tally()
        self.running: dict[int, Running] = {}
        self._group: asyncio.TaskGroup | None = None

    @property
    def held(self) -> list[int]:
        """Gateways that are being read here."""
        return list(self.running)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of gateway that a worker reads."""
        return KINDS

    async def run(self, stop: asyncio.Event) -> None:
        """Run all sources until `stop` is set; returns when they have stopped."""
        url = self.settings.database_url or ""
        async with asyncio.TaskGroup() as group:
            self._group = group
            tasks = [
                group.create_task(self.directory.follow(), name="registry"),
                group.create_task(hold_gateways(url, self), name="ownership"),
                group.create_task(answer_requests(url, self), name="requests"),
                group.create_task(self._health(), name="health"),
            ]
            await stop.wait()
            log.info("worker stops", worker=self.name, gateways=len(self.running))
            for task in (*tasks, *(one.task for one in self.running.values())):
                task.cancel()
        with contextlib.suppress(psycopg.Error, OSError, IngestError):
            await self._report()

    def start(self, gateway: FieldGateway) -> None:
        """Read a gateway that this worker owns now."""
        if self._group is None:
            raise UnavailableError("the worker does not run")
        poller: GatewayPoller | None = None
        if gateway.kind != "mqtt":
            try:
                poller = self._poller(gateway)
            except IngestError as error:
                log.error("gateway cannot be read", gateway=gateway.code, reason=error.message)
                return
        run = poller.run if poller is not None else lambda: self._mqtt(gateway)
        task = self._group.create_task(self._kept_alive(gateway, run), name=f"gateway {gateway.code}")
        self.running[gateway.gateway_id] = Running(gateway, task, poller)

    async def halt(self, gateway_id: int) -> None:
        """Stop reading a gateway; returns when its line is closed."""
        running = self.running.pop(gateway_id, None)
        if running is None:
            return
        running.task.cancel()
        await asyncio.wait([running.task])

    async def update(self, gateway: FieldGateway) -> None:
        """The registry says something else about a gateway: change meters in place, anything more by a new start."""
        running = self.running[gateway.gateway_id]
        known = running.gateway
        same_line = (known.kind, known.address, known.settings) == (gateway.kind, gateway.address, gateway.settings)
        if not same_line:
            await self.halt(gateway.gateway_id)
            self.start(gateway)
            return
        running.gateway = gateway
        if running.poller is not None:
            running.poller.retarget([target_of(meter) for meter in gateway.meters])

    def poller_of(self, gateway_id: int) -> GatewayPoller | None:
        """The poller of a gateway that is read here."""
        running = self.running.get(gateway_id)
        return None if running is None else running.poller

    def poller_of_meter(self, meter_id: int) -> tuple[GatewayPoller, Target] | None:
        """Poller and target of a meter that is read here."""
        for running in self.running.values():
            if running.poller is not None and (target := running.poller.targets.get(meter_id)) is not None:
                return running.poller, target
        return None

    def _poller(self, gateway: FieldGateway) -> GatewayPoller:
        baud_rate = gateway.meters[0].baud_rate if gateway.meters else 2400
        master = MASTERS[gateway.kind](GatewayAddress(gateway.kind, gateway.address, gateway.settings, baud_rate))
        targets = [target_of(meter) for meter in gateway.meters]
        return GatewayPoller(gateway.gateway_id, gateway.code, master, targets, self.pipeline, self.clock, self.tally)

    async def _mqtt(self, gateway: FieldGateway) -> None:
        address = self.settings.mqtt_url if gateway.address == OWN_BROKER else gateway.address
        if not address:
            raise SettingsError(f"gateway {gateway.code} is the broker of HEATBOOK_MQTT_URL, which is not set")
        own = settings_from_url(address, gateway.settings, client_id=self.client_id(gateway))
        source = MqttSource(
            own,
            self.pipeline,
            clock=self.clock,
            gateway_id=gateway.gateway_id,
            addresses={meter.address: meter.meter_id for meter in gateway.meters if meter.address},
            on_health=lambda connected, reason: self.tally.connected(gateway.gateway_id, connected, reason),
        )
        if (running := self.running.get(gateway.gateway_id)) is not None:
            running.source = source
        await source.run()

    def client_id(self, gateway: FieldGateway) -> str:
        """Stable over restarts, so that the broker keeps what comes meanwhile; a worker's own where they share."""
        own = f"heatbook-{gateway.gateway_id}"
        return f"{own}-{socket.gethostname()}-{self.settings.data.name}" if gateway.settings.get("group") else own

    async def _kept_alive(self, gateway: FieldGateway, run: Callable[[], Awaitable[None]]) -> None:
        backoff = Backoff(1.0, 60.0)
        while True:
            try:
                await run()
                return
            except Exception:
                log.exception("source failed, it is started again", gateway=gateway.code)
            await asyncio.sleep(backoff.next_s())

    async def _health(self) -> None:
        while True:
            await asyncio.sleep(HEALTH_S)
            with contextlib.suppress(psycopg.Error, OSError, TimeoutError):
                await self._report()

    async def _report(self) -> None:
        await report_health(self.pool, self.name, self.tally, self.pipeline.resolver.watch.take_drifts())


def target_of(meter: FieldMeter) -> Target:
    """What a poller must know of a registered meter."""
    return Target(
        meter.meter_id,
        meter.address,
        grid_of(meter.schedule_s, meter.jitter_s, meter.bus_id),
        meter.profile or None,
        meter.baud_rate,
        meter.settings,
        meter.last_success_at,
    )


async def run_ingest(settings: Settings, stop: asyncio.Event, clock: Clock) -> None:
    """Run a worker until `stop` is set. A database that is away at the start is waited for.

    Raises
    ------
    UnavailableError
        `settings.database_url` is missing.
    """
    if settings.database_url is None:
        raise UnavailableError("no database: HEATBOOK_DATABASE_URL is not set")
    pool = await _pool_when_there(settings.database_url, stop)
    if pool is None:
        return
    try:
        await know_broker(pool, settings)
        load_own_profiles(settings.data)
        directory = await Directory.load(pool, sealer_for(settings.data, settings.master_key))
        async with (
            kept_state(settings.data) as state,
            Pipeline(settings=settings, pool=pool, directory=directory, state=state) as pipeline,
        ):
            await watch_from_store(pipeline.resolver.watch, pool)
            worker = Worker(settings, pool, directory, pipeline, clock)
            registry = pipeline.counters.registry
            registry.register(WorkerCollector(pipeline, worker.tally, worker.running))
            with metrics_served(settings, registry), collecting_seldom():
                await worker.run(stop)
    finally:
        await pool.close()


async def know_broker(pool: Pool, settings: Settings) -> None:
    """Register the broker of HEATBOOK_MQTT_URL where the registry knows no broker yet, so that it is read."""
    if settings.mqtt_url is None:
        return
    async with pool.connection() as connection:
        if any(gateway.kind == "mqtt" for gateway in await gateways(connection)):
            return
        with contextlib.suppress(ConflictError):  # another worker was faster
            await create_gateway(connection, code="broker", kind="mqtt", address=OWN_BROKER)


async def _pool_when_there(url: str, stop: asyncio.Event) -> Pool | None:
    backoff = Backoff(0.5, 10.0)
    while not stop.is_set():
        try:
            return await open_pool(url, timeout_s=10.0)
        except UnavailableError as error:
            log.warning("waiting for the database", reason=error.message)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(backoff.next_s()):
                await stop.wait()
    return None


@contextlib.asynccontextmanager
async def running_worker(worker: Worker) -> AsyncIterator[Worker]:
    """A worker in the background, for processes that do more than ingest."""
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(stop), name=f"worker {worker.name}")
    try:
        yield worker
    finally:
        stop.set()
        await task
