"""A unit that changes is counted in its own, also by runs that load only the last days."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from compute.quality import Quality
from ingest.assessment.run import assess

Hours = Callable[[int, int], list[datetime]]
COUNT_J = 36_000
CHANGE, LAST = 24 * 20, 24 * 90
SUM = "SELECT sum(energy_j), bit_or(flags) FROM consumption WHERE known_to = 'infinity' AND resolution = %s"


def test_new_readings_long_after_a_change_are_still_counted_in_its_unit(
    fleet: Any, hours: Hours, start: datetime
) -> None:
    meter = fleet.add_meter("1", digits=10)
    fleet.install(fleet.add_point("P1"), meter["meter"], start - timedelta(days=1))
    times = hours(0, LAST + 1)
    counts = [(2_000_000 + 150 * n) * (1 if n < CHANGE else 10) for n in range(LAST + 1)]
    rows = list(zip(times, counts, strict=True))
    fleet.read(meter["energy"], rows[: CHANGE + 2])
    assess(fleet.url, now=times[CHANGE + 1] + timedelta(minutes=1))
    # Two readings do not prove a unit: the change is a hole that waits for a person.
    total, flags = fleet.rows(SUM, 1)[0]
    assert flags & int(Quality.UNIT)
    assert not flags & int(Quality.RESCALED)
    for until in (CHANGE + 30, CHANGE + 24 * 30, LAST + 1):
        known = int(fleet.rows("SELECT count(*) FROM reading")[0][0])
        fleet.read(meter["energy"], rows[known:until])
        assess(fleet.url, now=times[until - 1] + timedelta(minutes=1))
        total, flags = fleet.rows(SUM, 1)[0]
        assert total == 150 * (until - 1) * COUNT_J
        assert (flags & int(Quality.UNIT | Quality.FAILED), flags & int(Quality.RESCALED)) == (0, int(Quality.RESCALED))
    assert assess(fleet.url, now=times[-1] + timedelta(hours=1), full=True).changed == 0
    assert fleet.rows("SELECT kind, state FROM alert") == [("unit_error", "open")]
