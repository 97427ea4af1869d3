"""Validation over days: registers that must move together, sizes, distances of readings, long estimation."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute import engine
from compute.days import Points, unknown_points
from compute.findings import Finding, Severity
from compute.reference.totals import off_grid_of
from compute.rules import RuleSet
from compute.scene import Inputs, Scene
from compute.series import grid, index_series, no_index, no_samples
from compute.validation.interval_size import off_grid

HOUR = 3_600_000_000
START = 1_767_571_200_000_000
DAYS = 40
HOURS = 24 * DAYS
GRID = grid(START + HOUR * np.arange(HOURS + 1), START + 24 * HOUR * np.arange(DAYS + 1))


def _points(count: int = 1) -> Points:
    points = unknown_points(count)
    points.energy_step_kwh[:], points.volume_step_m3[:] = 1.0, 0.01
    points.qp_m3h[:], points.qs_m3h[:] = 1.5, 3.0
    points.cadence_us[:] = HOUR
    return points


@pytest.fixture
def found() -> Callable[..., list[Finding]]:
    """Findings of one rule over hourly energy (kWh) and volume (10 litres) of one point."""

    def run(rule: str, energy: Any, volume: Any = None, *, now: int | None = None, **more: Any) -> list[Finding]:
        points = more.pop("points", _points())
        times = more.pop("times", GRID.hours)
        stop = more.pop("stop", len(times))

        def index(steps: Any, numerator: int) -> Any:
            if steps is None:
                return no_index(1)
            counts = 10_000 + np.concatenate(([0], np.cumsum(steps)))[:stop]
            return index_series(times[:stop], counts, [0, stop], numerator=numerator)

        weather = np.full((1, HOURS), 0.0, np.float32)
        silent, nothing = no_samples(1), no_index(1)
        inputs = Inputs(
            GRID, points, weather, index(energy, 3_600_000), index(volume, 10_000), silent, silent, silent, nothing,
            more.pop("supply_sum", nothing), more.pop("return_sum", nothing),
        )  # fmt: skip
        scene = Scene(GRID, points, np.zeros((1, DAYS), np.int8), weather, now or int(GRID.hours[-1]))
        sets = {0: RuleSet(0, more.pop("settings", {}))}
        order = [item for item in engine.ORDER if item.name == rule]
        return list(engine.run(scene, inputs, order=order, rule_sets=sets).findings)

    return run


def test_energy_without_flow_is_a_fault_of_a_sensor(found: Any) -> None:
    energy = np.full(HOURS, 3)
    dry = np.where(np.arange(HOURS) < 24 * 30, 6, 0)
    (finding,) = found("siblings", energy, dry)
    assert (finding.rule, finding.severity) == ("H5", Severity.CRITICAL)
    assert finding.from_us == START + 24 * 30 * HOUR
    assert finding.energy_at_stake_kwh == pytest.approx(10 * 72, abs=3)
    assert found("siblings", energy, np.full(HOURS, 6)) == []


def test_a_volume_display_too_coarse_to_move_is_no_fault(found: Any) -> None:
    points = _points()
    points.volume_step_m3[:] = 10.0
    assert found("siblings", np.full(HOURS, 3), np.zeros(HOURS, np.int64), points=points) == []


def test_a_meter_too_small_or_too_large_is_noted_and_wakes_nobody(found: Any) -> None:
    small = np.full(HOURS, 50)
    small[24 * 20 :] = 350
    (finding,) = found("size", np.full(HOURS, 9), small)
    assert (finding.rule, finding.severity, finding.expected_high) == ("H11", Severity.INFO, 3.0)
    (finding,) = found("size", np.full(HOURS, 2), np.full(HOURS, 2))
    assert (finding.observed, finding.expected_low) == (pytest.approx(0.02), pytest.approx(0.03))
    assert found("size", np.full(HOURS, 9), np.full(HOURS, 60)) == []


def test_uneven_readings_are_noted_and_a_missed_slot_is_not(found: Any) -> None:
    odd = GRID.hours.copy()
    odd[1:-1:2] += HOUR // 3
    (finding,) = found("interval_size", np.full(HOURS, 2), times=odd)
    assert (finding.rule, finding.severity) == ("V5", Severity.INFO)
    assert found("interval_size", np.full(HOURS, 2)) == []
    some = np.delete(GRID.hours, np.arange(5, HOURS, 7))
    assert found("interval_size", np.full(len(some) - 1, 2), times=some) == []


def test_two_weeks_of_silence_ask_for_a_work_order(found: Any) -> None:
    stop = 24 * 20
    # Another meter of the fleet is read to the end.
    points, counts = _points(2), 10_000 + 2 * np.arange(HOURS + 1)
    times = np.concatenate((GRID.hours[:stop], GRID.hours))
    energy = index_series(times, np.concatenate((counts[:stop], counts)), [0, stop, len(times)], numerator=3_600_000)
    weather, silent, nothing = np.zeros((1, HOURS), np.float32), no_samples(2), no_index(2)
    inputs = Inputs(GRID, points, weather, energy, nothing, silent, silent, silent, nothing, nothing, nothing)
    scene = Scene(GRID, points, np.zeros((2, DAYS), np.int8), weather, int(GRID.hours[-1]))
    order = [item for item in engine.ORDER if item.name == "long_estimation"]
    (finding,) = engine.run(scene, inputs, order=order).findings
    assert (finding.point, finding.rule) == (0, "V19")
    assert finding.observed == pytest.approx((HOURS - stop + 1) / 24 / 7)
    assert (
        engine.run(scene, inputs, order=order, rule_sets={0: RuleSet(0, {"long_estimation": {"periods": 3}})}).findings
        == ()
    )


def test_energy_is_checked_against_the_meters_own_sums(found: Any) -> None:
    # 60 and 40 °C: k = 1.152 at the return; 20 K on 0.2 m3/h are 4.6 kWh, 8 % less are counted.
    hours = np.arange(HOURS + 1)
    sums = [index_series(GRID.hours, degrees * 2 * hours, [0, HOURS + 1], numerator=100_000) for degrees in (60, 40)]
    points = _points()
    points.energy_step_kwh[:] = 0.01

    def counted(share: float) -> Any:
        return np.diff(np.floor(share * 4.608 * hours).astype(np.int64))

    (finding,) = found(
        "heat_sums", counted(0.92), np.full(HOURS, 20), supply_sum=sums[0], return_sum=sums[1], points=points
    )
    assert finding.rule == "H1"
    assert finding.observed == pytest.approx(-8.0, abs=1.0)
    good = found("heat_sums", counted(1.0), np.full(HOURS, 20), supply_sum=sums[0], return_sum=sums[1], points=points)
    assert good == []


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 60 * 24 * 4), max_size=60), st.sampled_from([0, 15, 60, 1440]), st.integers(0, 24 * 60))
def test_odd_distances_are_counted_as_by_hand(minutes: list[int], cadence_min: int, shift: int) -> None:
    times = np.sort(np.array(minutes, np.int64)) * 60_000_000 + START
    bounds = START + shift * 60_000_000 + 24 * HOUR * np.arange(4)
    out = np.full(3, 7, np.int32)
    off_grid(times, cadence_min * 60_000_000, bounds, out)
    assert out.tolist() == off_grid_of(times.tolist(), cadence_min * 60_000_000, bounds.tolist())
