"""Wired and wireless M-Bus against the corpus: every expected record right, every malformed frame a coded error."""

import json
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pytest

from protocols.errors import ProtocolError
from protocols.mbus import telegram_from_frame
from protocols.telegram import DataRecord, Function, Telegram

pytestmark = pytest.mark.conformance

FUNCTIONS = {
    "Instantaneous value": Function.INSTANTANEOUS,
    "Actual value": Function.INSTANTANEOUS,
    "Maximum value": Function.MAXIMUM,
    "Minimum value": Function.MINIMUM,
    "Value during error state": Function.ERROR,
}
QUANTITIES = {
    "%RH": "relative_humidity",
    "(Enhanced) Identification": "identification",
    "Actuality Duration": "actuality_duration",
    "Averaging Duration": "averaging_duration",
    "Current": "current",
    "Customer location": "customer_location",
    "Digital Input": "digital_input",
    "Dimensionless": "dimensionless",
    "Energy": "energy",
    "Error flags": "error_flags",
    "External temperature": "external_temperature",
    "Fabrication No": "fabrication_number",
    "Firmware version": "firmware_version",
    "Flow temperature": "supply_temperature",
    "H.C.A.": "heat_cost_units",
    "Manufacturer specific": "manufacturer_specific",
    "Medium": "medium",
    "Model / Version": "model_version",
    "On time": "on_time",
    "Operating time": "operating_time",
    "Parameter set identification": "parameter_set",
    "Power": "power",
    "Reserved": "unknown",
    "Return temperature": "return_temperature",
    "Software version": "software_version",
    "Temperature difference": "temperature_difference",
    "Time point (date & time)": "datetime",
    "Time point (date)": "date",
    "Voltage": "voltage",
    "Volume": "volume",
    "Volume flow": "flow",
    "bat. time": "bat. time",
    "cust. ID": "cust. ID",
}
# Expected unit -> (our unit -> factor to the expected one).
UNITS = {
    "Wh": {"Wh": Decimal(1), "J": Decimal(1) / 3600},
    "kWh": {"Wh": Decimal("0.001"), "J": Decimal(1) / 3_600_000},
    "kJ": {"J": Decimal("0.001")},
    "W": {"W": Decimal(1), "J/h": Decimal(1) / 3600},
    "l": {"m3": Decimal(1000)},
    # "Same but historic" of a counter in litres.
    "reserved but historic": {"m3": Decimal(1000)},
}


def _lines(corpus: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (corpus / name).read_text("utf-8").splitlines()]


def _number(text: str | None) -> Decimal | None:
    try:
        return Decimal(text or "")
    except InvalidOperation:
        return None


def _close(ours: Decimal, expected: Decimal) -> bool:
    # The sources print six decimals of a double.
    return abs(ours - expected) <= Decimal("1e-6") * max(1, abs(expected))


def _same_value(record: DataRecord, expected: dict[str, Any]) -> bool:
    text = expected["value"] or ""
    number = _number(text)
    if isinstance(record.value, Decimal) and number is not None:
        factor = UNITS.get(expected["unit"] or "", {}).get(record.unit, Decimal(1))
        return _close(record.value * factor, number)
    if record.quantity in ("manufacturer_specific", "more_records_follow"):
        return record.raw.upper() == text.replace(" ", "")
    return record.value == (text if record.quantity == "cust. ID" else text.rstrip("Z"))


def _same_place(record: DataRecord, expected: dict[str, Any]) -> bool:
    function = FUNCTIONS.get(expected["function"] or "", record.function)
    numbers = [int(expected[name] or 0) for name in ("storagenumber", "tariff", "device")]
    historic = expected["unit"] == "reserved but historic"
    quantity = QUANTITIES.get(expected["quantity"] or "", record.quantity)
    return (
        record.function == function
        and [record.storage - historic, record.tariff, record.subunit] == numbers
        and record.quantity == quantity
    )


def _every_year(record: DataRecord) -> bool:
    """Year 127 of types F and G means every year; the source reads 2027."""
    return record.error == "date.every" and record.value is None


def _judged(name: str, record: DataRecord, expected: dict[str, Any]) -> str:
    if expected["golden_suspect"] or _every_year(record):
        return "null" if record.value is None and record.raw and record.error else "wrong"
    # VIFE 6F is the date and time at which the maximum ended (E110 1f1b); the source reads it as a number.
    if record.modifiers == ("last.end",) and record.quantity.endswith("_time") and name.endswith("ultraheat_t230"):
        return "standard"
    # Extensions such as BE 50 (duration below a flow limit) or 90 28 (volume a pulse), which the source passes over.
    if record.quantity.startswith(QUANTITIES.get(expected["quantity"] or "", "?") + "_") and len(record.code) == 4:
        return "standard"
    if expected["quantity"] is None and expected["value"] is None:
        return "right"
    return "right" if _same_place(record, expected) and _same_value(record, expected) else "wrong"


