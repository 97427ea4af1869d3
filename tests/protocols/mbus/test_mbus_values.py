"""Data types of EN 13757-3, annex A: what is valid reads exactly, what is not is null with a reason."""

import struct
from datetime import date, datetime, time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.mbus.values import (
    bcd_from_number,
    bytes_from_point,
    date_from_bytes,
    datetime_from_bytes,
    datetime_with_seconds_from_bytes,
    number_from_bcd,
    real_from_bytes,
    time_from_bytes,
)

# Meter time carries no zone.
FIRST, LAST = datetime.fromisoformat("1981-01-01T00:00:00"), datetime.fromisoformat("2299-12-31T23:59:59")


@given(
    st.integers(1, 8).flatmap(
        lambda size: st.tuples(st.just(size), st.integers(-(10 ** (2 * size - 1)) + 1, 10 ** (2 * size) - 1))
    )
)
def test_bcd_numbers_come_back(case):
    size, number = case
    assert number_from_bcd(bcd_from_number(number, size)) == (number, None)


@pytest.mark.parametrize("raw", ["ffffffff", "0000a000", "ddb4ebdd", "0f000000", "000000bf"])
def test_digits_above_nine_are_no_value(raw):
    assert number_from_bcd(bytes.fromhex(raw)) == (None, "value.bcd_digits")


def test_a_number_that_needs_more_digits_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        bcd_from_number(100, 1)
    with pytest.raises(ValueError, match="does not fit"):
        bcd_from_number(-10, 1)


@given(st.binary(min_size=4, max_size=4))
def test_reals_keep_all_four_bytes(raw):
    value, error = real_from_bytes(raw)
    if value is None:
        assert error == "value.invalid"
    else:
        assert struct.pack("<f", float(value)) == raw or value == 0


@pytest.mark.parametrize("text", ["0.1", "21.5", "1234.567", "-0.003", "230"])
def test_reals_read_as_the_decimal_they_were_written_as(text):
    assert real_from_bytes(struct.pack("<f", float(text))) == (Decimal(text), None)


@given(st.dates(date(1981, 1, 1), date(2080, 12, 31)))
def test_type_g_comes_back(day):
    assert date_from_bytes(bytes_from_point(day.isoformat(), 2)) == (day.isoformat(), None)


@given(st.datetimes(FIRST, LAST))
def test_type_f_comes_back_without_seconds(moment):
    text = moment.replace(second=0, microsecond=0).isoformat()
    assert datetime_from_bytes(bytes_from_point(text, 4)) == (text, None)


@given(st.datetimes(FIRST, LAST.replace(year=2080)))
def test_type_i_comes_back_with_seconds(moment):
    text = moment.replace(microsecond=0).isoformat()
    assert datetime_with_seconds_from_bytes(bytes_from_point(text, 6)) == (text, None)


@given(st.times())
def test_type_j_comes_back(moment):
    text = moment.replace(microsecond=0).isoformat()
    assert time_from_bytes(bytes_from_point(text, 3)) == (text, None)


@pytest.mark.parametrize(
    ("reader", "raw", "reason"),
    [
        (date_from_bytes, "0000", "date.unset"),
        (date_from_bytes, "ffff", "date.unset"),
        (date_from_bytes, "e1f1", "date.every"),  # every year
        (date_from_bytes, "210f", "date.every"),  # every month
        (date_from_bytes, "2d0d", "date.impossible"),
        (date_from_bytes, "fe22", "date.impossible"),  # 30 February
        (datetime_from_bytes, "a115e917", "date.invalid"),  # the invalid bit
        (datetime_from_bytes, "00000000", "date.unset"),
        (datetime_from_bytes, "ffffffff", "date.unset"),
        (datetime_from_bytes, "3f1f4231", "date.every"),
        (datetime_from_bytes, "3d0c4231", "date.impossible"),
        (datetime_with_seconds_from_bytes, "000080000000", "date.unset"),
        (datetime_with_seconds_from_bytes, "008000423101", "date.invalid"),
        (datetime_with_seconds_from_bytes, "3c0000423101", "date.impossible"),
        (time_from_bytes, "ffffff", "date.unset"),
        (time_from_bytes, "003f00", "date.every"),
        (time_from_bytes, "000018", "date.impossible"),
    ],
)
def test_dates_that_are_none_give_their_reason(reader, raw, reason):
    assert reader(bytes.fromhex(raw)) == (None, reason)


@given(st.binary(min_size=2, max_size=6))
def test_any_bytes_are_a_date_or_a_reason(raw):
    readers = {2: date_from_bytes, 3: time_from_bytes, 4: datetime_from_bytes, 6: datetime_with_seconds_from_bytes}
    if len(raw) in readers:
        text, reason = readers[len(raw)](raw)
        assert (text is None) != (reason is None)
        if text is not None:
            (time if len(raw) == 3 else datetime).fromisoformat(text)


def test_hundred_year_bits_tell_the_century():
    # 15 March 1999, 2049, 2105 at 10:30
    assert datetime_from_bytes(bytes((30, 10, 15 | (99 & 7) << 5, 3 | 99 >> 3 << 4)))[0] == "1999-03-15T10:30:00"
    assert (
        datetime_from_bytes(bytes((30, 10 | 1 << 5, 15 | (49 & 7) << 5, 3 | 49 >> 3 << 4)))[0] == "2049-03-15T10:30:00"
    )
    assert datetime_from_bytes(bytes((30, 10 | 2 << 5, 15 | (5 & 7) << 5, 3 | 5 >> 3 << 4)))[0] == "2105-03-15T10:30:00"


def test_type_i_marks_a_leap_year_in_bit_7_and_leaves_daylight_saving_alone():
    assert bytes_from_point("2028-02-29T10:20:30", 6).hex() == "9e144a9d3209"
    assert bytes_from_point("2027-03-01T10:20:30", 6)[0] == 30
