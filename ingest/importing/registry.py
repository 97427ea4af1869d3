"""Registry files checked as a whole and written as a whole: points and meters.

Rules: every problem of a file is listed; with one error nothing of it is written, unless the caller skips bad rows.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, TypeVar

from psycopg import AsyncConnection

from ingest.importing.cells import Row
from ingest.importing.files import batches, column_names, text_rows
from ingest.importing.meters import COLUMNS as METER_COLUMNS
from ingest.importing.meters import BarePoints, Identity, MeterRow, check_meters, meter_row
from ingest.importing.points import PointRow, check_points, point_row
from ingest.importing.report import ImportReport, Problem, Progress
from ingest.store import importing as store
from ingest.store import importing_points as stored_points
from ingest.store.packing import microseconds
from ingest.store.touched import touch

T = TypeVar("T")


def _sound_rows(
    path: Path, required: tuple[str, ...], made: Callable[[Row], T | None], report: ImportReport, progress: Progress
) -> Iterator[T]:
    for batch in batches(path, required=required, refuse=report.leave_out):
        for number, cells in text_rows(batch):
            if not any(cells.values()):
                continue
            report.rows += 1
            row = made(Row(number, cells, report))
            if row is not None:
                yield row
        progress(report.rows, 0)


async def import_points(
    connection: AsyncConnection[Any],
    path: Path,
    report: ImportReport,
    *,
    now: datetime,
    area_zone: str,
    skip_bad: bool,
    progress: Progress,
) -> None:
    """Points of a file, areas and routes created where they are missing."""
    sound = list(_sound_rows(path, ("point", "area"), point_row, report, progress))
    stored = await stored_points.parents(connection)
    rows = check_points(sound, await stored_points.accounts(connection), stored, report)
    report.refused = report.rows - len(rows)
    if report.dry_run or (report.errors and not skip_bad):
        return
    areas = await store.area_ids(connection, (row.area for row in rows), area_zone)
    routes = await store.route_ids(connection, ((areas[row.area], row.route) for row in rows if row.route))
    counts = await stored_points.write_points(
        connection,
        [_point_columns(row, areas[row.area], routes.get((areas[row.area], row.route))) for row in rows],
        {row.code: row.state for row in rows},
        {row.code: row.parent for row in rows},
        given=column_names(path),
        now=now,
    )
    report.written, report.changed, report.unchanged = counts.written, counts.changed, counts.unchanged


def _point_columns(row: PointRow, area_id: int, route_id: int | None) -> tuple[Any, ...]:
    return (
        row.code, area_id, route_id, row.address, row.building, row.kind, row.account, row.contract, row.heated_area_m2,
        row.design_load_kw, row.latitude, row.longitude,
    )  # fmt: skip


async def import_meters(
    connection: AsyncConnection[Any],
    path: Path,
    report: ImportReport,
    *,
    zone: tzinfo,
    actor: str,
    skip_bad: bool,
    progress: Progress,
    planned_points: frozenset[str] = frozenset(),
) -> None:
    """Meters of a file with registers and installations. `planned_points`: codes that a dry run would create."""
    points = await stored_points.point_codes(connection)
    sound = list(_sound_rows(path, METER_COLUMNS, lambda row: meter_row(row, zone), report, progress))
    stored = await store.stored_installations(connection)
    known = {*points, *planned_points}
    bare = BarePoints(known - {item.point for item in stored} - {row.point for row in sound})
    rows = check_meters(sound, known, bare, report)
    rows = _check_displays(rows, await store.stored_registers(connection), report)
    plan = _Plan(stored, bare, report)
    rows = [row for row in rows if plan.takes(row)]
    report.refused = report.rows - len({row.row for row in rows})
    if report.dry_run or (report.errors and not skip_bad):
        return
    unique = {row.identity: row for row in rows}
    counts, ids = await store.write_meters(
        connection,
        [(*identity, r.model, r.profile, r.version, r.mounting_side, r.qp_m3h) for identity, r in unique.items()],
        {identity: row.registers for identity, row in unique.items()},
    )
    await store.end_installations(connection, plan.ends)
    await store.write_installations(
        connection,
        [
            (points[r.point], ids[r.identity], r.service, r.installed_at, r.removed_at, r.factor, r.initial_index,
             r.final_index, r.reason, actor)
            for r in plan.fresh if r.installed_at is not None
        ],
    )  # fmt: skip
    await touch(connection, {ids[r.identity]: microseconds(r.installed_at) for r in plan.fresh if r.installed_at})
    report.written, report.changed, report.unchanged = counts.written, counts.changed, counts.unchanged


def _check_displays(rows: list[MeterRow], stored: dict[Any, Any], report: ImportReport) -> list[MeterRow]:
    good = []
    for row in rows:
        known = stored.get(tuple(row.identity), {})
        wrong = [
            r
            for r in row.registers
            if r.name in known and _display(known[r.name]) != _display(r) and r.name != "volume"
        ]
        for register in wrong:
            there = known[register.name]
            message = f"register {register.name} counts 10^{there.scale} {there.unit} in the registry"
            report.add(Problem(row.row, "energy_scale", "register.differs", message))
        if not wrong:
            good.append(row)
    return good


def _display(register: Any) -> tuple[str, int]:
    return register.unit, register.scale


class _Plan:
    """Which installations of a file are new, which stored ones they end, which clash."""

    def __init__(self, stored: list[store.StoredInstallation], bare: BarePoints, report: ImportReport) -> None:
        self.fresh: list[MeterRow] = []
        self.ends: dict[int, datetime] = {}
        self._bare, self._report = bare, report
        self._of_place: dict[tuple[str, int], list[store.StoredInstallation]] = defaultdict(list)
        self._of_meter: dict[Identity, list[store.StoredInstallation]] = defaultdict(list)
        for item in stored:
            self._of_place[(item.point, item.service)].append(item)
            self._of_meter[Identity(*item.meter)].append(item)

    def takes(self, row: MeterRow) -> bool:
        """Plan a row; False if it clashes with what is stored."""
        if not row.point or row.installed_at is None:
            return True
        there = [*self._of_place[(row.point, row.service)], *self._of_meter[row.identity]]
        for item in there:
            if item.point == row.point and item.meter == tuple(row.identity) and item.start == row.installed_at:
                return True
        for item in {item.installation_id: item for item in there}.values():
            if not _overlap(item, row):
                continue
            if item.end is None and item.start < row.installed_at and item.point == row.point:
                message = f"point {row.point} had meter {item.meter[1]} until now: taken as an exchange"
                self._report.add(Problem(row.row, "point", "point.exchange", message, "warning"))
                self._bare.suspect(row, self._report)
                self.ends[item.installation_id] = row.installed_at
                continue
            message = f"meter {item.meter[1]} is at point {item.point} since {item.start:%Y-%m-%d}"
            self._report.add(Problem(row.row, "point", "installation.overlap", message))
            return False
        self.fresh.append(row)
        return True


def _overlap(item: store.StoredInstallation, row: MeterRow) -> bool:
    if row.installed_at is None:
        return False
    return (item.end is None or item.end > row.installed_at) and (row.removed_at is None or item.start < row.removed_at)
