"""Reads and searches that somebody asks for now, from any process: by NOTIFY to the worker that owns the gateway.

Rules: a request is a notice on `heatbook_read_now` with a ticket; the worker that reads the gateway answers on
`heatbook_read_answer`: first "taken", then "step" notices of a search, at last "done" or "failed". Nobody takes a
request whose gateway no worker reads: the asker gives up after `TAKEN_S`. Nothing is written to tables; the reading
itself goes through the pipeline like any other.
"""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Literal, Protocol

import msgspec
import psycopg
import structlog
from psycopg import AsyncConnection

from ingest.errors import IngestError, UnavailableError
from ingest.sources.asking import Target
from ingest.sources.backoff import Backoff
from ingest.sources.errors import SourceError
from ingest.sources.polling import GatewayPoller
from ingest.sources.search import SearchStep, primary_search, secondary_search
from ingest.store import field

log = structlog.get_logger(__name__)

TAKEN_S = 5.0
# PostgreSQL takes notices below 8,000 bytes.
MAX_NOTICE = 7_900


class ReadFailedError(IngestError):
    """The meter was asked and did not give a reading; the message says why."""

    code = "read.failed"


class _Request(msgspec.Struct, omit_defaults=True):
    ticket: str
    meter_id: int = 0
    gateway_id: int = 0
    search: Literal["", "primary", "secondary"] = ""
    pattern: str = ""


class _Notice(msgspec.Struct, omit_defaults=True):
    ticket: str
    state: Literal["taken", "step", "done", "failed"]
    worker: str = ""
    message: str = ""
    frames: list[str] = []
    outcomes: list[dict[str, Any]] = []
    latency_s: float = 0.0
    step: SearchStep | None = None


class ReadResult(msgspec.Struct, frozen=True):
    """What came of an on-demand read: raw frames as hex, outcomes of the pipeline, seconds the meter took, and who
    read.
    """

    frames: tuple[str, ...]
    outcomes: tuple[dict[str, Any], ...]
    latency_s: float
    worker: str


class Reading(Protocol):
    """What serves requests: `ingest.supervisor.Worker`."""

    name: str

    def poller_of(self, gateway_id: int) -> GatewayPoller | None:
        """The poller of a gateway that is read here."""
        ...

    def poller_of_meter(self, meter_id: int) -> tuple[GatewayPoller, Target] | None:
        """Poller and target of a meter that is read here."""
        ...


async def read_now(url: str, meter_id: int, *, timeout_s: float = 60.0) -> ReadResult:
    """Have a meter read at once, whichever worker reads its gateway.

    Raises
    ------
    UnavailableError
        No worker reads the meter, or it took longer than `timeout_s`.
    ReadFailedError
        The meter did not answer.
    """
    async for notice in _asked(url, _Request(uuid.uuid4().hex, meter_id=meter_id), timeout_s):
        if notice.state == "done":
            return ReadResult(tuple(notice.frames), tuple(notice.outcomes), notice.latency_s, notice.worker)
    raise UnavailableError("the worker went away while it read")


async def search_bus(
    url: str, gateway_id: int, kind: Literal["primary", "secondary"], *, pattern: str = "", timeout_s: float = 3600.0
) -> AsyncIterator[SearchStep]:
    """Search a bus for meters; yields steps with progress as they come. Raises as `read_now`."""
    request = _Request(uuid.uuid4().hex, gateway_id=gateway_id, search=kind, pattern=pattern)
    async with contextlib.aclosing(_asked(url, request, timeout_s)) as notices:
        async for notice in notices:
            if notice.step is not None:
                yield notice.step


async def _asked(url: str, request: _Request, timeout_s: float) -> AsyncGenerator[_Notice, None]:
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout_s
    wait_until = min(end, loop.time() + TAKEN_S)
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        await field.listen(connection, field.ANSWER_CHANNEL)
        await field.notify(connection, field.READ_CHANNEL, msgspec.json.encode(request).decode())
        while (left := wait_until - loop.time()) > 0:
            async for raw in connection.notifies(timeout=left, stop_after=1):
                notice = msgspec.json.decode(raw.payload, type=_Notice)
                if notice.ticket != request.ticket:
                    continue
                wait_until = end
                if notice.state == "failed":
                    raise ReadFailedError(notice.message)
                yield notice
                if notice.state == "done":
                    return
    if wait_until < end:
        raise UnavailableError("no worker reads this gateway just now", code="read.nobody")
    raise UnavailableError(f"no answer within {timeout_s:g} s", code="read.late")


async def answer_requests(url: str, worker: Reading) -> None:
    """Serve requests for gateways that `worker` reads, until cancelled."""
    backoff = Backoff(0.5, 5.0)
    while True:
        try:
            async with (
                await AsyncConnection.connect(url, autocommit=True) as listening,
                await AsyncConnection.connect(url, autocommit=True) as answering,
                asyncio.TaskGroup() as group,
            ):
                await field.listen(listening, field.READ_CHANNEL)
                backoff.reset()
                turn = asyncio.Lock()
                async for notice in listening.notifies():
                    request = msgspec.json.decode(notice.payload, type=_Request)
                    name = f"request {request.ticket}"
                    group.create_task(_served(answering, turn, worker, request), name=name)
        except* (psycopg.OperationalError, msgspec.DecodeError) as errors:
            log.warning("request connection lost", worker=worker.name, reason=str(errors.exceptions[0]))
        await asyncio.sleep(backoff.next_s())


async def _served(connection: AsyncConnection[Any], turn: asyncio.Lock, worker: Reading, request: _Request) -> None:
    async def say(notice: _Notice) -> None:
        notice.worker = worker.name
        while len(text := msgspec.json.encode(notice)) > MAX_NOTICE and notice.frames:
            notice.frames.pop()
        async with turn:
            await field.notify(connection, field.ANSWER_CHANNEL, text.decode())

    found = worker.poller_of_meter(request.meter_id) if request.meter_id else None
    poller = found[0] if found is not None else worker.poller_of(request.gateway_id)
    if poller is None:
        return
    await say(_Notice(request.ticket, "taken"))
    try:
        if found is not None:
            answer = await poller.read_now(found[1])
            frames = [frame.hex() for frame in answer.frames]
            outcomes = [msgspec.to_builtins(outcome) for outcome in answer.outcomes]
            await say(_Notice(request.ticket, "done", frames=frames, outcomes=outcomes, latency_s=answer.latency_s))
            return
        search = primary_search if request.search == "primary" else secondary_search
        async for step in poller.steps(lambda master: search(master, poller.baud_rate, request.pattern)):
            await say(_Notice(request.ticket, "step", step=step))
        await say(_Notice(request.ticket, "done"))
    except (SourceError, IngestError, ValueError) as error:
        await say(_Notice(request.ticket, "failed", message=f"{type(error).__name__}: {error}"))
