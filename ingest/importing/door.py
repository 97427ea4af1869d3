"""The door for files: points, meters, readings and weather, one file or a folder of them, with a dry run.

Rules: a file's kind decides its columns (see the module of each kind); whatever is imported again changes nothing; a
dry run checks everything and writes nothing.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection

from ingest.directory import Directory, MeterEntry
from ingest.errors import InvalidInputError
from ingest.importing.cells import Row
from ingest.importing.files import FALLBACK_ENCODING, SUFFIXES, batches, encoding_of, row_count, text_rows
from ingest.importing.lines import KINDS as LINE_KINDS
from ingest.importing.lines import import_lines
from ingest.importing.meters import meter_row
from ingest.importing.readings import ReadingsImport
from ingest.importing.registry import import_meters, import_points
from ingest.importing.report import ImportReport, Problem, Progress
from ingest.sealing import Sealer
from ingest.store import importing as store
from ingest.store.database import Pool
from protocols.telegram import MeterId

KINDS = ("points", "states", "meters", "gateways", "links", "weather", "readings")


def _silent(_done: int, _total: int) -> None:
    return


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How files are read.

    zone: of times without an offset; area_zone: of areas that a file creates; dry_run: write nothing; skip_bad: write
    the sound rows of a registry file that has unsound ones; actor: who imports; sealer: what seals meters' keys, None
    where no file has any; copy: False for servers without COPY.
    """

    zone: tzinfo = UTC
    area_zone: str = "Asia/Shanghai"
    dry_run: bool = False
    skip_bad: bool = False
    actor: str = "import"
    sealer: Sealer | None = None
    copy: bool = True
    progress: Callable[[str], Progress] = field(default=lambda _kind: _silent)


def files_in(folder: Path) -> list[tuple[str, Path]]:
    """(kind, file) of a folder in the order of import, by the beginning of their names.

    Raises
    ------
    InvalidInputError
        There is none.
    """
    found = [
        (kind, file)
        for kind in KINDS
        for file in sorted(folder.iterdir())
        if file.suffix.lower() in SUFFIXES and file.stem.lower().startswith(kind)
    ]
    if not found:
        raise InvalidInputError(f"{folder} holds no file named {', '.join(KINDS)}", field="file")
    return found


def _beside(path: Path) -> list[tuple[str, Path]]:
    try:
        return files_in(path.parent)
    except InvalidInputError:
        return []


async def import_files(
    pool: Pool, files: Sequence[tuple[str, Path]], options: ImportOptions, *, now: datetime
) -> list[ImportReport]:
    """Import files in the order given; one with errors in the registry stops those that would build on it.

    Parameters
    ----------
    files : sequence of (kind, path)
    now : datetime
        The wall clock.

    Raises
    ------
    InvalidInputError
        A file cannot be read at all or lacks a column.
    """
    reports = []
    for kind, path in files:
        report = await import_file(pool, kind, path, options, now=now)
        reports.append(report)
        if kind in ("points", "meters") and report.errors and not options.skip_bad and not options.dry_run:
            break
    return reports


async def import_file(pool: Pool, kind: str, path: Path, options: ImportOptions, *, now: datetime) -> ImportReport:
    """Import one file. Raises as `import_files`."""
    if kind not in KINDS:
        raise InvalidInputError(f"{kind!r} is none of {', '.join(KINDS)}", field="kind")
    report = ImportReport(kind, str(path), options.dry_run)
    started = time.monotonic()
    progress = options.progress(kind)
    _note_encoding(path, report)
    async with pool.connection() as connection:
        if kind == "readings":
            directory = await Directory.load(pool)
            if options.dry_run:
                _plan_meters(directory, path, options.zone)
            importer = ReadingsImport(connection, directory, path, report, now=now, copy=options.copy)
            await importer.run(options.zone, progress, row_count(path))
        else:
            async with connection.transaction():
                await _registry(connection, kind, path, report, options, progress, now)
    report.problems.sort(key=lambda problem: problem.row)
    report.seconds = time.monotonic() - started
    return report


