"""The data types of EN 13757-3, annex A: integers, BCD, reals, dates and times, both ways.

Every reader returns ``(value, error)``: a value that the standard calls invalid is None with a dotted reason, never a
number. Dates are ISO texts without a zone: types F, G, I and J carry none. Bytes are in transmission order, low first.
"""

import struct
from calendar import monthrange
from datetime import date, datetime, time
from decimal import Context, Decimal
from functools import lru_cache
from math import isfinite
from typing import Final

# Exact for every number that fits a record; the caller's own decimal context must not round a meter's display.
EXACT: Final = Context(prec=400, Emax=999_999, Emin=-999_999)

_SINGLE: Final = struct.Struct("<f")
_packed, _unpacked = _SINGLE.pack, _SINGLE.unpack

BCD_INVALID: Final = "value.bcd_digits"
NUMBER_INVALID: Final = "value.invalid"
DATE_INVALID: Final = "date.invalid"
DATE_UNSET: Final = "date.unset"
DATE_EVERY: Final = "date.every"
DATE_IMPOSSIBLE: Final = "date.impossible"
DATE_LENGTH: Final = "date.length"


def number_from_bcd(raw: bytes) -> tuple[int | None, str | None]:
    """Type A: packed BCD, low byte first; a top digit F is a minus sign, other digits above 9 mark an error."""
    text = raw[::-1].hex()
    if text.isdecimal():
        return int(text), None
    if text[:1] == "f" and text[1:].isdecimal():
        return -int(text[1:]), None
    return None, BCD_INVALID


def bcd_from_number(number: int, size: int) -> bytes:
    """`size` bytes of packed BCD. Raises ValueError where the number needs more digits (a minus sign takes one)."""
    digits = 2 * size
    text = f"f{-number:0{digits - 1}d}" if number < 0 else f"{number:0{digits}d}"
    if len(text) != digits:
        raise ValueError(f"{number} does not fit {digits} BCD digits")
    return bytes.fromhex(text)[::-1]


def real_from_bytes(raw: bytes) -> tuple[Decimal | None, str | None]:
    """Type H: IEEE 754 single; the fewest digits, from seven up, that give the same four bytes, so 0.1 stays 0.1."""
    (real,) = _unpacked(raw)
    if not isfinite(real):
        return None, NUMBER_INVALID
    text = f"{real:.7g}"
    try:
        if _packed(float(text)) == raw:
            return Decimal(text), None
    except OverflowError:  # seven digits may round beyond what packs into four bytes
        return Decimal(f"{real:.9g}"), None
    text = f"{real:.8g}"
    return Decimal(text if _packed(float(text)) == raw else f"{real:.9g}"), None


def _year(two_digits: int, hundreds: int) -> int:
    # Devices older than the hundred-year bits send 0 there: 00-80 is this century (EN 13757-3, annex A, type F).
    if hundreds == 0 and two_digits <= 80:
        return 2000 + two_digits
    return 1900 + 100 * hundreds + two_digits


def _checked(year_field: int, hundreds: int, month: int, day: int, rest: str) -> tuple[str | None, str | None]:
    """ISO text of a date and the given time part; wildcards and impossible days are null."""
    if year_field == 127 or month == 15 or (day == 0 and 1 <= month <= 12):
        return None, DATE_EVERY
    if month == 0 and day == 0:
        return None, DATE_UNSET
    if year_field > 99 or not 1 <= month <= 12:
        return None, DATE_IMPOSSIBLE
    year = _year(year_field, hundreds)
    if not 1 <= day <= monthrange(year, month)[1]:
        return None, DATE_IMPOSSIBLE
    return f"{year:04d}-{month:02d}-{day:02d}{rest}", None


@lru_cache(maxsize=4096)
def date_from_bytes(raw: bytes) -> tuple[str | None, str | None]:
    """Type G: two bytes, day, month, year."""
    low, high = raw
    if raw in (b"\xff\xff", b"\x00\x00"):
        return None, DATE_UNSET
    return _checked((low >> 5) | (high >> 4 << 3), 0, high & 0x0F, low & 0x1F, "")


@lru_cache(maxsize=4096)
def datetime_from_bytes(raw: bytes) -> tuple[str | None, str | None]:
    """Type F: four bytes, minute to year, with an invalid bit and two bits of hundred years."""
    minute, hour, low, high = raw
    if raw in (b"\xff\xff\xff\xff", b"\x00\x00\x00\x00"):
        return None, DATE_UNSET
    if minute & 0x80:
        return None, DATE_INVALID
    if minute & 0x3F == 63 or hour & 0x1F == 31:
        return None, DATE_EVERY
    if minute & 0x3F > 59 or hour & 0x1F > 23:
        return None, DATE_IMPOSSIBLE
    clock = f"T{hour & 0x1F:02d}:{minute & 0x3F:02d}:00"
    return _checked((low >> 5) | (high >> 4 << 3), hour >> 5 & 3, high & 0x0F, low & 0x1F, clock)


