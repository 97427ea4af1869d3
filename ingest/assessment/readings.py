"""From readings to the engine's series: registers, edits and the index values noted at an installation's ends.

Rules: a place's index runs over the installations of its meters; the index values noted at an installation's ends are
readings that nothing may throw away; an approved edit takes the place of what was read at its instant.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from compute.days import Points
from compute.quality import Quality
from compute.scene import Inputs
from compute.series import Grid, IndexSeries, SampleSeries, index_series, sample_series
from ingest.assessment.loading import INDEX_ROLES, SAMPLE_ROLES, Place, worth
from ingest.store import series as store
from ingest.store.packing import microseconds

Int64 = NDArray[np.int64]

# Widest temperature difference a heat meter can see, for V8.
DIFFERENCE_MAX_K = 120.0
KWH_PER_M3K = 1.16
ROLE_UNIT = {
    "energy": "J",
    "volume": "mL",
    "operating_time": "s",
    "supply_temperature_volume": "m3·°C",
    "return_temperature_volume": "m3·°C",
}
# Sums of m3·°C are kept in millionths, so that flooring loses nothing.
ROLE_MULTIPLIER = {"supply_temperature_volume": Decimal(10**6), "return_temperature_volume": Decimal(10**6)}


def inputs_of(
    connection: Connection[object],
    places: Sequence[Place],
    registers: Mapping[tuple[int, str], store.Row],
    whole: Grid,
    points: Points,
    outdoor_c: NDArray[np.float32],
    until: datetime,
) -> Inputs:
    """Readings of places on a grid, up to the instant `until`."""
    start = datetime.fromtimestamp(int(whole.hours[0]) / 1e6, tz=until.tzinfo)
    meters = {meter for place in places for meter in place.meters}
    wanted = {row["register_id"]: row for (meter, _), row in registers.items() if meter in meters}
    table = store.load_readings(connection, sorted(wanted), start, until)
    rows = _Rows(table, _edits(connection, sorted(wanted), start, until))
    index = {role: _index(places, registers, rows, role, (whole, until)) for role in INDEX_ROLES}
    sample = {role: _samples(places, registers, rows, role) for role in SAMPLE_ROLES}
    device, clock_s, rejected = _statuses(connection, places, whole, until)
    return Inputs(
        whole, points, outdoor_c, index["energy"], index["volume"], sample["supply_temperature"],
        sample["return_temperature"], sample["flow"], index["operating_time"],
        index["supply_temperature_volume"], index["return_temperature_volume"], device, clock_s, rejected,
    )  # fmt: skip


def _statuses(
    connection: Connection[object], places: Sequence[Place], whole: Grid, until: datetime
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]:
    """(p, d) device bits, clock error in seconds and number of rejected answers of each day."""
    bounds = whole.day_bounds
    shape = (len(places), len(bounds) - 1)
    device, clock, rejected = np.zeros(shape, np.int32), np.full(shape, np.nan, np.float32), np.zeros(shape, np.int32)
    rows = {meter: at for at, place in enumerate(places) for meter in place.meters}
    start = datetime.fromtimestamp(int(bounds[0]) / 1e6, tz=until.tzinfo)
    told = store.load_statuses(connection, sorted(rows), start, until)
    refused = store.load_rejected(connection, sorted(rows), start, until)
    for table in (told, refused):
        if len(table) == 0:
            continue
        numbers, inverse = np.unique(table["meter_id"], return_inverse=True)
        row = np.array([rows[int(number)] for number in numbers])[inverse]
        day = np.searchsorted(bounds, table["ts"], side="right") - 1
        if table is refused:
            np.add.at(rejected, (row, day), 1)
            continue
        np.bitwise_or.at(device, (row, day), table["device"])
        known = np.isfinite(table["clock_s"])
        clock[row[known], day[known]] = table["clock_s"][known]
    return device, clock, rejected


class _Rows:
    """Readings by register, edits laid over them."""

    def __init__(self, table: store.Table, edits: Mapping[int, list[tuple[int, int, int]]]) -> None:
        self.times = np.ascontiguousarray(table["ts"])
        self.values = np.ascontiguousarray(table["value"])
        self.flags = table["flags"].astype(np.int32)
        numbers, starts = np.unique(table["register_id"], return_index=True)
        ends = np.append(starts[1:], len(table))
        self.where = {int(n): (int(a), int(b)) for n, a, b in zip(numbers, starts, ends, strict=True)}
        self.edits = edits

    def of(self, register: int, low: int, high: int) -> tuple[Int64, Int64, NDArray[np.int32]]:
        """Readings of a register in [low, high) microseconds."""
        first, last = self.where.get(register, (0, 0))
        own = self.times[first:last]
        a, b = first + int(np.searchsorted(own, low)), first + int(np.searchsorted(own, high))
        times, values, flags = self.times[a:b], self.values[a:b], self.flags[a:b]
        edits = [edit for edit in self.edits.get(register, ()) if low <= edit[0] < high]
        if not edits:
            return times, values, flags
        at = np.array([edit[0] for edit in edits], np.int64)
        stay = ~np.isin(times, at)
        times = np.concatenate((times[stay], at))
        order = np.argsort(times, kind="stable")
        values = np.concatenate((values[stay], np.array([edit[1] for edit in edits], np.int64)))
        flags = np.concatenate((flags[stay], np.array([edit[2] for edit in edits], np.int32)))
        return times[order], values[order], flags[order]


def _edits(
    connection: Connection[object], registers: Sequence[int], start: datetime, until: datetime
) -> dict[int, list[tuple[int, int, int]]]:
    found: dict[int, dict[int, tuple[int, int, int]]] = {}
    for register, ts, value, kind in store.load_edits(connection, registers):
        if start <= ts < until:
            us = microseconds(ts)
            flag = int(Quality.EDITED if kind == "edit" else Quality.ESTIMATED)
            found.setdefault(register, {})[us] = (us, value, flag)
    return {register: list(rows.values()) for register, rows in found.items()}


def _index(
    places: Sequence[Place],
    registers: Mapping[tuple[int, str], store.Row],
    rows: _Rows,
    role: str,
    window: tuple[Grid, datetime],
) -> IndexSeries:
    """Index series of one role, one series an installation that has the register."""
    times, values, flags, points = [], [], [], [0]
    top, bottom, capacity, rate = [], [], [], []
    for place in places:
        for installation in place.installations:
            register = registers.get((installation["meter_id"], role))
            if register is None:
                continue
            time, value, flag = _segment(installation, register, rows, role, window)
            if len(time) == 0:
                continue
            multiplier = (
                installation["factor"] if role in ("energy", "volume") else ROLE_MULTIPLIER.get(role, Decimal(1))
            )
            count = worth(register, ROLE_UNIT[role], multiplier)
            times.append(time)
            values.append(value)
            flags.append(flag)
            top.append(count.numerator)
            bottom.append(count.denominator)
            capacity.append(0 if register["digits"] is None else 10 ** min(register["digits"], 15))
            rate.append(pipe_rate(installation, role, count))
        points.append(len(times))
    offsets = np.concatenate(([0], np.cumsum([len(time) for time in times]))).astype(np.int64)
    if not times:
        return index_series(np.empty(0, np.int64), np.empty(0, np.int64), [0], point_offsets=points)
    return index_series(
        np.concatenate(times), np.concatenate(values), offsets, point_offsets=points, flags=np.concatenate(flags),
        numerator=top, denominator=bottom, capacity=capacity, rate=rate,
    )  # fmt: skip


def _segment(
    installation: store.Row, register: store.Row, rows: _Rows, role: str, window: tuple[Grid, datetime]
) -> tuple[Int64, Int64, NDArray[np.int32]]:
    """Readings of one installation with the index values noted at its ends."""
    bounds, until = window
    low, end = microseconds(installation["start_at"]), installation["end_at"]
    high = microseconds(until) if end is None else min(microseconds(end), microseconds(until))
    time, value, flag = rows.of(register["register_id"], low, high)
    suffix = {"energy": "index", "volume": "volume"}.get(role)
    if suffix is None:
        return time, value, flag
    exchange = np.array([int(Quality.EXCHANGE)], np.int32)
    initial, final = installation[f"initial_{suffix}"], installation[f"final_{suffix}"]
    if initial is not None and bounds.hours[0] <= low < microseconds(until):
        stay = time > low
        time, value, flag = time[stay], value[stay], flag[stay]
        time, value = np.concatenate(([low], time)), np.concatenate(([initial], value))
        flag = np.concatenate((exchange, flag))
    if final is not None and end is not None and bounds.hours[0] <= microseconds(end) <= microseconds(until):
        time, value = np.append(time, high), np.append(value, final)
        flag = np.concatenate((flag, exchange))
    return time.astype(np.int64), value.astype(np.int64), flag.astype(np.int32)


def pipe_rate(installation: store.Row, role: str, count: Fraction) -> float:
    """Most counts a second that the pipe can deliver, 0 where the meter's size is unknown (V8)."""
    qs = installation["qs_m3h"] or (2 * installation["qp_m3h"] if installation["qp_m3h"] else None)
    if qs is None or installation["service"] not in (1, 2):
        return 0.0
    if role == "energy":
        return KWH_PER_M3K * float(qs) * DIFFERENCE_MAX_K * 1000.0 / float(count)
    if role == "volume":
        return 1.25 * float(qs) * 1e6 / 3600.0 / float(count)
    return 0.0


def _samples(
    places: Sequence[Place], registers: Mapping[tuple[int, str], store.Row], rows: _Rows, role: str
) -> SampleSeries:
    """Measured values of one role, one series a place."""
    times, values, offsets = [np.empty(0, np.int64)], [np.empty(0, np.float32)], [0]
    for place in places:
        size = 0
        for installation in place.installations:
            register = registers.get((installation["meter_id"], role))
            if register is None:
                continue
            end = installation["end_at"]
            high = 2**62 if end is None else microseconds(end)
            time, value, _ = rows.of(register["register_id"], microseconds(installation["start_at"]), high)
            scale = float(worth(register, SAMPLE_ROLES[role], Decimal(1)))
            times.append(time)
            values.append((value * scale).astype(np.float32))
            size += len(time)
        offsets.append(offsets[-1] + size)
    return sample_series(np.concatenate(times), np.concatenate(values), offsets)
