"""A new meter profile is one TOML file and no Python: detection, registers, status bits, history, map or dialect."""

import re
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from protocols import cjt188
from protocols.catalogue import Catalogue, catalogue
from protocols.modbus import image_from_blocks, read_plan, registers_from_values, telegram_from_image
from protocols.telegram import DataRecord, MeterId, Telegram

MBUS = """
name = "acme-thermo"
title = "Acme Thermo 9"
protocol = ["mbus", "wmbus"]
register = [
  { name = "energy", digits = 7 },
  { name = "hot_water", quantity = "volume", subunit = 1, digits = 8 },
]
status = [{ bit = 3, word = "pump_stuck", severity = "fault", title = "the pump does not turn" }]

[detect]
manufacturer = ["ACM"]
version = [9]

[info_code]
source = "error_flags"

[[history]]
first = 1
last = 12
monthly = true
day = 15
"""

MODBUS = """
name = "acme-modbus"
title = "Acme Thermo 9 with Modbus"
protocol = "modbus"
point = [
  { name = "heat", address = 40101, type = "u32", quantity = "energy", unit = "MWh", exponent = -3 },
  { name = "supply", address = 40110, type = "i16", quantity = "supply_temperature", unit = "°C", factor = "0.1" },
]

[modbus]
function = 4
address_base = 40001
order = "CDAB"
"""

DIALECT = """
name = "acme-188"
title = "Acme Thermo 9 for China"
protocol = "cjt188"

[cjt188]
di_order = "low"
byte_order = "big"
unit_position = "before"
decimals = { energy = 1 }

[detect]
manufacturer = ["7788"]
"""


@pytest.fixture
def extended() -> Catalogue:
    return catalogue().extended({"thermo.toml": MBUS, "modbus.toml": MODBUS, "china.toml": DIALECT})


def test_an_mbus_meter(extended: Catalogue) -> None:
    said = Telegram(
        "mbus",
        MeterId("1", "ACM", 9, "heat"),
        (
            DataRecord("energy", "Wh", Decimal("12E+3")),
            DataRecord("energy", "Wh", Decimal("11E+3"), storage=1),
            DataRecord("volume", "m3", Decimal("1.5"), subunit=1),
            DataRecord("datetime", "", "2026-11-22T10:30:00"),
            DataRecord("error_flags", "", Decimal(8)),
        ),
    )
    profile = extended.find(said)
    found = profile.interpret(said)
    assert profile.name == "acme-thermo"
    assert [(r.register.name, r.register.digits, r.count, r.time) for r in found.readings] == [
        ("energy", 7, 12, None),
        ("energy", 7, 11, datetime.fromisoformat("2026-11-15")),
        ("hot_water", 8, 15, None),
    ]
    assert found.flags == ("pump_stuck",)
    assert profile.severity_of("pump_stuck") == "fault"


def test_a_modbus_map(extended: Catalogue) -> None:
    profile = extended.get("acme-modbus")
    words = registers_from_values(profile, {"energy": (Decimal(5000), "kWh"), "supply_temperature": Decimal("70.5")})
    plan = read_plan(profile)
    assert [(request.function, request.address, request.count) for request in plan] == [(4, 100, 2), (4, 109, 1)]
    blocks = [(r.function, r.address, [words[r.function, r.address + at] for at in range(r.count)]) for r in plan]
    said = telegram_from_image(image_from_blocks(blocks), profile, "1")
    found = extended.find(said).interpret(said)
    assert [(r.register.name, r.register.value_of(r.count or 0)) for r in found.readings] == [
        ("energy", Decimal(5)),
        ("supply_temperature", Decimal("70.5")),
    ]


def test_a_dialect_of_cjt188(extended: Catalogue) -> None:
    profile = extended.get("acme-188")
    said = Telegram(
        "cjt188",
        MeterId("77880012345678", "7788", None, "heat"),
        (DataRecord("energy", "kWh", Decimal("1234.5")), DataRecord("datetime", "", "2026-11-22T10:30:00")),
    )
    read = cjt188.telegram_from_frame(cjt188.frame_from_telegram(said, profile.dialect), profile.dialect)
    assert extended.find(read) is profile
    energy = next(r for r in profile.interpret(read).readings if r.register.name == "energy")
    assert energy.register.value_of(energy.count or 0) == Decimal("1234.5")


def test_the_examples_of_the_documentation_are_profiles() -> None:
    page = (Path(__file__).parents[2] / "docs" / "meter-profiles.md").read_text("utf-8")
    whole, map_, dialect = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    head = 'name = "{}"\ntitle = "Example"\nprotocol = "{}"\n'
    texts = {
        "whole.toml": whole.replace("68...16", "6816"),
        "map.toml": head.format("map", "modbus") + map_.replace('serial_point = "serial"', 'serial_point = "heat"'),
        "dialect.toml": head.format("dialect", "cjt188") + dialect,
    }
    assert {"acme-thermo", "map", "dialect"} <= set(catalogue().extended(texts).names())
