"""Rules are tried on history without writing anything."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from compute.rules import RuleError
from ingest.assessment.run import assess
from ingest.assessment.trial import try_rules

Hours = Callable[[int, int], list[datetime]]


def test_other_thresholds_show_what_they_would_find(fleet: Any, hours: Hours, start: datetime) -> None:
    times = hours(0, 24 * 40)
    for number in range(6):
        meter = fleet.add_meter(str(number))
        fleet.install(fleet.add_point(f"P{number}", heated_area_m2=80), meter["meter"], start - timedelta(days=1))
        stop = 24 * 34 if number == 0 else len(times)
        fleet.read(meter["energy"], [(time, 60 * min(n, stop)) for n, time in enumerate(times)])
    now = times[-1] + timedelta(minutes=1)
    assess(fleet.url, now=now)
    before = fleet.rows("SELECT count(*) FROM finding"), fleet.rows("SELECT count(*) FROM consumption")
    trial = try_rules(fleet.url, {"zero_use": {"warn_h": 500.0, "fail_h": 600.0}}, now=now)
    assert (trial.points, trial.gained, trial.lost) == (6, 0, 1)
    assert trial.hours > 6 * 900
    assert trial.bills == 12
    assert trial.before == {"zero_use": 1}
    assert trial.after == {}
    assert (trial.consumption_changed, trial.bills_changed) == (0, 0)
    assert before == (fleet.rows("SELECT count(*) FROM finding"), fleet.rows("SELECT count(*) FROM consumption"))


def test_a_threshold_that_does_not_exist_is_refused(fleet: Any, start: datetime) -> None:
    with pytest.raises(RuleError, match="no such threshold"):
        try_rules(fleet.url, {"zero_use": {"warn": 5}}, now=start)
