"""The demo's virtual hardware as a process of its own, started by `heatbook run`."""

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from ingest.config import settings_from_environment

# A bus at 2400 baud reads a house in ten seconds; the demo's clock makes ten seconds of one hour.
SPEED_UP = 20.0


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
