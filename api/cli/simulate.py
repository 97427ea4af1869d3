"""`heatbook simulate`: a named virtual fleet as files in the import formats, or live on sockets until Ctrl-C."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from simulators.fleet import Fleet

_DAYS = ["%Y-%m-%d"]
_CONSOLE = Console(stderr=True)


def simulate(
    scenario: Annotated[str, typer.Argument(help="demo, season, season-rich, chaos, town or training.")],
    out: Annotated[Path, typer.Option(help="Folder to write into; made where missing.")],
    meters: Annotated[int | None, typer.Option(min=1, help="How many meters (default: the scenario's own).")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same fleet, to the byte.")] = 1,
    from_: Annotated[datetime | None, typer.Option("--from", "--start", formats=_DAYS, help="First day, UTC.")] = None,
    to: Annotated[datetime | None, typer.Option("--to", formats=_DAYS, help="First day after.")] = None,
    days: Annotated[int | None, typer.Option(min=2, help="Length instead of --to (default: the scenario's).")] = None,
    climate: Annotated[list[str] | None, typer.Option(help="harbin, beijing or copenhagen; again: in turns.")] = None,
    display: Annotated[str | None, typer.Option(help="Last digit of the heat meters: 10kWh or 0.001GJ,0.1m3.")] = None,
    faults_per_kind: Annotated[int | None, typer.Option(min=0, help="Labelled faults of each kind (seasons).")] = None,
    interval: Annotated[str, typer.Option(help="Readings every 15min, hour or day.")] = "hour",
    readings: Annotated[str, typer.Option(help="parquet or csv.")] = "parquet",
    live: Annotated[
        bool, typer.Option("--live", help="Serve the fleet on sockets instead of writing readings.")
    ] = False,
    broker: Annotated[str | None, typer.Option(help="Live: MQTT broker of the radio meters, mqtt://host:1883.")] = None,
    speed: Annotated[float, typer.Option(min=0.01, help="Live: so many times faster than the wall clock.")] = 1.0,
    at: Annotated[datetime | None, typer.Option(help="Live: the instant it begins at (default: now).")] = None,
    host: Annotated[str, typer.Option(help="Live: address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Live: first port; 0 lets the system choose.")] = 0,
) -> None:
    """Write points.csv, meters.csv, readings, weather.csv and labels.csv of a virtual fleet, or serve it live.

    With --live the folder gets gateways.csv and links.csv instead of readings: what a Heatbook or any other product
    needs to read the fleet from its sockets.
    """
    from simulators.files import INTERVALS_US

    if readings not in ("parquet", "csv"):
        _refuse(f"--readings is parquet or csv, not {readings}")
    if interval not in INTERVALS_US:
        _refuse(f"--interval is {', '.join(INTERVALS_US)}, not {interval}")
    if to is not None and days is not None:
        _refuse("--to and --days say the same: give one of them")
    first = None if from_ is None else from_.replace(tzinfo=UTC)
    if live:
        from api.cli.simulate_live import LiveWish, serve

        begin = at if at is None or at.tzinfo is not None else at.replace(tzinfo=UTC)
        wish = LiveWish(scenario, seed, meters, tuple(climate or ()), begin, speed, broker, host, port)
        if first or to or days or display or faults_per_kind is not None:
            _refuse("a live fleet has its own span, displays and faults: --live goes with --meters, --seed, --climate")
        try:
            serve(wish, out, _CONSOLE)
        except ValueError as error:
            _refuse(f"{scenario}: {error}")
        return
    fleet = _fleet(scenario, seed, meters, first, to, days, climate, display, faults_per_kind)
    _write(fleet, out, readings, interval)


def _refuse(message: str) -> NoReturn:
    _CONSOLE.print(f"[bold red]refused[/]: {message}", highlight=False)
    raise typer.Exit(2)


def _fleet(
    scenario: str, seed: int, meters: int | None, first: datetime | None, to: datetime | None, days: int | None,
    climate: list[str] | None, display: str | None, faults_per_kind: int | None,
) -> "Fleet":  # fmt: skip
    from simulators.catalogue import SCENARIOS, fleet_of
    from simulators.season import SEASON_START
    from simulators.wanted import Display

    if scenario not in SCENARIOS:
        _refuse(f"unknown scenario {scenario}; known: {', '.join(SCENARIOS)}")
    if to is not None:
        days = (to.replace(tzinfo=UTC) - (first or SEASON_START)).days
        if days < 1:
            _refuse("--to lies before --from")
    try:
        shown = None if display is None else Display.parse(display)
        return fleet_of(
            scenario, seed=seed, meters=meters, days=days, start=first, climates=tuple(climate or ()), display=shown,
            faults_per_kind=faults_per_kind,
        )  # fmt: skip
    except ValueError as error:
        _refuse(f"{scenario}: {error}")


def _write(fleet: "Fleet", out: Path, readings: str, interval: str) -> None:
    from simulators.files import write_fleet

    columns: tuple[Any, ...] = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("blocks"),
        TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=_CONSOLE) as progress:
        task = progress.add_task(f"{fleet.scenario}, {len(fleet.meters)} meters", total=len(fleet.blocks))
        written = write_fleet(
            fleet, out, readings_format=readings, interval=interval,
            progress=lambda done, _: progress.update(task, completed=done),
        )  # fmt: skip
    faults = sum(label.kind != "none" for label in fleet.labels)
    _CONSOLE.print(
        f"{len(fleet.points)} points, {len(fleet.meters)} meters, {written.readings} readings, "
        f"{faults} labelled faults and {len(fleet.labels) - faults} look-alikes in {out}",
        highlight=False,
    )
