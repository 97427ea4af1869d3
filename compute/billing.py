"""From index readings and interval sums to a billing quantity: exact integers until the one rounding at the end.

This file knows numbers, not the database. The total is the sum of the intervals; beside it stands the difference of the
cut-off indexes, made from the readings by themselves. Where the two differ by a single joule, the quantity is not
conserved and the gate holds it back. A meter whose index broke (fell, changed its unit, leapt) has a segment before and
one after: each conserves its energy, the break itself waits for a person.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, Literal

from compute.quality import Quality

_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class IndexReading:
    """A stored reading of a counter: exact display count and the delivery it came with."""

    ts: datetime
    count: int
    delivery_id: int
    flags: int = 0


@dataclass(frozen=True, slots=True)
class CutOff:
    """The index at a cut-off instant, in counts after the segment's own origin.

    basis: "target_date" (the meter's own value of that instant), "nearest" (within tolerance), "interpolated" (between
    two readings farther away), "initial" and "final" (written down at the installation), "first" and "last" (the data
    begin or end here), "break" (the index breaks here), "missing". `at` is the instant that the index is for; `before`
    and `after` are the readings it rests on.
    """

    at: datetime
    basis: str
    before: IndexReading | None = None
    after: IndexReading | None = None

    @property
    def evidence(self) -> tuple[IndexReading, ...]:
        """The readings behind this index, without repetition."""
        found = [reading for reading in (self.before, self.after) if reading is not None]
        return tuple(found[:1] if len(found) == 2 and found[0] == found[1] else found)


@dataclass(frozen=True, slots=True)
class Segment:
    """One meter at the point during a part of the period, with its two cut-off indexes.

    `size`: base units (J or mL) of one count at the point; `mounted`: from when to when the meter stood there, None
    where open; `noted`: its indexes written down at these ends; `break_before`: why the index does not carry on from
    the segment before ("" where it does): "reset", "unit", "range", or "rescaled" where its unit is another and it does
    carry on; `rate`: most counts a second the pipe can deliver
    (V8), 0 where unknown.
    """

    meter_id: int
    serial: str
    manufacturer: str
    register: str
    register_id: int | None
    unit: str
    scale: int
    digits: int | None
    factor: Fraction
    size: Fraction
    start: datetime
    end: datetime
    first: CutOff
    last: CutOff
    mounted: tuple[datetime | None, datetime | None] = (None, None)
    noted: tuple[int | None, int | None] = (None, None)
    break_before: str = ""
    rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over the current intervals of a point and period: `total` in J or mL, of it `beyond` without any index
    behind it."""

    total: int = 0
    volume_ml: int | None = None
    estimated: int = 0
    edited: int = 0
    beyond: int = 0
    uncertainty: int = 0
    seconds: int = 0
    missing_s: int = 0
    estimated_s: int = 0
    edited_s: int = 0
    intervals: int = 0
    flags: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    run_id: int | None = None
    rule_set_id: int | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """What a quantity must reach to be frozen, as shares of the period's energy and time."""

    max_estimated: float = 0.2
    max_missing: float = 0.05
    max_edited: float = 1.0
    require_conserved: bool = True


@dataclass(frozen=True, slots=True)
class BillingPeriod:
    """What is billed: in which base unit, over how many seconds, behind which gate."""

    base: Literal["J", "mL"]
    seconds: float
    gate: Gate


@dataclass(frozen=True, slots=True)
class BillingQuantity:
    """The integers that are billed, shares, and whether they pass the gate (reason: why not)."""

    energy_j: int | None
    volume_ml: int | None
    index_difference: int | None
    conserved: bool
    share_measured: float
    share_estimated: float
    share_edited: float
    share_missing: float
    quality: str
    reason: str
    segments: list[dict[str, Any]] = field(default_factory=list)


def floored(count: int, size: Fraction) -> int:
    """Base units of a cumulative count, floored: exact for every unit that is a whole number of base units."""
    return count * size.numerator // size.denominator


def index_at(cut: CutOff, origin: int, size: Fraction, capacity: int | None) -> int | None:
    """Index at a cut-off in base units above `origin` (a count); None without any reading.

    Between two readings it lies on their straight line, floored: the same rule by which the intervals are cut, so
    sums agree.
    """
    before, after = cut.before, cut.after
    if before is None or after is None:
        only = before or after
        return None if only is None else floored(_above(only.count, origin, capacity), size)
    low = floored(_above(before.count, origin, capacity), size)
    high = floored(_above(after.count, origin, capacity), size)
    span = (after.ts - before.ts) // _MICROSECOND
    if span <= 0:
        return low
    elapsed = (cut.at - before.ts) // _MICROSECOND
    return low + min(max(int((high - low) * (elapsed / span)), 0), max(high - low, 0))


def _above(count: int, origin: int, capacity: int | None) -> int:
    # Half a display below the origin is a rollover, anything less a decrease that stays negative and shows.
    difference = count - origin
    return difference + capacity if capacity is not None and difference < -capacity // 2 else difference


