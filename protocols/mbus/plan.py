"""Layout plans: a meter sends the same DIF/VIF bytes every time, so where its values lie is worked out once.

A plan holds the fixed bytes of a variable data structure as one mask and pattern (heads, lengths, fillers) and reads
all values in a few passes over the whole telegram. It applies only where every fixed byte is equal, and gives exactly
what `records.records_from_bytes` gives: the tests compare the two. Plans are built at the second sight of a layout and
bounded in number, so hostile senders cost neither time nor memory.
"""

import struct
from collections.abc import Callable
from decimal import Decimal, getcontext
from operator import eq, itemgetter, mul
from typing import Any, Final, NamedTuple, TypeVar

from protocols.errors import ContentError
from protocols.mbus.head import Head, Reading
from protocols.mbus.records import (
    FILLER,
    PLAIN_PRECISION,
    head_at,
    value_from_bytes,
    value_from_variable,
    variable_size,
)
from protocols.mbus.values import BCD_INVALID, EXACT, NUMBER_INVALID, POINT_READERS, real_from_bytes
from protocols.telegram import DataRecord, Function

_TAILS: Final = {0x0F: "manufacturer_specific", 0x1F: "more_records_follow"}
_INTEGER_CODES: Final = {1: "b", 2: "h", 4: "i", 8: "q"}
_PLANS_PER_KEY: Final = 16
_SIGHTS: Final = 4096
# An integer that no field can hold: "every pattern is a value".
_NEVER: Final = 1 << 80

_Value = Decimal | str | None
_Text = TypeVar("_Text", str, bytes)
_Reader = Callable[[bytes], tuple[_Value, str | None]]


class _Field(NamedTuple):
    """One record of a layout: its head (None: what follows DIF 0F or 1F), where its data lie."""

    head: Head | None
    first: int  # of the head
    start: int  # of the data, the LVAR byte included
    stop: int
    lvar: int | None
    tail: int = 0


def fields_of(data: bytes) -> list[_Field]:
    """Records of a variable data structure, delimited only. Raises IndexError or ContentError where that fails."""
    fields: list[_Field] = []
    at, end = 0, len(data)
    while at < end:
        dif = data[at]
        if dif == FILLER:
            at += 1
            continue
        if dif in _TAILS:
            fields.append(_Field(None, at, at + 1, end, None, dif))
            break
        if dif & 0x0F == 0x0F:
            raise ContentError("record.dif", f"reserved DIF {dif:02X}", at)
        head, start = head_at(data, at)
        lvar = data[start] if head.reading is Reading.VARIABLE else None
        size = head.size if lvar is None else variable_size(lvar)
        if size is None:
            raise ContentError("record.lvar", "reserved LVAR", start)
        stop = start + size + (lvar is not None)
        if stop > end:
            raise IndexError
        fields.append(_Field(head, at, start, stop, lvar))
        at = stop
    return fields


def _constants(field: _Field) -> tuple[Any, ...]:
    head = field.head
    if head is None:
        return _TAILS[field.tail], "", Function.INSTANTANEOUS, 0, 0, 0, (), f"{field.tail:02x}"
    numbers = head.storage, head.tariff, head.subunit
    return head.quantity, head.unit, head.function, *numbers, head.modifiers, head.code


def _columns(fields: list[_Field]) -> tuple[tuple[Any, ...], ...]:
    """What never changes of the records, one tuple an attribute."""
    rows = [_constants(field) for field in fields]
    return tuple(zip(*rows, strict=True)) if rows else ((),) * 8


def _getter(slices: list[slice]) -> Callable[[_Text], tuple[_Text, ...]]:
    """What cuts a text or bytes into the slices in one call."""
    if not slices:
        return lambda _: ()
    if len(slices) == 1:
        (only,) = slices
        return lambda text: (text[only],)
    return itemgetter(*slices)


def _odd_integer_reader(head: Head) -> _Reader:
    """Integers of three and six bytes, which struct has no code for."""
    factor, invalid, signed = head.factor, head.invalid, head.reading is Reading.INTEGER

    def read(raw: bytes) -> tuple[_Value, str | None]:
        number = int.from_bytes(raw, "little", signed=signed)
        return (None, NUMBER_INVALID) if number == invalid else (EXACT.multiply(factor, number), None)

    return read


