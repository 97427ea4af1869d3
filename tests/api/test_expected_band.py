"""The band that the weather lets one expect: from the point's own days before, and never from its outliers."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from api.alerts.expectation import band_of
from compute.quality import Quality
from ingest.store.evidence import Series

START = datetime(2026, 1, 1, 16, tzinfo=UTC)
DAYS = 90


def town(days=DAYS, *, use=lambda hdd: 5.0 + 2.0 * hdd):
    """Days of a point whose use follows the cold exactly, and the hourly weather behind them."""
    cold = 4.0 + 6.0 * np.sin(np.arange(days) / 5.0)
    starts = [START + timedelta(days=day) for day in range(days)]
    hours = [START + timedelta(hours=hour) for hour in range(24 * days)]
    outside = Series("outside", "°C", hours, np.repeat(cold, 24).tolist())
    return {"start_at": starts, "energy_kwh": [use(18.0 - c) for c in cold], "flags": [0] * days}, outside


def test_a_point_that_follows_the_weather_lies_within_its_band():
    days, outside = town()
    found = band_of(days, outside, [])
    assert found["start_at"][-1] == days["start_at"][-1]
    assert len(found["start_at"]) > 60
    used = dict(zip(days["start_at"], days["energy_kwh"], strict=True))
    for day, low, high in zip(*found.values(), strict=True):
        assert low <= used[day] <= high
        assert high - low < 0.4 * used[day]


def test_a_day_of_garbage_moves_the_band_of_no_other_day():
    days, outside = town()
    quiet = band_of(days, outside, [])
    days["energy_kwh"][60], days["flags"][60] = 9_999.0, int(Quality.GARBAGE)
    again = band_of(days, outside, [])
    assert again["start_at"] == quiet["start_at"]
    for name in ("low", "high"):  # one day less to learn from, not another line
        assert again[name] == pytest.approx(quiet[name], rel=0.02)


def test_nothing_is_learnt_from_days_on_which_the_heating_was_suspended():
    days, outside = town()
    assert band_of(days, outside, [(None, None)])["start_at"] == []
    until = START + timedelta(days=60)
    assert band_of(days, outside, [(None, until)])["start_at"][0] >= until + timedelta(days=14)


def test_without_weather_or_with_few_days_there_is_no_band():
    days, outside = town(10)
    assert band_of(days, outside, [])["start_at"] == []
    days, outside = town()
    late = Series("outside", "°C", [time + timedelta(days=400) for time in outside.times], outside.values)
    assert band_of(days, late, [])["start_at"] == []


def test_days_that_are_missing_and_a_change_of_the_clocks_keep_the_calendar():
    days, outside = town()
    moved = [day - timedelta(hours=1) if at >= 50 else day for at, day in enumerate(days["start_at"])]
    kept = [at for at in range(DAYS) if at not in (30, 31, 32)]
    gappy = {
        "start_at": [moved[at] for at in kept],
        "energy_kwh": [days["energy_kwh"][at] for at in kept],
        "flags": [0] * len(kept),
    }
    found = band_of(gappy, outside, [])
    assert set(found["start_at"]) >= set(moved[50:])
