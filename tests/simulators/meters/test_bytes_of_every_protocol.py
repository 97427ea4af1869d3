"""What the virtual meters put on the wire is read back, count for count, by the project's own decoders and profiles."""

import json
from datetime import datetime, timedelta

import pytest

from protocols import cjt188, dlt645, lorawan, modbus
from protocols.catalogue import catalogue
from protocols.errors import ProtocolError, SecurityError
from protocols.mbus.telegram import telegram_from_frame
from protocols.mqtt import messages_from_publish
from protocols.registers import RegisterReading
from protocols.telegram import Telegram
from simulators.fleet import Fleet
from simulators.meter import VirtualMeter
from simulators.meter_models import MODELS

DEMO_MODELS = (
    "kamstrup-603", "kamstrup-403", "landisgyr-uh50", "diehl-sharky", "sensostar", "kamstrup-wireless",
    "sensostar-wireless", "cjt188-tiangang", "cjt188-huizhong", "cjt188-runa", "cjt188-lichuang", "modbus-a",
    "tuf-2000", "itron-cf-echo2-modbus", "diehl-sharky-775-modbus", "dlt645", "json",
)  # fmt: skip


def telegram_of(meter: VirtualMeter, payload: bytes) -> Telegram:
    if meter.protocol in ("mbus", "wmbus"):
        return telegram_from_frame(payload, key=meter.key)
    if meter.protocol == "cjt188":
        return cjt188.telegram_from_frame(payload, dialect=meter.model.dialect)
    if meter.protocol == "dlt645":
        return dlt645.telegram_from_frame(payload)
    if meter.protocol == "modbus":
        return modbus.telegram_from_image(payload, catalogue().get(meter.profile), meter.id.serial)
    if meter.protocol == "lorawan":
        return lorawan.telegram_from_uplink(payload, 2)
    (message,) = messages_from_publish(meter.link.settings["topic"], payload)
    assert message.telegram is not None
    return message.telegram


def readings_of(meter: VirtualMeter, telegram: Telegram) -> dict[str, RegisterReading]:
    named = meter.protocol in ("cjt188", "modbus")
    profile = catalogue().get(meter.profile) if named else catalogue().find(telegram)
    current = [reading for reading in profile.interpret(telegram).readings if reading.time is None]
    return {reading.register.name: reading for reading in current}


def healthy(fleet: Fleet, model: str) -> VirtualMeter:
    return next(meter for meter in fleet.meters if meter.model.name == model and not meter.faults)


@pytest.mark.parametrize("model", DEMO_MODELS)
def test_every_register_comes_back_count_for_count(demo_fleet: Fleet, model: str) -> None:
    meter = healthy(demo_fleet, model)
    for hours in (-200, -37, 1):
        at = demo_fleet.origin + timedelta(hours=hours, minutes=13)
        telegram = telegram_of(meter, meter.telegram_bytes(at))
        found, shown = readings_of(meter, telegram), meter.readout(at)
        for register in meter.registers:
            reading = found[register.name]
            assert reading.count == shown.counts[register.name], register.name
            assert (reading.register.unit, reading.register.scale) == (register.unit, register.scale)
            assert reading.register.quantity == register.quantity


@pytest.mark.parametrize("model", [model for model in DEMO_MODELS if MODELS[model].protocol != "modbus"])
def test_the_telegram_names_its_meter(demo_fleet: Fleet, model: str) -> None:
    meter = healthy(demo_fleet, model)
    told = telegram_of(meter, meter.telegram_bytes(demo_fleet.origin)).meter
    assert told.serial == meter.id.serial
    assert told.manufacturer == meter.id.manufacturer
    assert told.medium == meter.id.medium


