"""`heatbook decode` as people and programs meet it: tables, JSON, errors at their byte, exit codes, batches."""

import io
import json
import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from api.cli import decode_batch
from api.cli.decode_batch import decode_lines
from api.cli.main import app
from protocols.mbus import record_bytes, wired_frame, wireless_telegram
from protocols.mqtt import chirpstack, wmbusmeters
from protocols.telegram import MeterId

METER = MeterId("12345678", "KAM", 0x1B, "heat")
RECORDS = record_bytes("energy", Decimal("1234E+3"), "Wh")
FRAME = wired_frame(METER, RECORDS)
DAMAGED = FRAME[:-2] + bytes([FRAME[-2] ^ 1]) + FRAME[-1:]
KEY = bytes(range(16))


@dataclass
class Finished:
    """What a command left behind."""

    returncode: int
    stdout: bytes
    stderr: bytes


def run(*words, text=None):
    """The command in this process; what it raised unexpectedly is raised."""
    found = CliRunner().invoke(app, ["decode", *words], input=text)
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return Finished(found.exit_code, found.stdout_bytes, found.stderr_bytes)


def test_into_a_pipe_it_prints_one_telegram_as_json():
    found = run(FRAME.hex())
    telegram = json.loads(found.stdout)
    assert found.returncode == 0
    assert telegram["meter"] == {"serial": "12345678", "manufacturer": "KAM", "version": 27, "medium": "heat"}
    assert telegram["records"][0]["value"] == "1234000"
    assert (
        telegram["registers"][0] | {"register": "energy", "value": "1234", "unit": "kWh", "count": 1234}
        == telegram["registers"][0]
    )


def test_a_table_names_meter_records_and_registers():
    found = run("--table", FRAME.hex(" "))
    text = found.stdout.decode()
    assert found.returncode == 0
    for word in ("12345678", "KAM", "energy", "1234000", "Wh", "kWh"):
        assert word in text
    assert "\x1b[" not in text


def test_an_error_is_shown_at_its_byte_and_exits_with_1():
    found = run("--table", "--protocol", "mbus", DAMAGED.hex())
    text = found.stdout.decode()
    assert found.returncode == 1
    assert "frame.checksum" in text
    lines = text.splitlines()
    caret = next(line for line in lines if "^^" in line)
    above = lines[lines.index(caret) - 1]
    at = caret.index("^^")
    assert int(above[at : at + 2], 16) == DAMAGED[-2]
    assert f"byte {len(DAMAGED) - 2}" in caret


def test_an_error_in_json_carries_code_message_and_offset():
    found = run(DAMAGED.hex())
    assert found.returncode == 1
    error = json.loads(found.stdout)["error"]
    assert (error["code"], error["offset"]) == ("frame.checksum", len(DAMAGED) - 2)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--batch", "no-such-file"),
        ("--protocol", "pigeon", "68"),
        ("--key", "12", FRAME.hex()),
        ("--protocol", "mbus", "not hex"),
        ("--batch", "-", "68"),
        ("--json", "--table", FRAME.hex()),
        ("--port", "900", "00"),
    ],
)
def test_wrong_usage_exits_with_2(words):
    found = run(*words)
    assert found.returncode == 2
    assert b"Traceback" not in found.stderr


def test_an_encrypted_telegram_opens_with_its_key():
    telegram = wireless_telegram(METER, RECORDS, key=KEY)
    assert json.loads(run("--key", KEY.hex(), telegram.hex()).stdout)["records"][0]["value"] == "1234000"
    wrong = run("--key", "00" * 16, telegram.hex())
    assert json.loads(wrong.stdout)["error"]["code"] == "key.wrong"
    assert KEY.hex().encode() not in wrong.stdout + wrong.stderr


def test_a_publish_is_decoded_with_its_topic():
    payload = wmbusmeters.encode("11223344", {"total_kwh": Decimal("12.5")})
    found = run("--topic", "wmbusmeters/x", payload.decode())
    assert json.loads(found.stdout)["registers"][0]["value"] == "12.500"


