"""Faults of valves, pipes, people and sensors: each shows in counts, in bytes where the wire tells, in labels."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from protocols import cjt188
from protocols.mbus.telegram import telegram_from_frame
from simulators import water
from simulators.display import HOUR_US, micros
from simulators.faults import KINDS
from simulators.fleet import Fleet
from simulators.fleet_builder import FleetBuilder
from simulators.meter import VirtualMeter
from simulators.series import MeterSeries, series_of

BEGIN = datetime(2025, 1, 18, 8, tzinfo=UTC)
DAY = timedelta(days=1)
EstateOf = Callable[..., Fleet]


def series(fleet: Fleet, point: str) -> MeterSeries:
    times = np.arange(micros(fleet.start), micros(fleet.end), HOUR_US)
    return series_of(fleet.meter_at(point), times)


def after(fleet: Fleet, values: NDArray[np.int64]) -> NDArray[np.int64]:
    return values[int((BEGIN - fleet.start) / timedelta(hours=1)) + 1 :]


def before(fleet: Fleet, values: NDArray[np.int64]) -> NDArray[np.int64]:
    return values[: int((BEGIN - fleet.start) / timedelta(hours=1))]


def with_fault(estate_of: EstateOf, name: str, magnitude: float | None = None, **estate: object) -> Fleet:
    point = "E-00" if name == "unmetered_tap" else "E-101"

    def prepare(builder: FleetBuilder) -> None:
        builder.fault(name, builder.meter_of(point).id.serial, BEGIN, magnitude=magnitude)

    fleet = estate_of(prepare, **estate)
    (label,) = fleet.labels
    assert (label.point, label.fault, label.kind) == (point, name, KINDS[name].label)
    assert (label.start, label.end) == (BEGIN, fleet.end)
    assert label.verdict
    return fleet


def daily(counts: NDArray[np.int64]) -> float:
    return float((counts[-1] - counts[0]) / (len(counts) - 1) * 24)


def volume_ratio(fleet: Fleet, healthy: Fleet) -> float:
    pair = [after(estate, series(estate, "E-101").counts["volume"]) for estate in (fleet, healthy)]
    return daily(pair[0]) / daily(pair[1])


def temperatures(fleet: Fleet, point: str = "E-101") -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    shown = series(fleet, point).counts
    return after(fleet, shown["supply_temperature"]) / 100.0, after(fleet, shown["return_temperature"]) / 100.0


def residual(fleet: Fleet, point: str = "E-101") -> float:
    """E / (k V ΔT) - 1 after the fault began, from what the display shows hour by hour."""
    shown = series(fleet, point).counts
    energy, volume = np.diff(after(fleet, shown["energy"])), np.diff(after(fleet, shown["volume"])) / 100.0
    supply, back = (values[:-1] for values in temperatures(fleet, point))
    flowing = (volume > 0) & (supply > back)
    expected = water.heat_coefficient(supply[flowing], back[flowing]) * volume[flowing] * (supply - back)[flowing]
    return float(energy.sum() / expected.sum() - 1.0)


def test_a_stopped_meter_counts_nothing_while_its_pipes_stay_warm(estate_of: EstateOf, healthy_estate: Fleet) -> None:
    fleet = with_fault(estate_of, "stopped_meter")
    counts = series(fleet, "E-101").counts
    assert len(set(after(fleet, counts["energy"]).tolist())) == 1
    assert len(set(after(fleet, counts["volume"]).tolist())) == 1
    assert after(fleet, counts["supply_temperature"]).mean() > 5000
    assert np.array_equal(
        before(fleet, counts["energy"]), before(fleet, series(healthy_estate, "E-101").counts["energy"])
    )
    frames = [fleet.meter_at("E-101").telegram_bytes(BEGIN + hours * timedelta(hours=1)) for hours in (2, 30)]
    energies = {telegram_from_frame(frame).records[0].value for frame in frames}
    assert len(energies) == 1


@pytest.mark.parametrize("name", ["slow_meter", "tamper", "stolen_heat"])
def test_a_meter_that_sees_a_share_of_the_flow_counts_a_share(
    estate_of: EstateOf, healthy_estate: Fleet, name: str
) -> None:
    fleet = with_fault(estate_of, name, 0.2)
    assert volume_ratio(fleet, healthy_estate) == pytest.approx(0.2, abs=0.01)
    master = [daily(after(estate, series(estate, "E-00").counts["energy"])) for estate in (fleet, healthy_estate)]
    assert master[0] == pytest.approx(master[1], abs=0.5)  # the building's own meter still sees all of it


def test_a_stuck_valve_heats_without_end(estate_of: EstateOf, healthy_estate: Fleet) -> None:
    fleet = with_fault(estate_of, "stuck_valve")
    energy = [daily(after(estate, series(estate, "E-101").counts["energy"])) for estate in (fleet, healthy_estate)]
    assert energy[0] > 1.25 * energy[1]
    assert daily(after(fleet, series(fleet, "E-00").counts["energy"])) > daily(
        after(healthy_estate, series(healthy_estate, "E-00").counts["energy"])
    )


@pytest.mark.parametrize(("name", "state"), [("use_while_suspended", "suspended"), ("use_while_vacant", "vacant")])
def test_use_of_a_shut_flat_shows(estate_of: EstateOf, name: str, state: str) -> None:
    def prepare(builder: FleetBuilder) -> None:
        builder.state("E-101", state, builder.start - 30 * DAY)
        builder.fault(name, builder.meter_of("E-101").id.serial, BEGIN)

    fleet = estate_of(prepare, climate="harbin")
    counts = series(fleet, "E-101").counts["energy"]
    assert len(set(before(fleet, counts).tolist())) == 1
    assert daily(after(fleet, counts)) > 10
    assert fleet.points[0].state == state
    assert fleet.labels[0].kind == "use_while_inactive"


def test_a_leak_runs_through_the_night_when_the_heating_is_off(estate_of: EstateOf) -> None:
    summer = datetime(2025, 6, 1, tzinfo=UTC)

    def prepare(builder: FleetBuilder) -> None:
        builder.fault("leakage", builder.meter_of("E-101").id.serial, summer + 10 * DAY, magnitude=0.08)

    fleet = estate_of(prepare, climate="harbin", held_day=None, start=summer)
    counts = series(fleet, "E-101").counts
    hourly = np.diff(counts["volume"])
    assert not hourly[: 10 * 24].any()
    qp = fleet.meter_at("E-101").qp_m3h
    assert hourly[10 * 24 + 1 :].min() > max(2, 100 * 0.005 * qp)
    assert counts["energy"][-1] - counts["energy"][10 * 24] <= 12
    assert fleet.labels[0].kind == "leakage"


def test_an_open_bypass_warms_the_return_and_wastes_flow(estate_of: EstateOf, healthy_estate: Fleet) -> None:
    fleet = with_fault(estate_of, "bypass")
    assert volume_ratio(fleet, healthy_estate) > 3.0
    assert temperatures(fleet)[1].mean() > temperatures(healthy_estate)[1].mean() + 10


def test_a_fouled_exchanger_cools_badly_and_gives_the_same_heat(estate_of: EstateOf, healthy_estate: Fleet) -> None:
    fleet = with_fault(estate_of, "fouled_exchanger")
    supply, back = temperatures(fleet)
    assert np.percentile(supply - back, 95) < 7.0
    energy = [daily(after(estate, series(estate, "E-101").counts["energy"])) for estate in (fleet, healthy_estate)]
    assert energy[0] == pytest.approx(energy[1], rel=0.01)


def test_an_unmetered_tap_opens_the_buildings_balance(estate_of: EstateOf, healthy_estate: Fleet) -> None:
    fleet = with_fault(estate_of, "unmetered_tap", 0.4)
    master = [daily(after(estate, series(estate, "E-00").counts["energy"])) for estate in (fleet, healthy_estate)]
    assert master[0] == pytest.approx(1.4 * master[1], rel=0.01)
    assert np.array_equal(series(fleet, "E-101").counts["energy"], series(healthy_estate, "E-101").counts["energy"])


def test_swapped_sensors_show_a_return_warmer_than_the_supply_and_no_heat(
    estate_of: EstateOf, healthy_estate: Fleet
) -> None:
    fleet = with_fault(estate_of, "swapped_sensors")
    supply, back = temperatures(fleet)
    usual = temperatures(healthy_estate)
    assert np.array_equal(supply, usual[1])
    assert np.array_equal(back, usual[0])
    shown = series(fleet, "E-101").counts
    assert len(set(after(fleet, shown["energy"]).tolist())) == 1
    assert np.diff(after(fleet, shown["volume"])).sum() > 0
    records = telegram_from_frame(fleet.meter_at("E-101").telegram_bytes(BEGIN + DAY)).records
    difference = next(record.value for record in records if record.quantity == "temperature_difference")
    assert float(str(difference)) < 0


@pytest.mark.parametrize(("magnitude", "sentinel"), [(0.0, 0), (1.0, 18500)])
def test_a_broken_sensor_shows_its_sentinel_and_raises_the_info_code(
    estate_of: EstateOf, magnitude: float, sentinel: int
) -> None:
    fleet = with_fault(estate_of, "sensor_break", magnitude)
    shown = series(fleet, "E-101")
    temperature = [after(fleet, shown.counts[name]) for name in ("supply_temperature", "return_temperature")]
    assert any((values == sentinel).all() for values in temperature)
    assert not np.diff(after(fleet, shown.counts["energy"])).any()
    assert not after(fleet, shown.counts["flow"]).any()
    assert after(fleet, shown.info).all()
    telegram = telegram_from_frame(fleet.meter_at("E-101").telegram_bytes(BEGIN + DAY))
    assert telegram.status == 0x08
    assert telegram.records[-1].value in (8, 16)


def test_a_broken_sensor_shows_in_the_status_of_a_cj_t_188_meter(estate_of: EstateOf) -> None:
    def prepare(builder: FleetBuilder) -> None:
        builder.fault("sensor_break", builder.meter_of("E-103").id.serial, BEGIN, magnitude=1.0)

    meter = estate_of(prepare).meter_at("E-103")
    assert cjt188.telegram_from_frame(meter.telegram_bytes(BEGIN - DAY)).status == 0
    assert cjt188.telegram_from_frame(meter.telegram_bytes(BEGIN + DAY)).status in (0x02, 0x04)


def test_a_drifted_sensor_stands_out_from_its_neighbours(estate_of: EstateOf, healthy_estate: Fleet) -> None:
    fleet = with_fault(estate_of, "sensor_drift", 10.0)
    assert temperatures(fleet)[0].mean() == pytest.approx(temperatures(healthy_estate)[0].mean() + 10, abs=0.02)
    assert temperatures(fleet, "E-104")[0].mean() == pytest.approx(temperatures(healthy_estate)[0].mean(), abs=4)


def test_air_in_the_flow_sensor_blinds_it_now_and_then_and_says_so(estate_of: EstateOf, healthy_estate: Fleet) -> None:
    fleet = with_fault(estate_of, "air", 0.6)
    assert 0.2 < volume_ratio(fleet, healthy_estate) < 0.6
    info = after(fleet, series(fleet, "E-101").info)
    assert 0.5 < (info > 0).mean() < 0.7


def test_a_wrong_pulse_factor_breaks_energy_against_volume(estate_of: EstateOf, healthy_estate: Fleet) -> None:
    assert abs(residual(healthy_estate)) < 0.02
    assert residual(with_fault(estate_of, "wrong_pulse_factor", 1.5)) == pytest.approx(0.5, abs=0.02)


def test_a_wrong_mounting_side_is_a_per_cent_or_two(estate_of: EstateOf, healthy_estate: Fleet) -> None:
    shift = residual(with_fault(estate_of, "wrong_mounting_side")) - residual(healthy_estate)
    assert -0.03 < shift < -0.008


def test_a_meter_that_falls_behind_loses_hours_and_heat(estate_of: EstateOf) -> None:
    def prepare(builder: FleetBuilder) -> None:
        builder.fault("fell_behind", builder.meter_of("E-102").id.serial, BEGIN, magnitude=0.3)

    fleet = estate_of(prepare)
    hours = series(fleet, "E-102").counts["operating_time"]
    assert before(fleet, hours)[-1] - hours[0] == len(before(fleet, hours)) - 1
    lost = len(after(fleet, hours)) - 1 - (after(fleet, hours)[-1] - after(fleet, hours)[0])
    assert 0.1 < lost / len(after(fleet, hours)) < 0.5
    assert fleet.labels[0].kind == "behind"


@pytest.mark.parametrize(("name", "less"), [("vacancy", 0.02), ("holiday", 0.9)])
def test_an_empty_flat_takes_less_and_is_no_fault(
    estate_of: EstateOf, healthy_estate: Fleet, name: str, less: float
) -> None:
    fleet = with_fault(estate_of, name)
    energy = [daily(after(estate, series(estate, "E-101").counts["energy"])) for estate in (fleet, healthy_estate)]
    assert energy[0] < less * energy[1]
    assert fleet.labels[0].kind == "none"


def test_another_thermostat_setting_is_no_fault(estate_of: EstateOf, healthy_estate: Fleet) -> None:
    fleet = with_fault(estate_of, "thermostat_change", -2.0)
    energy = [daily(after(estate, series(estate, "E-101").counts["energy"])) for estate in (fleet, healthy_estate)]
    assert 0.4 * energy[1] < energy[0] < 0.97 * energy[1]


def meter_named(fleet: Fleet, serial: str) -> VirtualMeter:
    return fleet.meter(serial)


def test_crossed_meters_measure_each_others_flats(estate_of: EstateOf) -> None:
    def prepare(builder: FleetBuilder) -> None:
        builder.state("E-104", "suspended", builder.start - 30 * DAY)
        builder.cross(builder.meter_of("E-101"), builder.meter_of("E-104"))

    fleet = estate_of(prepare, climate="harbin")
    counted = {point: series(fleet, point).counts["energy"] for point in ("E-101", "E-104")}
    assert daily(counted["E-101"]) == 0
    assert daily(counted["E-104"]) > 10
    assert {(label.point, label.kind) for label in fleet.labels} == {
        ("E-101", "zero_use"),
        ("E-104", "use_while_inactive"),
    }