def _table(name: str, counts: dict[str, int]) -> None:
    print("\n| file | frames | records | right | null by standard | other by standard | wrong |")
    print("|---|---|---|---|---|---|---|")
    keys = ("frames", "records", "right", "null", "standard", "wrong")
    print(f"| {name} | " + " | ".join(str(counts[key]) for key in keys) + " |")


def _counts() -> dict[str, int]:
    return dict.fromkeys(("frames", "records", "right", "null", "standard", "wrong"), 0)


def test_every_wired_record_of_the_corpus_is_right(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts, wrong = _counts(), []
    for line in _lines(corpus, "mbus_wired.jsonl"):
        if not line["expected"]:
            continue
        frame = bytes.fromhex(line["hex"])
        telegram = telegram_from_frame(frame)
        assert telegram.records == telegram_from_frame(frame, plans=None).records
        assert len(telegram.records) == len(line["expected"]), line["id"]
        counts["frames"] += 1
        for place, (record, expected) in enumerate(zip(telegram.records, line["expected"], strict=True)):
            verdict = _judged(line["id"], record, expected)
            counts["records"] += 1
            counts[verdict] += 1
            if verdict == "wrong":
                wrong.append((line["id"], place, record, expected))
        if line.get("ident"):
            assert telegram.meter.serial == line["ident"].upper().zfill(8)
        if line.get("version"):
            assert telegram.meter.version == int(line["version"])
        if line.get("access"):
            assert telegram.access_number == int(line["access"])
            assert telegram.status == int(line["status"], 16)
    with capsys.disabled():
        _table("mbus_wired.jsonl", counts)
    assert not wrong


def test_every_malformed_wired_frame_gives_a_coded_error_with_its_byte(corpus: Path) -> None:
    refused = 0
    for line in _lines(corpus, "mbus_wired.jsonl"):
        if line["expected"]:
            continue
        with pytest.raises(ProtocolError) as caught:
            telegram_from_frame(bytes.fromhex(line["hex"]))
        assert "." in caught.value.code
        assert caught.value.offset is not None
        refused += 1
    assert refused == 18


# What the wireless file states against the bytes: (telegram, index of the record) -> what the standard reads.
WIRELESS_CONTRADICTED = {
    (2, 1): "DIFE 40 is subunit 1, not storage 1",
    (4, 1): "BCD 04098668 with VIF 13 is 4098.668 m3",
    (4, 3): "BCD F00022 with VIF 2B is -22 W",
    (4, 6): "VIF A6 18 is an operating time with a data error: null",
    (15, 0): "VIF 0E counts 10^6 J",
}
WIRELESS_FACTORS = {
    # The file says Wh and W where its source says kWh and kW.
    "Wh": {"Wh": (Decimal(1), Decimal("0.001")), "J": (Decimal(1) / 3_600_000,)},
    "W": {"W": (Decimal(1), Decimal("0.001"))},
    "kWh": {"Wh": (Decimal("0.001"),)},
    "kJ": {"J": (Decimal("0.001"),)},
}


def _wireless_match(telegram: Telegram, expected: dict[str, Any]) -> bool:
    value = Decimal(expected["value"]).scaleb(expected.get("exponent", 0))
    for record in telegram.records:
        if not isinstance(record.value, Decimal) or record.storage != expected["storage_number"]:
            continue
        factors = WIRELESS_FACTORS.get(expected["unit"], {}).get(record.unit, (Decimal(1),))
        if any(abs(record.value * factor - value) <= Decimal("1e-3") for factor in factors):
            return True
    return False


def test_every_wireless_telegram_of_the_corpus_is_right(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts, wrong = _counts(), []
    for line in _lines(corpus, "mbus_wireless.jsonl"):
        telegram = telegram_from_frame(bytes.fromhex(line["hex"]))
        header = line["expected"]
        assert telegram.protocol == "wmbus"
        assert int(telegram.meter.serial) == header["identification_number"]
        assert telegram.meter.manufacturer == header["manufacturer"]
        assert telegram.meter.version == header["version"]
        counts["frames"] += 1
        for place, expected in enumerate(header["data_records"]):
            verdict = "right" if _wireless_match(telegram, expected) else "wrong"
            if (int(line["id"].rpartition(":")[2]), place) in WIRELESS_CONTRADICTED:
                verdict = "standard"
            counts["records"] += 1
            counts[verdict] += 1
            if verdict == "wrong":
                wrong.append((line["id"], place, expected, telegram))
        if not header["data_records"]:
            assert telegram.records == ()
            assert telegram.diagnostics[0].startswith("key.missing")
    with capsys.disabled():
        _table("mbus_wireless.jsonl", counts)
    assert not wrong
