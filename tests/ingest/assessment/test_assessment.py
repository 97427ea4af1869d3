"""Assessment from database to database: conservation, idempotence, versions, alerts."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from ingest.assessment.run import assess

Hours = Callable[[int, int], list[datetime]]
J_PER_COUNT = 36_000
CURRENT = (
    "SELECT sum(energy_j), sum(volume_ml), count(*) FROM consumption WHERE known_to = 'infinity' AND resolution = %s"
)


def test_the_intervals_of_a_point_add_up_to_its_index_difference(fleet: Any, hours: Hours, start: datetime) -> None:
    meter = fleet.add_meter("1")
    fleet.install(fleet.add_point("P1"), meter["meter"], start - timedelta(days=1))
    times = [time + timedelta(minutes=7) for time in hours(0, 100)]
    fleet.read(meter["energy"], [(time, 1000 + 3 * n * n) for n, time in enumerate(times)])
    fleet.read(meter["volume"], [(time, 50 + 11 * n) for n, time in enumerate(times)])
    report = assess(fleet.url, now=start + timedelta(hours=110))
    assert report.points == 1
    for resolution in (1, 2):
        assert fleet.rows(CURRENT, resolution)[0][:2] == (3 * 99 * 99 * J_PER_COUNT, 11 * 99 * 1000)
    assert fleet.rows("SELECT count(*) FROM touched") == [(0,)]


def test_assessing_again_without_new_readings_changes_nothing(fleet: Any, hours: Hours, start: datetime) -> None:
    meter = fleet.add_meter("1")
    fleet.install(fleet.add_point("P1"), meter["meter"], start - timedelta(days=1))
    fleet.read(meter["energy"], [(time, 17 * n) for n, time in enumerate(hours(0, 300))])
    now = start + timedelta(hours=300)
    first = assess(fleet.url, now=now)
    again = assess(fleet.url, now=now, full=True)
    assert first.changed > 300
    assert (again.changed, again.alerts_opened) == (0, 0)
    assert fleet.rows("SELECT max(version) FROM consumption") == [(1,)]


def test_late_readings_make_new_versions_only_where_something_changed(
    fleet: Any, hours: Hours, start: datetime
) -> None:
    meter = fleet.add_meter("1")
    fleet.install(fleet.add_point("P1"), meter["meter"], start - timedelta(days=1))
    late = set(range(150, 156))
    rows = [(time, 17 * n) for n, time in enumerate(hours(0, 300))]
    fleet.read(meter["energy"], [row for n, row in enumerate(rows) if n not in late])
    before = start + timedelta(hours=300)
    assess(fleet.url, now=before)
    fleet.read(meter["energy"], [(rows[n][0], rows[n][1] + n % 3) for n in sorted(late)])
    after = before + timedelta(minutes=5)
    report = assess(fleet.url, now=after)
    changed = fleet.rows("SELECT count(*) FROM consumption WHERE version > 1 AND resolution = 1")[0][0]
    assert 0 < changed <= 7
    assert (
        report.changed
        == changed + fleet.rows("SELECT count(*) FROM consumption WHERE version > 1 AND resolution = 2")[0][0]
    )
    total = "SELECT sum(energy_j) FROM consumption WHERE resolution = 1 AND known_from <= %s AND known_to > %s"
    assert fleet.rows(total, before, before) == fleet.rows(total, after, after) == [(17 * 299 * J_PER_COUNT,)]


def test_an_incremental_run_says_what_a_full_run_says(fleet: Any, hours: Hours, start: datetime) -> None:
    meter = fleet.add_meter("1")
    fleet.install(fleet.add_point("P1"), meter["meter"], start - timedelta(days=1))
    rows = [(time, 40 * n + n % 5) for n, time in enumerate(hours(0, 1200)) if n % 17]
    for first in range(0, len(rows), 150):
        fleet.read(meter["energy"], rows[first : first + 150])
        assess(fleet.url, now=rows[min(first + 150, len(rows)) - 1][0] + timedelta(minutes=1))
    assert assess(fleet.url, now=rows[-1][0] + timedelta(minutes=2), full=True).changed == 0


def test_a_meter_exchange_loses_no_energy(fleet: Any, hours: Hours, start: datetime) -> None:
    old, new = fleet.add_meter("1"), fleet.add_meter("2")
    point = fleet.add_point("P1")
    swap = start + timedelta(hours=50, minutes=20)
    fleet.install(point, old["meter"], start, swap, initial_index=0, final_index=5033)
    fleet.install(point, new["meter"], swap, initial_index=12)
    fleet.read(old["energy"], [(time, 100 * n) for n, time in enumerate(hours(1, 51), 1)])
    fleet.read(new["energy"], [(time, 12 + 100 * (n - 51) + 66) for n, time in enumerate(hours(51, 80), 51)])
    assess(fleet.url, now=start + timedelta(hours=80))
    counted = 5033 + (100 * 28 + 66)
    assert fleet.rows(CURRENT, 1)[0][0] == fleet.rows(CURRENT, 2)[0][0] == counted * J_PER_COUNT


def test_a_stopped_meter_raises_one_alert_and_a_vacant_home_none(fleet: Any, hours: Hours, start: datetime) -> None:
    times = hours(0, 24 * 40)
    for number in range(8):
        meter = fleet.add_meter(str(number))
        point = fleet.add_point(f"P{number}", heated_area_m2=80 + number)
        fleet.install(point, meter["meter"], start - timedelta(days=1))
        stop = {0: 24 * 34, 1: 24 * 29}.get(number, len(times))
        counts = [60 * min(n, stop) + number * min(n, stop) % 7 for n in range(len(times))]
        fleet.read(meter["energy"], list(zip(times, counts, strict=True)))
        if number == 1:
            fleet.connection.execute(
                "INSERT INTO point_state (point_id, state, period) VALUES (%s, 'vacant', tstzrange(%s, NULL))",
                (point, start + timedelta(days=29)),
            )
    report = assess(fleet.url, now=times[-1] + timedelta(minutes=1))
    alerts = fleet.rows("SELECT p.code, alert.kind, state FROM alert JOIN metering_point p USING (point_id)")
    assert alerts == [("P0", "zero_use", "open")]
    assert report.alerts_opened == 1
    assert assess(fleet.url, now=times[-1] + timedelta(minutes=2), full=True).alerts_opened == 0