@pytest.mark.parametrize("model", ["kamstrup-603", "landisgyr-uh50", "diehl-sharky", "sensostar"])
def test_an_independent_m_bus_library_reads_the_frames(demo_fleet: Fleet, model: str) -> None:
    import meterbus  # PyPI pymeterbus

    meter = healthy(demo_fleet, model)
    frame = meterbus.load(meter.telegram_bytes(demo_fleet.origin))
    body = json.loads(frame.to_JSON())["body"]
    assert body["header"]["identification"].replace("0x", "").replace(", ", "").lower() == meter.id.serial
    energies = [record for record in body["records"] if record["type"] == "VIFUnit.ENERGY_WH"]
    shown = meter.readout(demo_fleet.origin).counts["energy"]
    if meter.index.unit == "kWh":
        assert energies[0]["value"] == pytest.approx(shown * 1000)


def test_month_ends_travel_with_their_dates(demo_fleet: Fleet) -> None:
    meter = healthy(demo_fleet, "sensostar")
    telegram = telegram_of(meter, meter.telegram_bytes(demo_fleet.origin))
    history = [r for r in catalogue().find(telegram).interpret(telegram).readings if r.time is not None]
    assert len(history) == 12
    expected = dict(meter.history_counts(demo_fleet.origin, 12))
    for reading in history:
        assert reading.time is not None
        assert reading.count == expected[datetime(reading.time.year, reading.time.month, 1)]  # noqa: DTZ001


def test_an_encrypted_telegram_needs_its_own_key(demo_fleet: Fleet) -> None:
    meter = healthy(demo_fleet, "sensostar-wireless")
    payload = meter.telegram_bytes(demo_fleet.origin)
    assert meter.key is not None
    with pytest.raises(SecurityError):
        telegram_from_frame(payload, key=bytes(16))
    sealed = telegram_from_frame(payload)
    assert not any(record.quantity == "energy" and record.value is not None for record in sealed.records)
    keys = {other.key for other in demo_fleet.meters if other.key is not None}
    assert len(keys) == sum(other.key is not None for other in demo_fleet.meters)


def test_four_dialects_and_four_maps_are_spoken(demo_fleet: Fleet) -> None:
    assert len({m.model.dialect for m in demo_fleet.meters if m.protocol == "cjt188"}) >= 4
    assert len({m.profile for m in demo_fleet.meters if m.protocol == "modbus"}) >= 4


def test_wireless_telegrams_are_published_as_hexadecimal_text(demo_fleet: Fleet) -> None:
    meter = healthy(demo_fleet, "kamstrup-wireless")
    message = meter.mqtt_message(demo_fleet.origin)
    assert message is not None
    topic, payload = message
    (found,) = messages_from_publish(topic, payload)
    assert found.protocol == "wmbus"
    assert found.payload == meter.telegram_bytes(demo_fleet.origin)


def test_a_lorawan_meter_is_read_from_its_uplink_and_from_the_network_servers_event(estate_of) -> None:  # type: ignore[no-untyped-def]
    fleet = estate_of(models=("elvaco", "elvaco", "elvaco"))
    meter, at = fleet.meter_at("E-102"), fleet.start + timedelta(days=5)
    telegram = lorawan.telegram_from_uplink(meter.telegram_bytes(at), 2)
    assert telegram.meter.serial == meter.id.serial
    found, shown = readings_of(meter, telegram), meter.readout(at).counts
    for name in ("energy", "volume", "power", "flow", "supply_temperature", "return_temperature"):
        assert found[name].count == shown[name]
    message = meter.mqtt_message(at)
    assert message is not None
    (event,) = messages_from_publish(*message)
    assert event.payload == meter.telegram_bytes(at)
    assert event.protocol == "lorawan"


@pytest.mark.parametrize("model", DEMO_MODELS)
def test_a_cut_telegram_is_refused_and_never_read_as_another_value(demo_fleet: Fleet, model: str) -> None:
    meter = healthy(demo_fleet, model)
    payload = meter.telegram_bytes(demo_fleet.origin)
    kept = len(payload) // 2 if meter.protocol in ("mqtt", "wmbus") else len(payload) - 3
    payload = payload[:kept]
    with pytest.raises(ProtocolError):
        telegram_of(meter, payload)