def segment_advance(segment: Segment) -> int | None:
    """What the meter advanced between its two cut-offs, in base units; None where an index is missing."""
    origin = segment.first.before or segment.first.after
    if origin is None:
        return None
    capacity = None if segment.digits is None else 10**segment.digits
    first = index_at(segment.first, origin.count, segment.size, capacity)
    last = index_at(segment.last, origin.count, segment.size, capacity)
    return None if first is None or last is None else last - first


def quantity_of(period: BillingPeriod, segments: Sequence[Segment], sums: Sums) -> BillingQuantity:
    """The billing quantity of one point.

    Parameters
    ----------
    period
        The period so far: a period that still runs ends at the present.
    segments
        The point's meters during the period, in order.
    sums
        Over the current intervals of the period.
    """
    advances = [segment_advance(segment) for segment in segments]
    known = [advance for advance in advances if advance is not None]
    difference = sum(known) if known and len(known) == len(advances) else None
    empty = sums.intervals == 0
    total = None if empty else sums.total
    conserved = difference is not None and not empty and difference == sums.total - sums.beyond
    estimated, edited = _share(sums.estimated, sums.total), _share(sums.edited, sums.total)
    # Time without any interval at all (before the first, after the last reading) is missing too.
    absent_s = sums.missing_s + max(0.0, period.seconds - sums.seconds)
    missing = min(1.0, max(0.0, absent_s / period.seconds)) if period.seconds > 0 else 1.0
    measured = 0.0 if empty else max(0.0, 1.0 - estimated - edited)
    shares = (estimated, edited, missing)
    return BillingQuantity(
        energy_j=total if period.base == "J" else None,
        volume_ml=sums.volume_ml if period.base == "J" else total,
        index_difference=difference,
        conserved=conserved,
        share_measured=round(measured, 6),
        share_estimated=round(estimated, 6),
        share_edited=round(edited, 6),
        share_missing=round(missing, 6),
        quality=_quality(empty, *shares),
        reason=_reason(segments, sums, conserved, difference is None, shares, period.gate),
        segments=[
            _segment_shown(segment, advance, period.base) for segment, advance in zip(segments, advances, strict=True)
        ],
    )


def _share(part: int, whole: int) -> float:
    return min(1.0, max(0.0, part / whole)) if whole > 0 else 0.0


def _quality(empty: bool, estimated: float, edited: float, missing: float) -> str:
    if empty:
        return "none"
    if missing > 0.001:
        return "incomplete"
    if estimated > 0:
        return "estimated"
    return "edited" if edited > 0 else "valid"


def _reason(
    segments: Sequence[Segment],
    sums: Sums,
    conserved: bool,
    index_missing: bool,
    shares: tuple[float, float, float],
    gate: Gate,
) -> str:
    estimated, edited, missing = shares
    breaks = {segment.break_before for segment in segments}
    checks = (
        (not segments, "meter.missing"),
        (sums.intervals == 0, "intervals.missing"),
        (index_missing, "index.missing"),
        # The change itself lies before this period: its readings alone do not tell their unit.
        (not conserved and bool(sums.flags & Quality.RESCALED), "unit.changed"),
        (gate.require_conserved and not conserved, "sum.differs"),
        # After a change of unit the figures are in a unit that nobody has confirmed; more than the pipe can deliver is
        # no use that anybody had.
        ("unit" in breaks or bool(sums.flags & Quality.UNIT), "unit.changed"),
        ("range" in breaks or bool(sums.flags & Quality.RANGE), "advance.impossible"),
        (missing > gate.max_missing, "share.missing"),
        (estimated > gate.max_estimated, "share.estimated"),
        (edited > gate.max_edited, "share.edited"),
    )
    return next((reason for fails, reason in checks if fails), "")


def _segment_shown(segment: Segment, advance: int | None, base: str) -> dict[str, Any]:
    return {
        "meter_id": segment.meter_id,
        "serial": segment.serial,
        "manufacturer": segment.manufacturer,
        "register": segment.register,
        "unit": segment.unit,
        "scale": segment.scale,
        "factor": str(Decimal(segment.factor.numerator) / Decimal(segment.factor.denominator)),
        "from": segment.start.isoformat(),
        "to": segment.end.isoformat(),
        "first": _cut_shown(segment.first, segment),
        "last": _cut_shown(segment.last, segment),
        "break_before": segment.break_before,
        "advance_j" if base == "J" else "advance_ml": advance,
    }


def _cut_shown(cut: CutOff, segment: Segment) -> dict[str, Any]:
    nearest = min(cut.evidence, key=lambda reading: abs(reading.ts - cut.at), default=None)
    return {
        "at": cut.at.isoformat(),
        "basis": cut.basis,
        "index": None if nearest is None else format(Decimal(nearest.count).scaleb(segment.scale), "f"),
        "readings": [
            {
                "ts": reading.ts.isoformat(),
                "count": reading.count,
                "display": format(Decimal(reading.count).scaleb(segment.scale), "f"),
                "delivery_id": reading.delivery_id,
                "flags": reading.flags,
            }
            for reading in cut.evidence
        ],
    }