def test_it_reads_the_telegram_from_standard_input():
    assert json.loads(run("-", text=FRAME.hex().encode()).stdout)["meter"]["serial"] == "12345678"


@pytest.mark.parametrize(
    "written",
    [
        FRAME.hex(" ").upper(),
        "0x" + FRAME.hex(),
        FRAME.hex(":"),
        ", ".join(f"0x{byte:02X}" for byte in FRAME),
        "".join(f"\\x{byte:02x}" for byte in FRAME),
        FRAME.hex(" ", 4) + "\n",
    ],
)
def test_hexadecimal_may_be_written_as_people_paste_it(written):
    assert json.loads(run(written).stdout)["meter"]["serial"] == "12345678"
    assert json.loads(run(*written.split()).stdout)["meter"]["serial"] == "12345678"


def test_it_reads_a_file_of_text_or_of_bytes(tmp_path):
    for name, content in (("a.hex", FRAME.hex(" ").encode() + b"\n"), ("a.bin", FRAME)):
        file = tmp_path / name
        file.write_bytes(content)
        assert json.loads(run(str(file)).stdout)["meter"]["serial"] == "12345678"
        assert json.loads(run("--protocol", "mbus", "-", text=content).stdout)["meter"]["serial"] == "12345678"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (FRAME.hex()[:-1], "half a byte is missing"),
        (FRAME.hex()[:20] + "G" + FRAME.hex()[21:], "'G' is no hexadecimal digit, character 21 of"),
        (FRAME.hex() + "h", "'h' is no hexadecimal digit"),
        ("no telegram", "neither hexadecimal, base64, JSON nor a file"),
        ("/nowhere/file.hex", "neither hexadecimal, base64, JSON nor a file"),
    ],
)
def test_what_is_no_hexadecimal_is_told_by_its_character(written, said):
    found = run(written)
    assert found.returncode == 2
    assert said in found.stderr.decode()


def test_it_starts_without_heavy_libraries():
    heavy = ("numba", "numpy", "nicegui", "psycopg", "paho")
    code = f"import sys, api.cli.decode; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert found.stdout.strip() == b"[]"