def _real_reader(head: Head) -> _Reader:
    factor = head.factor
    if factor == 1:
        return real_from_bytes

    def read(raw: bytes) -> tuple[_Value, str | None]:
        value, error = real_from_bytes(raw)
        return (None, error) if value is None else (EXACT.multiply(factor, value), None)

    return read


def _reader(head: Head) -> _Reader:
    """What reads the data of a record that is neither a plain integer nor BCD."""
    if head.reading is Reading.POINT and head.error is None:
        return POINT_READERS[head.size]
    plain = head.error is None and head.offset is None
    if plain and head.reading in (Reading.INTEGER, Reading.UNSIGNED):
        return _odd_integer_reader(head)
    if plain and head.reading is Reading.REAL:
        return _real_reader(head)
    if head.reading is Reading.VARIABLE:
        return lambda raw: value_from_variable(raw[0], raw[1:], head)
    return lambda raw: value_from_bytes(raw, head)


class Plan:
    """Reads every telegram of one layout."""

    # `mask` and `pattern`: the fixed bytes of the layout, as little-endian numbers.
    __slots__ = (
        "_any", "_bcd_texts", "_columns", "_decimal", "_factors", "_integers", "_invalids", "_no_errors", "_order",
        "_others", "_raw_texts", "_tailed", "layout", "mask", "more", "pattern", "profiled",
    )  # fmt: skip

    def __init__(self, data: bytes, fields: list[_Field]) -> None:
        size = len(data)
        fixed = bytearray(b"\xff" * size)
        for field in fields:
            start = field.start + (field.lvar is not None)
            fixed[start : field.stop] = bytes(field.stop - start)
        self.mask = int.from_bytes(fixed, "little")
        self.pattern = int.from_bytes(data, "little") & self.mask
        self._columns = _columns(fields)
        self._raw_texts = _getter([slice(2 * f.start, 2 * f.stop) for f in fields])
        self._no_errors = (None,) * len(fields)
        self.more = bool(fields) and fields[-1].tail == 0x1F
        self.profiled = any("_profile" in quantity for quantity in self._columns[0])
        self.layout = b"".join(data[f.first : f.start] for f in fields)
        self._sort(fields, size)

    def _sort(self, fields: list[_Field], size: int) -> None:
        """Group the records by how they are read: integers, BCD, all others."""
        integers: list[int] = []
        bcds: list[int] = []
        others: list[int] = []
        for place, field in enumerate(fields):
            head = field.head
            if head is None or head.error is not None or head.offset is not None:
                others.append(place)
            elif head.reading in (Reading.INTEGER, Reading.UNSIGNED) and head.size in _INTEGER_CODES:
                integers.append(place)
            elif head.reading is Reading.BCD:
                bcds.append(place)
            else:
                others.append(place)
        heads = [field.head for field in fields]
        self._integers = struct.Struct(_integer_format(fields, integers, size))
        self._invalids = tuple(_NEVER if (h := heads[p]) is None or h.invalid is None else h.invalid for p in integers)
        self._factors = tuple(h.factor for p in (*integers, *bcds) if (h := heads[p]) is not None)
        self._bcd_texts = _getter([slice(2 * (size - fields[p].stop), 2 * (size - fields[p].start)) for p in bcds])
        readers = tuple((_reader(h), fields[p].start, fields[p].stop) for p in others if (h := heads[p]) is not None)
        self._decimal = bool(bcds)
        self._others = readers
        self._tailed = len(readers) < len(others)
        order = [0] * len(fields)
        for source, place in enumerate((*integers, *bcds, *others)):
            order[place] = source
        # Two more, so that itemgetter gives a tuple also of a single record; map stops at the shortest column.
        self._order = itemgetter(*order, 0, 0)
        self._any = bool(order)

    def records(self, data: bytes) -> tuple[DataRecord, ...]:
        """The records of a telegram that has this layout."""
        if not self._any:
            return ()
        text = data.hex()
        numbers = self._integers.unpack(data)
        bad: list[tuple[int, str]] = []
        if True in map(eq, numbers, self._invalids):
            bad += [(n, NUMBER_INVALID) for n, one in enumerate(numbers) if one == self._invalids[n]]
        if self._decimal:
            texts = self._bcd_texts(data[::-1].hex())
            try:
                numbers += tuple(map(int, texts))
            except ValueError:
                numbers += _signed(texts, len(numbers), bad)
        multiply = mul if getcontext().prec >= PLAIN_PRECISION else EXACT.multiply
        values: list[_Value] = [*map(multiply, self._factors, numbers)]
        for reader, start, stop in self._others:
            value, error = reader(data[start:stop])
            if error is not None:
                bad.append((len(values), error))
            values.append(value)
        raws = self._raw_texts(text)
        if self._tailed:
            values.append(raws[-1])
        errors = self._errors(bad, values) if bad else self._no_errors
        quantity, unit, function, storage, tariff, subunit, modifiers, code = self._columns
        ordered = self._order(values)
        return tuple(
            map(DataRecord, quantity, unit, ordered, function, storage, tariff, subunit, raws, errors, modifiers, code)
        )

    def _errors(self, bad: list[tuple[int, str]], values: list[_Value]) -> tuple[str | None, ...]:
        """Errors in the order of the records; the bad values become null."""
        errors: list[str | None] = [None] * len(values)
        for place, error in bad:
            values[place] = None
            errors[place] = error
        ordered: tuple[str | None, ...] = self._order(errors)
        return ordered[: len(values)]


