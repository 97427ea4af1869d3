"""The named scenarios hold what they promise: sizes, protocols, rates of labelled faults, harmless look-alikes."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from simulators.catalogue import SCENARIOS, fleet_of
from simulators.display import HOUR_US, micros
from simulators.faults import ALERT_KINDS, KINDS
from simulators.fleet import Fleet
from simulators.season import season
from simulators.series import fleet_series

DAY = timedelta(days=1)


def test_the_demo_speaks_every_protocol(demo_fleet: Fleet) -> None:
    spoken = Counter(meter.protocol for meter in demo_fleet.meters)
    assert len(demo_fleet.meters) >= 200
    assert spoken["mbus"] >= 100
    assert spoken["cjt188"] == 48
    assert spoken["modbus"] == 24
    assert spoken["wmbus"] == 24
    assert spoken["mqtt"] == 16
    assert spoken["dlt645"] == 6
    assert any(meter.key for meter in demo_fleet.meters)


def test_the_demos_faults_have_begun_within_two_weeks_and_last(demo_fleet: Fleet) -> None:
    names = {fault.name for fault in demo_fleet.faults}
    assert {"stopped_meter", "index_jump", "silent", "rubbish", "sensor_break", "swapped_sensors", "decrease"} <= names
    for fault in demo_fleet.faults:
        assert demo_fleet.origin - 14 * DAY <= fault.start < demo_fleet.origin
    assert "exchange" in {label.fault for label in demo_fleet.labels}


def test_the_demo_is_in_winter_whatever_the_date(demo_fleet: Fleet) -> None:
    assert demo_fleet.origin.month == 7
    for weather in demo_fleet.weather.values():
        assert weather.temperature_c.mean() < 0
        assert weather.heating.all()


def test_the_demo_grows_with_the_number_asked_for() -> None:
    origin = datetime(2026, 1, 5, tzinfo=UTC)
    assert len(fleet_of("demo", meters=330).meters) >= 330
    links = [
        (m.link.gateway, m.link.address)
        for m in fleet_of("demo", meters=330, start=origin).meters
        if m.protocol == "mbus" and m.removed_at is None
    ]
    assert len(set(links)) == len(links)


@pytest.mark.parametrize("name", ["demo", "chaos", "training"])
def test_every_link_names_a_gateway_and_every_point_an_area(name: str) -> None:
    fleet = fleet_of(name)
    gateways, areas = {gateway.code for gateway in fleet.gateways}, {area.code for area in fleet.areas}
    points = {point.code for point in fleet.points}
    assert len(points) == len(fleet.points)
    assert {meter.link.gateway for meter in fleet.meters if meter.removed_at is None} <= gateways
    assert {point.area for point in fleet.points} <= areas
    assert {meter.point for meter in fleet.meters} <= points
    assert {point.parent for point in fleet.points if point.parent} <= points
    assert len({meter.id.serial for meter in fleet.meters}) == len(fleet.meters)


def test_a_small_season_has_every_kind_and_more_look_alikes_than_faults(small_season: Fleet) -> None:
    kinds = Counter(label.kind for label in small_season.labels)
    assert set(ALERT_KINDS) <= set(kinds)
    assert kinds["none"] > sum(count for kind, count in kinds.items() if kind != "none")


def test_a_full_season_has_twenty_faults_a_kind_at_some_four_per_cent_of_the_meters() -> None:
    fleet = season(seed=1)
    kinds = Counter(label.kind for label in fleet.labels if label.fault != "gateway_outage")
    assert len(fleet.points) == 10_000
    for kind in ALERT_KINDS:
        assert 18 <= kinds[kind] <= 27, kind
    faulty = {label.serial for label in fleet.labels if label.kind != "none"}
    assert 0.03 < len(faulty) / len(fleet.meters) < 0.05
    used = {fault.name for fault in fleet.faults} | {label.fault for label in fleet.labels}
    assert used >= set(KINDS) - {"cold_snap", "network_outage", "wild_numbers"}
    assert all(area.outages and area.cold_snaps for area in fleet.areas)


def test_a_rich_season_has_ten_times_as_many() -> None:
    plain, rich = (fleet_of(name, meters=2000) for name in ("season", "season-rich"))
    count = [sum(label.kind != "none" for label in fleet.labels) for fleet in (plain, rich)]
    assert count[1] > 6 * count[0]


def test_a_meter_has_one_story_only(small_season: Fleet) -> None:
    told = Counter(label.serial for label in small_season.labels)
    assert max(told.values()) == 1


def test_labels_lie_inside_the_scenario(small_season: Fleet) -> None:
    for label in small_season.labels:
        assert small_season.start <= label.start < label.end <= small_season.end


def test_the_same_seed_gives_the_same_labels_and_another_other_ones() -> None:
    first, again, other = (season(seed=seed, meters=200).labels for seed in (4, 4, 5))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("days", "start"), [(30, datetime(2024, 9, 1, tzinfo=UTC)), (75, datetime(2025, 1, 1, tzinfo=UTC))]
)
def test_a_short_season_keeps_its_faults_inside(days: int, start: datetime) -> None:
    fleet = season(seed=8, meters=400, days=days, start=start)
    assert set(ALERT_KINDS) <= {label.kind for label in fleet.labels}
    assert all(fleet.start <= label.start < label.end <= fleet.end for label in fleet.labels)


def test_training_has_one_case_of_every_kind() -> None:
    labels = fleet_of("training").labels
    kinds = Counter(label.kind for label in labels if label.kind != "none")
    assert kinds == Counter(ALERT_KINDS)


def test_chaos_is_trouble_on_the_wire_alone() -> None:
    fleet = fleet_of("chaos")
    assert {label.kind for label in fleet.labels} <= {"comms_loss", "static", "garbage", "clock", "none"}
    assert len(fleet.labels) >= len(fleet.meters) // 3


@pytest.mark.parametrize(
    ("name", "meters", "days"),
    [("season", 100, 365), ("season", 200, 20), ("training", 20, 60), ("training", 60, 20), ("chaos", 10, 30)],
)
def test_a_scenario_refuses_to_be_too_small(name: str, meters: int, days: int) -> None:
    with pytest.raises(ValueError, match="at least"):
        fleet_of(name, meters=meters, days=days)


def test_scenario_names_are_those_of_the_command() -> None:
    assert set(SCENARIOS) == {"demo", "season", "season-rich", "chaos", "town", "training"}


def test_indexes_of_a_season_rise_and_the_off_season_of_harbin_rests() -> None:
    fleet = season(seed=6, meters=130)
    quiet = {meter.id.serial for meter in fleet.meters} - {label.serial for label in fleet.labels}
    climates = {area.code: area.climate for area in fleet.areas}
    july = micros(datetime(2025, 7, 1, tzinfo=UTC)), micros(datetime(2025, 8, 1, tzinfo=UTC))
    resting = rising = 0
    for block in fleet_series(fleet, step_us=6 * HOUR_US):
        for item in block:
            if item.meter.id.serial not in quiet:
                continue
            energy = item.counts["energy"]
            assert (np.diff(energy) >= 0).all()
            rising += int(energy[-1] > energy[0])
            inside = (item.times_us >= july[0]) & (item.times_us < july[1])
            # A leak in a flat runs through the building's own meter too.
            if climates[item.meter.area] != "copenhagen" and not item.meter.point.endswith("-00"):
                assert len(set(energy[inside].tolist())) == 1
                resting += 1
    assert rising == len(quiet)
    assert resting > 20
