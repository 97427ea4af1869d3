"""`heatbook decode --batch` over every file of the corpus: one answer a line, in order, never a crash."""

import io
import json
import subprocess
import sys

import pytest

from api.cli.decode_batch import decode_lines

pytestmark = pytest.mark.conformance

FILES = (
    "cjt188.jsonl", "dlt645.jsonl", "lorawan.jsonl", "mbus_wired.jsonl", "mbus_wireless.jsonl", "modbus_frames.jsonl",
    "modbus_maps.jsonl", "mqtt.jsonl",
)  # fmt: skip
# Lines that are no messages: register maps, bare registers, requests.
NOT_MESSAGES = ("modbus_maps.jsonl", "modbus_frames.jsonl")


@pytest.mark.parametrize("name", FILES)
def test_every_line_has_its_answer(corpus, capsys, name):
    lines = (corpus / name).read_bytes().splitlines(keepends=True)
    out = io.BytesIO()
    decode_lines(io.BytesIO(b"".join(lines)), out)
    answers = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [answer["id"] for answer in answers] == [json.loads(line)["id"] for line in lines]
    errors = [answer["error"] for answer in answers if "error" in answer]
    with capsys.disabled():
        telegrams = sum(len(answer.get("telegrams", ())) for answer in answers)
        print(f"\n{name}  lines {len(answers)}  telegrams {telegrams}  errors {len(errors)}")
    for error in errors:
        assert error["code"] != "internal", error
        assert error["message"]


@pytest.mark.parametrize("name", [name for name in FILES if name not in NOT_MESSAGES and name != "mqtt.jsonl"])
def test_what_has_expected_values_is_decoded_and_what_has_none_is_a_coded_error(corpus, name):
    out = io.BytesIO()
    lines = (corpus / name).read_bytes().splitlines(keepends=True)
    decode_lines(io.BytesIO(b"".join(lines)), out)
    refusals = ("device.", "frame.truncated")
    for line, answer in zip(lines, map(json.loads, out.getvalue().splitlines()), strict=True):
        case = json.loads(line)
        if case["expected"] and "telegrams" not in answer:
            # A meter's own error reply and a frame known to be cut are errors by nature.
            assert answer["error"]["code"].startswith(refusals), answer
        if not case["expected"]:
            # A request and an acknowledged write are valid frames, but no readings.
            assert "error" in answer or not any(found["registers"] for found in answer["telegrams"]), case["id"]


def test_the_command_itself_streams(corpus):
    data = (corpus / "lorawan.jsonl").read_bytes()
    found = subprocess.run(
        [sys.executable, "-m", "api.cli.main", "decode", "--batch", "-"], input=data, capture_output=True, check=True
    )
    assert len(found.stdout.splitlines()) == len(data.splitlines())