def _note_encoding(path: Path, report: ImportReport) -> None:
    if path.suffix.lower() in (".csv", ".tsv") and path.is_file() and encoding_of(path) == FALLBACK_ENCODING:
        message = "the text is no UTF-8 and was read as GB 18030 (GBK): look at the names"
        report.add(Problem(0, "", "file.encoding", message, "warning"))


async def _registry(
    connection: AsyncConnection[Any],
    kind: str,
    path: Path,
    report: ImportReport,
    options: ImportOptions,
    progress: Progress,
    now: datetime,
) -> None:
    if kind == "points":
        await import_points(
            connection, path, report, now=now, area_zone=options.area_zone, skip_bad=options.skip_bad, progress=progress
        )
    elif kind == "meters":
        await import_meters(
            connection,
            path,
            report,
            zone=options.zone,
            actor=options.actor,
            skip_bad=options.skip_bad,
            progress=progress,
            planned_points=_points_beside(path) if options.dry_run else frozenset(),
        )
    elif kind in LINE_KINDS:
        await import_lines(
            connection,
            kind,
            path,
            report,
            zone=options.zone,
            area_zone=options.area_zone,
            skip_bad=options.skip_bad,
            sealer=options.sealer,
            progress=progress,
        )
    else:
        await _weather(connection, path, report, options, progress)


def _points_beside(path: Path) -> frozenset[str]:
    """Point codes of a points file in the same folder: a dry run of a folder creates none of them."""
    codes: set[str] = set()
    for kind, file in _beside(path):
        if kind == "points":
            for batch in batches(file, required=("point",)):
                codes.update(cells["point"] for _, cells in text_rows(batch))
    return frozenset(codes)


def _plan_meters(directory: Directory, path: Path, zone: tzinfo) -> None:
    """Meters of a meters file in the same folder, for a dry run of the folder."""
    number = 0
    for kind, file in _beside(path):
        if kind == "meters":
            for batch in batches(file, required=("serial",)):
                for row_number, cells in text_rows(batch):
                    row = meter_row(Row(row_number, cells, ImportReport(kind, str(file))), zone)
                    if row is not None:
                        number -= 1
                        registers = {register.name: directory.planned(register) for register in row.registers}
                        maker, serial, medium = row.identity
                        directory.plan(MeterEntry(number, MeterId(serial, maker, None, medium), registers=registers))


async def _weather(
    connection: AsyncConnection[Any], path: Path, report: ImportReport, options: ImportOptions, progress: Progress
) -> None:
    total = row_count(path)
    touched: dict[int, datetime] = {}
    required = ("area", "time", "temperature_c")
    for batch in batches(path, required=required, rows=50_000, refuse=report.leave_out):
        rows: list[tuple[str, datetime, Decimal]] = []
        for number, cells in text_rows(batch):
            report.rows += 1
            row = Row(number, cells, report)
            area = row.text("area", required=True)
            at, value = (
                row.instant("time", options.zone),
                row.decimal("temperature_c", low=Decimal(-90), high=Decimal(70)),
            )
            if at is None or value is None or not row.sound:
                report.refused += 1
            else:
                rows.append((area, at, value))
        if rows and not options.dry_run:
            areas = await store.area_ids(connection, (area for area, _, _ in rows), options.area_zone)
            numbers = [areas[area] for area, _, _ in rows]
            written = await store.write_weather(
                connection, numbers, [at for _, at, _ in rows], [float(value) for _, _, value in rows]
            )
            report.written += written
            report.unchanged += len(rows) - written
            if written:
                for number, (_, at, _) in zip(numbers, rows, strict=True):
                    touched[number] = min(at, touched.get(number, at))
        progress(report.rows, total)
    if touched:
        await store.touch_areas(connection, list(touched), min(touched.values()))
