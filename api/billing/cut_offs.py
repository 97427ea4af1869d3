"""Cut-off indexes: which readings a period begins and ends with, for many meters at once.

Rules: the meter's own value of that instant where there is one; else what stands between the readings next to it; an
index
written down at an installation counts as a reading; readings of a meter's time at another place never do.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from psycopg import AsyncConnection

from api.billing.window import Window
from compute.billing import CutOff, IndexReading, Segment
from ingest.assessment.readings import pipe_rate
from ingest.billing import MAIN_REGISTER, count_size
from ingest.store import billing_sources

Row = dict[str, Any]


async def segments_of(
    connection: AsyncConnection[Any],
    rows: Sequence[Row],
    sums: dict[tuple[int, int], Row],
    window: Window,
    tolerance: timedelta,
) -> dict[tuple[int, int], list[Segment]]:
    """Meters of points with their cut-off indexes, by point and service.

    `rows`: installations as `ingest.store.billing_sources.segments` gives them.
    """
    # Every cut-off instant asks once for all registers that need it.
    wanted: dict[datetime, set[int]] = {}
    spans = []
    for row in rows:
        start, end = max(window.start, row["installed_from"] or window.start), window.end
        if row["installed_to"] is not None:
            end = min(end, row["installed_to"])
        spans.append((start, end))
        if row["register_id"] is not None:
            wanted.setdefault(start, set()).add(row["register_id"])
            wanted.setdefault(end, set()).add(row["register_id"])
    before: dict[tuple[int, datetime], IndexReading] = {}
    after: dict[tuple[int, datetime], IndexReading] = {}
    for at, registers in wanted.items():
        before |= _indexed(await billing_sources.readings_at(connection, sorted(registers), at, before=True), at)
        after |= _indexed(await billing_sources.readings_at(connection, sorted(registers), at, before=False), at)
    result: dict[tuple[int, int], list[Segment]] = {}
    for row, (start, end) in zip(rows, spans, strict=True):
        register = row["register_id"]
        if register is None:
            continue
        keys = ((register, start), (register, end))
        first = _cut(start, before.get(keys[0]), after.get(keys[0]), row, tolerance, opening=True)
        last = _cut(end, before.get(keys[1]), after.get(keys[1]), row, tolerance, opening=False)
        result.setdefault((row["point_id"], row["service"]), []).append(_segment(row, start, end, first, last))
    return result


def _indexed(found: dict[int, Row], at: datetime) -> dict[tuple[int, datetime], IndexReading]:
    return {
        (register, at): IndexReading(row["ts"], row["value"], row["delivery_id"], row["flags"])
        for register, row in found.items()
    }


def _cut(
    at: datetime,
    before: IndexReading | None,
    after: IndexReading | None,
    row: Row,
    tolerance: timedelta,
    *,
    opening: bool,
) -> CutOff:
    # Readings from before the meter was mounted, or after it left, belong to another place.
    if before is not None and row["installed_from"] is not None and before.ts < row["installed_from"]:
        before = None
    if after is not None and row["installed_to"] is not None and after.ts > row["installed_to"]:
        after = None
    if before is None and row["initial_index"] is not None and row["installed_from"] is not None:
        before = IndexReading(row["installed_from"], row["initial_index"], 0)
    if after is None and row["final_index"] is not None and row["installed_to"] is not None:
        after = IndexReading(row["installed_to"], row["final_index"], 0)
    written = row["initial_index"] if opening else row["final_index"]
    if written is not None and at == row["installed_from" if opening else "installed_to"]:
        noted = IndexReading(at, written, 0)
        return CutOff(at, "initial" if opening else "final", noted, noted)
    if before is None and after is None:
        return CutOff(at, "missing")
    if before is not None and before.ts == at:
        return CutOff(at, "target_date", before, before)
    if after is not None and after.ts == at:
        return CutOff(at, "target_date", after, after)
    if before is None:
        return CutOff(at, "first", None, after)
    if after is None:
        return CutOff(at, "last", before, None)
    near = min(at - before.ts, after.ts - at) <= tolerance and after.ts - before.ts <= 2 * tolerance
    return CutOff(at, "nearest" if near else "interpolated", before, after)


def _segment(row: Row, start: datetime, end: datetime, first: CutOff, last: CutOff) -> Segment:
    multiplier, base = Fraction(row["factor"]), MAIN_REGISTER[row["service"]][1]
    size = count_size(row["unit"], row["scale"], base, multiplier)
    return Segment(
        meter_id=row["meter_id"],
        serial=row["serial"],
        manufacturer=row["manufacturer"],
        register=row["register"],
        register_id=row["register_id"],
        unit=row["unit"],
        scale=row["scale"],
        digits=row["digits"],
        factor=multiplier,
        size=size,
        mounted=(row["installed_from"], row["installed_to"]),
        noted=(row["initial_index"], row["final_index"]),
        rate=pipe_rate(row, "energy" if base == "J" else "volume", size),
        start=start,
        end=end,
        first=first,
        last=last,
    )