def batch(*lines):
    out = io.BytesIO()
    decode_lines(io.BytesIO(b"".join(line + b"\n" for line in lines)), out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def line(**fields):
    return json.dumps(fields).encode()


def test_a_batch_answers_every_line_in_order():
    topic, payload = chirpstack.encode(
        "94193a0103000001", b"\x15" + RECORDS, port=2, counter=1, deduplication_id="d", time="2026-01-15T09:34:15Z"
    )
    answers = batch(
        line(id="wired", hex=FRAME.hex()),
        b"not json",
        line(id="damaged", hex=DAMAGED.hex(), protocol="mbus"),
        line(id="odd", hex="123"),
        line(id="publish", topic=topic, payload=payload.decode()),
        line(id="bytes", topic="wmbus/raw", payload_hex=wireless_telegram(METER, RECORDS).hex()),
        line(id="uplink", hex=(b"\x15" + RECORDS).hex(), f_port=2, protocol="lorawan"),
        line(id="closed", hex=wireless_telegram(METER, RECORDS, key=KEY).hex(), key=KEY.hex()),
        line(id=7),
        line(id="pigeon", hex="00", protocol="pigeon"),
        line(id="types", hex=5),
    )
    assert [answer["id"] for answer in answers] == [
        "wired",
        None,
        "damaged",
        "odd",
        "publish",
        "bytes",
        "uplink",
        "closed",
        7,
        "pigeon",
        "types",
    ]
    codes = {answer["id"]: answer["error"]["code"] for answer in answers if "error" in answer}
    assert codes == {
        None: "json.malformed",
        "damaged": "frame.checksum",
        "odd": "line.hex",
        7: "line.hex",
        "pigeon": "protocol.unknown",
        "types": "line.hex",
    }
    for answer in answers:
        for telegram in answer.get("telegrams", ()):
            assert telegram["records"][0]["value"] == "1234000"
            assert telegram["registers"][0]["value"] == "1234"


def test_digits_may_be_spaced_and_payloads_may_be_objects():
    spaced, parsed = batch(
        line(id=1, hex="0x" + FRAME.hex(":")), line(id=2, topic="x", payload={"serial": "1", "energy_kwh": 12.5})
    )
    assert spaced["telegrams"][0]["meter"]["serial"] == "12345678"
    assert parsed["telegrams"][0]["records"][0]["value"] == "12.5"


def answers_to(*lines):
    sink = io.BytesIO()
    decode_lines(io.BytesIO(b"\n".join(lines)), sink)
    return [json.loads(line) for line in sink.getvalue().splitlines()]


def test_a_batch_takes_bare_hexadecimal_every_0x_and_the_mark_of_windows_files():
    spelled = " ".join(f"0x{byte:02X}," for byte in FRAME)
    found = answers_to(
        b"\xef\xbb\xbf" + json.dumps({"id": 1, "hex": FRAME.hex()}).encode() + b"\r",
        FRAME.hex(" ").encode(),
        json.dumps({"id": 3, "hex": spelled}).encode(),
        spelled.encode(),
    )
    assert [answer["id"] for answer in found] == [1, None, 3, None]
    assert all(answer["telegrams"][0]["meter"]["serial"] == "12345678" for answer in found)


def test_wrong_digits_of_a_batch_are_told_by_their_place():
    lines = [FRAME.hex()[:-1], FRAME.hex()[:7] + "g" + FRAME.hex()[8:]]
    errors = [one["error"] for one in answers_to(*(json.dumps({"hex": text}).encode() for text in lines))]
    assert [(one["code"], one["offset"]) for one in errors] == [("line.hex", len(FRAME) - 1), ("line.hex", 3)]
    assert "half a byte is missing" in errors[0]["message"]
    assert "digit 8 of" in errors[1]["message"]
    assert [one["error"]["code"] for one in answers_to(b"123456")] == ["json.type"]


def test_registers_noted_by_hand_are_read_by_their_map():
    noted = {"map": "tuf-2000", "start": 4, "registers": [0x0651, 0x3F9E]}
    right, unknown, wrong = batch(
        line(id=1, **noted), line(id=2, registers=[1]), line(id=3, **{**noted, "registers": [70_000]})
    )
    values = [record["value"] for record in right["telegrams"][0]["records"] if record["error"] is None]
    assert values == ["1.2345678"]
    assert unknown["error"]["code"] == "line.start"
    assert wrong["error"]["code"] == "line.registers"


def test_a_line_longer_than_any_message_is_skipped(monkeypatch):
    monkeypatch.setattr(decode_batch, "MAX_LINE_BYTES", 1000)
    answers = batch(line(id=1, hex="00" * 5000), line(id=2, hex=FRAME.hex()))
    assert answers[0]["error"]["code"] == "line.too_long"
    assert answers[1]["telegrams"][0]["meter"]["serial"] == "12345678"


def test_a_batch_answers_while_its_input_is_still_open():
    with subprocess.Popen(
        [sys.executable, "-m", "api.cli.main", "decode", "--batch", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdin.write(line(id=1, hex=FRAME.hex()) + b"\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == 1
        process.stdin.close()
        assert process.wait(30) == 0


@given(st.binary(max_size=200).filter(lambda data: b"\n" not in data and data.strip()))
def test_any_line_gets_one_answer(data):
    (answer,) = batch(data)
    assert answer["error"]["code"] != "internal"


scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=10) | st.just(FRAME.hex())


@given(
    st.dictionaries(
        st.sampled_from(
            ["id", "hex", "protocol", "key", "port", "profile", "topic", "payload", "payload_hex", "dialect"]
        ),
        scalars,
    )
)
def test_any_fields_get_one_answer(fields):
    (answer,) = batch(json.dumps(fields).encode())
    assert answer.get("error", {}).get("code") != "internal"
