"""The long-running commands: `heatbook migrate`, `heatbook ingest`, `heatbook api`.

Each is one process; production runs several. All of them stop orderly on SIGTERM and Ctrl-C.
"""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from ingest.config import Settings, settings_from_environment
from ingest.errors import UnavailableError

DataOption = Annotated[Path | None, typer.Option("--data", help="Data folder (HEATBOOK_DATA).")]
DatabaseOption = Annotated[str | None, typer.Option("--database-url", help="Database (HEATBOOK_DATABASE_URL).")]


def _settings(data: Path | None = None, database_url: str | None = None, **more: Any) -> Settings:
    from ingest.logs import set_up_logs

    settings = settings_from_environment(data=data, database_url=database_url, **more)
    set_up_logs(settings.log_level, settings.log_format)
    return settings


@contextlib.contextmanager
def database_of(settings: Settings) -> Iterator[str]:
    """URL of the database that the settings name; if none, the embedded cluster, started for the time being."""
    if settings.database_url:
        yield settings.database_url
        return
    from api.embedded import EmbeddedPostgres, running_url

    running = running_url(settings.data / "postgres")
    if running is not None:
        yield running
        return
    with EmbeddedPostgres(settings.data / "postgres") as server:
        yield server.url()


def stop_event(loop: asyncio.AbstractEventLoop) -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def migrate(data: DataOption = None, database_url: DatabaseOption = None) -> None:
    """Bring the database to this version's schema. Safe to run again, and from several machines at once."""
    from ingest.store.database import migrate as run_migrations

    settings = _settings(data, database_url)
    with database_of(settings) as url:
        applied = run_migrations(url)
    typer.echo(f"{len(applied)} migrations applied" if applied else "the schema is up to date")


def warm() -> None:
    """Compile the engine's kernels, so that a first assessment does not wait for it."""
    from compute.warming import warm as run_kernels

    run_kernels()


def ingest(data: DataOption = None, database_url: DatabaseOption = None) -> None:
    """Read meters and take telegrams: pollers, MQTT, spool, pipeline. Several processes share the gateways."""
    settings = _settings(data, database_url)

    async def serve(url: str) -> None:
        from dataclasses import replace

        from ingest.clock import clock_from_text
        from ingest.supervisor import run_ingest

        stop = stop_event(asyncio.get_running_loop())
        await run_ingest(replace(settings, database_url=url), stop, clock_from_text(settings.clock))

    with database_of(settings) as url, asyncio.Runner(loop_factory=fast_event_loop()) as runner:
        runner.run(serve(url))


def fast_event_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Makes event loops of uvloop, which uvicorn brings where it exists: a poller takes a fifth less processor time."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def api(
    data: DataOption = None,
    database_url: DatabaseOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on (HEATBOOK_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port (HEATBOOK_PORT).")] = None,
) -> None:
    """Serve the HTTP interface and the console."""
    settings = _settings(data, database_url, host=host, port=port)
    with bound_socket(settings.host, settings.port) as bound, database_of(settings) as url:
        asyncio.run(_serve_api(settings, url, bound))


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket that holds the port from now on; callers are refused until somebody listens on it.

    Raises
    ------
    UnavailableError
        ``port.taken``: another program has it, or the address is not this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        text = f"{host}:{port} can't be listened on ({error.strerror}): choose another HEATBOOK_PORT"
        raise UnavailableError(text, code="port.taken") from error
    return bound


async def _serve_api(settings: Settings, url: str, bound: socket.socket) -> None:
    import uvicorn

    # uvicorn stops on these signals and raises them again at its end; by then our own closing is still to come.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    async with serving_app(settings, url) as app:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=3,
        )
        await uvicorn.Server(config).serve(sockets=[bound])


@contextlib.asynccontextmanager
async def background(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run coroutines beside the block, cancelled at its end; one that fails is logged and costs the others nothing."""
    tasks = [asyncio.create_task(one) for one in work]
    for task in tasks:
        task.add_done_callback(_tell_failure)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _tell_failure(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and task.exception() is not None:
        import structlog

        structlog.get_logger(__name__).error(
            "background work ended", work=repr(task.get_coro()), reason=str(task.exception())
        )


@contextlib.asynccontextmanager
async def serving_app(settings: Settings, url: str) -> AsyncIterator[Any]:
    """The HTTP application with its pool, directory and pipeline, all closed at the end."""
    from dataclasses import replace

    from api.app import create_app
    from api.console.routes import mount
    from api.jobs import run_jobs
    from ingest.clock import clock_from_text
    from ingest.clock_watch import watch_from_store
    from ingest.decoding.memory import kept_state
    from ingest.directory import Directory
    from ingest.pipeline.intake import Pipeline
    from ingest.profiles import load_own_profiles
    from ingest.sealing import sealer_for
    from ingest.store.database import open_pool

    settings = replace(settings, database_url=url)
    clock = clock_from_text(settings.clock)
    pool = await open_pool(url)
    try:
        load_own_profiles(settings.data)
        sealer = sealer_for(settings.data, settings.master_key)
        directory = await Directory.load(pool, sealer)
        async with (
            kept_state(settings.data) as state,
            Pipeline(settings=settings, pool=pool, directory=directory, state=state) as pipeline,
        ):
            await watch_from_store(pipeline.resolver.watch, pool)
            app = create_app(settings=settings, pool=pool, pipeline=pipeline, directory=directory, clock=clock)
            mount(app)
            async with background(directory.follow(), run_jobs(url, pool, sealer, clock)):
                yield app
    finally:
        await pool.close()
