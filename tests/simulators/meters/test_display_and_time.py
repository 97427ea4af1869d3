"""A virtual meter shows whole counts, depends on nothing but seed and time, and keeps its word after a restart."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from simulators.display import HOUR_US, micros
from simulators.fleet import Fleet
from simulators.scenarios import DEMO_HISTORY, demo

HOUR = timedelta(hours=1)


def test_counts_are_the_floor_of_the_trace_in_display_steps(healthy_estate: Fleet) -> None:
    meter = healthy_estate.meter_at("E-103")  # 0.01 kWh
    times = np.arange(micros(healthy_estate.start), micros(healthy_estate.end) - HOUR_US, HOUR_US)
    counts = meter.counts_at(times)["energy"]
    true = meter.first_index_kwh + healthy_estate.trace(0).energy_kwh[meter.row][: len(times)]
    assert counts.dtype == np.int64
    assert (np.abs(counts - true * 100) <= 1.0 + 1e-6).all()
    assert (np.diff(counts) >= 0).all()


def test_within_an_hour_the_index_rises_steadily(healthy_estate: Fleet) -> None:
    meter = healthy_estate.meter_at("E-103")
    begin = healthy_estate.start + 100 * HOUR
    minutes = [meter.readout(begin + timedelta(minutes=10 * step)).counts["energy"] for step in range(7)]
    assert minutes == sorted(minutes)
    assert max(np.diff(minutes)) - min(np.diff(minutes)) <= 1


def test_a_restart_and_a_longer_horizon_change_no_byte(demo_fleet: Fleet) -> None:
    again = demo(seed=1, origin=demo_fleet.origin)
    far = again.end + timedelta(days=20)
    again.reach(far)
    for number in range(0, len(demo_fleet.meters), 9):
        meter, twin = demo_fleet.meters[number], again.meters[number]
        for hours in (-300, -1, 0, 5, 200):
            at = demo_fleet.origin + hours * HOUR + timedelta(minutes=7)
            assert meter.telegram_bytes(at) == twin.telegram_bytes(at)
    assert again.meters[3].telegram_bytes(far)


def test_history_and_single_reads_give_the_same_bytes(demo_fleet: Fleet) -> None:
    for meter in demo_fleet.meters[::23]:
        told = dict(demo_fleet.history(meter, demo_fleet.origin - 30 * HOUR, demo_fleet.origin))
        for at in (demo_fleet.origin - 30 * HOUR, demo_fleet.origin - 3 * HOUR):
            assert told.get(at, b"") == meter.telegram_bytes(at)


def test_another_seed_is_another_fleet(demo_fleet: Fleet) -> None:
    other = demo(seed=2, origin=demo_fleet.origin)
    assert {meter.id.serial for meter in other.meters}.isdisjoint({meter.id.serial for meter in demo_fleet.meters})


def test_history_covers_two_weeks_at_hourly_steps(demo_fleet: Fleet) -> None:
    meter = demo_fleet.meter_at("DL1-101")
    told = list(demo_fleet.history(meter, demo_fleet.origin - DEMO_HISTORY, demo_fleet.origin))
    assert len(told) == 15 * 24
    assert told[0][0] == demo_fleet.origin - DEMO_HISTORY
    assert len({payload for _, payload in told}) == len(told)


def test_month_ends_never_rise_into_the_past(healthy_estate: Fleet) -> None:
    meter = healthy_estate.meter_at("E-102")
    ends = meter.history_counts(healthy_estate.start + timedelta(days=12), 12)
    assert [moment.day for moment, _ in ends] == [1] * 12
    counts = [count for _, count in ends]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] <= meter.readout(healthy_estate.start + timedelta(days=12)).counts["energy"]
    assert counts[-1] > 0


def test_the_display_rolls_over_and_goes_on(estate_of: Callable[..., Fleet]) -> None:
    begin = datetime(2025, 1, 16, 9, tzinfo=UTC)
    fleet = estate_of(lambda builder: builder.fault("rollover", builder.meter_of("E-101").id.serial, begin))
    meter = fleet.meter_at("E-101")
    counts = [meter.readout(begin + step * HOUR).counts["energy"] for step in range(-30, 30)]
    capacity = meter.index.capacity
    assert capacity == 10**8
    assert counts[0] > 0.95 * capacity
    assert counts[-1] < 500
    wrapped = np.diff(counts) % capacity
    healthy = estate_of().meter_at("E-101")
    usual = np.diff([healthy.readout(begin + step * HOUR).counts["energy"] for step in range(-30, 30)])
    assert wrapped.tolist() == usual.tolist()


def test_a_meter_says_nothing_before_it_is_installed_and_after_it_is_gone(estate_of: Callable[..., Fleet]) -> None:
    at = datetime(2025, 1, 18, 6, tzinfo=UTC)
    fleet = estate_of(lambda builder: builder.exchange(builder.meter_of("E-101"), at))
    old, new = (meter for meter in fleet.meters if meter.point == "E-101")
    assert old.telegram_bytes(at - HOUR)
    assert not old.telegram_bytes(at)
    assert not new.telegram_bytes(at - HOUR)
    assert new.readout(at).counts["energy"] == 0
    used = old.readout(at).counts["energy"] - old.readout(at - 24 * HOUR).counts["energy"]
    assert new.readout(at + 24 * HOUR).counts["energy"] == pytest.approx(used, rel=0.6)


def test_months_later_the_demo_still_answers_and_it_is_still_winter(demo_fleet: Fleet) -> None:
    fleet = demo(seed=1, origin=demo_fleet.origin)
    at = fleet.origin + timedelta(days=75)
    assert fleet.meter_at("DL1-101").telegram_bytes(at)
    assert fleet.weather["daoli"].temperature_c[-24 * 14 :].mean() < -8.0
