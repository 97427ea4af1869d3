"""One gateway, asked meter by meter: scheduled rounds, urgent reads first, and nobody waits for the dead.

Rules: one question in flight; an urgent read goes before every scheduled one; a gateway that is away costs only its own
waiting, with back-off; meters that don't answer share a bounded part of the bus; answers go into the pipeline before
the next question, and when the pipeline is full the poller stops asking.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from ingest.clock import Clock, wall_now
from ingest.model import Outcome
from ingest.schedule import DueList, SilentShare
from ingest.sources.asking import Master, Reply, Target
from ingest.sources.backoff import Backoff
from ingest.sources.errors import LineClosedError, RefusedError, SourceError
from ingest.sources.handover import Handover, Sink
from ingest.sources.health import Tally

log = structlog.get_logger(__name__)

# So many different meters silent one after another: the gateway itself is suspected, the line is opened anew.
SUSPECT_GATEWAY = 4
SOON_RETRY_S = 120.0


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """Outcome of an on-demand read: raw frames, what became of them, and how long the meter took."""

    meter_id: int
    frames: tuple[bytes, ...]
    outcomes: tuple[Outcome, ...]
    latency_s: float


@dataclass(slots=True)
class _Urgent:
    target: Target
    answer: "asyncio.Future[tuple[Reply, list[asyncio.Future[Outcome]]]]"


class GatewayPoller:
    """Reads the meters of one gateway until cancelled.

    Parameters
    ----------
    gateway_id, code : int, str
        The gateway; `code` begins the channel of its deliveries.
    master : Master
        Speaks the gateway's protocol.
    targets : iterable of Target
        Its meters.
    sink : Sink
        The pipeline.
    clock : Clock
        Instant that readings belong to; rounds follow it too.
    tally : Tally
        Health counters of this process.
    tries : int
        Questions to a healthy meter before it counts as failed; one that failed before gets a single one.
    """

    def __init__(
        self,
        gateway_id: int,
        code: str,
        master: Master,
        targets: Iterable[Target],
        sink: Sink,
        clock: Clock,
        tally: Tally,
        *,
        tries: int = 3,
        silent_share: float = 0.1,
        backoff: Backoff | None = None,
    ) -> None:
        self.gateway_id, self.code = gateway_id, code
        self.master, self.clock, self.tally = master, clock, tally
        self.tries = tries
        self.targets: dict[int, Target] = {}
        self.rounds_missed = 0
        self._due = DueList()
        self._failures: dict[int, int] = {}
        self._silent = SilentShare(silent_share)
        self._backoff = backoff or Backoff()
        self._suspects = 0
        self._urgent: deque[_Urgent] = deque()
        self._jobs: deque[tuple[Callable[[Master], AsyncIterator[Any]], asyncio.Queue[Any]]] = deque()
        self._wake = asyncio.Event()
        self._handover = Handover(gateway_id, code, master.protocol, sink)
        self.retarget(targets)

    @property
    def baud_rate(self) -> int:
        """Speed of the bus, for jobs that concern no single meter."""
        return next((target.baud_rate for target in self.targets.values()), 2400)

    def retarget(self, targets: Iterable[Target]) -> None:
        """The registry changed: these are the meters now. What is known about those that stay is kept."""
        fresh = {target.meter_id: target for target in targets}
        now = self.clock.now()
        for meter_id in [key for key in self.targets if key not in fresh]:
            self._due.drop(meter_id)
            self._failures.pop(meter_id, None)
        for meter_id, target in fresh.items():
            known = self.targets.get(meter_id)
            if known is None or known.grid != target.grid or known.address != target.address:
                self._due.push(meter_id, target.grid.first_due(now, target.last_read))
        self.targets = fresh
        self._wake.set()

    async def read_now(self, target: Target) -> ReadAnswer:
        """Ask a meter before everything that is scheduled.

        Raises
        ------
        SourceError
            The meter or its gateway did not answer.
        """
        future: asyncio.Future[tuple[Reply, list[asyncio.Future[Outcome]]]] = asyncio.get_running_loop().create_future()
        self._urgent.append(_Urgent(target, future))
        self._wake.set()
        reply, outcomes = await future
        return ReadAnswer(target.meter_id, reply.payloads, tuple(await asyncio.gather(*outcomes)), reply.latency_s)

    async def steps(self, job: Callable[[Master], AsyncIterator[Any]]) -> AsyncIterator[Any]:
        """Run a long job on the line (a search) step by step; urgent reads go between its steps.

        Yields what the job yields; an error of the job is raised here.
        """
        steps: asyncio.Queue[Any] = asyncio.Queue()
        self._jobs.append((job, steps))
        self._wake.set()
        while (step := await steps.get()) is not None:
            if isinstance(step, BaseException):
                raise step
            yield step

    async def run(self) -> None:
        """Poll until cancelled; closes the line at the end."""
        try:
            while True:
                self._wake.clear()
                if self._urgent:
                    await self._serve_urgent()
                elif self._jobs:
                    await self._run_job()
                elif (meter_id := self._due.pop_due(self.clock.now())) is not None:
                    await self._read_scheduled(meter_id)
                else:
                    await self._idle()
        finally:
            self._give_up_waiting()
            await self.master.close()

    async def _idle(self) -> None:
        due = self._due.next_due()
        wait_s: float | None = None
        if due is not None:
            # Never more than a minute at once: the wall clock may be set while we sleep.
            wait_s = min(60.0, max(0.001, self.clock.wall_seconds((due - self.clock.now()).total_seconds())))
        await self._pause(wait_s)

    async def _pause(self, wait_s: float | None) -> None:
        try:
            async with asyncio.timeout(wait_s):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _read_scheduled(self, meter_id: int) -> None:
        target = self.targets.get(meter_id)
        if target is None:
            return
        failures = self._failures.get(meter_id, 0)
        started = asyncio.get_running_loop().time()
        if failures and not self._silent.allows(started):
            wait_s = -self._silent.allowance_s / self._silent.share
            self._due.push(meter_id, self.clock.now() + timedelta(seconds=wait_s + 0.01), silent=True)
            return
        read_at = self.clock.now()
        try:
            reply = await self.master.read(target, 1 if failures else self.tries)
        except LineClosedError as error:
            self._due.push(meter_id, read_at, silent=bool(failures))
            await self._gateway_failed(error)
        except SourceError as error:
            cost_s = asyncio.get_running_loop().time() - started
            await self._meter_failed(target, error, cost_s)
        else:
            self._answered(target, reply)
            self._schedule_next(target, read_at)
            await self._handover.submit(target, reply, read_at)

    def _schedule_next(self, target: Target, read_at: datetime) -> None:
        due = target.grid.next_round(read_at)
        now = self.clock.now()
        if due < now:
            self.rounds_missed += 1
            due = target.grid.round_start(now)
        self._due.push(target.meter_id, due)

    def _answered(self, target: Target, reply: Reply) -> None:
        self._failures.pop(target.meter_id, None)
        self._backoff.reset()
        self._suspects = 0
        self.tally.succeeded(self.gateway_id, target.meter_id, wall_now(), reply.latency_s)

    async def _meter_failed(self, target: Target, error: SourceError, cost_s: float) -> None:
        failures = self._failures.get(target.meter_id, 0) + 1
        self._failures[target.meter_id] = failures
        self.tally.failed(self.gateway_id, target.meter_id, wall_now(), error)
        self._silent.spend(cost_s)
        now = self.clock.now()
        due = target.grid.next_round(now)
        if failures <= 2:
            due = min(due, now + timedelta(seconds=min(SOON_RETRY_S, target.grid.period_s / 4)))
        self._due.push(target.meter_id, due, silent=True)
        # Who refuses is there; silence, garbage and strangers may be the gateway's doing.
        self._suspects = 0 if isinstance(error, RefusedError) else self._suspects + 1
        if self._suspects >= min(SUSPECT_GATEWAY, len(self.targets)):
            self._suspects = 0
            await self.master.close()
            await self._pause(self._backoff.next_s())

    async def _gateway_failed(self, error: LineClosedError) -> None:
        self.tally.failed(self.gateway_id, None, wall_now(), error)
        if self._backoff.failures == 0:
            log.warning("gateway does not answer", gateway=self.code, reason=str(error))
        await self.master.close()
        await self._pause(self._backoff.next_s())

    async def _serve_urgent(self) -> None:
        urgent = self._urgent.popleft()
        if urgent.answer.done():
            return
        read_at = self.clock.now()
        try:
            reply = await self.master.read(urgent.target, self.tries)
            self._answered(urgent.target, reply)
            outcomes = await self._handover.submit(urgent.target, reply, read_at, on_demand=True)
        except SourceError as error:
            blamed = None if isinstance(error, LineClosedError) else urgent.target.meter_id
            self.tally.failed(self.gateway_id, blamed, wall_now(), error)
            if not urgent.answer.done():
                urgent.answer.set_exception(error)
        except BaseException:
            self._refuse(urgent)
            raise
        else:
            if not urgent.answer.done():
                urgent.answer.set_result((reply, outcomes))

    async def _run_job(self) -> None:
        job, steps = self._jobs.popleft()
        try:
            async for step in job(self.master):
                steps.put_nowait(step)
                while self._urgent:
                    await self._serve_urgent()
        except (SourceError, ValueError) as error:
            steps.put_nowait(error)
        finally:
            steps.put_nowait(None)

    def _give_up_waiting(self) -> None:
        for urgent in self._urgent:
            self._refuse(urgent)
        for _, steps in self._jobs:
            steps.put_nowait(LineClosedError(f"gateway {self.code} is no longer read here"))

    def _refuse(self, urgent: _Urgent) -> None:
        if not urgent.answer.done():
            urgent.answer.set_exception(LineClosedError(f"gateway {self.code} is no longer read here"))
