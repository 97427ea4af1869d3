"""Segments of a meter whose index broke: the same cut-offs, taken from the readings that count, piece by piece.

Rules: only for the few points whose plain cut-offs do not add up; the sequence rules of the engine say which readings
count, the arithmetic stays the billing's own. A piece begins and ends with the reading next to the break.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from psycopg import AsyncConnection

from compute.billing import CutOff, IndexReading, Segment
from compute.breaks import Piece, pieces_of
from compute.quality import Quality
from compute.rescaling import rescaled
from compute.series import IndexSeries, index_series
from ingest.store import billing_sources
from ingest.store.packing import microseconds

# Readings around a period that the sequence rules look at, too.
AROUND = timedelta(days=8)
_EXCHANGE = int(Quality.EXCHANGE)


@dataclass(frozen=True, slots=True)
class _Run:
    """The readings of one piece in order of time."""

    times: list[datetime]
    readings: list[IndexReading]
    opened_by: str


async def unbroken(connection: AsyncConnection[Any], segments: Sequence[Segment]) -> list[Segment]:
    """The segments with their cut-offs from the readings that count, one for each piece of a broken index.

    A segment without any reading that counts stays as it is.
    """
    result: list[Segment] = []
    for segment in segments:
        rows = [] if segment.register_id is None else await _readings(connection, segment)
        result += _split(segment, rows) or [segment]
    return result


async def _readings(connection: AsyncConnection[Any], segment: Segment) -> list[IndexReading]:
    """Readings around the segment's part of the period, edits over them, noted indexes at the installation's ends."""
    assert segment.register_id is not None
    begin, end = segment.mounted
    low = max(segment.start - AROUND, begin) if begin is not None else segment.start - AROUND
    high = min(segment.end + AROUND, end) if end is not None else segment.end + AROUND
    found = [
        IndexReading(row["ts"], row["value"], row["delivery_id"], row["flags"])
        for row in await billing_sources.readings_between(connection, segment.register_id, low, high)
    ]
    first, last = segment.noted
    if begin is not None and first is not None and low == begin:
        found = [IndexReading(begin, first, 0, _EXCHANGE), *(row for row in found if row.ts > begin)]
    if end is not None and last is not None and high == end:
        found = [*(row for row in found if row.ts < end), IndexReading(end, last, 0, _EXCHANGE)]
    return found


def _split(segment: Segment, rows: list[IndexReading]) -> list[Segment]:
    if not rows:
        return []
    capacity = 0 if segment.digits is None else 10 ** min(segment.digits, 15)
    series = rescaled(
        index_series(
            np.array([microseconds(row.ts) for row in rows], np.int64),
            np.array([row.count for row in rows], np.int64),
            [0, len(rows)],
            flags=np.array([row.flags for row in rows], np.int32),
            capacity=capacity,
            rate=segment.rate,
        )
    )
    if len(series.offsets) == 2:
        runs = [_run(rows, piece) for piece in pieces_of(series)]
        return [part for at, run in enumerate(runs) for part in _parts(segment, runs, at, run)]
    return [part for number in range(len(series.offsets) - 1) for part in _in_its_unit(segment, rows, series, number)]


def _in_its_unit(segment: Segment, rows: list[IndexReading], series: IndexSeries, number: int) -> list[Segment]:
    """The part of a period that was counted in one unit, from the last reading in the unit before."""
    low, high = int(series.offsets[number]), int(series.offsets[number + 1])
    # Every later unit begins with the last reading before it, converted.
    own = [replace(rows[at - number], count=int(series.counts[at])) for at in range(low, high)]
    size = segment.size / int(series.denominator[number])
    unit = replace(segment, size=size, digits=None if number else segment.digits, rate=float(series.rate[number]))
    unit = replace(unit, start=max(segment.start, own[0].ts) if number else segment.start)
    last = number == len(series.offsets) - 2
    unit = replace(unit, end=segment.end if last else min(segment.end, own[-1].ts))
    if unit.start >= unit.end:
        return []
    runs = [_run(own, piece) for piece in pieces_of(series, number)]
    parts = [part for at, run in enumerate(runs) for part in _parts(unit, runs, at, run)]
    return [replace(part, break_before=part.break_before or "rescaled") for part in parts] if number else parts


def _run(rows: list[IndexReading], piece: Piece) -> _Run:
    own = [replace(rows[int(at)], count=int(count)) for at, count in zip(piece.at, piece.counts, strict=True)]
    return _Run([row.ts for row in own], own, piece.opened_by)


def _parts(segment: Segment, runs: list[_Run], at: int, run: _Run) -> list[Segment]:
    """The piece's part of the period, and before it the leap that stands between it and the piece before."""
    first, last = at == 0, at == len(runs) - 1
    start = segment.start if first else max(segment.start, run.times[0])
    end = segment.end if last else min(segment.end, run.times[-1])
    found = []
    if run.opened_by == "range":
        # The advance counts; it is a segment of its own so that it can be seen.
        leap = _Run([runs[at - 1].times[-1], run.times[0]], [runs[at - 1].readings[-1], run.readings[0]], "range")
        begin, stop = max(segment.start, leap.times[0]), min(segment.end, leap.times[1])
        if begin < stop:
            found.append(_cut_segment(segment, leap, begin, stop))
    if start < end or (first and last):
        found.append(_cut_segment(segment, run, start, end))
    return found


def _cut_segment(segment: Segment, run: _Run, start: datetime, end: datetime) -> Segment:
    return replace(
        segment, start=start, end=end, first=_cut(segment.first, run, start), last=_cut(segment.last, run, end),
        break_before=run.opened_by,
    )  # fmt: skip


def _cut(plain: CutOff, run: _Run, at: datetime) -> CutOff:
    """The index at an instant; level before the first and after the last reading of the piece."""
    left, right = bisect_right(run.times, at) - 1, bisect_left(run.times, at)
    before = run.readings[left] if left >= 0 else None
    after = run.readings[right] if right < len(run.times) else None
    same = at == plain.at
    if before is None or after is None:
        return CutOff(at, plain.basis if same and plain.basis in ("first", "last") else "break", before, after)
    basis = plain.basis if same else "break"
    return CutOff(at, basis, before, after)
