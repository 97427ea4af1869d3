"""Compact load profiles: many values of one quantity in one record (VIFE 13 and 1F; EN 13757-3, annex F).

A profile's data are a control byte (increment mode, unit of the spacing, coding of an element), the spacing and the
elements. Base time and base value stand in records of their own with the same storage number. The profile's record
stays as it came; its elements become records after all others, each with the instant it is of among its modifiers.
Rules: what cannot be dated or has no base stays in the profile's record, with a note; nothing is guessed. Profiles with
register numbers (VIFE 1E) stay as they came.
"""

from calendar import monthrange
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from protocols.errors import ContentError
from protocols.mbus.head import FUNCTIONS, Head, Reading, head_from_blocks
from protocols.mbus.records import value_from_bytes
from protocols.mbus.values import EXACT, NUMBER_INVALID
from protocols.telegram import DataRecord, Function

# Code of an element's record: this and the value information of the quantity.
ELEMENT: Final = "profile."
_FORWARD: Final = "profile.compact"
_INVERSE: Final = "profile.inverse"
_CODES: Final = {_FORWARD: 0x1F, _INVERSE: 0x13}
_ABSOLUTE, _INCREMENTS, _DECREMENTS = 0, 1, 2
_STEPS_S: Final = (1, 60, 3600, 86400)
_LONGEST_SPACING: Final = 250
# (unit of the spacing, its value) -> months; half months and the spacings below are the special values of annex F.
_MONTHS: Final = {(1, 254): 6, (2, 254): 3, (3, 254): 1}
_HALF_MONTH: Final = (3, 253)
_NO_BASE: Final = "profile.base_missing"


class _Layout(NamedTuple):
    """Control and spacing byte taken apart."""

    mode: int
    unit: int
    spacing: int
    head: Head


def with_elements(records: tuple[DataRecord, ...]) -> tuple[tuple[DataRecord, ...], tuple[str, ...]]:
    """The records, then the elements of their load profiles; and a note for every profile that stays closed."""
    profiles = [record for record in records if record.modifiers]
    if not profiles:
        return records, ()
    found: list[DataRecord] = []
    notes: list[str] = []
    for record in profiles:
        kind = next((word for word in record.modifiers if word in _CODES), None)
        if kind is None or not isinstance(record.value, str):
            continue
        elements = _elements(record, kind, records)
        if isinstance(elements, str):
            notes.append(f"{elements}: storage {record.storage} of {record.quantity}")
        else:
            found += elements
    return (*records, *found), tuple(notes)


def _elements(record: DataRecord, kind: str, records: Sequence[DataRecord]) -> list[DataRecord] | str:
    """Records of a profile's elements, or why there are none."""
    data = bytes.fromhex(str(record.value))
    vib = _without(bytes.fromhex(record.code), _CODES[kind])
    layout = None if vib is None or len(data) < 2 else _layout(data, vib, record.function)
    if layout is None or vib is None or (len(data) - 2) % layout.head.size:
        return "profile.layout"
    base_time = _base_time(record, records)
    if base_time is None:
        return "profile.time_missing"
    base = _base_value(record, vib, records)
    if base is None and layout.mode != _ABSOLUTE:
        return _NO_BASE
    sign = -1 if kind == _INVERSE else 1
    size, count = layout.head.size, (len(data) - 2) // layout.head.size
    found = []
    value: Decimal | None = base
    for number in range(1, count + 1):
        time = _shifted(base_time, sign * number, layout.unit, layout.spacing)
        if time is None:
            return "profile.spacing"
        raw = data[2 + (number - 1) * size : 2 + number * size]
        step, error = _element(raw, layout)
        if layout.mode == _ABSOLUTE:
            value = step
        elif value is None or step is None:
            # From a missing step on, nothing is known: an increment that overflowed is sent as missing, too.
            error, value = error or _NO_BASE, None
        else:
            value = EXACT.add(value, EXACT.multiply(step, sign if layout.mode != _DECREMENTS else -sign))
        found.append(_record(record, vib, layout.head, number, value, raw, error, time))
    return found


def _record(
    profile: DataRecord,
    vib: bytes,
    head: Head,
    number: int,
    value: Decimal | None,
    raw: bytes,
    error: str | None,
    time: str,
) -> DataRecord:
    return DataRecord(
        head.quantity,
        head.unit,
        value,
        profile.function,
        profile.storage + number,
        profile.tariff,
        profile.subunit,
        raw.hex(),
        error,
        tuple(sorted((*head.modifiers, f"time={time}"))),
        ELEMENT + vib.hex(),
    )


