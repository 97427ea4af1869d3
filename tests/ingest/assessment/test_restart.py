"""A run in pieces is the run as a whole: chunk by chunk, and after its process was killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from ingest.assessment import zone as assessment_zone
from ingest.assessment.run import assess

Hours = Callable[[int, int], list[datetime]]
ROWS = (
    "SELECT point_id, resolution, start_at, energy_j, volume_ml, flags, method, version FROM consumption"
    " WHERE known_to = 'infinity' ORDER BY 1, 2, 3"
)
RUN = "import sys\nfrom datetime import datetime\nfrom ingest.assessment.run import assess\n"
RUN += "assess(sys.argv[1], now=datetime.fromisoformat(sys.argv[2]))"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
def five_points(fleet: Any, hours: Hours, start: datetime) -> Any:
    """Five points with six days of readings each, some hours missing."""
    for number in range(5):
        meter = fleet.add_meter(str(number))
        fleet.install(fleet.add_point(f"P{number}"), meter["meter"], start - timedelta(days=1))
        for role, rate in (("energy", 17), ("volume", 5)):
            rows = [(time, rate * n * (1 + number)) for n, time in enumerate(hours(0, 144)) if n % (20 + number)]
            fleet.read(meter[role], rows)
    return fleet


def test_small_chunks_give_what_one_gives(five_points: Any, start: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    now = start + timedelta(hours=144)
    assess(five_points.url, now=now)
    whole = five_points.rows(ROWS)
    five_points.connection.execute("DELETE FROM consumption")
    monkeypatch.setattr(assessment_zone, "CHUNK_HOURS", 200)
    report = assess(five_points.url, now=now, full=True)
    assert (report.points, report.changed) == (5, len(whole))
    assert five_points.rows(ROWS) == whole


def test_a_run_that_was_killed_leaves_its_work_to_the_next(five_points: Any, start: datetime) -> None:
    now = start + timedelta(hours=144)
    marks = five_points.rows("SELECT count(*) FROM touched")
    with psycopg.connect(five_points.url) as holder:
        # The run has written consumption and waits for this lock when it dies.
        holder.execute("LOCK TABLE finding IN ACCESS EXCLUSIVE MODE")
        process = subprocess.Popen([sys.executable, "-c", RUN, five_points.url, now.isoformat()])
        while five_points.rows(WAITING) == [(0,)]:
            assert process.poll() is None
            five_points.rows("SELECT pg_sleep(0.05)")
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert five_points.rows("SELECT count(*) FROM consumption") == [(0,)]
    assert five_points.rows("SELECT count(*) FROM touched") == marks
    report = assess(five_points.url, now=now)
    found = five_points.rows(ROWS)
    assert (report.points, report.changed) == (5, len(found))
    assert five_points.rows("SELECT count(*) FROM touched") == [(0,)]
    assert assess(five_points.url, now=now, full=True).changed == 0
