"""A meter that is not read for too long sends somebody there; what is only noted wakes nobody."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from ingest.assessment.run import assess

Hours = Callable[[int, int], list[datetime]]


def test_long_estimation_becomes_a_field_check_order_once(fleet: Any, hours: Hours, start: datetime) -> None:
    times = hours(0, 24 * 40)
    for number in range(4):
        meter = fleet.add_meter(str(number))
        fleet.install(fleet.add_point(f"P{number}", heated_area_m2=80), meter["meter"], start - timedelta(days=1))
        stop = 24 * 20 if number == 0 else len(times)
        fleet.read(meter["energy"], [(time, 60 * n) for n, time in enumerate(times[:stop])])
    now = times[-1] + timedelta(minutes=1)
    assess(fleet.url, now=now)
    query = "SELECT code, alert.kind, state, due_at FROM alert JOIN metering_point USING (point_id)"
    assert fleet.rows(query) == [("P0", "comms_loss", "field_check", now + timedelta(days=5))]
    events = "SELECT action, actor, from_state, to_state FROM alert_event ORDER BY event_id"
    ordered = ("field_check", "engine", "open", "field_check")
    assert fleet.rows(events) == [("open", "engine", "none", "open"), ordered]
    # A technician who has been there decides; the engine does not order again what somebody has taken in hand.
    assess(fleet.url, now=now + timedelta(minutes=1), full=True)
    assert len(fleet.rows(events)) == 2


def test_what_is_only_noted_raises_no_alert(fleet: Any, hours: Hours, start: datetime) -> None:
    meter = fleet.add_meter("1", qp=100.0)
    fleet.install(fleet.add_point("P1"), meter["meter"], start - timedelta(days=1))
    times = hours(0, 24 * 40)
    fleet.read(meter["energy"], [(time, 60 * n) for n, time in enumerate(times)])
    fleet.read(meter["volume"], [(time, 20 * n) for n, time in enumerate(times)])
    assess(fleet.url, now=times[-1] + timedelta(minutes=1))
    assert fleet.rows("SELECT kind, rule, severity, alert_id FROM finding") == [("size", "H11", "info", None)]
    assert fleet.rows("SELECT count(*) FROM alert") == [(0,)]
