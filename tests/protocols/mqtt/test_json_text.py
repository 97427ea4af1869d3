"""Hostile JSON ends as a coded error, honest numbers keep their digits."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import ContentError
from protocols.mqtt.encode import json_bytes
from protocols.mqtt.json_text import number_from_json, object_from_json, time_from_json, value_from_json


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b'{"a": NaN}', "json.malformed"),
        (b'{"a": Infinity}', "json.malformed"),
        (b'{"a": 1', "json.malformed"),
        (b'{"a": 1} x', "json.malformed"),
        (b'{"a": "\xff"}', "json.encoding"),
        (b"[" * 100_000, "json.depth"),
        (b"[" * 200 + b"]" * 200, "json.depth"),
        (b'{"a": 1, "a": 2}', "json.duplicate"),
        (b'{"a" : 1, "a":2}', "json.duplicate"),
        (b'{"a": 1, "\\u0061": 2}', "json.duplicate"),
        (b'{"x": {"t": "12:30", "t": "12:31"}}', "json.duplicate"),
        (b'{"a": 1e999999}', "json.number"),
        (b'{"a": 1e99999999999999999999}', "json.number"),
        (b'{"a": 1.' + b"1" * 500 + b"}", "json.number"),
        (b'{"a": ' + b"1" * 5000 + b"}", "json.type"),
        (b" " * (2 << 20), "json.too_large"),
    ],
)
def test_hostile_text_is_refused_with_a_code(text, code):
    with pytest.raises(ContentError) as caught:
        value_from_json(text)
    assert caught.value.code == code


def test_malformed_text_names_its_byte():
    with pytest.raises(ContentError) as caught:
        value_from_json(b'{"energy": NaN}')
    assert caught.value.offset == 11


def test_a_text_with_colons_is_no_duplicate():
    assert object_from_json(b'{"time": "2026-01-01T10:00:00Z", "a": 1}')["a"] == 1


def test_only_objects_pass_where_an_object_is_expected():
    with pytest.raises(ContentError, match="object"):
        object_from_json(b"[1]")


def test_numbers_keep_their_digits():
    assert str(value_from_json(b"[12.50]")[0]) == "12.50"


@pytest.mark.parametrize(
    ("value", "number"),
    [("124638", Decimal(124638)), ("12,5", Decimal("12.5")), (" 7 ", Decimal(7)), (True, None), (None, None),
     ("--", None), ("", None), ("1e5", Decimal("1e5")), ("0x10", None),
     ("1_000", None), ("9" * 100, None), (10**60, None)],
)  # fmt: skip
def test_numbers_of_careless_senders(value, number):
    assert number_from_json(value) == number


@pytest.mark.parametrize(
    "value",
    [1763798400, 1763798400000, 1763798400000000, "1763798400", "2025-11-22T08:00:00Z", "2025-11-22T16:00:00+08:00",
     "2025-11-22T08:00:00.000000000Z"],
)  # fmt: skip
def test_times_in_every_unit(value):
    assert time_from_json(value) == datetime(2025, 11, 22, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    "value", ["1111-11-11T11:11:11Z", "2025-11-22T08:00:00", "yesterday", 5, None, True, "9" * 70, -1]
)
def test_what_is_no_instant_gives_none(value):
    assert time_from_json(value) is None


scalars = st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(max_size=8)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_what_is_written_is_read(value):
    assert value_from_json(json_bytes(value)) == value


@given(st.decimals(-(10**12), 10**12, places=4))
def test_decimals_travel_as_bare_numbers(number):
    assert value_from_json(json_bytes([number])) == [number]


@given(st.binary(max_size=60))
def test_any_bytes_give_a_value_or_a_coded_error(data):
    try:
        value_from_json(data)
    except ContentError as error:
        assert error.code.startswith("json.")  # noqa: PT017