@lru_cache(maxsize=4096)
def datetime_with_seconds_from_bytes(raw: bytes) -> tuple[str | None, str | None]:
    """Type I: six bytes, second to year, with an invalid bit; week, weekday and daylight saving are not part of it."""
    second, minute, hour, low, high = raw[:5]
    if raw in (b"\xff" * 6, b"\x00" * 6):
        return None, DATE_UNSET
    if minute & 0x80:
        return None, DATE_INVALID
    if second & 0x3F == 63 or minute & 0x3F == 63 or hour & 0x1F == 31:
        return None, DATE_EVERY
    if second & 0x3F > 59 or minute & 0x3F > 59 or hour & 0x1F > 23:
        return None, DATE_IMPOSSIBLE
    clock = f"T{hour & 0x1F:02d}:{minute & 0x3F:02d}:{second & 0x3F:02d}"
    return _checked((low >> 5) | (high >> 4 << 3), 0, high & 0x0F, low & 0x1F, clock)


@lru_cache(maxsize=4096)
def time_from_bytes(raw: bytes) -> tuple[str | None, str | None]:
    """Type J: three bytes, second, minute, hour."""
    second, minute, hour = raw[0] & 0x3F, raw[1] & 0x3F, raw[2] & 0x1F
    if raw == b"\xff\xff\xff":
        return None, DATE_UNSET
    if second == 63 or minute == 63 or hour == 31:
        return None, DATE_EVERY
    if second > 59 or minute > 59 or hour > 23:
        return None, DATE_IMPOSSIBLE
    return f"{hour:02d}:{minute:02d}:{second:02d}", None


# Length in bytes tells the type: EN 13757-3 gives each its own.
POINT_READERS = {
    2: date_from_bytes,
    3: time_from_bytes,
    4: datetime_from_bytes,
    6: datetime_with_seconds_from_bytes,
}


def _year_field(day: date) -> int:
    if not 1981 <= day.year <= 2080:
        raise ValueError(f"year {day.year} outside 1981-2080 cannot be told from its two digits")
    return day.year % 100


def bytes_from_date(day: date) -> bytes:
    """Type G. Raises ValueError outside 1981-2080."""
    year = _year_field(day)
    return bytes((day.day | (year & 7) << 5, day.month | (year >> 3) << 4))


def bytes_from_datetime(moment: datetime, *, summer_time: bool = False, invalid: bool = False) -> bytes:
    """Type F, seconds dropped. Raises ValueError outside 1900-2299."""
    if not 1900 <= moment.year <= 2299:
        raise ValueError(f"year {moment.year} outside 1900-2299")
    hundreds, year = divmod(moment.year - 1900, 100)
    if hundreds == 0 and year <= 80:
        raise ValueError(f"year {moment.year} reads as {year + 2000} on the other side")
    hour = moment.hour | hundreds << 5 | summer_time << 7
    low, high = moment.day | (year & 7) << 5, moment.month | (year >> 3) << 4
    return bytes((moment.minute | invalid << 7, hour, low, high))


def bytes_from_datetime_with_seconds(moment: datetime, *, invalid: bool = False) -> bytes:
    """Type I with weekday and ISO week. Raises ValueError outside 1981-2080."""
    year = _year_field(moment)
    leap = year % 4 == 0
    return bytes(
        (
            moment.second | leap << 7,
            moment.minute | invalid << 7,
            moment.hour | moment.isoweekday() << 5,
            moment.day | (year & 7) << 5,
            moment.month | (year >> 3) << 4,
            moment.isocalendar().week,
        )
    )


def bytes_from_time(moment: time) -> bytes:
    """Type J."""
    return bytes((moment.second, moment.minute, moment.hour))


def bytes_from_point(text: str, size: int) -> bytes:
    """The ISO text of a date, time or both as the type of `size` bytes; the inverse of POINT_READERS."""
    if size == 2:
        return bytes_from_date(date.fromisoformat(text[:10]))
    if size == 3:
        return bytes_from_time(time.fromisoformat(text))
    if size == 4:
        return bytes_from_datetime(datetime.fromisoformat(text))
    if size == 6:
        return bytes_from_datetime_with_seconds(datetime.fromisoformat(text))
    raise ValueError(f"no date type has {size} bytes")
