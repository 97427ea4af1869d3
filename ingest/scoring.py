"""Scoring what an assessment raised against labels: a file of what really happened, and the alerts of a database.

`labels.csv` has the columns `point,kind,from,to` and perhaps `fault`; `kind` is an alert kind, or `none` for something
harmless that must raise nothing. An empty `to` is a fault that nobody has mended.
"""

from bisect import bisect_right
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from psycopg import Connection

from compute.findings import Kind
from compute.scorecard import DAY_US, NO_FAULT, Alarm, Event, Scorecard, score
from compute.season import Season
from ingest.errors import InvalidInputError
from ingest.importing.cells import Row
from ingest.importing.files import batches, text_rows
from ingest.importing.report import ImportReport
from ingest.store import scoring as store
from ingest.store.packing import microseconds

KINDS = (NO_FAULT, *(kind.value for kind in Kind))
_COLUMNS = ("point", "kind", "from", "to")
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)


class _Seasons:
    """Whether an area's network heated at an instant."""

    def __init__(self, connection: Connection[Any]) -> None:
        limits = Season()
        self._areas = store.areas_of_points(connection)
        self._days: dict[int, list[int]] = {}
        for area, midnight in sorted(store.heating_days(connection, limits.base_c - limits.heating_hdd_k)):
            self._days.setdefault(area, []).append(midnight)

    def at(self, point: str, instant_us: int) -> bool:
        days = self._days.get(self._areas.get(point, -1), [])
        place = bisect_right(days, instant_us)
        return place > 0 and instant_us - days[place - 1] < DAY_US


def score_database(connection: Connection[Any], labels: Path) -> Scorecard:
    """The scorecard of everything that the database's alerts say, measured with a file of labels.

    Raises
    ------
    InvalidInputError
        The file cannot be read, lacks a column, or holds a line that makes no sense.
    """
    seasons = _Seasons(connection)
    alarms = [
        Alarm(point, kind, start, max(end, start + 1), seasons.at(point, start), tuple(noticed), _told(explanation))
        for point, kind, start, end, noticed, explanation in store.alerts(connection)
    ]
    return score(_events(labels, seasons), alarms, meter_days=store.meter_days(connection))


def _told(explanation: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in explanation.items() if value is not None)


def _events(path: Path, seasons: _Seasons) -> list[Event]:
    report = ImportReport("labels", str(path), dry_run=True)
    found = []
    for batch in batches(path, required=_COLUMNS, refuse=report.leave_out):
        for number, cells in text_rows(batch):
            row = Row(number, cells, report)
            point, kind = row.text("point", required=True), row.choice("kind", KINDS, NO_FAULT)
            start, end = row.instant("from", UTC), row.instant("to", UTC)
            if start is None and row.sound:
                row.problem("from", "cell.empty", "from is empty")
            if start is not None and row.sound:
                begin = microseconds(start)
                ended = microseconds(end or _NEVER)
                found.append(
                    Event(point, kind, begin, max(ended, begin + 1), seasons.at(point, begin), row.text("fault"))
                )
    if report.problems:
        raise InvalidInputError(f"{path.name}: {report.problems[0]}", field="labels")
    return found
