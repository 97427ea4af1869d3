"""`heatbook run`: everything on one machine with one command, with a demo fleet of virtual meters.

Order: database and broker, migrations, API and console, virtual meters, ingest, assessment, history; the address and
the demo log-ins are printed when the first validated consumption can be pulled. Ctrl-C and SIGTERM end all of it. The
demo's clock starts in the past and catches up with the wall, so that a day passes while one looks.
"""

import asyncio
import fcntl
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from api.demo import Demo, DemoState
from api.demo_steps import last_reading
from api.embedded import EmbeddedBroker, EmbeddedPostgres, free_port
from api.processes import Child, Family
from ingest.config import PREFIX, Settings, settings_from_environment
from ingest.errors import IngestError, UnavailableError

READY_WITHIN_S = 240.0


class EndAsked(Exception):  # noqa: N818 - not an error
    """Somebody asked the service to end."""


def run(
    data: Annotated[Path | None, typer.Option(help="Data folder (HEATBOOK_DATA).")] = None,
    port: Annotated[int | None, typer.Option(help="Port of API and console (HEATBOOK_PORT).")] = None,
    meters: Annotated[int | None, typer.Option(help="Virtual meters of a new demo (HEATBOOK_DEMO_METERS).")] = None,
) -> None:
    """Run the whole service with a demo fleet. Ctrl-C ends it; starting again keeps the data."""
    settings = settings_from_environment(data=data, port=port, demo_meters=meters)
    console = Console(stderr=True)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    code = 0
    try:
        with ExitStack() as stack:
            _serve(settings, stack, console, stop)
    except (EndAsked, KeyboardInterrupt):
        pass
    except IngestError as error:
        console.print(f"[bold red]{error.code}[/]: {error.message}", highlight=False)
        code = 1
    console.print("stopped", style="dim")
    raise typer.Exit(code)


def _serve(settings: Settings, stack: ExitStack, console: Console, stop: threading.Event) -> None:
    began = time.monotonic()

    def say(text: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:5.1f} s[/]  {text}", highlight=False)
        if stop.is_set():
            raise EndAsked

    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    stack.enter_context(_only_one(settings.data))
    database_url, mqtt_url = _servers(settings, stack, say)
    from ingest.store.database import migrate

    applied = migrate(database_url)
    say(f"schema ready ({len(applied)} migrations applied)" if applied else "schema ready")
    state = DemoState.load_or_new(settings).with_clock(asyncio.run(last_reading(database_url)))
    environment = {
        **os.environ,
        f"{PREFIX}DATA": str(settings.data),
        f"{PREFIX}HOST": settings.host,
        f"{PREFIX}PORT": str(settings.port),
        f"{PREFIX}DATABASE_URL": database_url,
        f"{PREFIX}MQTT_URL": mqtt_url,
        f"{PREFIX}CLOCK": state.clock().as_text(),
        f"{PREFIX}DEMO_SEED": str(state.seed),
        f"{PREFIX}DEMO_METERS": str(state.meters),
        "PYTHONUNBUFFERED": "1",
    }
    family = Family(settings.data / "logs", environment)
    stack.callback(family.stop)
    demo = Demo(settings, state, (database_url, mqtt_url), family, stop)
    demo.start(say)
    demo.wait_until_ready(READY_WITHIN_S)
    logins = demo.write_logins()
    say(f"[bold green]ready[/]: [bold]{logins['console']}[/]")
    for person in logins["users"]:
        console.print(f"         {person['role']:<11} {person['name']} / {person['password']}", highlight=False)
    console.print(f"         API keys and log-ins: {settings.data / 'demo-logins.json'}", highlight=False)
    console.print("         Ctrl-C ends everything; the data stays.", style="dim")
    watch(family, stop, say)


def watch(family: Family, stop: threading.Event, say: Callable[[str], None]) -> None:
    """Wait for the end: asked for, or because a part of the service keeps ending by itself."""
    while not stop.wait(0.5):
        ended = family.first_ended()
        if ended is None:
            continue
        if not family.revive(ended):
            raise_for(ended)
        say(f"[yellow]{ended.name} ended with code {ended.ended} and was started again[/]; see {ended.log}")
    raise EndAsked


def raise_for(ended: Child) -> None:
    """Complain about a part that ended by itself, with its last words."""
    raise UnavailableError(
        f"{ended.name} ended with code {ended.ended}; its last words:\n{ended.last_words()}", code="run.part_ended"
    )


def _servers(settings: Settings, stack: ExitStack, say: Callable[[str], None]) -> tuple[str, str]:
    if settings.database_url:
        database_url = settings.database_url
    else:
        server = stack.enter_context(EmbeddedPostgres(settings.data / "postgres"))
        database_url = server.url()
        say(f"PostgreSQL on 127.0.0.1:{server.port}")
    if settings.mqtt_url:
        return database_url, settings.mqtt_url
    broker = stack.enter_context(EmbeddedBroker(free_port()))
    say(f"MQTT broker on 127.0.0.1:{broker.port}")
    return database_url, broker.url


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Hold the data folder: two services on one folder would fight over its cluster and spool."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UnavailableError(
                f"another heatbook already runs on {folder}: end it, or choose another HEATBOOK_DATA", code="run.locked"
            ) from error
        yield
