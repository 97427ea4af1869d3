"""Modbus maps and frames of the corpus: every point in a profile, every value right."""

import json
from decimal import Decimal

import pytest

from protocols.catalogue import catalogue
from protocols.errors import DeviceError
from protocols.modbus import (
    image_from_blocks,
    read_plan,
    request_from_frame,
    telegram_from_image,
    value_from_words,
    words_from_answer,
)
from protocols.profile_schema import profiles_from_text

pytestmark = pytest.mark.conformance

TYPES = {"bcd6": "clock_bcd6"}
LENGTHS = {"u16": 1, "i16": 1, "u32": 2, "i32": 2, "f32": 2, "i64": 4, "bcd6": 3}
# 5 (acknowledge) means that the device is still at work.
RETRYABLE = {4, 5, 6, 8, 10, 11}


def lines(corpus, name):
    return [json.loads(line) for line in (corpus / name).read_text("utf-8").splitlines()]


def test_every_point_of_every_map_is_expressed(corpus, capsys):
    points, missing = 0, []
    maps = lines(corpus, "modbus_maps.jsonl")
    for case in maps:
        profile = catalogue().get(case["id"])
        for stated in case["points"]:
            points += 1
            point = profile.modbus.point(stated["name"])
            kind = TYPES.get(stated["type"], stated["type"])
            if (point.address, point.kind) != (stated["addr"], kind) or point.function not in case["fc"]:
                missing.append((case["id"], stated["name"]))
            addresses = {other.address for other in profile.modbus.points}
            beside = [stated[key] for key in ("unit_factor_addr", "unit_name_addr") if key in stated]
            missing += [(case["id"], stated["name"], address) for address in beside if address not in addresses]
        largest = case.get("max_regs", 125)
        plan = read_plan(profile)
        assert all(request.count <= largest for request in plan)
        asked = {request.address + at for request in plan for at in range(request.count)}
        for stated in case["points"]:
            assert asked.issuperset(range(stated["addr"], stated["addr"] + LENGTHS[stated["type"]]))
    with capsys.disabled():
        print(
            f"\n| modbus_maps.jsonl | {len(maps)} maps | {points} points | {points - len(missing)} right | 0 null |",
            end="",
        )
        print(f" {len(missing)} wrong |")
    assert missing == []


def test_every_frame_of_the_corpus(corpus, capsys):
    tally = {"frames": 0, "records": 0, "right": 0, "null": 0, "wrong": 0}
    for case in lines(corpus, "modbus_frames.jsonl"):
        tally["frames"] += 1
        found = _found(case)
        for key, stated in case["expected"].items():
            tally["records"] += 1
            value = found[key]
            right = value == (Decimal(str(stated)) if isinstance(stated, float) else stated)
            tally["wrong" if not right else "null" if stated is None else "right"] += 1
            assert right, (case["id"], key, value)
    with capsys.disabled():
        print(f"\n| modbus_frames.jsonl | {' | '.join(f'{value} {name}' for name, value in tally.items())} |")


def _found(case):
    """What we read in a case, under the corpus' own keys."""
    if case["protocol"] == "modbus_regs":
        return _registers(case)
    found = {}
    if case.get("request"):
        _, request = request_from_frame(bytes.fromhex(case["request"]))
        assert request.function == 3
    if not case.get("response"):
        return found
    if case["id"].startswith("exc-"):
        with pytest.raises(DeviceError) as caught:
            words_from_answer(bytes.fromhex(case["response"]))
        code = int(caught.value.code.rpartition("_")[2])
        assert caught.value.retryable is (code in RETRYABLE)
        return {"exception": code}
    words = words_from_answer(bytes.fromhex(case["response"]))
    return {
        "velocity": value_from_words(words, "f32", "CDAB"),
        "volume_net_int": value_from_words(words, "i32", "CDAB"),
    }


def _registers(case):
    registers = case["registers"]
    if "order" in case:
        return {"f32": value_from_words(registers, "f32", case["order"])}
    if "type" in case:
        sentinels = '["0x7FFFFFFF", "0xFFFFFFFF"]'
        text = f'point = [{{ name = "p", address = 0, type = "{case["type"]}", sentinels = {sentinels} }}]\n[modbus]'
        profile = profiles_from_text(f'name = "t"\ntitle = "t"\nprotocol = "modbus"\n{text}', "t.toml")[0]
        record = telegram_from_image(image_from_blocks([(3, 0, registers)]), profile, "1").records[0]
        return {"value": record.value, "quality": "invalid" if record.error else "good"}
    profile = catalogue().get(case["map"])
    telegram = telegram_from_image(image_from_blocks([(3, case["start"], registers)]), profile, "1")
    record = next(record for record in telegram.records if record.code == "value+0 int")
    return {"value_wh": record.value, "exponent": record.value.as_tuple().exponent}
