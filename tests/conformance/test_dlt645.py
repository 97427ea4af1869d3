"""DL/T 645 frames of the corpus, both editions: every stated value, none wrong."""

import json
from decimal import Decimal

import pytest

from protocols.dlt645 import telegram_from_frame
from protocols.errors import DeviceError, FrameError

pytestmark = pytest.mark.conformance


def cases(corpus):
    return [json.loads(line) for line in (corpus / "dlt645.jsonl").read_text("utf-8").splitlines()]


def test_every_frame_of_the_corpus(corpus, capsys):
    tally = {"frames": 0, "records": 0, "right": 0, "null": 0, "wrong": 0}
    wrong = []
    for case in cases(corpus):
        expected = case["expected"]
        tally["frames"] += 1
        if expected.get("error"):
            with pytest.raises(DeviceError, match=expected["err_byte"]):
                telegram_from_frame(bytes.fromhex(case["hex"]))
            tally["right"] += 1
            continue
        telegram = telegram_from_frame(bytes.fromhex(case["hex"]))
        tally["records"] += len(telegram.records)
        found = {
            "address": telegram.meter.serial,
            "address_in_data": telegram.meter.serial,
            "ctrl": f"0x{telegram.details['control']}",
            "di": telegram.details["di"],
        }
        if telegram.records:
            record = telegram.records[0]
            found |= {"value": record.value, "unit": record.unit}
            tally["null"] += record.value is None
        for key, stated in expected.items():
            if key not in found:
                continue
            right = found[key] == (Decimal(str(stated)) if key == "value" else stated)
            tally["right" if right else "wrong"] += 1
            if not right:
                wrong.append((case["id"], key, found[key]))
    with capsys.disabled():
        print(f"\n| dlt645.jsonl | {' | '.join(f'{value} {name}' for name, value in tally.items())} |")
    assert wrong == []


def test_every_flipped_byte_gets_a_code_and_an_offset(corpus):
    for case in cases(corpus):
        frame = bytes.fromhex(case["hex"])
        start = frame.index(0x68)
        for at in range(start, len(frame)):
            damaged = frame[:at] + bytes((frame[at] ^ 0x40,)) + frame[at + 1 :]
            with pytest.raises(FrameError) as caught:
                telegram_from_frame(damaged)
            assert caught.value.offset is not None
