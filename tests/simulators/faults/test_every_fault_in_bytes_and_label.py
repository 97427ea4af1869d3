"""Each entry of the fault catalogue, one by one: the wire says what a healthy twin's wire does not, from the instant
that the label names, and the label says what a perfect reviewer would decide.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from simulators.faults import KINDS, Layer
from simulators.fleet import Fleet
from simulators.fleet_builder import FleetBuilder
from simulators.meter import VirtualMeter
from simulators.mqtt_fleet import RadioMeter

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WINTER = datetime(2025, 1, 6, tzinfo=UTC)
SUMMER = datetime(2025, 6, 1, tzinfo=UTC)
EstateOf = Callable[..., Fleet]
Prepare = Callable[[FleetBuilder], None]

# What cannot be told by one meter's own telegrams, or needs more than `FleetBuilder.fault`.
OF_MESSAGES = {"duplicates", "backfill"}
OF_AREAS = {"cold_snap", "network_outage"}
OF_PLANS = {name for name, kind in KINDS.items() if kind.layer is Layer.PLAN and name != "rollover"}
USE_OF_SHUT_POINTS = {"use_while_suspended": "suspended", "use_while_vacant": "vacant"}
PARTNERED = {"desynchronised", "collision"}
JSON_ONLY = {"wild_numbers"}
AT_MASTERS = {"unmetered_tap"}
WITH_HOURS = {"fell_behind"}
ORDINARY = sorted(set(KINDS) - OF_MESSAGES - OF_AREAS - OF_PLANS)


def sits_at(name: str) -> str:
    return "E-00" if name in AT_MASTERS else "E-102" if name in WITH_HOURS else "E-101"


def estates(estate_of: EstateOf, name: str, act: Prepare | None = None) -> tuple[VirtualMeter, VirtualMeter, Fleet]:
    """The faulty meter, its healthy twin, the faulty fleet."""
    start = SUMMER if name == "leakage" else WINTER
    begin = start + 12 * DAY
    wish: dict[str, object] = {"climate": "harbin", "start": start, "held_day": None}
    if name in JSON_ONLY:
        wish["models"] = ("json", "json", "json")

    def surroundings(builder: FleetBuilder) -> None:
        if name in USE_OF_SHUT_POINTS:
            builder.state("E-101", USE_OF_SHUT_POINTS[name], start - 30 * DAY)

    def prepare(builder: FleetBuilder) -> None:
        surroundings(builder)
        if act is not None:
            act(builder)
            return
        partner = builder.meter_of("E-104").id.serial if name in PARTNERED else ""
        builder.fault(name, builder.meter_of(sits_at(name)).id.serial, begin, begin + 8 * DAY, partner=partner)

    faulty, healthy = estate_of(prepare, **wish), estate_of(surroundings, **wish)
    return faulty.meter_at(sits_at(name)), healthy.meter_at(sits_at(name)), faulty


@pytest.mark.parametrize("name", ORDINARY)
def test_the_wire_differs_from_a_healthy_twins_within_the_label(estate_of: EstateOf, name: str) -> None:
    meter, twin, fleet = estates(estate_of, name)
    (label,) = fleet.labels
    kind = KINDS[name]
    assert (label.serial, label.point, label.fault) == (meter.id.serial, meter.point, name)
    assert (label.kind, label.verdict) == (kind.label, kind.verdict)
    low, high = sorted(kind.magnitude)
    assert low - 0.001 <= label.magnitude <= high + 0.001
    before = [label.start - hours * HOUR for hours in (1, 25, 49)]
    if name == "rollover":  # the whole life of the index is another
        shown = [meter.readout(at).counts["energy"] for at in (label.start - HOUR, label.start + DAY)]
        assert shown[0] > shown[1]
    else:
        assert [meter.telegram_bytes(at) for at in before] == [twin.telegram_bytes(at) for at in before]
    within = [label.start + hours * HOUR for hours in range(1, 190)]
    within = [at for at in within if at < label.end]
    differing = sum(meter.telegram_bytes(at) != twin.telegram_bytes(at) for at in within)
    assert differing >= len(within) // 50 + 1
    again = estates(estate_of, name)[0]
    assert [again.telegram_bytes(at) for at in within[:5]] == [meter.telegram_bytes(at) for at in within[:5]]


@pytest.mark.parametrize("name", sorted(OF_MESSAGES))
def test_messages_of_a_radio_meter_differ_and_its_telegrams_do_not(estate_of: EstateOf, name: str) -> None:
    meter, twin, fleet = estates(estate_of, name)
    (label,) = fleet.labels
    assert (label.kind, label.verdict) == ("none", KINDS[name].verdict)
    times = [label.start + hours * HOUR for hours in range(-3, 200)]
    assert list(meter.telegrams(times)) == list(twin.telegrams(times))
    meter.link.settings["topic"] = twin.link.settings["topic"] = "estate/101"
    faulty, healthy = RadioMeter(meter), RadioMeter(twin)
    brought = [[len(list(radio(at))) for at in times] for radio in (faulty, healthy)]
    assert brought[1] == [1] * len(times)
    inside = sum(label.start <= at < label.end for at in times)
    assert sum(brought[0]) == len(times) + (inside if name == "duplicates" else 0)
    assert brought[0].count(0) == (inside if name == "backfill" else 0)


@pytest.mark.parametrize("name", sorted(OF_AREAS))
def test_what_happens_to_an_area_shows_at_every_meter_and_is_told_once(estate_of: EstateOf, name: str) -> None:
    begin, end = WINTER + 12 * DAY, WINTER + 14 * DAY

    def act(builder: FleetBuilder) -> None:
        if name == "cold_snap":
            builder.cold_snap("estate", begin, end, 10.0)
        else:
            builder.outage("estate", begin, end)

    _, twin, fleet = estates(estate_of, name, act)
    (label,) = fleet.labels
    assert (label.serial, label.point, label.kind, label.fault) == ("", "estate", "none", name)
    assert (label.start, label.end) == (begin, end)
    for other in fleet.meters:
        healthy = twin.fleet.meter(other.id.serial)
        assert other.telegram_bytes(begin - HOUR) == healthy.telegram_bytes(begin - HOUR)
        used = [
            m.readout(end).counts[m.index.name] - m.readout(begin + 6 * HOUR).counts[m.index.name]
            for m in (other, healthy)
        ]
        assert used[0] > 1.15 * used[1] if name == "cold_snap" else used[0] == 0


def test_plans_have_tests_of_their_own() -> None:
    assert {
        "exchange", "exchange_without_paperwork", "crossed_wires", "moves_out", "moves_in", "suspends", "resumes",
    } == OF_PLANS  # fmt: skip


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("moves_out", "active", "vacant"),
        ("moves_in", "vacant", "active"),
        ("suspends", "active", "suspended"),
        ("resumes", "suspended", "active"),
    ],
)
def test_a_change_of_state_closes_or_opens_the_valve(estate_of: EstateOf, name: str, before: str, after: str) -> None:
    begin = WINTER + 12 * DAY
    act: Prepare = lambda builder: builder.turn(builder.meter_of("E-101"), name, before, after, begin)  # noqa: E731
    meter, _, fleet = estates(estate_of, name, act)
    (label,) = fleet.labels
    assert (label.kind, label.fault, label.start, label.end) == ("none", name, begin, fleet.end)
    point = next(point for point in fleet.points if point.code == "E-101")
    assert [spell.state for spell in point.spells][-2:] == [before, after]
    days = [meter.readout(begin + number * DAY).counts["energy"] for number in range(-6, 8)]
    used = [later - earlier for earlier, later in pairwise(days)]
    open_days = used[:6] if before == "active" else used[8:]
    shut_days = used[8:] if before == "active" else used[:6]
    assert min(open_days) > 10 * max(*shut_days, 1)
    assert meter.telegram_bytes(begin - DAY) != meter.telegram_bytes(begin + DAY)


def test_an_exchange_shows_in_both_meters_and_a_mix_up_in_both_flats(estate_of: EstateOf) -> None:
    begin = WINTER + 12 * DAY
    _, _, fleet = estates(estate_of, "exchange", lambda b: b.exchange(b.meter_of("E-101"), begin) and None)
    old, new = sorted((m for m in fleet.meters if m.point == "E-101"), key=lambda m: m.installed_at)
    assert (old.telegram_bytes(begin), new.telegram_bytes(begin - HOUR)) == (b"", b"")
    assert old.telegram_bytes(begin - HOUR)
    assert new.telegram_bytes(begin + HOUR)
    assert {label.serial for label in fleet.labels} == {old.id.serial, new.id.serial}

    def act(builder: FleetBuilder) -> None:
        builder.state("E-104", "suspended", WINTER - 30 * DAY)
        builder.cross(builder.meter_of("E-101"), builder.meter_of("E-104"))

    meter, twin, fleet = estates(estate_of, "crossed_wires", act)
    assert {label.kind for label in fleet.labels} == {"zero_use", "use_while_inactive"}
    assert meter.telegram_bytes(begin) != twin.telegram_bytes(begin)


def test_two_meters_at_once_are_the_and_of_both_with_a_bit_slipped(estate_of: EstateOf) -> None:
    meter, twin, fleet = estates(estate_of, "collision")
    at = fleet.labels[0].start + HOUR
    heard, own = meter.telegram_bytes(at), twin.telegram_bytes(at)
    other = twin.fleet.meter_at("E-104").telegram_bytes(at)
    assert len(heard) == max(len(own), len(other))
    both = bytes(a & b for a, b in zip(own, other, strict=False))
    wrong = sum((a ^ b).bit_count() for a, b in zip(heard, both, strict=False))
    assert wrong <= 1
