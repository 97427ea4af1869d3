"""`heatbook assess`: readings to validated consumption, findings and alerts; once, or as readings come in."""

import signal
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from api.cli.serve import DatabaseOption, DataOption, _settings, database_of
from ingest.config import Settings

# Silence touches no meter: a watching run looks for it at this distance.
POLL_S = 3.0
ClusterOption = Annotated[str | None, typer.Option("--cluster", help="Address of a Dask scheduler to compute on.")]


_MOMENTS = ["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"]


def assess(
    data: DataOption = None,
    database_url: DatabaseOption = None,
    full: Annotated[bool, typer.Option("--full", help="Everything from the first reading on.")] = False,
    point: Annotated[list[str] | None, typer.Option("--point", help="Only this metering point; repeatable.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Stay and assess whatever comes in.")] = False,
    cluster: ClusterOption = None,
    now: Annotated[
        datetime | None, typer.Option(formats=_MOMENTS, help="Judge as if it were this instant (UTC unless it says).")
    ] = None,
    scorecard: Annotated[
        str | None, typer.Option(help="Measure the alerts: a scenario, or a folder of files to import with labels.csv.")
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="What really happened, if not DIR/labels.csv.")] = None,
    meters: Annotated[int | None, typer.Option(help="Scorecard: meters of the scenario.")] = None,
    days: Annotated[int | None, typer.Option(help="Scorecard: days of the scenario.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Scorecard: seed; repeatable, all are added up.")] = None,
    page: Annotated[Path | None, typer.Option(help="Scorecard: write a page with a plot (.md) here.")] = None,
    cases: Annotated[Path | None, typer.Option(help="Scorecard: write missed events and false alerts (.csv).")] = None,
) -> None:
    """Turn readings into validated consumption, findings and alerts. Running it again changes nothing.

    With --scorecard nothing of yours is touched: a database of its own is made, filled, judged and thrown away.
    """
    from ingest.clock import clock_from_text

    settings = _settings(data, database_url)
    if now is not None and watch:
        raise typer.BadParameter("--now is for one run, --watch for a living fleet")
    moment = now if now is None or now.tzinfo is not None else now.replace(tzinfo=UTC)
    if scorecard is not None:
        from api.cli.scorecard import Request, run_scorecard

        run_scorecard(Request(scorecard, labels, meters, days, tuple(seed or (1,)), page, cases, moment))
        return
    with database_of(settings) as url:
        clock = clock_from_text(settings.clock)
        if watch:
            _watch(settings, url, clock.now, cluster)
            return
        _once(url, moment or clock.now(), full=full, codes=point, cluster=cluster)


def _once(url: str, now: datetime, *, full: bool, codes: list[str] | None, cluster: str | None) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from ingest.assessment.run import assess as run

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("assessing", total=None)

        def show(what: str, done: int, whole: int) -> None:
            bar.update(task, description=what, completed=done, total=whole or None)

        points = None if codes is None else _point_ids(url, codes)
        report = run(url, now=now, progress=show, full=full, points=points, cluster=cluster)
    typer.echo(
        f"run {report.run_id}: {report.points} points, {report.intervals} intervals, {report.changed} new versions, "
        f"{report.findings} findings, {report.alerts_opened} alerts opened, {report.alerts_closed} closed, "
        f"{report.seconds:.1f} s"
    )


def _point_ids(url: str, codes: list[str]) -> list[int]:
    from ingest.errors import NotFoundError
    from ingest.store.database import connect_sync
    from ingest.store.series import points_by_code

    with connect_sync(url) as connection:
        found = points_by_code(connection, codes)
    unknown = [code for code in codes if code not in found]
    if unknown:
        raise NotFoundError(f"no metering point {', '.join(unknown)}", field="point")
    return list(found.values())


def _watch(settings: Settings, url: str, now: Callable[[], datetime], cluster: str | None) -> None:
    """Assess again and again until SIGTERM or Ctrl-C; a database that is away is waited for."""
    import structlog

    from ingest.assessment.run import Watch
    from ingest.errors import UnavailableError
    from ingest.metrics_endpoint import AssessmentCounters, metrics_served

    log = structlog.get_logger("heatbook.assess")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    keeper = Watch(url, cluster=cluster)
    counters = AssessmentCounters()
    log.info("assessment waits for readings")
    with metrics_served(settings, counters.registry):
        while not stop.is_set():
            try:
                report = keeper.step(now())
            except (UnavailableError, psycopg.OperationalError) as error:
                log.warning("assessment cannot reach the database", reason=str(error))
                counters.away.set(1)
                stop.wait(5 * POLL_S)
                continue
            counters.stepped(report)
            if report is not None and (report.changed or report.findings):
                log.info(
                    "assessed",
                    points=report.points,
                    changed=report.changed,
                    findings=report.findings,
                    opened=report.alerts_opened,
                    seconds=round(report.seconds, 3),
                )
            stop.wait(POLL_S)