def _signed(texts: tuple[str, ...], first: int, bad: list[tuple[int, str]]) -> tuple[int, ...]:
    """BCD numbers of which some are negative or invalid; these are noted and read 0."""
    numbers = []
    for place, text in enumerate(texts, first):
        if text.isdecimal():
            numbers.append(int(text))
        elif text[0] == "f" and text[1:].isdecimal():
            numbers.append(-int(text[1:]))
        else:
            bad.append((place, BCD_INVALID))
            numbers.append(0)
    return tuple(numbers)


def _integer_format(fields: list[_Field], integers: list[int], size: int) -> str:
    form, at = "<", 0
    for place in integers:
        field = fields[place]
        code = _INTEGER_CODES[field.stop - field.start]
        unsigned = field.head is not None and field.head.reading is Reading.UNSIGNED
        form += f"{field.start - at}x{code.upper() if unsigned else code}"
        at = field.stop
    return f"{form}{size - at}x"


class PlanCache:
    """Plans by length and first bytes; at most `limit` of them, oldest kinds first out."""

    __slots__ = ("_count", "_limit", "_plans", "_seen")

    def __init__(self, limit: int = 2048) -> None:
        self._plans: dict[tuple[int, bytes], list[Plan]] = {}
        self._seen: set[tuple[int, bytes]] = set()
        self._limit = limit
        self._count = 0

    def find(self, data: bytes) -> Plan | None:
        """The plan that fits `data`, if there is one."""
        plans = self._plans.get((len(data), data[:2]))
        if plans is None:
            return None
        number = int.from_bytes(data, "little")
        for plan in plans:
            if number & plan.mask == plan.pattern:
                return plan
        return None

    def learn(self, data: bytes) -> None:
        """Note a telegram that was decoded without a plan; the second of its layout makes one."""
        try:
            fields = fields_of(data)
        except (IndexError, ContentError):
            return
        sight = len(data), b"".join(data[field.first : field.start] for field in fields)
        if sight not in self._seen:
            if len(self._seen) >= _SIGHTS:
                self._seen.clear()
            self._seen.add(sight)
            return
        plans = self._plans.setdefault((len(data), data[:2]), [])
        plans.insert(0, Plan(data, fields))
        self._count += 1 - len(plans[_PLANS_PER_KEY:])
        del plans[_PLANS_PER_KEY:]
        while self._count > self._limit:
            self._count -= len(self._plans.pop(next(iter(self._plans))))
