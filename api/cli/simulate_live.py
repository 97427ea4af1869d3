"""A fleet on sockets: for people by `heatbook simulate SCENARIO --live`, for `heatbook run` by `live`."""

import asyncio
import json
import resource
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from ingest.config import settings_from_environment

if TYPE_CHECKING:
    from simulators.fleet import Fleet
    from simulators.live import LiveFleet

# A bus at 2400 baud reads a house in ten seconds; the demo's clock makes ten seconds of one hour.
SPEED_UP = 20.0
_SHOWN_GATEWAYS = 20


@dataclass(frozen=True, slots=True)
class LiveWish:
    """What somebody wants to be served; `at` and `broker` None: from now on, with a broker of its own where needed."""

    scenario: str
    seed: int
    meters: int | None
    climates: tuple[str, ...]
    at: datetime | None
    speed: float
    broker: str | None
    host: str
    port: int


def serve(wish: LiveWish, out: Path, console: Console) -> None:
    """Serve a fleet until SIGINT or SIGTERM; `out` gets what a reader must know. Raises ValueError for a bad wish."""
    from api.embedded import EmbeddedBroker, free_port
    from simulators.live_scenarios import live_fleet

    fleet, at = live_fleet(
        wish.scenario, seed=wish.seed, meters=wish.meters, climates=wish.climates, at=wish.at or datetime.now(UTC)
    )
    _more_files(len(fleet.gateways))
    with ExitStack() as stack:
        broker = wish.broker
        if broker is None and any(gateway.kind == "mqtt" for gateway in fleet.gateways):
            broker = stack.enter_context(EmbeddedBroker(free_port())).url
        asyncio.run(_serve_fleet(fleet, at, broker, wish, out, console))


def _more_files(gateways: int) -> None:
    """Every gateway is a socket, and so is every client: ask for as many as the system gives."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 8 * gateways + 256
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _serve_fleet(
    fleet: "Fleet", at: datetime, broker: str | None, wish: LiveWish, out: Path, console: Console
) -> None:
    from api.cli.serve import stop_event
    from simulators.files import write_truth, write_weather
    from simulators.live import LiveFleet, RunningClock
    from simulators.registry_files import write_lines, write_meters, write_points

    stop = stop_event(asyncio.get_running_loop())
    await asyncio.to_thread(out.mkdir, parents=True, exist_ok=True)
    with console.status("computing the houses' last weeks"):
        await asyncio.to_thread(write_meters, fleet, out)
    clock = RunningClock(at, wish.speed)
    options = {"speed_up": wish.speed, "host": wish.host, "port": wish.port}
    async with LiveFleet(fleet, clock, broker, **options) as running:  # type: ignore[arg-type]
        write_points(fleet, out)
        write_weather(fleet, out)
        write_truth(fleet, out)
        write_lines(fleet, out, running.addresses)
        _tell(fleet, running, out, console, clock.now())
        await stop.wait()
    console.print("stopped", style="dim")


def _tell(fleet: "Fleet", running: "LiveFleet", out: Path, console: Console, now: datetime) -> None:
    table = Table(title=f"{fleet.scenario}, {len(fleet.meters)} meters", title_justify="left")
    for column in ("gateway", "kind", "address", "meters"):
        table.add_column(column, justify="right" if column == "meters" else "left")
    for gateway in fleet.gateways[:_SHOWN_GATEWAYS]:
        count = sum(meter.link.gateway == gateway.code for meter in fleet.meters)
        table.add_row(gateway.code, gateway.kind, running.addresses.get(gateway.code, "silent"), str(count))
    console.print(table)
    if len(fleet.gateways) > _SHOWN_GATEWAYS:
        console.print(f"and {len(fleet.gateways) - _SHOWN_GATEWAYS} more in {out / 'gateways.csv'}", highlight=False)
    console.print(
        f"its clock says {now:%Y-%m-%d %H:%M} UTC; registry, lines and answers in {out} (heatbook import {out}). "
        "Ctrl-C ends it.",
        highlight=False,
    )


def live(
    addresses: Annotated[Path, typer.Option(help="File that gets the gateways' addresses, as JSON.")],
    origin: Annotated[str, typer.Option(help="The demo's first live instant, ISO 8601.")],
) -> None:
    """Serve the demo fleet on loopback until SIGTERM."""
    from ingest.logs import set_up_logs

    settings = settings_from_environment()
    set_up_logs(settings.log_level, settings.log_format)
    asyncio.run(_serve(settings.demo_seed, settings.demo_meters, datetime.fromisoformat(origin), addresses))


async def _serve(seed: int, meters: int, origin: datetime, addresses: Path) -> None:
    from api.cli.serve import stop_event
    from ingest.clock import clock_from_text
    from simulators.live import LiveFleet
    from simulators.scenarios import demo

    settings = settings_from_environment()
    stop = stop_event(asyncio.get_running_loop())
    fleet = demo(seed=seed, meters=meters, origin=origin)
    clock = clock_from_text(settings.clock)
    async with LiveFleet(fleet, clock, settings.mqtt_url, speed_up=SPEED_UP) as running:
        new = addresses.with_suffix(".new")
        new.write_text(json.dumps(running.addresses))
        new.replace(addresses)
        await stop.wait()
