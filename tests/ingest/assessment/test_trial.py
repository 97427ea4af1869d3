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


def test_estimates_without_an_index_take_part(fleet: Any, hours: Hours, start: datetime) -> None:
    """Five flats; the first one's meter dies for six days and is exchanged, so that its neighbours fill the hole."""
    times, died, exchanged = hours(0, 24 * 40), 24 * 30, 24 * 36
    for number in range(5):
        point, meter = fleet.add_point(f"P{number}", building="B1", heated_area_m2=80), fleet.add_meter(str(number))
        swap = start + timedelta(hours=exchanged) if number == 0 else None
        fleet.install(point, meter["meter"], start - timedelta(days=1), swap)
        stop = len(times) if number else died + 1
        fleet.read(meter["energy"], [(time, 100 * n) for n, time in enumerate(times[:stop])])
        if swap is not None:
            fresh = fleet.add_meter("new")
            fleet.install(point, fresh["meter"], swap)
            fleet.read(fresh["energy"], [(time, 100 * n) for n, time in enumerate(times[exchanged:])])
    now = times[-1] + timedelta(minutes=1)
    assess(fleet.url, now=now)
    before = fleet.rows("SELECT count(*), sum(energy_j), max(version) FROM consumption")
    same = try_rules(fleet.url, {"beyond": {"fit_days": 50}}, now=now)
    assert (same.consumption_changed, same.bills_changed, same.moved_kwh) == (0, 0, 0.0)
    for settings in ({"neighbours": 9}, {"least_h": 500}):
        trial = try_rules(fleet.url, {"beyond": settings}, now=now)
        assert trial.hours == same.hours
        assert (trial.consumption_changed, trial.moved_kwh) == (exchanged - died, pytest.approx(exchanged - died))
        (bill,) = [one for one in trial.bill_changes if one.period == "2026-02"]
        assert bill.before_kwh is not None
        assert bill.after_kwh is not None
        assert bill.before_kwh > bill.after_kwh
    assert fleet.rows("SELECT count(*), sum(energy_j), max(version) FROM consumption") == before


def test_a_threshold_that_does_not_exist_is_refused(fleet: Any, start: datetime) -> None:
    with pytest.raises(RuleError, match="no such threshold"):
        try_rules(fleet.url, {"zero_use": {"warn": 5}}, now=start)
