"""`heatbook simulate`: a named virtual fleet as files in the import formats, with the labels that grade detectors."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


def simulate(
    scenario: Annotated[str, typer.Argument(help="demo, season, season-rich, chaos, town or training.")],
    out: Annotated[Path, typer.Option(help="Folder to write into; made where missing.")],
    meters: Annotated[int | None, typer.Option(min=1, help="How many meters (default: the scenario's own).")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same fleet, to the byte.")] = 1,
    days: Annotated[int | None, typer.Option(min=2, help="Length (default: the scenario's own).")] = None,
    start: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day, UTC.")] = None,
    readings: Annotated[str, typer.Option(help="parquet or csv.")] = "parquet",
) -> None:
    """Write points.csv, meters.csv, readings, weather.csv and labels.csv of a virtual fleet."""
    from simulators.catalogue import SCENARIOS, fleet_of
    from simulators.files import write_fleet

    console = Console(stderr=True)
    if scenario not in SCENARIOS:
        console.print(f"[bold red]unknown scenario[/] {scenario}; known: {', '.join(SCENARIOS)}", highlight=False)
        raise typer.Exit(2)
    if readings not in ("parquet", "csv"):
        console.print(f"[bold red]--readings[/] is parquet or csv, not {readings}", highlight=False)
        raise typer.Exit(2)
    first = None if start is None else start.replace(tzinfo=UTC)
    try:
        fleet = fleet_of(scenario, seed=seed, meters=meters, days=days, start=first)
    except ValueError as error:
        console.print(f"[bold red]{scenario}[/]: {error}", highlight=False)
        raise typer.Exit(2) from error
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("blocks"),
        TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(f"{scenario}, {len(fleet.meters)} meters", total=len(fleet.blocks))
        written = write_fleet(
            fleet, out, readings_format=readings, progress=lambda done, _: progress.update(task, completed=done)
        )
    faults = sum(label.kind != "none" for label in fleet.labels)
    console.print(
        f"{len(fleet.points)} points, {len(fleet.meters)} meters, {written.readings} readings, "
        f"{faults} labelled faults and {len(fleet.labels) - faults} look-alikes in {out}",
        highlight=False,
    )
