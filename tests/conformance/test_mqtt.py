"""Every publish of the corpus, in order and with state: values, fragments, events, refusals; none wrong."""

import json
from datetime import datetime
from decimal import Decimal

import pytest

from ingest.decoding.state import DecodingState
from ingest.decoding.table import decode
from protocols.errors import ProtocolError
from protocols.mqtt import FamilyState, messages_from_publish
from protocols.units import converted

pytestmark = pytest.mark.conformance

VALUES = {
    "energy_kwh": ("energy", "kWh"),
    "volume_m3": ("volume", "m3"),
    "power_kw": ("power", "kW"),
    "flow_m3h": ("flow", "m3/h"),
    "supply_temp_c": ("supply_temperature", "°C"),
    "return_temp_c": ("return_temperature", "°C"),
    "delta_t": ("temperature_difference", "K"),
    "energy": ("energy", "kWh"),
    "volume": ("volume", "m3"),
    "supply_temp": ("supply_temperature", "°C"),
}


def payload_of(case):
    return bytes.fromhex(case["payload_hex"]) if "payload_hex" in case else case["payload"].encode()


def plain_record(telegram, quantity):
    return next(
        record
        for record in telegram.records
        if record.quantity == quantity
        and record.function == "instantaneous"
        and not (record.storage or record.tariff or record.modifiers)
    )


def check_value(decoded, key, expected):
    telegram = decoded.telegram
    if key in ("meter_id", "address"):
        return telegram.meter.serial == expected
    if key in ("meter_time", "clock"):
        return str(plain_record(telegram, "datetime").value).startswith(expected)
    if key == "ts":
        times = {reading.time for reading in decoded.readings}
        return times == {None if expected is None else datetime.fromisoformat(expected)}
    quantity, unit = VALUES[key]
    record = plain_record(telegram, quantity)
    if expected is None:
        return record.value is None and record.error is not None
    return converted(record.value, record.unit, unit) == Decimal(str(expected))


# A birth in the corpus is missing on purpose: values without names, checked below.
UNBORN = ("spb-ddata", "spb-ddata-gap")
CHECKED = (*VALUES, "meter_id", "meter_time", "address", "clock", "ts")


def test_every_publish_of_the_corpus(corpus, capsys):
    tally = {"publishes": 0, "telegrams": 0, "refused": 0, "right": 0, "wrong": 0}
    state, wrong = DecodingState(families=FamilyState(lenient=True)), []
    for line in (corpus / "mqtt.jsonl").read_text().splitlines():
        case = json.loads(line)
        expected = case["expected"]
        tally["publishes"] += 1
        try:
            found = decode("mqtt", payload_of(case), topic=case["topic"], state=state)
        except ProtocolError as error:
            tally["refused"] += 1
            assert error.code, case["id"]  # noqa: PT017
            if expected.get("readings") != 0:
                wrong.append((case["id"], "refused", error.code))
            continue
        tally["telegrams"] += len(found)
        values = [reading for decoded in found for reading in decoded.readings if reading.count is not None]
        if "readings" in expected and len(values) != expected["readings"]:
            wrong.append((case["id"], "readings", len(values)))
        if "frames" in expected and len(found) != expected["frames"]:
            wrong.append((case["id"], "frames", len(found)))
        if case["id"] in UNBORN or not found:
            continue
        for key in CHECKED:
            if key in expected:
                right = check_value(found[0], key, expected[key])
                tally["right" if right else "wrong"] += 1
                if not right:
                    wrong.append((case["id"], key, expected[key]))
    with capsys.disabled():
        print(f"\nmqtt.jsonl  {tally}")
    assert wrong == []


def messages_by_id(corpus):
    state = FamilyState(lenient=True)
    found = {}
    for line in (corpus / "mqtt.jsonl").read_text().splitlines():
        case = json.loads(line)
        try:
            found[case["id"]] = messages_from_publish(case["topic"], payload_of(case), state=state)
        except ProtocolError as error:
            found[case["id"]] = error
    return found


def test_sparkplug_of_the_corpus(corpus):
    found = messages_by_id(corpus)
    birth, data, gap, death = (found[name][0] for name in ("spb-nbirth", "spb-ddata", "spb-ddata-gap", "spb-ndeath"))
    assert (birth.details["seq"], birth.details["bdSeq"]) == ("0", "3")
    energy, supply = data.telegram.records
    assert (str(energy.value), supply.value) == ("124640.0", None)
    assert data.time == datetime.fromisoformat("2025-11-22T09:00:00+00:00")
    assert (gap.event, gap.details["action"], gap.details["seq"]) == ("sequence_gap", "rebirth", "5")
    assert (death.event, death.details["bdSeq"]) == ("death", "3")


def test_lost_parts_and_discovery_of_the_corpus(corpus):
    found = messages_by_id(corpus)
    assert found["lobaro-frag-lost"].code == "lobaro.part_missing"
    assert found["ha-discovery-energy"][0].details == {
        "state_topic": "wmbusmeters/Heat",
        "field": "total_energy_consumption_kwh",
        "unit": "kWh",
    }
    assert found["dtu-custom-m100"][0].details["inner_topic"] == "dtu/860000000000001/up"
    assert found["chirpstack-v4-up"][0].idempotency == "3ac7e3c4-4401-4b8d-9386-a5c902f9202d"
