"""The named scenarios hold what they promise: sizes, protocols, rates of labelled faults, harmless look-alikes."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from simulators.catalogue import SCENARIOS, fleet_of
from simulators.display import HOUR_US, micros
from simulators.faults import ALERT_KINDS, KINDS
from simulators.fleet import Fleet
from simulators.season import season
from simulators.season_drama import TURNS_OF_STATE
from simulators.series import fleet_series
from simulators.wanted import Display
from simulators.weather import weather_of

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
    assert used >= set(KINDS) - {"wild_numbers"}
    assert all(area.outages and area.cold_snaps for area in fleet.areas)


def test_a_rich_season_has_ten_times_as_many() -> None:
    plain, rich = (fleet_of(name, meters=2000) for name in ("season", "season-rich"))
    count = [sum(label.kind != "none" for label in fleet.labels) for fleet in (plain, rich)]
    assert count[1] > 6 * count[0]


def test_a_meter_has_one_story_only(small_season: Fleet) -> None:
    told = Counter(label.serial for label in small_season.labels if label.serial)
    assert max(told.values()) == 1


def test_labels_lie_inside_the_scenario(small_season: Fleet) -> None:
    for label in small_season.labels:
        assert small_season.start <= label.start < label.end <= small_season.end


def test_the_same_seed_gives_the_same_labels_and_another_other_ones() -> None:
    first, again, other = (season(seed=seed, meters=200).labels for seed in (4, 4, 5))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("days", "start", "hidden"),
    [
        # September: the networks of the north rest, and only where hot water is drawn a slow meter shows.
        (30, datetime(2024, 9, 1, tzinfo=UTC), set()),
        # January to mid-March: no network rests, so that no leak would show.
        (75, datetime(2025, 1, 1, tzinfo=UTC), {"leakage"}),
    ],
)
def test_a_short_season_keeps_to_the_faults_that_show_in_it(days: int, start: datetime, hidden: set[str]) -> None:
    fleet = season(seed=8, meters=400, days=days, start=start)
    assert set(ALERT_KINDS) - {label.kind for label in fleet.labels} == hidden
    assert all(fleet.start <= label.start < label.end <= fleet.end for label in fleet.labels)


def test_faults_of_the_heating_begin_while_it_heats_and_leaks_while_it_rests(small_season: Fleet) -> None:
    climates = {area.code: area.climate for area in small_season.areas}
    heating = {"stopped_meter", "slow_meter", "tamper", "bypass", "fouled_exchanger", "swapped_sensors", "stuck_valve"}
    for fault in small_season.faults:
        meter = small_season.meter(fault.serial)
        weather, supply = small_season.surroundings(meter.area)
        hour = int((fault.start - small_season.start) / timedelta(hours=1))
        if fault.name in heating:
            assert weather.heating[hour : hour + 20 * 24].all(), fault
        elif fault.name == "leakage":
            assert climates[meter.area] != "copenhagen"
            assert not supply.flowing[hour : hour + 14 * 24].any()


def test_a_summer_in_the_north_has_no_fault_that_only_heating_shows() -> None:
    wanted = {"days": 90, "start": datetime(2025, 5, 10, tzinfo=UTC), "climates": ("harbin",)}
    fleet = fleet_of("season", seed=2, meters=400, **wanted)  # type: ignore[arg-type]
    names = {label.fault for label in fleet.labels}
    assert {"leakage", "decrease", "sensor_break", "moves_out"} <= names
    assert not names & {"stopped_meter", "slow_meter", "bypass", "stuck_valve", "network_outage"}
    assert all(area.climate == "harbin" for area in fleet.areas)


def test_points_change_their_state_on_the_way_and_their_use_follows(small_season: Fleet) -> None:
    turns = [label for label in small_season.labels if label.fault in TURNS_OF_STATE]
    assert {label.fault for label in turns} == set(TURNS_OF_STATE)
    points = {point.code: point for point in small_season.points}
    for label in turns:
        before, after = TURNS_OF_STATE[label.fault]
        spells = points[label.point].spells
        assert label.kind == "none"
        assert (spells[-1].state, spells[-1].start) == (after, label.start)
        assert spells[-2].state == before
        meter = small_season.meter(label.serial)
        day = timedelta(days=1)
        shown = [
            meter.readout(at).counts["energy"] * float(meter.index.count_size("kWh"))
            for at in (label.start - 14 * day, label.start, label.start + 2 * day, label.start + 14 * day)
        ]
        used, later = shown[1] - shown[0], shown[3] - shown[2]
        assert (used > 3 * later + 1) if before == "active" else (later > 3 * used + 1), label


def test_a_network_outage_and_a_cold_snap_are_told_once_an_area(small_season: Fleet) -> None:
    events = [label for label in small_season.labels if not label.serial]
    assert Counter(label.fault for label in events) == {"network_outage": 3, "cold_snap": 3}
    for label in events:
        weather, supply = small_season.surroundings(label.point)
        hours = slice(*(int((at - small_season.start) / timedelta(hours=1)) for at in (label.start, label.end)))
        assert label.kind == "none"
        if label.fault == "network_outage":
            assert not supply.flowing[hours].any()
            assert supply.flowing[hours.stop : hours.stop + 24].all()
        else:
            usual = weather_of(weather.climate.name, small_season.start, small_season.hours, small_season.seed)
            colder = usual.temperature_c[hours] - weather.temperature_c[hours]
            assert colder == pytest.approx(label.magnitude, abs=1e-3)


def test_wishes_shape_a_season() -> None:
    wanted = {"climates": ("beijing", "copenhagen"), "display": Display.parse("10kWh,0.1m3"), "faults_per_kind": 0}
    fleet = fleet_of("season", meters=150, **wanted)  # type: ignore[arg-type]
    assert [area.climate for area in fleet.areas] == ["beijing", "copenhagen", "beijing"]
    assert {(m.index.unit, m.index.scale) for m in fleet.meters} == {("kWh", 1)}
    assert {m.model.register("volume").scale for m in fleet.meters} == {-1}
    assert not [label for label in fleet.labels if label.kind not in ("none", "comms_loss")]


@pytest.mark.parametrize(
    ("scenario", "wanted"),
    [
        ("season", {"climates": ("mars",)}),
        ("demo", {"climates": ("beijing",)}),
        ("chaos", {"faults_per_kind": 3}),
        ("training", {"climates": ("copenhagen",)}),
    ],
)
def test_a_wish_that_cannot_be_fulfilled_is_refused(scenario: str, wanted: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"climates|own|rests"):
        fleet_of(scenario, **wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "kWh kWh", "3kWh", "10m3", "1kWh,1kWh", "..kWh", "10"])
def test_a_display_is_a_power_of_ten_and_a_unit(text: str) -> None:
    with pytest.raises(ValueError, match=r"display|unit"):
        Display.parse(text)


def test_training_has_one_case_of_every_kind() -> None:
    labels = fleet_of("training").labels
    kinds = Counter(label.kind for label in labels if label.kind != "none")
    assert kinds == Counter(ALERT_KINDS)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_leak_of_a_training_runs_while_the_network_rests(seed: int) -> None:
    fleet = fleet_of("training", seed=seed)
    (leak,) = (label for label in fleet.labels if label.kind == "leakage")
    _, supply = fleet.surroundings("school")
    hour = int((leak.start - fleet.start) / timedelta(hours=1))
    assert not supply.flowing[hour:].any()
    assert leak.end - leak.start >= 10 * DAY
    meter = fleet.meter(leak.serial)
    shown = [meter.readout(leak.start + number * DAY).counts["volume"] for number in range(8)]
    assert all(after > before for before, after in pairwise(shown))


def test_every_meter_of_a_training_hangs_on_a_gateway_that_speaks_its_language() -> None:
    fleet = fleet_of("training")
    kinds = {gateway.code: gateway.kind for gateway in fleet.gateways}
    assert all(kinds[meter.link.gateway] == f"{meter.protocol}_tcp" for meter in fleet.meters)


def test_chaos_is_trouble_on_the_wire_alone() -> None:
    fleet = fleet_of("chaos")
    assert {label.kind for label in fleet.labels} <= {"comms_loss", "static", "garbage", "clock", "none"}
    assert len(fleet.labels) >= len(fleet.meters) // 3


@pytest.mark.parametrize(
    ("name", "meters", "days"),
    [("season", 100, 365), ("season", 200, 20), ("training", 20, 84), ("training", 60, 60), ("chaos", 10, 30)],
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
