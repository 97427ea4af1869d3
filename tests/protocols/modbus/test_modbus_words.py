"""16-bit registers become exact numbers in every type and order, and come back the same."""

import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.modbus import value_from_words, words_from_value
from protocols.modbus.words import BITS, ORDERS, TYPES

words = st.integers(0, 0xFFFF)


@pytest.mark.parametrize(
    ("order", "registers"),
    [("ABCD", (0x4282, 0xDC29)), ("CDAB", (0xDC29, 0x4282)), ("BADC", (0x8242, 0x29DC)), ("DCBA", (0x29DC, 0x8242))],
)
def test_orders_are_those_of_the_field(order: str, registers: tuple[int, int]) -> None:
    assert value_from_words(registers, "f32", order) == Decimal("65.43")
    assert words_from_value(Decimal("65.43"), "f32", order) == registers


@pytest.mark.parametrize(
    ("kind", "registers", "value"),
    [
        ("u16", (0xFFFF,), Decimal(65535)),
        ("i16", (0xFFFF,), Decimal(-1)),
        ("u32", (1, 2), Decimal(65538)),
        ("i32", (0xFFFF, 0xFFFE), Decimal(-2)),
        ("i64", (0xFFFF, 0xFFFF, 0xFFFF, 0xFFFE), Decimal(-2)),
        ("u64", (0, 0, 1, 0), Decimal(65536)),
        ("bcd8", (0x1234, 0x5678), Decimal(12345678)),
        ("bcd4", (0x12A4,), None),
        ("f32", (0x7F80, 0), None),
        ("f32", (0x7FC0, 0), None),
        ("f64", (0x4050, 0x5B85, 0x1EB8, 0x51EC), Decimal("65.43")),
        ("ascii", (0x6B57, 0x6800), "kWh"),
        ("clock_bcd6", (0x3059, 0x2322, 0x1126), "2026-11-22T23:59:30"),
        ("clock_bcd6", (0x3059, 0x2342, 0x1126), None),
    ],
)
def test_types_mean_what_they_say(kind: str, registers: tuple[int, ...], value: Decimal | str | None) -> None:
    assert value_from_words(registers, kind) == value


@given(st.sampled_from(sorted(BITS)), st.sampled_from(ORDERS), st.data())
def test_integers_survive_the_round_trip(kind: str, order: str, data: st.DataObject) -> None:
    registers = tuple(data.draw(st.lists(words, min_size=TYPES[kind], max_size=TYPES[kind])))
    value = value_from_words(registers, kind, order)
    assert isinstance(value, Decimal)
    assert words_from_value(value, kind, order) == registers


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.sampled_from(ORDERS))
def test_floats_keep_their_bits_in_the_fewest_digits(number: float, order: str) -> None:
    value = value_from_words(words_from_value(Decimal(number), "f32", order), "f32", order)
    assert isinstance(value, Decimal)
    assert struct.pack(">f", float(value)) == struct.pack(">f", number)
    assert len(value.as_tuple().digits) <= 9


@pytest.mark.parametrize(
    ("value", "kind"),
    [(Decimal(65536), "u16"), (Decimal(-1), "u32"), (Decimal("1.5"), "i16"), (Decimal(10000), "bcd4"),
     (Decimal(-1), "bcd8")],
)  # fmt: skip
def test_values_that_do_not_fit_are_refused(value: Decimal, kind: str) -> None:
    with pytest.raises(ValueError, match=str(value)):
        words_from_value(value, kind)
