"""What two computations of the same hours mean for consumption and bills: a comparison that writes nothing.

Rules: a bill is the sum of a point's hours in a billing period, judged by that period's gate; where no period touches
the span, calendar months of the zone stand in, so that a trial before the first season tells something, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from compute.billing import Gate
from compute.quality import Quality
from ingest.assessment.rows import Computed
from ingest.store.consumption import UNKNOWN
from ingest.store.packing import microseconds

Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]
ESTIMATED, INTERPOLATED, MISSING = (int(bit) for bit in (Quality.ESTIMATED, Quality.INTERPOLATED, Quality.MISSING))
J_PER_KWH = 3_600_000
# Methods from here on rest on no index.
BEYOND = 6


@dataclass(frozen=True, slots=True)
class Span:
    """A billing period's instants in one zone, and what its gate asks for."""

    code: str
    start_us: int
    end_us: int
    gate: Gate


@dataclass(frozen=True, slots=True)
class BillChange:
    """A bill that one computation would write and the other not: kWh and why the gate holds it back ("": it passes)."""

    point_id: int
    period: str
    before_kwh: float | None
    after_kwh: float | None
    reason_before: str
    reason_after: str


@dataclass(slots=True)
class Differences:
    """Sums over all points compared."""

    hours: int = 0
    intervals_changed: int = 0
    moved_kwh: float = 0.0
    bills: int = 0
    changed_bills: list[BillChange] = field(default_factory=list)


def spans_of(periods: Sequence[Mapping[str, Any]], zone: str, start: datetime, end: datetime) -> list[Span]:
    """Billing periods that touch [start, end) as instants; calendar months where there is none."""
    place = ZoneInfo(zone)
    found = []
    for row in periods:
        span = _span(row["code"], row["start_date"], row["end_date"], place, row["settings"])
        if span.start_us < microseconds(end) and span.end_us > microseconds(start):
            found.append(span)
    if found:
        return found
    month = start.astimezone(place).date().replace(day=1)
    while month < end.astimezone(place).date():
        following = (month + timedelta(days=32)).replace(day=1)
        found.append(_span(f"{month:%Y-%m}", month, following, place, {}))
        month = following
    return found


def _span(code: str, first: date, last: date, zone: ZoneInfo, settings: Mapping[str, Any]) -> Span:
    start, end = (microseconds(datetime.combine(day, time(), zone)) for day in (first, last))
    return Span(code, start, end, Gate(**settings.get("gate", {})))


def compare(
    point_ids: Sequence[int],
    before: Computed,
    after: Computed,
    mine: Bool,
    spans: Sequence[Span],
    since_us: int,
    into: Differences,
) -> None:
    """Add the differences of two computations of the same points and hours, `after` being `before` where they are the
    same. `mine`: (p,) rows that are compared; `since_us`: hours before it were only learned from.
    """
    fresh = slice(int(np.searchsorted(before.bounds, since_us)), None)
    into.hours += int(before.inside[mine, fresh].sum())
    if after is not before:
        into.intervals_changed += int(_differing(before, after)[mine, fresh].sum())
        change = np.abs(_energy(after)[mine, fresh] - _energy(before)[mine, fresh])
        into.moved_kwh += float(change.sum()) / J_PER_KWH
    for span in spans:
        low, high = np.searchsorted(before.bounds, (span.start_us, span.end_us))
        hours = slice(int(low), int(min(high, before.inside.shape[1])))
        into.bills += int((mine & before.inside[:, hours].any(axis=1)).sum())
        if after is before:
            continue
        for row in np.flatnonzero(mine & _differing(before, after)[:, hours].any(axis=1)):
            first, second = _bill(before, int(row), hours, span), _bill(after, int(row), hours, span)
            if first != second:
                into.changed_bills.append(
                    BillChange(point_ids[int(row)], span.code, first[0], second[0], first[1], second[1])
                )


def _differing(before: Computed, after: Computed) -> Bool:
    changed = (before.energy_j != after.energy_j) | (before.volume_ml != after.volume_ml)
    changed |= (before.flags != after.flags) | (before.method != after.method)
    result: Bool = changed & (before.inside | after.inside)
    return result


def _energy(rows: Computed) -> NDArray[np.float64]:
    return np.where(rows.energy_j == UNKNOWN, 0, rows.energy_j).astype(np.float64)


def _bill(rows: Computed, row: int, hours: slice, span: Span) -> tuple[float | None, str]:
    """kWh and the gate's reason of one point and period."""
    energy, flags, method = rows.energy_j[row, hours], rows.flags[row, hours], rows.method[row, hours]
    known = (energy != UNKNOWN) & rows.inside[row, hours]
    if not known.any():
        return None, "intervals.missing"
    total = int(energy[known].sum())
    guessed = known & ((flags & ESTIMATED) != 0) & ((method >= BEYOND) | ((flags & INTERPOLATED) == 0))
    estimated = int(energy[guessed].sum()) / total if total > 0 else 0.0
    length = (span.end_us - span.start_us) / 3_600_000_000
    missing = max(0.0, 1.0 - float(known.sum()) / length)
    reason = "share.missing" if missing > span.gate.max_missing else ""
    reason = reason or ("share.estimated" if estimated > span.gate.max_estimated else "")
    return total / J_PER_KWH, reason
