"""Silence of an imported history is judged at the history's own end, and stays open until the meter is heard again."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from ingest.assessment.run import assess

Hours = Callable[[int, int], list[datetime]]
ALERT = "SELECT state, from_ts, to_ts FROM alert WHERE kind = 'comms_loss'"
YEARS = timedelta(days=700)


def history(
    fleet: Any, hours: Hours, start: datetime, *, silent_from: int, silent_to: int, last: int
) -> dict[str, int]:
    """Two meters, one of which says nothing for a while; the registers of that one."""
    registers: dict[str, int] = {}
    for number, gap in (("1", (0, 0)), ("2", (silent_from, silent_to))):
        registers = fleet.add_meter(number)
        fleet.install(fleet.add_point(f"P{number}"), registers["meter"], start - timedelta(days=1))
        rows = [(time, 40 * n) for n, time in enumerate(hours(0, last)) if not gap[0] <= n < gap[1]]
        fleet.read(registers["energy"], rows)
    return registers


def test_a_meter_that_is_silent_at_the_end_of_an_import_has_an_open_alert(
    fleet: Any, hours: Hours, start: datetime
) -> None:
    history(fleet, hours, start, silent_from=300, silent_to=480, last=480)
    assess(fleet.url, now=start + YEARS)
    last_heard, midnight = start + timedelta(hours=299), start + timedelta(hours=456)
    assert fleet.rows(ALERT) == [("open", last_heard, midnight)]
    assert assess(fleet.url, now=start + YEARS, full=True).alerts_closed == 0


def test_judged_at_an_instant_nothing_later_is_known(fleet: Any, hours: Hours, start: datetime) -> None:
    history(fleet, hours, start, silent_from=300, silent_to=400, last=480)
    assess(fleet.url, now=start + timedelta(hours=390))
    assert [row[0] for row in fleet.rows(ALERT)] == ["open"]


def test_a_gap_that_ended_long_before_the_end_is_closed_of_itself(fleet: Any, hours: Hours, start: datetime) -> None:
    history(fleet, hours, start, silent_from=200, silent_to=300, last=480)
    assess(fleet.url, now=start + YEARS)
    assert [row[0] for row in fleet.rows(ALERT)] == ["resolved"]
    noticed = fleet.rows("SELECT details ->> 'noticed_at' FROM finding WHERE kind = 'comms_loss'")
    assert [datetime.fromisoformat(row[0]) for row in noticed] == [start + timedelta(hours=199 + 30)]
