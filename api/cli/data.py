"""`heatbook import` and `heatbook export`: files in, files out, on the database that the settings name.

Both work without a running service. Exit codes: 0 done (refused readings are listed), 1 the file or its registry rows are wrong.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.serve import DatabaseOption, DataOption, database_of
from ingest.config import settings_from_environment

if TYPE_CHECKING:
    from ingest.importing import ImportOptions
    from ingest.importing_report import ImportReport

_SHOWN_PROBLEMS = 50


def import_(
    what: Annotated[str, typer.Argument(metavar="points|meters|readings|weather|DIR", help="Kind of file, or a folder.")],
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="CSV, XLSX or Parquet.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, write nothing.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Write the sound rows of a registry file.")] = False,
    zone: Annotated[str, typer.Option(help="Time zone of times that name none.")] = "UTC",
    area_zone: Annotated[str, typer.Option(help="Time zone of areas that the file creates.")] = "Asia/Shanghai",
    problems: Annotated[Path | None, typer.Option(help="Write every problem to this CSV file.")] = None,
    data: DataOption = None,
    database_url: DatabaseOption = None,
) -> None:
    """Import points, meters, readings or weather; a folder is imported whole. Importing again changes nothing."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    from ingest.errors import InvalidInputError
    from ingest.importing import ImportOptions, files_in

    folder = Path(what)
    if file is None and not folder.is_dir():
        raise typer.BadParameter(f"{what} is not a folder; a single file needs its kind before it")
    files = [(what, file)] if file is not None else files_in(folder)
    try:
        options = ImportOptions(
            zone=ZoneInfo(zone), area_zone=ZoneInfo(area_zone).key, dry_run=dry_run, skip_bad=skip_bad
        )
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise InvalidInputError(f"{zone if zone else area_zone}: no such time zone", field="zone") from error
    settings = settings_from_environment(data=data, database_url=database_url)
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
    if report.dry_run or report.kind in ("points", "meters"):
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
    from ingest.importing import import_files
    from ingest.store.database import migrate, open_pool

    await asyncio.to_thread(migrate, url)
    pool = await open_pool(url, maximum=2)
    try:
        return await import_files(pool, files, options, now=wall_now())
    finally:
        await pool.close()


def _tell(report: "ImportReport") -> None:
    done = "would be read" if report.dry_run else f"{report.written} new, {report.changed} changed, {report.unchanged} known"
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

