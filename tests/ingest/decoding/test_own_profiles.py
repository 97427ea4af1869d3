"""A user's own meter profiles and JSON mappings are files in the data folder; a wrong one costs nothing but itself."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli.main import app
from ingest.decoding.table import decode
from ingest.profiles import OwnProfiles, known_profiles, load_own_profiles, use_own_profiles
from protocols.mbus import record_bytes, wired_frame
from protocols.modbus import image_from_blocks
from protocols.telegram import MeterId

METER = """
name = "acme-thermo"
title = "Acme Thermo 9"
protocol = ["mbus", "wmbus"]
register = [{ name = "hot_water", quantity = "volume", subunit = 0, digits = 8 }]

[detect]
manufacturer = ["ACM"]
"""
MAP = """
name = "acme-map"
title = "Acme with Modbus"
protocol = "modbus"
point = [{ name = "heat", address = 0, type = "u32", quantity = "energy", unit = "MWh", exponent = -3 }]

[modbus]
function = 3
"""
MAPPING = """
name = "acme-json"
topics = ["acme/+/up"]
serial = { topic_level = 1 }

[[points]]
path = "q"
quantity = "energy"
unit = "MWh"
"""


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data folder; what a test loads from it is forgotten afterwards."""
    for folder in ("profiles", "mappings"):
        (tmp_path / folder).mkdir()
    yield tmp_path
    use_own_profiles(OwnProfiles())


def frame() -> bytes:
    """A telegram of an Acme meter: its volume."""
    return wired_frame(MeterId("12345678", "ACM", 9, "heat"), record_bytes("volume", Decimal("12.34"), "m3"))


def test_a_new_meter_type_is_a_file_alone(data: Path) -> None:
    assert decode("mbus", frame())[0].profile != "acme-thermo"
    (data / "profiles" / "acme.toml").write_text(METER)
    load_own_profiles(data)
    (found,) = decode("mbus", frame())
    assert found.profile == "acme-thermo"
    assert [(reading.register.name, reading.register.digits, reading.count) for reading in found.readings] == [
        ("hot_water", 8, 1234)
    ]


def test_a_register_map_of_ones_own(data: Path) -> None:
    (data / "profiles" / "map.toml").write_text(MAP)
    load_own_profiles(data)
    (found,) = decode("modbus", image_from_blocks([(3, 0, (0, 12345))]), profile="acme-map")
    assert found.telegram.records[0].value == Decimal("12.345")


def test_a_mapping_of_ones_own_finds_its_topics(data: Path) -> None:
    (data / "mappings" / "acme.toml").write_text(MAPPING)
    load_own_profiles(data)
    (found,) = decode("mqtt", b'{"q": 1.25}', topic="acme/4711/up")
    assert found.telegram.meter.serial == "4711"
    assert found.telegram.records[0].value == Decimal("1.25")
    (named,) = decode("mqtt", b'{"q": 1.5}', topic="other/4712/x", profile="acme-json")
    assert named.telegram.meter.serial == "4712"


@pytest.mark.parametrize(
    ("folder", "text", "said"),
    [
        ("profiles", METER.replace("digits = 8", "digitz = 8"), "digitz"),
        ("profiles", "name = ", "wrong.toml"),
        ("profiles", "[" * 5000, "wrong.toml"),
        ("profiles", METER, "taken"),
        ("mappings", MAPPING.replace('"MWh"', '"parsec"'), "parsec"),
        ("mappings", MAPPING.replace('["acme/+/up"]', "7"), "topics"),
        ("mappings", MAPPING + 'storage = "two"', "storage"),
    ],
)
def test_a_wrong_file_is_named_and_left_out(data: Path, folder: str, text: str, said: str) -> None:
    (data / "profiles" / "good.toml").write_text(METER)
    (data / folder / "wrong.toml").write_text(text)
    own = load_own_profiles(data)
    assert [said in error.message and "wrong.toml" in error.message for error in own.refused] == [True]
    assert known_profiles().get("acme-thermo").title == "Acme Thermo 9"


def test_bytes_that_are_no_text_are_a_wrong_file_too(data: Path) -> None:
    (data / "profiles" / "wrong.toml").write_bytes(b"\xff\xfe\x00")
    assert ["wrong.toml" in error.message for error in load_own_profiles(data).refused] == [True]


def test_the_terminal_takes_a_profile_as_a_file(data: Path) -> None:
    file = data / "acme.toml"
    file.write_text(METER)
    answer = CliRunner().invoke(app, ["decode", frame().hex(), "--profile-file", str(file), "--json"])
    assert json.loads(answer.stdout)["profile"] == "acme-thermo"
    file.write_text(METER.replace("digits", "digitz"))
    answer = CliRunner().invoke(app, ["decode", frame().hex(), "--profile-file", str(file)])
    assert answer.exit_code == 2
    assert "digitz" in answer.output


MONTHLY = METER.replace('{ name = "hot_water", quantity = "volume", subunit = 0, digits = 8 }', "") + (
    "[[history]]\nfirst = 1\nlast = 12\nmonthly = true\nday = 1\n"
)


@pytest.mark.parametrize(("clock", "month"), [("2026-11-22T10:30", 11), ("2011-01-01T00:10", None)])
def test_a_wrong_meter_clock_dates_no_history(data: Path, clock: str, month: int | None) -> None:
    (data / "profiles" / "acme.toml").write_text(MONTHLY)
    load_own_profiles(data)
    records = record_bytes("datetime", clock, "") + record_bytes("energy", Decimal("11E+3"), "Wh", storage=1)
    payload = wired_frame(MeterId("12345678", "ACM", 9, "heat"), records)
    (found,) = decode("mbus", payload, local=datetime(2026, 11, 22, 10, 31, tzinfo=UTC))
    (energy,) = [reading for reading in found.readings if reading.register.name.startswith("energy")]
    assert (energy.time.month if energy.time else None) == month
