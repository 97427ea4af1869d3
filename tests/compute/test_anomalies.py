"""Detectors on a small town of days made by hand: what must be told, and what must not.

Twelve flats of two houses over 150 days whose use follows the degree days exactly, but for a little noise; each test
changes what it is about.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from compute.anomalies import (
    balance,
    comms_loss,
    factor_error,
    jump,
    leakage,
    low_use,
    neighbours,
    sensor_fault,
    static,
    swapped_sensors,
    undercooling,
    zero,
)
from compute.days import Days, Points, unknown_points
from compute.findings import Finding, Kind, Severity
from compute.incidents import causes
from compute.kernels.signatures import block_expectations
from compute.quality import Quality
from compute.signature import temperature_drop
from compute.view import EMPTY

DAY = 86_400_000_000
START = 1_727_712_000_000_000  # 2024-10-01 00:00 in Shanghai
FLATS, LENGTH = 12, 150
Make = Callable[..., Days]


def points(**more: Any) -> Points:
    """Twelve flats of two houses in one area."""
    known = {
        "energy_step_kwh": np.full(FLATS, 1.0), "volume_step_m3": np.full(FLATS, 0.01), "qp_m3h": np.full(FLATS, 1.0),
        "heated_area_m2": np.full(FLATS, 100.0), "design_load_kw": np.full(FLATS, 5.0),
        "building": np.repeat([0, 1], FLATS // 2),
    }  # fmt: skip
    return dataclasses.replace(unknown_points(FLATS), **(known | more))


@pytest.fixture
def days() -> Make:
    """Days with the given changes: arrays by name, or `use`: a factor (p, d) on energy, `flow` on volume."""

    def make(*, use: Any = 1.0, flow: Any = 1.0, places: Points | None = None, **changes: Any) -> Days:
        rng = np.random.default_rng(5)
        shape, own = (FLATS, LENGTH), places or points()
        hdd = 12.0 + 6.0 * np.sin(np.arange(LENGTH) / 9.0) + np.zeros(shape)
        values: dict[str, Any] = {name: np.full(shape, value, kind) for name, (kind, value) in EMPTY.items()}
        base = 4.0 * hdd * rng.normal(1.0, 0.05, shape)
        values["energy_kwh"] = base * use
        values["volume_m3"] = base / (1.15 * 25.0) * flow
        values["complete"] = values["usable"] = np.ones(shape, np.bool_)
        values |= {"known_h": np.full(shape, 24, np.int16), "shaped_h": np.full(shape, 24, np.int16)}
        values |= {"supply_c": rng.normal(60, 2, (1, LENGTH)) + rng.normal(0, 0.3, shape)}
        values["return_c"] = values["supply_c"] - 25.0
        values |= {name: np.zeros(shape, np.float32) for name in ("reversed_h", "broken_h", "static_h", "idle_h")}
        values |= changes
        energy, usable = values["energy_kwh"], values["usable"]
        season = values.pop("in_season", np.ones(shape, np.bool_))
        expected, sigma = np.empty(shape), np.empty(shape)
        bounds = START + DAY * np.arange(LENGTH + 1)
        block_expectations(
            np.nan_to_num(energy), hdd, usable & np.isfinite(energy), season, bounds[:-1] // DAY,
            np.maximum(own.energy_step_kwh, 1e-6), expected, sigma,
        )  # fmt: skip
        drop = temperature_drop(energy, values["volume_m3"], values["complete"], own)
        return Days(
            bounds=bounds, now_us=int(bounds[-1]), points=own, state=np.zeros(shape, np.int8), hdd_k=hdd,
            load_kwh=np.full(shape, np.nan), peer_kwh=np.full(shape, np.nan), in_season=season,
            last_us=values.pop("last_us", np.full(FLATS, bounds[-1])), expected_kwh=expected, sigma_kwh=sigma,
            common=np.ones(shape), drop_k=drop.drop_k, area_drop_k=drop.area_drop_k, usual_drop=drop.usual_drop,
            **values,
        )  # fmt: skip

    return make


def factor(value: float, first: int, last: int = LENGTH, row: int = 3) -> np.ndarray[Any, Any]:
    """A factor of one flat from a day on."""
    result = np.ones((FLATS, LENGTH))
    result[row, first:last] = value
    return result


def told(found: list[Finding], days: Days) -> list[tuple[int, int]]:
    """(flat, day of the first occurrence) of findings, each flat once; every figure must be explained."""
    for item in found:
        assert item.from_us < item.noticed_us <= item.to_us + 30 * DAY
        assert np.isfinite([item.observed, item.expected_low, item.expected_high, item.energy_at_stake_kwh]).all()
        assert 0 < item.confidence <= 1
    first: dict[int, int] = {}
    for item in found:
        day = int(np.searchsorted(days.bounds, item.from_us, side="right")) - 1
        first[item.point] = min(day, first.get(item.point, day))
    return sorted(first.items())


def test_a_quiet_town_raises_nothing(days: Make) -> None:
    town = days()
    for rule, limits in (
        (jump, jump.Jump()), (low_use, low_use.LowUse()), (zero, zero.ZeroUse()), (static, static.Static()),
        (undercooling, undercooling.Undercooling()), (neighbours, neighbours.Neighbours()),
        (factor_error, factor_error.FactorError()), (sensor_fault, sensor_fault.SensorFault()),
        (swapped_sensors, swapped_sensors.SwappedSensors()), (comms_loss, comms_loss.CommsLoss()),
        (leakage, leakage.Leakage()), (balance, balance.Balance()),
    ):  # fmt: skip
        assert rule.detect(town, limits) == [], rule.__name__  # type: ignore[attr-defined]


def test_use_that_doubles_is_a_jump_on_the_second_day(days: Make) -> None:
    town = days(use=factor(2.0, 118))
    found = jump.detect(town, jump.Jump())
    assert told(found, town) == [(3, 118)]
    assert found[0].noticed_us == town.bounds[120]


def test_one_warm_evening_is_no_jump_but_an_index_that_leaps_is(days: Make) -> None:
    assert jump.detect(days(use=factor(2.0, 100, 101)), jump.Jump()) == []
    town = days(use=factor(12.0, 100, 101))
    assert told(jump.detect(town, jump.Jump()), town) == [(3, 100)]


def test_what_the_whole_house_uses_more_is_no_jump(days: Make) -> None:
    use = np.ones((FLATS, LENGTH))
    use[:6, 100:103] = 2.0
    assert jump.detect(days(use=use), jump.Jump()) == []


def test_a_signature_that_never_saw_the_season_does_not_judge(days: Make) -> None:
    assert jump.detect(days(use=factor(2.0, 20, 26)), jump.Jump()) == []


def test_a_shift_that_no_day_shows_adds_up(days: Make) -> None:
    town = days(use=factor(1.45, 90))
    assert [flat for flat, _ in told(jump.detect(town, jump.Jump()), town)] == [3]


def test_estimated_days_are_not_judged(days: Make) -> None:
    marked = np.zeros((FLATS, LENGTH), np.int32)
    marked[3] = int(Quality.ESTIMATED)
    usable = marked == 0
    assert jump.detect(days(use=factor(3.0, 100), energy_bits=marked, usable=usable), jump.Jump()) == []
    low = np.full((FLATS, LENGTH), 1.0)
    low[3] = 0.1
    assert neighbours.detect(days(use=low, energy_bits=marked, usable=usable), neighbours.Neighbours()) == []
    assert low_use.detect(days(use=factor(0.1, 90), energy_bits=marked, usable=usable), low_use.LowUse()) == []


def test_a_worn_sensor_is_low_use_and_a_cooler_holiday_is_not(days: Make) -> None:
    town = days(use=factor(0.2, 90))
    assert told(low_use.detect(town, low_use.LowUse()), town) == [(3, 90)]
    assert low_use.detect(days(use=factor(0.6, 90, 104)), low_use.LowUse()) == []


def test_a_third_of_the_use_is_a_holiday_for_two_weeks_and_a_fault_for_three(days: Make) -> None:
    assert low_use.detect(days(use=factor(0.31, 90, 104)), low_use.LowUse()) == []
    town = days(use=factor(0.31, 90, 114))
    assert told(low_use.detect(town, low_use.LowUse()), town) == [(3, 90)]


def test_what_neighbours_use_tells_of_a_stopped_meter_later_than_its_own_habits(days: Make) -> None:
    def stopped(day_count: int, *, known: bool) -> Days:
        energy, run = days().energy_kwh, np.zeros((FLATS, LENGTH), np.float32)
        energy[3, 90 : 90 + day_count] = 0.0
        run[3, 90 : 90 + day_count] = 24.0 * (1 + np.arange(day_count))
        town = days(energy_kwh=energy, zero_run_h=run)
        nothing = np.full((FLATS, LENGTH), np.nan)
        unknown = {"expected_kwh": nothing, "sigma_kwh": nothing, "peer_kwh": np.full((FLATS, LENGTH), 11.0)}
        return town if known else dataclasses.replace(town, **unknown)

    for town, flats in (
        (stopped(1, known=True), [3]), (stopped(1, known=False), []), (stopped(2, known=False), [3]),
    ):  # fmt: skip
        assert [flat for flat, _ in told(zero.detect(town, zero.ZeroUse()), town)] == flats


def test_daily_temperatures_at_the_end_of_scale_are_a_broken_sensor(days: Make) -> None:
    supply, ends = days().supply_c.copy(), np.zeros((FLATS, LENGTH), np.float32)
    supply[3, 60:], ends[3, 60:] = np.nan, 1.0
    supply[4, 60], ends[4, 60] = np.nan, 1.0
    town = days(supply_c=supply, broken_h=ends)
    found = sensor_fault.detect(town, sensor_fault.SensorFault())
    assert [(item.point, item.rule) for item in found] == [(3, "H7")]


def test_less_than_the_house_from_the_first_day_is_neighbours_and_later_is_not(days: Make) -> None:
    town = days(use=factor(0.2, 0))
    assert told(neighbours.detect(town, neighbours.Neighbours()), town) == [(3, 0)]
    assert neighbours.detect(days(use=factor(0.2, 90)), neighbours.Neighbours()) == []


def test_flow_without_energy_needs_a_display_that_could_show_it(days: Make) -> None:
    energy = days().energy_kwh
    energy[3, 80:90] = 0.0
    town = days(energy_kwh=energy)
    assert told(sensor_fault.detect(town, sensor_fault.SensorFault()), town) == [(3, 80)]
    coarse = points(energy_step_kwh=np.full(FLATS, 100.0))
    assert sensor_fault.detect(days(energy_kwh=energy, places=coarse), sensor_fault.SensorFault()) == []


def test_daily_readings_show_swapped_sensors_and_frozen_displays(days: Make) -> None:
    sparse = {name: np.full((FLATS, LENGTH), np.nan, np.float32) for name in ("idle_h", "static_h", "balance_kwh")}
    town = days()
    supply, back = town.supply_c.copy(), town.return_c.copy()
    supply[3, 60:], back[3, 60:] = town.return_c[3, 60:], town.supply_c[3, 60:]
    swapped = days(supply_c=supply, return_c=back, **sparse)
    assert told(swapped_sensors.detect(swapped, swapped_sensors.SwappedSensors()), swapped) == [(3, 60)]
    supply, back = town.supply_c.copy(), town.return_c.copy()
    supply[4, 60:], back[4, 60:] = supply[4, 60], back[4, 60]
    frozen = days(supply_c=supply, return_c=back, **sparse)
    assert told(static.detect(frozen, static.Static()), frozen) == [(4, 60)]


def test_daily_readings_show_a_wrong_factor_by_the_points_own_balance(days: Make) -> None:
    town = days(use=factor(1.8, 90), balance_kwh=np.zeros((FLATS, LENGTH), np.float32))
    flats = [flat for flat, _ in told(factor_error.detect(town, factor_error.FactorError()), town)]
    assert flats == [3]
    # Twice the heat from twice the water is a cold room, not a wrong factor.
    both = days(use=factor(1.8, 90), flow=factor(1.8, 90), balance_kwh=np.zeros((FLATS, LENGTH), np.float32))
    assert factor_error.detect(both, factor_error.FactorError()) == []


def test_an_open_bypass_is_undercooling(days: Make) -> None:
    town = days(flow=factor(6.0, 90))
    found = undercooling.detect(town, undercooling.Undercooling())
    assert told(found, town) == [(3, 90)]
    assert found[0].severity is Severity.CRITICAL


def test_a_missed_daily_reading_is_no_silence_and_three_are(days: Make) -> None:
    def gap(missed: int) -> Days:
        bits = np.zeros((FLATS, LENGTH), np.int32)
        # A reading at eight that is missing leaves the days on both sides estimated, too.
        bits[3, 60 : 60 + missed + 2] = int(Quality.ESTIMATED)
        last = np.full(FLATS, START + (LENGTH - 1) * DAY + DAY // 3)
        return days(energy_bits=bits, shaped_h=np.zeros((FLATS, LENGTH), np.int16), last_us=last)

    assert comms_loss.detect(gap(1), comms_loss.CommsLoss()) == []
    assert comms_loss.detect(gap(2), comms_loss.CommsLoss()) == []
    town = gap(3)
    assert [flat for flat, _ in told(comms_loss.detect(town, comms_loss.CommsLoss()), town)] == [3]


def test_silence_at_the_end_of_the_data_lasts_to_its_end(days: Make) -> None:
    last = np.full(FLATS, START + LENGTH * DAY)
    last[3] -= 9 * DAY
    town = dataclasses.replace(days(last_us=last), now_us=START + 900 * DAY)
    found = comms_loss.detect(town, comms_loss.CommsLoss())
    assert [(item.point, item.from_us, item.to_us) for item in found] == [(3, int(last[3]), int(town.bounds[-1]))]


def test_circulating_hot_water_is_no_leak_and_a_drip_is(days: Make) -> None:
    drips = water(60)
    quiet = summer(days(lowest_m3=drips, volume_m3=24.0 * drips + 0.2, in_season=RESTING))
    assert told(leakage.detect(quiet, leakage.Leakage()), quiet) == [(3, 60)]
    runs = water(0)
    always = summer(days(lowest_m3=runs, volume_m3=24.0 * runs + 0.2, in_season=RESTING))
    assert leakage.detect(always, leakage.Leakage()) == []


def test_heating_on_a_cool_summer_day_is_no_leak(days: Make) -> None:
    runs = water(60)
    cool = summer(days(lowest_m3=runs, volume_m3=24.0 * runs * 1.8, in_season=RESTING))
    assert leakage.detect(cool, leakage.Leakage()) == []


def test_water_that_runs_while_a_cold_network_rests_is_a_leak_by_the_hour_and_by_the_day(days: Make) -> None:
    drips = water(60)
    still = {"volume_m3": 24.0 * drips, "in_season": RESTING}
    for lowest in (drips, np.full(drips.shape, np.nan, np.float32)):
        cold = days(energy_kwh=np.zeros(drips.shape), lowest_m3=lowest, **still)
        assert told(leakage.detect(cold, leakage.Leakage()), cold) == [(3, 60)]
    heats = days(lowest_m3=drips, **still)
    assert leakage.detect(heats, leakage.Leakage()) == []


RESTING = np.zeros((FLATS, LENGTH), np.bool_)


def water(first: int) -> Any:
    """Lowest hourly volumes of a drip at one flat from a day on."""
    lowest = np.zeros((FLATS, LENGTH), np.float32)
    lowest[3, first:] = 0.06
    return lowest


def summer(town: Days) -> Days:
    """The same days, warm."""
    return dataclasses.replace(town, hdd_k=np.zeros((FLATS, LENGTH)))


def finding(kind: Kind, first: int, last: int, severity: Severity = Severity.WARNING, point: int = 0) -> Finding:
    return Finding(point, kind, "r", severity, START + first * DAY, START + last * DAY, 1.0, 0.0, 0.0, "kWh", 10.0)


def kinds(*found: Finding) -> set[Kind]:
    return {item.kind for item in causes(found, np.array([-1]))}


def test_a_doubtful_reading_in_a_long_silence_was_read_by_eye() -> None:
    silence = finding(Kind.COMMS_LOSS, 10, 60)
    assert kinds(silence, finding(Kind.GARBAGE, 10, 16)) == {Kind.COMMS_LOSS}
    assert kinds(finding(Kind.COMMS_LOSS, 10, 12), finding(Kind.GARBAGE, 10, 13)) == {Kind.GARBAGE}


def test_the_first_of_bypass_and_leak_is_the_cause() -> None:
    winter, summer = finding(Kind.UNDERCOOLING, 10, 60), finding(Kind.LEAKAGE, 100, 120)
    assert kinds(winter, summer) == {Kind.UNDERCOOLING}


def test_one_leap_of_an_index_explains_the_sums_and_a_factor_explains_the_rise() -> None:
    leap, wrong = finding(Kind.JUMP, 30, 31, Severity.CRITICAL), finding(Kind.FACTOR_ERROR, 10, 40)
    assert kinds(leap, wrong) == {Kind.JUMP}
    assert kinds(finding(Kind.JUMP, 30, 40), finding(Kind.FACTOR_ERROR, 30, 40)) == {Kind.FACTOR_ERROR}
