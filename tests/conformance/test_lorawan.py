"""Elvaco and Axioma payloads of the corpus: every stated value, or null where the standard says so; none wrong."""

import json
from decimal import Decimal

import pytest

from protocols.lorawan import telegram_from_uplink
from protocols.units import converted

pytestmark = pytest.mark.conformance

# corpus key -> (record quantity, unit the key names)
VALUES = {
    "energy_kwh": ("energy", "kWh"),
    "energy_mwh": ("energy", "MWh"),
    "volume_m3": ("volume", "m3"),
    "power_kw": ("power", "kW"),
    "flow_m3h": ("flow", "m3/h"),
    "supply_temp_c": ("supply_temperature", "°C"),
    "fw_temp_c": ("supply_temperature", "°C"),
    "return_temp_c": ("return_temperature", "°C"),
    "rt_temp_c": ("return_temperature", "°C"),
    "error_flags": ("error_flags", ""),
    "current_m3": ("volume", "m3"),
}
# A third-party parser reads the most negative number as a value; EN 13757-3 calls it invalid.
MOST_NEGATIVE = {Decimal("-32.768"), Decimal("-3276.8"), Decimal("-2147483.648")}


def outcome(telegram, key, expected):
    """ "right", "null" (the standard's null where the corpus has a value) or "wrong"."""
    if key == "meter_id":
        return "right" if telegram.meter.serial == (expected or "") else "wrong"
    if key == "meter_time":
        found = next(record.value for record in telegram.records if record.quantity == "datetime")
        return "right" if found.startswith(expected) else "wrong"
    quantity, unit = VALUES[key]
    record = next(record for record in telegram.records if record.quantity == quantity and record.storage == 0)
    if expected is None:
        return "right" if record.value is None else "wrong"
    if record.value is None:
        return "null" if Decimal(str(expected)) in MOST_NEGATIVE and record.error else "wrong"
    return "right" if converted(record.value, record.unit, unit) == Decimal(str(expected)) else "wrong"


def test_every_value_of_the_corpus(corpus, capsys):
    tally = {"payloads": 0, "records": 0, "right": 0, "null": 0, "wrong": 0}
    wrong = []
    for line in (corpus / "lorawan.jsonl").read_text().splitlines():
        case = json.loads(line)
        telegram = telegram_from_uplink(bytes.fromhex(case["hex"]), case["f_port"])
        tally["payloads"] += 1
        tally["records"] += len(telegram.records)
        for key, expected in case["expected"].items():
            if key in VALUES or key in ("meter_id", "meter_time"):
                found = outcome(telegram, key, expected)
                tally[found] += 1
                if found == "wrong":
                    wrong.append((case["id"], key, expected))
        for key in case["expected"].get("errors", []):
            # "MCE: flow_m3h" and plain names are values taken during an error state; the rest explains flags.
            name = key.removeprefix("MCE: ")
            if name in VALUES and outcome(telegram, name, None) == "wrong":
                wrong.append((case["id"], key, "null"))
    with capsys.disabled():
        print(f"\nlorawan.jsonl  {tally}")
    assert wrong == []


def test_the_water_log_adds_up(corpus):
    case = next(json.loads(line) for line in (corpus / "lorawan.jsonl").read_text().splitlines() if "axioma-w1" in line)
    telegram = telegram_from_uplink(bytes.fromhex(case["hex"]), case["f_port"])
    volumes = [record.value for record in telegram.records if record.quantity == "volume"]
    assert (str(volumes[1]), str(volumes[-1])) == ("10.727", "13.492")
    assert telegram.details["verified"] == "no"
    assert telegram.status == 0x30
