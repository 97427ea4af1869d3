"""Faults of registers, clocks and lines: each shows in the bytes or in what arrives, and in the label."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from protocols import cjt188
from protocols.errors import ProtocolError
from protocols.mbus.telegram import telegram_from_frame
from simulators.display import HOUR_US, micros
from simulators.faults import ALERT_KINDS, HARMLESS, KINDS, Fault
from simulators.fleet import Fleet
from simulators.fleet_builder import FleetBuilder
from simulators.meter import VirtualMeter
from simulators.series import series_of

BEGIN = datetime(2025, 1, 18, 8, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
EstateOf = Callable[..., Fleet]
KINDS_OF_THE_SCORECARD = {
    "zero_use", "low_use", "jump", "static", "leakage", "undercooling", "swapped_sensors", "sensor_fault", "unit_error",
    "factor_error", "behind", "use_while_inactive", "neighbours", "balance", "decrease", "garbage", "comms_loss",
    "clock",
}  # fmt: skip


def faulty(
    estate_of: EstateOf, name: str, magnitude: float | None = None, *, end: datetime | None = None,
    point: str = "E-101", partner_point: str = "",
) -> VirtualMeter:  # fmt: skip
    def prepare(builder: FleetBuilder) -> None:
        partner = builder.meter_of(partner_point).id.serial if partner_point else ""
        builder.fault(name, builder.meter_of(point).id.serial, BEGIN, end, magnitude, partner=partner)

    fleet = estate_of(prepare)
    (label,) = fleet.labels
    assert (label.point, label.kind, label.fault) == (point, KINDS[name].label, name)
    assert label.start == BEGIN
    return fleet.meter_at(point)


def index_in_bytes(meter: VirtualMeter, at: datetime) -> float:
    """The index in kWh as an M-Bus frame carries it."""
    record = telegram_from_frame(meter.telegram_bytes(at)).records[0]
    assert record.quantity == "energy"
    return float(str(record.value)) / 1000.0


def test_the_catalogue_covers_every_alert_kind_and_every_entry_says_what_to_do() -> None:
    assert set(ALERT_KINDS) == KINDS_OF_THE_SCORECARD
    assert len(HARMLESS) >= 10
    assert all(kind.verdict for kind in KINDS.values())


def test_a_fault_of_an_unknown_name_or_an_empty_window_is_refused() -> None:
    with pytest.raises(ValueError, match="no fault is named"):
        Fault("gremlins", "1", BEGIN, BEGIN + DAY)
    with pytest.raises(ValueError, match="window"):
        Fault("silent", "1", BEGIN, BEGIN)


@pytest.mark.parametrize(("name", "factor"), [("wrong_decimal", 10.0), ("unit_change", 3.6), ("thousandfold", 1000.0)])
def test_a_unit_fault_multiplies_the_index_on_the_wire(
    estate_of: EstateOf, healthy_estate: Fleet, name: str, factor: float
) -> None:
    meter, twin = faulty(estate_of, name), healthy_estate.meter_at("E-101")
    assert index_in_bytes(meter, BEGIN - HOUR) == index_in_bytes(twin, BEGIN - HOUR)
    for hours in (1, 50):
        shown, usual = index_in_bytes(meter, BEGIN + hours * HOUR), index_in_bytes(twin, BEGIN + hours * HOUR)
        assert shown == pytest.approx(usual * factor, abs=1)


def test_an_index_jump_and_a_decrease_stay_until_somebody_acts(estate_of: EstateOf, healthy_estate: Fleet) -> None:
    twin = healthy_estate.meter_at("E-101")
    for name, step in (("index_jump", 500.0), ("decrease", -500.0)):
        meter = faulty(estate_of, name, 500.0)
        assert index_in_bytes(meter, BEGIN - HOUR) == index_in_bytes(twin, BEGIN - HOUR)
        for hours in (0, 100):
            assert index_in_bytes(meter, BEGIN + hours * HOUR) - index_in_bytes(twin, BEGIN + hours * HOUR) == step


def test_a_reset_begins_again_at_zero(estate_of: EstateOf) -> None:
    meter = faulty(estate_of, "reset")
    assert index_in_bytes(meter, BEGIN - HOUR) > 100
    assert index_in_bytes(meter, BEGIN) == 0
    assert index_in_bytes(meter, BEGIN + 2 * DAY) > 10


def test_a_transient_dip_recovers(estate_of: EstateOf, healthy_estate: Fleet) -> None:
    meter, twin = (
        faulty(estate_of, "transient_dip", 50.0, end=BEGIN + timedelta(minutes=20)),
        healthy_estate.meter_at("E-101"),
    )
    assert index_in_bytes(meter, BEGIN) == index_in_bytes(twin, BEGIN) - 50
    assert index_in_bytes(meter, BEGIN + timedelta(minutes=25)) == index_in_bytes(twin, BEGIN + timedelta(minutes=25))


def test_garbage_is_impossible_for_a_while_and_then_gone(estate_of: EstateOf, healthy_estate: Fleet) -> None:
    meter, twin = faulty(estate_of, "transient_garbage", 0.5, end=BEGIN + 2 * DAY), healthy_estate.meter_at("E-101")
    hours = [BEGIN + number * HOUR for number in range(48)]
    wrong = sum(index_in_bytes(meter, at) != index_in_bytes(twin, at) for at in hours)
    assert 14 <= wrong <= 34
    assert index_in_bytes(meter, BEGIN + 2 * DAY) == index_in_bytes(twin, BEGIN + 2 * DAY)


def test_jitter_is_one_step_of_the_last_digit(estate_of: EstateOf, healthy_estate: Fleet) -> None:
    meter, twin = faulty(estate_of, "jitter", 0.3), healthy_estate.meter_at("E-101")
    steps = {
        index_in_bytes(meter, BEGIN + number * HOUR) - index_in_bytes(twin, BEGIN + number * HOUR)
        for number in range(60)
    }
    assert steps == {0.0, -1.0}


def test_a_static_display_repeats_its_momentary_values_while_the_index_runs(estate_of: EstateOf) -> None:
    meter = faulty(estate_of, "static_display")
    telegrams = [telegram_from_frame(meter.telegram_bytes(BEGIN + hours * HOUR)) for hours in range(1, 30)]
    for quantity in ("flow", "power", "supply_temperature", "return_temperature"):
        assert len({r.value for t in telegrams for r in t.records if r.quantity == quantity}) == 1
    assert len({t.records[0].value for t in telegrams}) > 15


def test_clock_faults_show_in_the_meters_own_time(estate_of: EstateOf) -> None:
    def clock(meter: VirtualMeter, at: datetime) -> datetime:
        telegram = telegram_from_frame(meter.telegram_bytes(at))
        return datetime.fromisoformat(next(str(r.value) for r in telegram.records if r.quantity == "datetime"))

    at = BEGIN + 10 * DAY
    local = (at + HOUR).replace(tzinfo=None)
    usual = faulty(estate_of, "low_battery")
    assert abs((clock(usual, at) - local).total_seconds()) <= 90
    drifted = faulty(estate_of, "clock_drift", 300.0)
    assert (clock(drifted, at) - local).total_seconds() == pytest.approx(3000, abs=90)
    fallen = faulty(estate_of, "clock_reset")
    assert clock(fallen, BEGIN) == datetime(2000, 1, 1)  # noqa: DTZ001 - a meter's clock has no zone
    assert clock(fallen, at).date() == datetime(2000, 1, 11).date()  # noqa: DTZ001


def test_a_low_battery_shows_in_the_status_byte_and_is_harmless(estate_of: EstateOf) -> None:
    meter = faulty(estate_of, "low_battery")
    assert telegram_from_frame(meter.telegram_bytes(BEGIN - HOUR)).status == 0
    assert telegram_from_frame(meter.telegram_bytes(BEGIN)).status == 0x04
    chinese = faulty(estate_of, "low_battery", point="E-103")
    assert cjt188.telegram_from_frame(chinese.telegram_bytes(BEGIN)).status == 0x0400


@pytest.mark.parametrize("name", ["silent", "gateway_outage", "hand_estimates", "gap"])
def test_a_silent_meter_sends_nothing_for_the_time_being(estate_of: EstateOf, healthy_estate: Fleet, name: str) -> None:
    end = BEGIN + DAY
    meter, twin = faulty(estate_of, name, end=end), healthy_estate.meter_at("E-101")
    assert meter.telegram_bytes(BEGIN - HOUR) == twin.telegram_bytes(BEGIN - HOUR)
    assert meter.telegram_bytes(BEGIN) == b""
    assert not meter.answers(end - HOUR)
    # The index went on meanwhile: the total of the gap comes back measured.
    assert meter.telegram_bytes(end) == twin.telegram_bytes(end)


def test_a_frozen_gateway_repeats_the_same_bytes_under_new_times(estate_of: EstateOf) -> None:
    meter = faulty(estate_of, "frozen_payload", end=BEGIN + 3 * DAY)
    assert {meter.telegram_bytes(BEGIN + hours * HOUR) for hours in range(72)} == {meter.telegram_bytes(BEGIN)}
    assert meter.telegram_bytes(BEGIN + 3 * DAY) != meter.telegram_bytes(BEGIN)


def test_rubbish_does_not_pass_the_checksum(estate_of: EstateOf) -> None:
    meter = faulty(estate_of, "rubbish", 1.0)
    refused = 0
    for hours in range(60):
        with pytest.raises(ProtocolError):
            telegram_from_frame(meter.telegram_bytes(BEGIN + hours * HOUR))
        refused += 1
    assert refused == 60
    telegram_from_frame(meter.telegram_bytes(BEGIN - HOUR))


def test_numbers_of_a_json_gateway_run_wild_and_come_back(estate_of: EstateOf) -> None:
    def prepare(builder: FleetBuilder) -> None:
        builder.fault("wild_numbers", builder.meter_of("E-101").id.serial, BEGIN, BEGIN + DAY, 0.5)

    meter = estate_of(prepare, models=("json", "json", "json")).meter_at("E-101")
    told = [json.loads(meter.telegram_bytes(BEGIN + number * HOUR))["energy_kwh"] for number in range(30)]
    wild = {value for value in told if value is None or not 1000 < value < 1e6}
    assert wild <= {1.8e21, 0.003, -0.007, 0, None}
    assert len(wild) >= 3
    assert all(1000 < value < 1e6 for value in told[24:])
    arrived = series_of(meter, np.array([micros(BEGIN + number * HOUR) for number in range(30)], dtype=np.int64))
    assert len(arrived.times_us) == sum(value not in wild for value in told)


def test_a_bus_out_of_step_brings_another_meters_answer(estate_of: EstateOf) -> None:
    meter = faulty(estate_of, "desynchronised", end=BEGIN + DAY, partner_point="E-104")
    told = telegram_from_frame(meter.telegram_bytes(BEGIN)).meter.serial
    assert told == meter.fleet.meter(meter.faults[0].partner).id.serial != meter.id.serial
    assert telegram_from_frame(meter.telegram_bytes(BEGIN + DAY)).meter.serial == meter.id.serial


def test_an_exchange_is_harmless_with_paperwork_and_a_loss_without(estate_of: EstateOf) -> None:
    for recorded, kind in ((True, "none"), (False, "comms_loss")):
        fleet = estate_of(lambda builder, r=recorded: builder.exchange(builder.meter_of("E-101"), BEGIN, recorded=r))
        old, new = sorted((m for m in fleet.meters if m.point == "E-101"), key=lambda m: m.installed_at)
        assert new.registered is recorded
        assert {label.kind for label in fleet.labels} == {kind}
        assert old.telegram_bytes(BEGIN - HOUR)
        assert old.telegram_bytes(BEGIN) == b""
        assert telegram_from_frame(new.telegram_bytes(BEGIN + HOUR)).meter.serial == new.id.serial


def test_series_and_telegrams_tell_the_same_story(estate_of: EstateOf) -> None:
    """What the arrays leave out is what the wire does not bring, and what they hold is what the bytes say."""
    for name in ("silent", "rubbish", "frozen_payload", "transient_garbage", "decrease", "swapped_sensors", "jitter"):
        meter = faulty(estate_of, name, end=BEGIN + 2 * DAY)
        times = [BEGIN + number * HOUR for number in range(-5, 60)]
        found = series_of(meter, np.array([micros(at) for at in times], dtype=np.int64))
        heard = {}
        for at, payload in meter.telegrams(times):
            try:
                heard[micros(at)] = int(float(str(telegram_from_frame(payload).records[0].value)) / 1000)
            except ProtocolError:
                continue
        assert dict(zip(found.times_us.tolist(), found.counts["energy"].tolist(), strict=True)) == heard


def test_deliveries_repeated_after_a_reconnect_are_marked(estate_of: EstateOf) -> None:
    meter = faulty(estate_of, "duplicates", end=BEGIN + 12 * HOUR)
    times = np.arange(micros(BEGIN - DAY), micros(BEGIN + DAY), HOUR_US)
    found = series_of(meter, times)
    assert found.times_us[found.repeated].tolist() == times[24:36].tolist()


def test_a_backfill_is_complete(estate_of: EstateOf, healthy_estate: Fleet) -> None:
    meter, twin = faulty(estate_of, "backfill", end=BEGIN + DAY), healthy_estate.meter_at("E-101")
    assert meter.telegram_bytes(BEGIN + 5 * HOUR) == twin.telegram_bytes(BEGIN + 5 * HOUR)
