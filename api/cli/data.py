"""`heatbook import` and `heatbook export`: files in, files out, on the database that the settings name.

Both work without a running service. Exit codes: 0 done (refused readings are listed), 1 the file or its registry rows
are wrong.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.serve import DatabaseOption, DataOption, database_of
from ingest.config import settings_from_environment

if TYPE_CHECKING:
    from ingest.importing.door import ImportOptions
    from ingest.importing.report import ImportReport

_SHOWN_PROBLEMS = 50
_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


def import_(
    what: Annotated[
        str,
        typer.Argument(
            metavar="points|states|meters|gateways|links|weather|readings|DIR", help="Kind of file, or a folder."
        ),
    ],
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="CSV, XLSX or Parquet.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, write nothing.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Write the sound rows of a registry file.")] = False,
    zone: Annotated[str, typer.Option(help="Time zone of times that name none.")] = "UTC",
    area_zone: Annotated[str, typer.Option(help="Time zone of areas that the file creates.")] = "Asia/Shanghai",
    problems: Annotated[Path | None, typer.Option(help="Write every problem to this CSV file.")] = None,
    data: DataOption = None,
    database_url: DatabaseOption = None,
) -> None:
    """Import one kind of file, or a folder with all of them. Importing again changes nothing."""
    from dataclasses import replace
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    from ingest.errors import InvalidInputError
    from ingest.importing.door import ImportOptions, files_in
    from ingest.sealing import sealer_for

    folder = Path(what)
    if file is None and not folder.is_dir():
        raise typer.BadParameter(f"{what} is not a folder; a single file needs its kind before it")
    files = [(what, file)] if file is not None else files_in(folder)
    try:
        options = ImportOptions(
            zone=ZoneInfo(zone), area_zone=ZoneInfo(area_zone).key, dry_run=dry_run, skip_bad=skip_bad
        )
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise InvalidInputError(f"{zone or area_zone}: no such time zone", field="zone") from error
    settings = settings_from_environment(data=data, database_url=database_url)
    if any(kind == "links" for kind, _ in files):
        options = replace(options, sealer=sealer_for(settings.data, settings.master_key))
    with database_of(settings) as url:
        reports = _with_bars(url, files, options)
    failed = False
    for report in reports:
        _tell(report)
        failed = failed or _failed(report)
    if problems is not None:
        _write_problems(problems, reports)
    if failed:
        raise typer.Exit(1)


def _failed(report: "ImportReport") -> bool:
    if report.dry_run or report.kind not in ("weather", "readings"):
        return report.errors > 0
    return report.rows > 0 and report.written + report.unchanged == 0


def _with_bars(url: str, files: list[tuple[str, Path]], options: "ImportOptions") -> "list[ImportReport]":
    from dataclasses import replace

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=Console(stderr=True), transient=True,
    ) as bars:  # fmt: skip

        def bar(kind: str) -> Callable[[int, int], None]:
            task = bars.add_task(kind, total=None)

            def show(done: int, total: int) -> None:
                bars.update(task, completed=done, total=max(done, total) or None)

            return show

        return asyncio.run(_import(url, files, replace(options, progress=bar)))


async def _import(url: str, files: list[tuple[str, Path]], options: "ImportOptions") -> "list[ImportReport]":
    from ingest.clock import wall_now
    from ingest.importing.door import import_files
    from ingest.store.database import migrate, open_pool

    await asyncio.to_thread(migrate, url)
    pool = await open_pool(url, maximum=2)
    try:
        return await import_files(pool, files, options, now=wall_now())
    finally:
        await pool.close()


def _tell(report: "ImportReport") -> None:
    done = (
        "would be read"
        if report.dry_run
        else f"{report.written} new, {report.changed} changed, {report.unchanged} known"
    )
    rate = f", {report.rows / report.seconds:,.0f} rows/s" if report.seconds > 1 else ""
    typer.echo(f"{report.kind}: {report.rows} rows, {done}, {report.refused} refused, {report.seconds:.1f} s{rate}")
    for problem in report.problems[:_SHOWN_PROBLEMS]:
        typer.echo(f"  {problem.severity}: {problem}", err=True)
    if len(report.problems) > _SHOWN_PROBLEMS or sum(report.counts.values()) > len(report.problems):
        for code, number in report.counts.most_common():
            typer.echo(f"  {code}: {number}", err=True)


def _write_problems(path: Path, reports: "list[ImportReport]") -> None:
    import csv

    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "row", "column", "severity", "code", "message"))
        for report in reports:
            for item in report.problems:
                writer.writerow((report.file, item.row, item.column, item.severity, item.code, item.message))


def export(
    what: Annotated[str, typer.Argument(metavar="consumption|alerts|readings|points|meters")],
    from_: Annotated[datetime | None, typer.Option("--from", formats=_FORMATS, help="First instant.")] = None,
    to: Annotated[datetime | None, typer.Option("--to", formats=_FORMATS, help="First instant after.")] = None,
    interval: Annotated[str, typer.Option(help="hour, day or month (consumption).")] = "hour",
    format: Annotated[str, typer.Option(help="csv, jsonl, parquet or xlsx.")] = "csv",  # noqa: A002 - the option's name
    out: Annotated[Path | None, typer.Option(help="File to write; standard output without it.")] = None,
    point: Annotated[list[str] | None, typer.Option(help="Only these points (may be given again).")] = None,
    known: Annotated[datetime | None, typer.Option(formats=_FORMATS, help="Consumption as it was known then.")] = None,
    zone: Annotated[str, typer.Option(help="Time zone of the instants given.")] = "UTC",
    data: DataOption = None,
    database_url: DatabaseOption = None,
) -> None:
    """Export what the database holds, streamed; the registry's files can be imported again."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    from ingest.clock import wall_now
    from ingest.errors import InvalidInputError
    from ingest.exporting.formats import write, write_file
    from ingest.exporting.tables import lines_of
    from ingest.store.database import connect_sync, migrate

    if what in ("consumption", "alerts", "readings") and (from_ is None or to is None):
        raise typer.BadParameter("--from and --to are needed")
    if format in ("parquet", "xlsx") and out is None:
        raise typer.BadParameter(f"--out is needed for {format}")
    try:
        place = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise InvalidInputError(f"{zone}: no such time zone", field="zone") from error

    def instant(value: datetime | None, otherwise: datetime) -> datetime:
        if value is None:
            return otherwise
        return value if value.tzinfo is not None else value.replace(tzinfo=place)

    settings = settings_from_environment(data=data, database_url=database_url)
    with database_of(settings) as url, _counter(what) as progress:
        migrate(url)
        with connect_sync(url, autocommit=True) as connection:
            rows = lines_of(
                connection,
                what,
                start=instant(from_, _EARLIEST),
                end=instant(to, wall_now()),
                interval=interval,
                known_at=instant(known, wall_now()),
                points=point or None,
            )
            with contextlib.closing(rows):
                if out is not None:
                    count = write_file(what, rows, format, out, progress)
                else:
                    try:
                        count = write(what, rows, format, sys.stdout.buffer, progress)
                    except BrokenPipeError:
                        # The reader has seen enough; Python must not complain when it closes standard output.
                        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                        return
    typer.echo(f"{count} lines of {what}", err=True)


@contextlib.contextmanager
def _counter(what: str) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.completed:,}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=None)
        yield lambda done: bars.update(task, completed=done)