def _without(vib: bytes, code: int) -> bytes | None:
    """A value information block less its profile extension; None where it has none behind its first byte."""
    for place in range(len(vib) - 1, 0, -1):
        if vib[place] & 0x7F == code:
            last = not vib[place] & 0x80
            before = vib[: place - 1] + bytes((vib[place - 1] & 0x7F if last else vib[place - 1],))
            return before + vib[place + 1 :]
    return None


def _layout(data: bytes, vib: bytes, function: Function) -> _Layout | None:
    control, spacing = data[:2]
    try:
        head = head_from_blocks(bytes((control & 0x0F | FUNCTIONS.index(function) << 4,)), vib)
    except (ContentError, IndexError):
        return None
    if head.reading not in (Reading.INTEGER, Reading.UNSIGNED, Reading.BCD, Reading.REAL) or head.offset is not None:
        return None
    return _Layout(control >> 6, control >> 4 & 3, spacing, head)


def _element(raw: bytes, layout: _Layout) -> tuple[Decimal | None, str | None]:
    """An element in the unit of its quantity; increments and decrements have no sign."""
    head = layout.head
    if layout.mode in (_INCREMENTS, _DECREMENTS) and head.reading is Reading.INTEGER:
        if raw == b"\xff" * head.size:
            return None, NUMBER_INVALID
        return EXACT.multiply(int.from_bytes(raw, "little"), head.factor), None
    value, error = value_from_bytes(raw, head)
    return (value if isinstance(value, Decimal) else None), error


def _base_time(profile: DataRecord, records: Sequence[DataRecord]) -> str | None:
    for record in records:
        if (
            record.quantity in ("date", "datetime")
            and record.storage == profile.storage
            and record.function is Function.INSTANTANEOUS
            and isinstance(record.value, str)
            and "-" in record.value
        ):
            return record.value
    return None


def _base_value(profile: DataRecord, vib: bytes, records: Sequence[DataRecord]) -> Decimal | None:
    wanted = profile.storage, profile.tariff, profile.subunit, profile.function, vib.hex()
    for record in records:
        found = record.storage, record.tariff, record.subunit, record.function, record.code
        if found == wanted and isinstance(record.value, Decimal):
            return record.value
    return None


def _shifted(base: str, steps: int, unit: int, spacing: int) -> str | None:
    """ISO text `steps` spacings after `base`; a bare date stays one. None for a spacing that is none of time."""
    moment = datetime.fromisoformat(base)
    try:
        if (unit, spacing) in _MONTHS:
            moment = _months_later(moment, steps * _MONTHS[unit, spacing])
        elif (unit, spacing) == _HALF_MONTH:
            moment = _half_months_later(moment, steps)
        elif 1 <= spacing <= _LONGEST_SPACING:
            moment += timedelta(seconds=steps * spacing * _STEPS_S[unit])
        else:
            return None
    except (OverflowError, ValueError):
        return None
    # A bare date cannot say hours: the profile's instants then count from its midnight.
    whole_days = len(base) == 10 and (unit == 3 or (unit, spacing) in _MONTHS)
    return moment.date().isoformat() if whole_days else moment.isoformat()


def _ends_month(day: date) -> bool:
    return day.day == monthrange(day.year, day.month)[1]


def _months_later(moment: datetime, months: int) -> datetime:
    """The same day of another month; the last day of a month stays the last."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    last = monthrange(year, month + 1)[1]
    return moment.replace(year=year, month=month + 1, day=last if _ends_month(moment) else min(moment.day, last))


def _half_months_later(moment: datetime, steps: int) -> datetime:
    """Half months from the 1st or 16th, or from the 15th or the last day. Raises ValueError from any other day."""
    ends = moment.day == 15 or _ends_month(moment)
    if not ends and moment.day not in (1, 16):
        raise ValueError("a half month begins on the 1st or the 16th")
    second = moment.day >= 16
    months, half = divmod(second + steps, 2)
    first = _months_later(moment.replace(day=1), months)
    if not ends:
        return first.replace(day=16 if half else 1)
    return first.replace(day=monthrange(first.year, first.month)[1] if half else 15)
