"""`heatbook replay`: deliveries taken through again after a fix, with a preview of what would change."""

import asyncio
import os
import pwd
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.serve import DatabaseOption, DataOption, database_of
from ingest.config import Settings, settings_from_environment

if TYPE_CHECKING:
    from ingest.replay import ReplayReport, ReplayScope

_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]


def replay(
    code: Annotated[str | None, typer.Option(help='Only this reason, or a family of them ("frame.").')] = None,
    serial: Annotated[str | None, typer.Option(help="Only this meter's entries.")] = None,
    delivery: Annotated[list[int] | None, typer.Option(help="Only these deliveries (may be given again).")] = None,
    from_: Annotated[
        datetime | None, typer.Option("--from", formats=_FORMATS, help="All deliveries since, UTC.")
    ] = None,
    to: Annotated[datetime | None, typer.Option("--to", formats=_FORMATS, help="All deliveries before, UTC.")] = None,
    protocol: Annotated[str | None, typer.Option(help="With --from and --to: only this protocol.")] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Tell what would change, change nothing.")] = False,
    data: DataOption = None,
    database_url: DatabaseOption = None,
) -> None:
    """Replay quarantined deliveries, or with --from and --to all that arrived in a span."""
    from datetime import UTC

    from ingest.replay import ReplayScope

    if (from_ is None) != (to is None):
        raise typer.BadParameter("--from and --to belong together")

    def utc(value: datetime | None) -> datetime | None:
        return value if value is None or value.tzinfo is not None else value.replace(tzinfo=UTC)

    settings = settings_from_environment(data=data, database_url=database_url)
    scope = ReplayScope(code, serial, delivery or None, utc(from_), utc(to), protocol)
    with database_of(settings) as url:
        report = asyncio.run(_replay(settings, url, scope, preview))
    _tell(report)


async def _replay(settings: Settings, url: str, scope: "ReplayScope", preview: bool) -> "ReplayReport":
    from zoneinfo import ZoneInfo

    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from ingest.directory import Directory
    from ingest.profiles import load_own_profiles
    from ingest.replay import replay as run_replay
    from ingest.resolving import DeliveryResolver, ResolvingLimits
    from ingest.sealing import sealer_for
    from ingest.store.database import migrate, open_pool

    load_own_profiles(settings.data)
    await asyncio.to_thread(migrate, url)
    pool = await open_pool(url, maximum=2)
    try:
        directory = await Directory.load(pool, sealer_for(settings.data, settings.master_key))
        limits = ResolvingLimits(ZoneInfo(settings.time_zone), settings.max_payload_bytes, settings.backfill_days)
        columns = (SpinnerColumn(), TextColumn("{task.completed:,} deliveries"), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
            task = bars.add_task("replay", total=None)
            return await run_replay(
                pool,
                DeliveryResolver(directory, limits),
                scope,
                actor=pwd.getpwuid(os.geteuid()).pw_name,
                preview=preview,
                progress=lambda done: bars.update(task, completed=done),
            )
    finally:
        await pool.close()


def _tell(report: "ReplayReport") -> None:
    would = "would be " if report.preview else ""
    typer.echo(f"{report.deliveries} deliveries of {len(report.meters)} meters taken through again")
    typer.echo(f"  {report.settled} quarantine entries {would}settled")
    typer.echo(f"  {report.readings} readings {would}stored, {report.differing} of them beside another value")
    typer.echo(f"  {report.unchanged} readings said the same again")
    for code, number in report.refused.most_common():
        typer.echo(f"  {number} refused: {code}")
    for name, number in report.registers.most_common():
        typer.echo(f"  register {name} would be created ({number} readings)")
    if report.lost:
        typer.echo(f"  {report.lost} whose bytes are no longer kept")
