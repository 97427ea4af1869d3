"""Register images become telegrams through the map's units, exponents, fractions and sentinels, and back."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.catalogue import catalogue
from protocols.errors import ContentError, ProfileError
from protocols.modbus import (
    Block,
    blocks_from_image,
    image_from_blocks,
    read_plan,
    registers_from_values,
    telegram_from_image,
)
from protocols.profile import MeterProfile
from protocols.profile_schema import profiles_from_text
from protocols.telegram import DataRecord

HEAD = 'name = "t"\ntitle = "T"\nprotocol = "modbus"\n'


def profile(points: str, settings: str = "") -> MeterProfile:
    return profiles_from_text(f"{HEAD}point = [{points}]\n[modbus]\n{settings}", "t.toml")[0]


def image(owner: MeterProfile, **values: Decimal | int | str | tuple[Decimal, str] | None) -> bytes:
    words = registers_from_values(owner, values)
    return image_from_blocks(
        (
            request.function,
            request.address,
            [words.get((request.function, request.address + at), 0) for at in range(request.count)],
        )
        for request in read_plan(owner)
    )


def read(owner: MeterProfile, **values: Decimal | int | str | tuple[Decimal, str] | None) -> dict[str, DataRecord]:
    return {record.code: record for record in telegram_from_image(image(owner, **values), owner, "1").records}


@given(
    st.lists(
        st.tuples(
            st.sampled_from([3, 4]), st.integers(0, 60000), st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=125)
        ),
        min_size=1,
        max_size=4,
    )
)
def test_images_survive_the_round_trip(blocks: list[tuple[int, int, list[int]]]) -> None:
    assert blocks_from_image(image_from_blocks(blocks)) == tuple(
        Block(function, address, tuple(words)) for function, address, words in blocks
    )


@pytest.mark.parametrize(
    ("data", "code", "offset"),
    [
        ("", "image.empty", 0),
        ("0300", "image.truncated", 2),
        ("0300000001", "image.truncated", 5),
        ("0500000001ABCD", "image.function", 0),
        ("0300000000", "image.count", 3),
        ("03FFFF0002ABCDABCD", "image.count", 3),
    ],
)
def test_a_damaged_image_is_named_with_its_byte(data: str, code: str, offset: int) -> None:
    with pytest.raises(ContentError) as caught:
        blocks_from_image(bytes.fromhex(data))
    assert (caught.value.code, caught.value.offset) == (code, offset)


@given(st.integers(0, 10**8), st.integers(-3, 4), st.sampled_from([("GJ", 0), ("kcal", 1), ("kWh", 2)]))
def test_totals_of_integer_and_fraction_are_exact(count: int, power: int, unit: tuple[str, int]) -> None:
    owner = catalogue().get("tuf-2000")
    value = Decimal(count).scaleb(power - 3)
    found = read(owner, heat_pos_int=value, heat_exp=power + 4, heat_unit=unit[1])["heat_pos_int"]
    # The fraction is a float: seven digits, rounded to the three that count.
    assert found.value == value
    assert found.unit == unit[0]


def test_units_come_from_their_register_and_an_unknown_one_voids_the_value() -> None:
    owner = catalogue().get("tuf-2000")
    gallons = read(owner, volume_unit=2, volume_exp=3, volume_net_int=(Decimal("378.5411784"), "L"))["volume_net_int"]
    assert (gallons.value, gallons.unit) == (Decimal("378.541178"), "L")
    words = registers_from_values(owner, {"volume_net_int": 1})
    words[3, 1437] = 99
    blocks = [
        (r.function, r.address, [words.get((3, r.address + at), 0) for at in range(r.count)]) for r in read_plan(owner)
    ]
    record = {r.code: r for r in telegram_from_image(image_from_blocks(blocks), owner, "1").records}["volume_net_int"]
    assert (record.value, record.error) == (None, "unit.unknown: code 99")


def test_unit_texts_and_signed_exponents() -> None:
    owner = catalogue().get("diehl-sharky-775-modbus")
    found = read(
        owner, energy=Decimal("1234.5"), energy_factor=-1, energy_unit="MWh", supply_temp=Decimal("70.3"), meter_id=4711
    )
    assert (found["energy"].value, found["energy"].unit) == (Decimal("1234.5"), "MWh")
    assert found["supply_temp"].value == Decimal("70.3")
    assert telegram_from_image(image(owner, meter_id=4711), owner).meter.serial == "4711"


def test_a_value_may_carry_its_own_instant() -> None:
    owner = catalogue().get("anybus-mbus-modbus")
    values = {"value+0 int": Decimal("1234.5678"), "value+6 exponent": -4, "value+8 ts": 1_790_000_000}
    words = registers_from_values(owner, values)
    blocks = [(3, 0, [words.get((3, at), 0) for at in range(30)])]
    telegram = telegram_from_image(image_from_blocks(blocks), owner, "1")
    record = next(record for record in telegram.records if record.code == "value+0 int")
    assert (record.quantity, record.unit, record.value) == ("energy", "Wh", Decimal("1234.5678"))
    reading = owner.interpret(telegram).readings[0]
    assert reading.time is not None
    assert reading.time.timestamp() == 1_790_000_000


@pytest.mark.parametrize(
    ("point", "settings"),
    [
        ('{ name = "p", address = 0, type = "i32", sentinels = ["0x7FFFFFFF"] }', ""),
        ('{ name = "p", address = 0, type = "u32", sentinels = ["0xFFFFFFFF"], order = "CDAB" }', ""),
        ('{ name = "p", address = 0, type = "i16" }', 'sentinels = ["0x8000"]'),
        ('{ name = "p", address = 0, type = "f32", sentinels = ["999999"] }', ""),
        ('{ name = "p", address = 0, type = "f32" }', ""),
    ],
)
def test_sentinels_are_no_values(point: str, settings: str) -> None:
    record = read(profile(point, settings), p=None)["p"]
    assert record.value is None
    assert record.error in ("value.sentinel", "value.invalid")
    assert record.raw


def test_a_total_without_documented_high_part_counts_only_while_that_is_zero() -> None:
    owner = catalogue().get("mag-11")
    assert read(owner, heat_lo=5000)["heat_lo"].value == 5000
    full = read(owner, heat_lo=5000, heat_hi=1)["heat_lo"]
    assert full.value is None
    assert str(full.error).startswith("value.high_part")


def test_missing_registers_void_their_points_only() -> None:
    owner = catalogue().get("modbus-a")
    blocks = blocks_from_image(image(owner, energy=1234, volume=Decimal("5.67")))
    part = image_from_blocks((block.function, block.address, block.words[:4]) for block in blocks)
    found = {record.code: record for record in telegram_from_image(part, owner, "1").records}
    assert found["energy"].value == 1234
    assert (found["volume"].value, found["volume"].error) == (None, "register.missing")


def test_repeated_blocks_are_numbered() -> None:
    owner = catalogue().get("anybus-mbus-modbus.8")
    assert owner.modbus is not None
    assert owner.modbus.point("value+0 int_8").address == 90
    assert owner.modbus.point("value+0 int_8").exponent_register == "value+6 exponent_8"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('point = [{ name = "p", address = 0, type = "u128" }]', "u128"),
        ('point = [{ name = "p", address = 0, type = "u16", order = "ACBD" }]', "ACBD"),
        ('point = [{ name = "p", address = 70000, type = "u16" }]', "70000"),
        ('point = [{ name = "p", address = 0, type = "u16", colour = 1 }]', "colour"),
        ('point = [{ name = "p", address = 0, type = "u16", unit_register = "q" }]', "'q'"),
        ('point = [{ name = "p", address = 0, type = "u16", units = "nowhere" }]', "nowhere"),
        (
            'point = [{ name = "p", address = 0, type = "u16" }, { name = "p", address = 1, type = "u16" }]',
            "two points",
        ),
        ('point = [{ name = "p", address = 0, type = "f32", quantity = "energy", unit = "kWh" }]', "decimals"),
        ('point = [{ address = 0, type = "u16" }]', "name is missing"),
        ('point = [{ name = "p", address = 0, type = "u64" }]\n[modbus]\nmax_registers = 3', "one request"),
        ('point = []\n[modbus]\nserial_point = "sn"', "sn"),
        ("point = []\n[modbus]\nfunktion = 3", "funktion"),
    ],
)
def test_a_mistake_in_a_map_names_file_and_key(text: str, words: str) -> None:
    with pytest.raises(ProfileError, match=words) as caught:
        profiles_from_text(HEAD + text, "broken.toml")
    assert "broken.toml" in caught.value.message


def test_a_value_for_no_point_is_refused() -> None:
    with pytest.raises(ProfileError, match="entropy"):
        registers_from_values(catalogue().get("modbus-a"), {"entropy": 1})
    with pytest.raises(ProfileError, match="no register map"):
        registers_from_values(catalogue().get("standard"), {})


def test_a_float_beyond_any_display_is_no_value() -> None:
    owner = profile('{ name = "p", address = 0, type = "f32", quantity = "energy", unit = "kWh", decimals = 2 }')
    telegram = telegram_from_image(image_from_blocks([(3, 0, [0x7F00, 0])]), owner, "1")
    assert (telegram.records[0].value, telegram.records[0].error) == (None, "value.range")


@given(
    st.fixed_dictionaries(
        {
            "energy": st.integers(0, 2**32 - 2).map(Decimal),
            "volume": st.integers(0, 2**32 - 2).map(lambda count: Decimal(count).scaleb(-2)),
            "power": st.integers(-(2**31), 2**31 - 2).map(lambda count: Decimal(count).scaleb(-1)),
            "flow": st.integers(-(2**31), 2**31 - 2).map(lambda count: Decimal(count).scaleb(-3)),
            "supply_temperature": st.integers(-(2**15) + 1, 2**15 - 1).map(lambda count: Decimal(count).scaleb(-2)),
            "return_temperature": st.none(),
        }
    )
)
def test_what_a_device_shows_is_what_is_read(values: dict[str, Decimal | None]) -> None:
    owner = catalogue().get("modbus-a")
    found = read(owner, **values)
    assert {name: found[name].value for name in values} == values
    assert found["return_temperature"].error == "value.sentinel"


def test_the_void_of_one_type_is_a_value_of_another() -> None:
    owner = catalogue().get("modbus-a")
    assert read(owner, power=Decimal("-0.1"))["power"].value == Decimal("-0.1")
    assert read(owner, energy=2**31 - 1)["energy"].value == 2**31 - 1
