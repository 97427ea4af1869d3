"""Assessment: touched readings in, new versions of consumption, findings and alerts out.

Rules: the marks of touched meters are taken in the transaction that writes the results, so a run that dies leaves
everything as it was and the next one does its work; a run without new data changes nothing; one run at a time.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import Connection

from compute.memory import give_back
from ingest.assessment.cluster import Cluster
from ingest.assessment.loading import Place, places_of
from ingest.assessment.zone import Zone, ZoneResult
from ingest.store import consumption, series, touched
from ingest.store.database import connect_sync

ENGINE = "1"
_LOCK = 0x41535345  # "ASSE"
Progress = Callable[[str, int, int], None]
SILENCE_EVERY = timedelta(minutes=10)
# Silence is followed this long: until well after somebody was sent there (V19).
SILENT = timedelta(days=45)


@dataclass(frozen=True, slots=True)
class AssessmentReport:
    """What a run did. `intervals` were computed, `changed` of them got a new version."""

    run_id: int
    points: int = 0
    intervals: int = 0
    changed: int = 0
    findings: int = 0
    alerts_opened: int = 0
    alerts_closed: int = 0
    incidents: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Order:
    """What a run was asked to do; see `assess`."""

    full: bool
    points: tuple[int, ...] | None
    silence: bool


def assess(
    database_url: str,
    *,
    now: datetime,
    progress: Progress | None = None,
    full: bool = False,
    points: Sequence[int] | None = None,
    cluster: str | None = None,
    silence: bool = True,
) -> AssessmentReport:
    """Assess what was touched since the last run.

    Parameters
    ----------
    database_url
        Database to work on, with a connection of its own.
    now
        The present, aware UTC: readings after it are not looked at, new versions are known from it on.
    progress
        Called with what is being done, how much of it is done, and how much there is.
    full
        Everything from the first reading on, whether touched or not.
    points
        Only these points, whether touched or not.
    cluster
        Address of a Dask scheduler whose workers compute the consumption; local threads where None.
    silence
        Whether to look for points that have fallen silent, too.

    Raises
    ------
    UnavailableError
        The database does not answer.
    """
    started = datetime.now(UTC)
    connection = connect_sync(database_url)
    try:
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        run_id = consumption.start_run(connection, ENGINE, now)
        connection.commit()
        try:
            order = Order(full, None if points is None else tuple(points), silence)
            with contextlib.ExitStack() as stack:
                workers = None if cluster is None else stack.enter_context(Cluster(cluster))
                report = _run(connection, database_url, run_id, now, progress or _silent, order, workers)
        except BaseException as error:
            connection.rollback()
            consumption.finish_run(
                connection,
                run_id,
                "failed",
                now,
                points=0,
                intervals=0,
                changed=0,
                message=f"{type(error).__name__}: {error}",
            )
            connection.commit()
            raise
        connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))
        connection.commit()
    finally:
        connection.close()
        give_back()
    return replace(report, seconds=(datetime.now(UTC) - started).total_seconds())


class Watch:
    """Assessment for as long as readings come in: runs where something waits, and looks for silence at times."""

    def __init__(
        self, database_url: str, *, cluster: str | None = None, silence_every: timedelta = SILENCE_EVERY
    ) -> None:
        self._url, self._cluster, self._every = database_url, cluster, silence_every
        self._looked: datetime | None = None

    def step(self, now: datetime) -> AssessmentReport | None:
        """One look: the report of a run, None where there was nothing to do.

        Raises
        ------
        UnavailableError
            The database does not answer.
        """
        silence = self._looked is None or now - self._looked >= self._every
        with connect_sync(self._url) as connection:
            waiting = touched.waiting(connection)
        if not waiting and not silence:
            return None
        report = assess(self._url, now=now, cluster=self._cluster, silence=silence)
        if silence:
            self._looked = now
        return report


def _silent(what: str, done: int, whole: int) -> None:
    """No progress shown."""


def _run(
    connection: Connection[Any],
    database_url: str,
    run_id: int,
    now: datetime,
    progress: Progress,
    order: Order,
    workers: Cluster | None,
) -> AssessmentReport:
    """Everything of one run, in one transaction."""
    progress("looking for new readings", 0, 0)
    everywhere = places_of(series.load_installations(connection))
    work = _work(connection, everywhere, now, order)
    report = AssessmentReport(run_id)
    zones: dict[str, list[int]] = {}
    for at, place in enumerate(everywhere):
        zones.setdefault(place.newest["time_zone"], []).append(at)
    for name, members in zones.items():
        zone = Zone(connection, name, [everywhere[at] for at in members], run_id, now, progress, workers, database_url)
        result = zone.assess(work)
        report = replace(
            report,
            **{item.name: getattr(report, item.name) + getattr(result, item.name) for item in fields(ZoneResult)},
        )
    consumption.finish_run(
        connection, run_id, "done", now,
        points=report.points, intervals=report.intervals, changed=report.changed, message="",
    )  # fmt: skip
    connection.commit()
    return report


def _work(
    connection: Connection[Any], everywhere: Sequence[Place], now: datetime, order: Order
) -> dict[tuple[int, int], datetime]:
    """(point, service) -> instant from which it must be assessed; takes the marks of the meters."""
    chosen = None if order.points is None else set(order.points)
    own = [place for place in everywhere if chosen is None or place.point_id in chosen]
    marks = touched.take(connection, sorted({meter for place in own for meter in place.meters}))
    if order.full or chosen is not None:
        beginning, _ = series.reading_span(connection, now)
        return {(place.point_id, place.service): beginning for place in own}
    work = {}
    for place in own:
        since = [marks[meter] for meter in place.meters if meter in marks]
        if since:
            work[place.point_id, place.service] = min(*since, now)
    if not order.silence:
        return work
    silent = _silent_places(connection, [place for place in own if (place.point_id, place.service) not in work], now)
    return work | silent


def _silent_places(
    connection: Connection[Any], places: Sequence[Place], now: datetime
) -> dict[tuple[int, int], datetime]:
    """Places whose last known hour is long ago: silence touches no meter, but someone must hear of it."""
    newest = consumption.newest_hours(connection, [(place.point_id, place.service) for place in places])
    found = {}
    for place in places:
        last = newest.get((place.point_id, place.service))
        ended = place.newest["end_at"]
        if last is not None and ended is None and timedelta(hours=12) < now - last < SILENT:
            found[place.point_id, place.service] = last
    return found
