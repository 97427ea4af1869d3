"""CJ/T 188 frames of the corpus, read with their dialect named and without: every stated value, none wrong."""

import json
from decimal import Decimal

import pytest

from protocols.cjt188 import is_reply_to, telegram_from_frame
from protocols.errors import DeviceError, FrameError
from protocols.serial_frame import frames_in

pytestmark = pytest.mark.conformance

# corpus key -> (record quantity, storage)
VALUES = {
    "settlement_heat": ("energy", 1),
    "current_heat": ("energy", 0),
    "power": ("power", 0),
    "flow": ("flow", 0),
    "volume": ("volume", 0),
    "supply_temp_c": ("supply_temperature", 0),
    "return_temp_c": ("return_temperature", 0),
    "hours": ("operating_time", 0),
    "clock": ("datetime", 0),
}
HEAD = {
    "address": lambda telegram: telegram.meter.serial,
    "di_wire": lambda telegram: telegram.details["di_wire"],
    "ser": lambda telegram: int(telegram.details["ser"]),
    "st": lambda telegram: telegram.details["st"],
    "type": lambda telegram: f"0x{telegram.details['type']}",
    "ctrl": lambda telegram: f"0x{telegram.details['control']}",
}


def cases(corpus):
    return [json.loads(line) for line in (corpus / "cjt188.jsonl").read_text("utf-8").splitlines()]


def wrong_in(telegram, expected):
    """Keys of `expected` that the telegram gives otherwise."""
    records = {(record.quantity, record.storage): record for record in telegram.records}
    wrong = [key for key, read in HEAD.items() if key in expected and read(telegram) != expected[key]]
    for key, place in VALUES.items():
        if key not in expected or (key == "clock" and place not in records):
            continue
        record = records[place]
        stated = expected[key] if isinstance(expected[key], str) else Decimal(str(expected[key]))
        if record.value != stated or record.unit != expected.get(f"{key}_unit", record.unit):
            wrong.append(key)
    return wrong


def test_every_answer_of_the_corpus(corpus, capsys):
    tally = {"frames": 0, "records": 0, "right": 0, "null": 0, "wrong": 0}
    wrong = []
    for case in cases(corpus):
        expected = case["expected"]
        if not case.get("checksum_ok") or expected.get("error"):
            continue
        named = case.get("dialect")
        for dialect in {named, None}:
            telegram = telegram_from_frame(bytes.fromhex(case["hex"]), dialect)
            missed = wrong_in(telegram, expected)
            wrong += [(case["id"], dialect, key) for key in missed]
            tally["frames"] += 1
            tally["records"] += len(telegram.records)
            tally["right"] += sum(key in VALUES or key in HEAD for key in expected) - len(missed)
            tally["null"] += sum(record.value is None for record in telegram.records)
            tally["wrong"] += len(missed)
    with capsys.disabled():
        print(f"\n| cjt188.jsonl | {' | '.join(f'{value} {name}' for name, value in tally.items())} |")
    assert wrong == []


def test_flags_of_the_status_word(corpus):
    words = {case["id"]: telegram_from_frame(bytes.fromhex(case["hex"])).status for case in cases(corpus)[:12]}
    assert words["tiangang-2007"] == 0x0400
    assert words["danfoss-field-2011"] == 0x0002


def test_damage_echo_and_noise(corpus):
    by_id = {case["id"]: case for case in cases(corpus)}
    for case in by_id.values():
        if "frames_valid" in case["expected"]:
            assert len(frames_in(bytes.fromhex(case["hex"]), ("cjt188",))) == case["expected"]["frames_valid"]
    with pytest.raises(FrameError) as caught:
        telegram_from_frame(bytes.fromhex(by_id["neg-trunc"]["hex"]))
    assert (caught.value.code, caught.value.offset) == ("frame.truncated", len(by_id["neg-trunc"]["hex"]) // 2)
    with pytest.raises(DeviceError):
        telegram_from_frame(bytes.fromhex(by_id["err-write-C4"]["hex"]))
    request, reply = frames_in(bytes.fromhex(by_id["neg-echo"]["hex"]), ("cjt188",))
    assert not request.is_reply
    assert reply.is_reply
    # The corpus pairs a request with another meter's answer: it must not be taken for one.
    assert is_reply_to(request, reply) is (request.address == reply.address)


def test_every_flipped_byte_gets_a_code_and_an_offset(corpus):
    for case in cases(corpus):
        frame = bytes.fromhex(case["hex"])
        if not case.get("checksum_ok") or case["expected"].get("error"):
            continue
        for at in range(len(frame)):
            damaged = frame[:at] + bytes((frame[at] ^ 0x40,)) + frame[at + 1 :]
            with pytest.raises(FrameError) as caught:
                telegram_from_frame(damaged)
            assert caught.value.code.startswith("frame.")
            assert caught.value.offset is not None
            assert 0 <= caught.value.offset <= len(frame)
