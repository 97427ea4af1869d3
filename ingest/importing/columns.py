"""Columns of readings files as arrays: who, what, when and how much, exactly.

Rules: pure arithmetic on Arrow and NumPy, no database; text keeps its digits, a double stands for the shortest
decimal that is near enough; what cannot be read is a mask with a reason, never a wrong number.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ingest.importing.cells import instant_from_text

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

NANO = 9
_LIMIT = 2**62
# A display has at most 18 digits.
_MOST = 10**18
# Nearer than this share of a count a double is that count; files are written from exact displays.
_NEAR = 1e-6
_MOST_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Values:
    """A value column: text and integers as exact billionths (`nano`), doubles as they are. `bad`: no value."""

    bad: Mask
    nano: Int64 | None = None
    double: Float64 | None = None
    reasons: dict[int, str] = field(default_factory=dict)
    # Values of which an int64 holds no billionths, by row: seldom, and exact all the same.
    big: dict[int, Decimal] = field(default_factory=dict)

    def counts(self, rows: npt.NDArray[np.intp], ratio: Fraction) -> tuple[Int64, Mask]:
        """Counts of some rows, and where a value is none. `ratio`: counts in one of the value's unit."""
        if self.double is not None:
            exact = self.double[rows] * float(ratio)
            nearest = np.rint(exact)
            wrong = ~(np.abs(exact - nearest) <= _NEAR * np.maximum(1.0, np.abs(nearest) * 1e-3)) | (
                np.abs(nearest) > 1e18
            )
            return np.where(wrong, 0.0, nearest).astype(np.int64), wrong
        assert self.nano is not None
        share = ratio / 10**NANO
        values = self.nano[rows]
        biggest = int(np.abs(values).max()) if len(values) else 0
        if biggest * share.numerator < _LIMIT:
            product = values * share.numerator
            counts, wrong = product // share.denominator, product % share.denominator != 0
        else:
            counts, wrong = _exactly([int(value) * share for value in values.tolist()])
        if self.big:
            at = np.flatnonzero(np.isin(rows, list(self.big)))
            counts[at], wrong[at] = _exactly([Fraction(self.big[row]) * ratio for row in rows[at].tolist()])
        return counts, wrong

    def floats(self, rows: npt.NDArray[np.intp]) -> Float64:
        """Values as doubles, for what is not counted."""
        if self.double is not None:
            return self.double[rows]
        assert self.nano is not None
        return np.where(np.isin(rows, list(self.big)), 0.0, self.nano[rows] / 1e9)

    def decimals(self, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
        """Decimals that each value needs, at most six."""
        needed = np.full(len(rows), _MOST_DECIMALS, dtype=np.int64)
        for places in range(_MOST_DECIMALS - 1, -1, -1):
            _, wrong = self.counts(rows, Fraction(10**places))
            needed[~wrong] = places
        return needed


def _exactly(counts: Sequence[Fraction]) -> tuple[Int64, Mask]:
    wrong = np.array([c.denominator != 1 or abs(c) > _MOST for c in counts], dtype=bool)
    return np.array([0 if w else int(c) for c, w in zip(counts, wrong, strict=True)], dtype=np.int64), wrong


def codes(column: Any) -> tuple[npt.NDArray[np.int64], list[str]]:
    """A text column as (n,) codes and the texts they stand for; an empty cell is the empty text."""
    if not pa.types.is_dictionary(column.type):
        column = pc.dictionary_encode(column.cast(pa.string()))
    texts = ["" if text is None else str(text).strip() for text in column.dictionary.to_pylist()]
    indices = pc.fill_null(column.indices, len(texts)).to_numpy(zero_copy_only=False).astype(np.int64)
    return indices, [*texts, ""]


def times(column: Any, zone: tzinfo) -> tuple[Int64, Mask]:
    """Instants as (n,) epoch microseconds, and where there is none. Times without an offset are in `zone`."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        stamps = column.cast(pa.timestamp("us", tz=getattr(kind, "tz", None)))
        if getattr(kind, "tz", None) is None:
            stamps = _localised(stamps, zone)
        return _integers(stamps)
    if pa.types.is_integer(kind):
        return _integers(pa.array(column).cast(pa.timestamp("s")).cast(pa.timestamp("us")))
    for target, local in ((pa.timestamp("us", tz="UTC"), False), (pa.timestamp("us"), True)):
        try:
            stamps = pc.cast(column, target)
        except pa.ArrowInvalid:
            continue
        return _integers(_localised(stamps, zone) if local else stamps)
    return _times_one_by_one(column, zone)


def _localised(stamps: Any, zone: tzinfo) -> Any:
    return pc.assume_timezone(stamps, str(zone), ambiguous="earliest", nonexistent="earliest")


def _integers(stamps: Any) -> tuple[Int64, Mask]:
    missing = stamps.is_null().to_numpy(zero_copy_only=False)
    return pc.fill_null(stamps.cast(pa.int64()), 0).to_numpy(zero_copy_only=False), missing


def _times_one_by_one(column: Any, zone: tzinfo) -> tuple[Int64, Mask]:
    result = np.zeros(len(column), dtype=np.int64)
    missing = np.zeros(len(column), dtype=bool)
    for row, text in enumerate(column.to_pylist()):
        try:
            at = instant_from_text(str(text).strip())
        except ValueError:
            missing[row] = True
            continue
        at = (at if at.tzinfo is not None else at.replace(tzinfo=zone)).astimezone(UTC)
        result[row] = round(at.timestamp() * 1_000_000)
    return result, missing


def values(column: Any) -> Values:
    """A column of numbers, whatever type it has."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_floating(kind):
        double = pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy(zero_copy_only=False)
        return Values(bad=~np.isfinite(double), double=np.nan_to_num(double, nan=0.0, posinf=0.0, neginf=0.0))
    try:
        exact = (
            column.cast(pa.string()).cast(pa.decimal128(38, NANO))
            if not pa.types.is_string(kind)
            else pc.cast(pc.utf8_trim_whitespace(column), pa.decimal128(38, NANO))
        )
    except pa.ArrowInvalid:
        return _values_one_by_one(column.cast(pa.string()).to_pylist())
    missing = exact.is_null().to_numpy(zero_copy_only=False)
    words = np.frombuffer(exact.buffers()[1], dtype="<i8")[2 * exact.offset : 2 * (exact.offset + len(exact))].reshape(
        -1, 2
    )
    low, high = words[:, 0], words[:, 1]
    wide = (high != (low >> 63)) & ~missing
    nano = np.where(missing | wide, 0, low)
    big: dict[int, Decimal] = {}
    beyond = np.zeros(len(exact), dtype=bool)
    for row in np.flatnonzero(wide).tolist():
        value = exact[row].as_py()
        if abs(value) < _MOST:
            big[row] = value
        else:
            beyond[row] = True
    return Values(
        missing | beyond,
        nano=nano,
        reasons=_said(np.flatnonzero(beyond), column.to_pylist() if beyond.any() else ()),
        big=big,
    )


def _said(rows: npt.NDArray[np.intp], texts: Sequence[Any]) -> dict[int, str]:
    return {int(row): f"{texts[int(row)]!s:.40} is no value of a meter" for row in rows[:1000]}


def _values_one_by_one(texts: Sequence[str | None]) -> Values:
    nano = np.zeros(len(texts), dtype=np.int64)
    bad = np.zeros(len(texts), dtype=bool)
    reasons: dict[int, str] = {}
    big: dict[int, Decimal] = {}
    for row, text in enumerate(texts):
        try:
            value = Decimal((text or "").strip())
            if not value.is_finite() or abs(value) >= _MOST:
                raise InvalidOperation
            # More than nine decimals are a spreadsheet's binary noise.
            number = int(value.scaleb(NANO).to_integral_value())
            if abs(number) < _LIMIT:
                nano[row] = number
            else:
                big[row] = value
        except InvalidOperation:
            bad[row] = True
            reasons[row] = f"{text!r:.40} is no value of a meter" if text else "the value is missing"
    return Values(bad, nano=nano, reasons=reasons, big=big)
