"""`heatbook assess --scorecard`: how good the alerts are, measured the way an outsider would.

Rules: the files go through the same import, assessment and alerts as anybody's, on a database that is made for it and
thrown away; labels are read only afterwards. Several seeds are measured one after the other and added up.
"""

import asyncio
import csv
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from api.cli.scorecard_rows import COLUMNS, rows_of, share_of
from compute.scorecard import Scorecard
from ingest.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class Request:
    """What to measure: `source` is a scenario or a folder, `labels` its truth, `page` and `cases` what to write."""

    source: str
    labels: Path | None
    meters: int | None
    days: int | None
    seeds: tuple[int, ...]
    page: Path | None
    cases: Path | None
    now: datetime | None


def run_scorecard(request: Request) -> None:
    """Measure, print the table, write what was asked for.

    Raises
    ------
    InvalidInputError
        No such scenario or folder, no labels, or files that cannot be read.
    """
    started = time.monotonic()
    console = Console(stderr=True)
    cards = []
    for folder, labels, name in _folders(request, console):
        cards.append(_measured(folder, labels, request.now, console))
        console.print(f"{name}: {_sentence(cards[-1])}", highlight=False)
    card = cards[0]
    for other in cards[1:]:
        card = card + other
    Console().print(_table(card))
    typer.echo(_sentence(card))
    if request.cases is not None:
        _write_cases(request.cases, card)
    if request.page is not None:
        from api.cli.scorecard_page import write_page

        write_page(request.page, request.source, request.seeds, card, time.monotonic() - started)


def _folders(request: Request, console: Console) -> Iterator[tuple[Path, Path, str]]:
    """Folder, labels and name of everything to measure; a scenario's files live only while they are looked at."""
    folder = Path(request.source)
    if folder.is_dir():
        labels = request.labels or folder / "labels.csv"
        yield folder, labels, folder.name
        return
    from simulators.catalogue import SCENARIOS, fleet_of
    from simulators.files import write_fleet

    if request.source not in SCENARIOS:
        known = ", ".join(SCENARIOS)
        raise InvalidInputError(f"{request.source} is neither a folder nor one of {known}", field="scorecard")
    for seed in request.seeds:
        with tempfile.TemporaryDirectory(prefix="heatbook-scorecard-") as scratch:
            console.print(f"{request.source}, seed {seed}: writing files", highlight=False)
            try:
                fleet = fleet_of(request.source, seed=seed, meters=request.meters, days=request.days)
            except ValueError as error:
                raise InvalidInputError(f"{request.source}: {error}", field="meters") from error
            write_fleet(fleet, Path(scratch))
            yield Path(scratch), request.labels or Path(scratch) / "labels.csv", f"{request.source}, seed {seed}"


def _measured(folder: Path, labels: Path, now: datetime | None, console: Console) -> Scorecard:
    from ingest.assessment.run import assess
    from ingest.scoring import score_database
    from ingest.store.database import connect_sync

    if not labels.is_file():
        raise InvalidInputError(f"{labels} is missing: what really happened is needed", field="labels")
    with _database() as url:
        _import(url, folder, console)
        console.print("assessing", highlight=False)
        assess(url, now=now or datetime.now(UTC))
        with connect_sync(url) as connection:
            return score_database(connection, labels)


@contextmanager
def _database() -> Iterator[str]:
    """URL of a fresh database that goes when it is no longer needed."""
    from api.embedded import THROW_AWAY, EmbeddedPostgres

    with (
        tempfile.TemporaryDirectory(prefix="heatbook-scorecard-db-") as folder,
        EmbeddedPostgres(Path(folder), settings=THROW_AWAY) as server,
    ):
        yield server.url()


def _import(url: str, folder: Path, console: Console) -> None:
    from ingest.clock import wall_now
    from ingest.importing.door import ImportOptions, files_in, import_files
    from ingest.importing.report import ImportReport
    from ingest.store.database import migrate, open_pool

    async def run() -> list[ImportReport]:
        await asyncio.to_thread(migrate, url)
        pool = await open_pool(url, maximum=2)
        try:
            return await import_files(pool, files_in(folder), ImportOptions(), now=wall_now())
        finally:
            await pool.close()

    for report in asyncio.run(run()):
        console.print(f"{report.kind}: {report.rows} rows, {report.refused} refused", highlight=False)
        if report.kind in ("points", "meters") and report.errors:
            raise InvalidInputError(f"{report.file}: {report.problems[0]}", field=report.kind)


def _sentence(card: Scorecard) -> str:
    score = card.total
    return (
        f"precision {share_of(score.precision)}, recall {share_of(score.recall)}, {card.false_per_1000_meter_days:.3f} "
        f"false alerts per 1,000 meters and day, {card.false_zero} zero-use alerts at points that are shut or cut off"
    )


def _table(card: Scorecard) -> Table:
    table = Table(caption="in season and off season: recall / precision")
    for name in COLUMNS:
        table.add_column(name, justify="left" if name == "kind" else "right", no_wrap=True)
    for row in rows_of(card):
        table.add_row(*row)
    return table


def _write_cases(path: Path, card: Scorecard) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("what", "point", "kind", "from", "to", "told"))
        for event in card.missed:
            writer.writerow(("missed", event.point, event.kind, _iso(event.from_us), _iso(event.to_us), event.fault))
        for alarm in card.false_alarms:
            writer.writerow(("false", alarm.point, alarm.kind, _iso(alarm.from_us), _iso(alarm.to_us), alarm.told))
    typer.echo(f"{len(card.missed)} missed, {len(card.false_alarms)} false: {path}", err=True)


def _iso(us: int) -> str:
    return datetime.fromtimestamp(us / 1e6, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
