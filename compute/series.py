"""Series at the door of the engine: flat arrays with offsets, checked once so that kernels need no checks.

Rules: times are int64 epoch microseconds; index values are int64 display counts; measured values are float32 with
NaN for "missing". What cannot be interpreted is refused with a `SeriesError` that names the array; what can be
handled (unsorted times, infinities) is put right here. Nothing behind this door looks at shapes again.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compute.kernels.compiled import Float32, Float64, Int32, Int64

# Counts a display of unknown width can show: no meter of the field has more than 15 digits.
MAX_COUNT = 10**15
# Largest total in joules or millilitres: half of int64, so that sums of two never overflow.
MAX_TOTAL = 4 * 10**18
# Instants outside these are no readings: 1970 to 2200.
MAX_TIME_US = 7_258_118_400_000_000


class SeriesError(ValueError):
    """An array that the engine refuses; `code` is stable, the message names the array and what is wrong with it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class IndexSeries:
    """Readings of cumulative registers, one series a segment (a register of one installation).

    `times`, `counts`, `flags`: (n,) of all series after each other; `offsets`: (s+1,). `point_offsets`: (p+1,), which
    series belong to a point, in order of time. One count is `numerator`/`denominator` joules or millilitres.
    `capacity`: count at which the display rolls over, 0 where unknown; `limit`: counts from here on are garbage;
    `rate`: most counts a second the pipe can deliver, 0 where unknown.
    """

    times: Int64
    counts: Int64
    flags: Int32
    offsets: Int64
    point_offsets: Int64
    numerator: Int64
    denominator: Int64
    capacity: Int64
    limit: Int64
    rate: Float64

    @property
    def points(self) -> int:
        """Number of points."""
        return len(self.point_offsets) - 1

    def select(self, start: int, stop: int) -> "IndexSeries":
        """The series of points `start` to `stop`, without copying readings."""
        first, last = int(self.point_offsets[start]), int(self.point_offsets[stop])
        low, high = int(self.offsets[first]), int(self.offsets[last])
        own = slice(first, last)
        return IndexSeries(
            self.times[low:high],
            self.counts[low:high],
            self.flags[low:high],
            self.offsets[first : last + 1] - low,
            self.point_offsets[start : stop + 1] - first,
            self.numerator[own],
            self.denominator[own],
            self.capacity[own],
            self.limit[own],
            self.rate[own],
        )


@dataclass(frozen=True, slots=True)
class SampleSeries:
    """Measured values (temperatures, flow, power), one series a point. `values`: (n,) float32, NaN where missing."""

    times: Int64
    values: Float32
    offsets: Int64

    @property
    def points(self) -> int:
        """Number of points."""
        return len(self.offsets) - 1

    def select(self, start: int, stop: int) -> "SampleSeries":
        """The series of points `start` to `stop`, without copying values."""
        low, high = int(self.offsets[start]), int(self.offsets[stop])
        return SampleSeries(self.times[low:high], self.values[low:high], self.offsets[start : stop + 1] - low)


@dataclass(frozen=True, slots=True)
class Grid:
    """Interval bounds shared by the points of a run.

    `hours`: (h+1,) int64 microseconds, ascending; `days`: (d+1,) positions in `hours` of the local midnights. Where
    local midnight is not a full hour of UTC, the caller lays the hours from midnight.
    """

    hours: Int64
    days: Int64

    @property
    def day_bounds(self) -> Int64:
        """(d+1,) int64 microseconds of the local midnights."""
        return self.hours[self.days]


def grid(hours: ArrayLike, days: ArrayLike) -> Grid:
    """A checked grid.

    Raises
    ------
    SeriesError
        `grid.order` if the bounds do not ascend, `grid.days` if a day bound is no hour bound.
    """
    bounds, midnights = _int64(hours, "hours"), _int64(days, "days")
    if len(bounds) < 2 or np.any(np.diff(bounds) <= 0):
        raise SeriesError("grid.order", "hours: at least two ascending bounds are needed")
    at = np.searchsorted(bounds, midnights)
    if len(midnights) < 2 or np.any(np.diff(midnights) <= 0):
        raise SeriesError("grid.order", "days: at least two ascending bounds are needed")
    if at[-1] >= len(bounds) or np.any(bounds[at] != midnights):
        raise SeriesError("grid.days", "days: every local midnight must be a bound of the hours")
    return Grid(bounds, at.astype(np.int64))


def index_series(
    times: ArrayLike,
    counts: ArrayLike,
    offsets: ArrayLike,
    *,
    point_offsets: ArrayLike | None = None,
    flags: ArrayLike | None = None,
    numerator: ArrayLike | int = 1,
    denominator: ArrayLike | int = 1,
    capacity: ArrayLike | int = 0,
    rate: ArrayLike | float = 0.0,
) -> IndexSeries:
    """Checked index series; unsorted readings are sorted (stable: of one instant, the later version stays later).

    Raises
    ------
    SeriesError
        `series.dtype` for floats or texts as counts, `series.shape` for lengths that do not fit, `series.offsets` for
        offsets that do not ascend, `series.time` for instants before 1970 or after 2200, `series.unit` for a count that
        is worth nothing.
    """
    time, count, bound = _int64(times, "times"), _int64(counts, "counts"), _int64(offsets, "offsets")
    _same_length(time, count, "counts")
    _check_offsets(bound, len(time), "offsets")
    series = len(bound) - 1
    owners = np.arange(series + 1, dtype=np.int64) if point_offsets is None else _int64(point_offsets, "point_offsets")
    _check_offsets(owners, series, "point_offsets")
    flag = np.zeros(len(time), np.int32) if flags is None else _int64(flags, "flags").astype(np.int32)
    _same_length(time, flag, "flags")
    _check_times(time)
    order = _sorting(time, bound)
    if order is not None:
        time, count, flag = time[order], count[order], flag[order]
    top, bottom = _each(numerator, series, "numerator"), _each(denominator, series, "denominator")
    if np.any(top <= 0) or np.any(bottom <= 0):
        raise SeriesError("series.unit", "numerator, denominator: a count must be worth more than nothing")
    wrap = _each(capacity, series, "capacity")
    limit = np.minimum(np.where(wrap > 0, wrap, MAX_COUNT), MAX_TOTAL // top)
    speed = np.broadcast_to(np.asarray(rate, np.float64), (series,)).copy()
    speed[~np.isfinite(speed) | (speed < 0)] = 0.0
    return IndexSeries(time, count, flag, bound, owners, top, bottom, wrap, limit, speed)


def sample_series(times: ArrayLike, values: ArrayLike, offsets: ArrayLike) -> SampleSeries:
    """Checked measured values; infinities become NaN ("missing"), unsorted samples are sorted.

    Raises
    ------
    SeriesError
        As `index_series`.
    """
    time, bound = _int64(times, "times"), _int64(offsets, "offsets")
    value = np.asarray(values)
    if value.dtype.kind not in "fiu":
        raise SeriesError("series.dtype", f"values: numbers are needed, got {value.dtype}")
    value = value.astype(np.float32, copy=True) if value.dtype != np.float32 else value
    _same_length(time, value, "values")
    _check_offsets(bound, len(time), "offsets")
    _check_times(time)
    if not np.all(np.isfinite(value)):
        value = np.where(np.isfinite(value), value, np.float32(np.nan)).astype(np.float32)
    order = _sorting(time, bound)
    if order is not None:
        time, value = time[order], value[order]
    return SampleSeries(time, np.ascontiguousarray(value), bound)


def no_samples(points: int) -> SampleSeries:
    """Samples of nothing, for points whose meters do not measure a quantity."""
    return SampleSeries(np.empty(0, np.int64), np.empty(0, np.float32), np.zeros(points + 1, np.int64))


def no_index(points: int) -> IndexSeries:
    """Index series of nothing, for points whose meters do not count a quantity."""
    nothing = np.empty(0, np.int64)
    return index_series(nothing, nothing, [0], point_offsets=np.zeros(points + 1, np.int64))


def last_times(series: IndexSeries) -> Int64:
    """(p,) instant of the last reading of each point, 0 where it has none."""
    ends = series.offsets[series.point_offsets]
    some = np.diff(ends) > 0
    result = np.zeros(series.points, np.int64)
    result[some] = series.times[ends[1:][some] - 1]
    return result


def _int64(values: ArrayLike, name: str) -> Int64:
    array = np.asarray(values)
    if array.ndim != 1:
        raise SeriesError("series.shape", f"{name}: one dimension is needed, got {array.ndim}")
    if array.size == 0:
        return np.empty(0, np.int64)
    if array.dtype.kind not in "iu" or (array.dtype == np.uint64 and np.any(array > np.uint64(2**63 - 1))):
        raise SeriesError("series.dtype", f"{name}: whole numbers of 64 bits are needed, got {array.dtype}")
    return np.ascontiguousarray(array, np.int64)


def _each(value: ArrayLike, series: int, name: str) -> Int64:
    array = np.atleast_1d(np.asarray(value))
    if array.size not in (1, series):
        raise SeriesError("series.shape", f"{name}: {series} values are needed, got {array.size}")
    return np.broadcast_to(_int64(array, name), (series,)).copy()


def _same_length(time: Int64, other: NDArray[np.generic], name: str) -> None:
    if len(time) != len(other):
        raise SeriesError("series.shape", f"{name}: {len(time)} values are needed, got {len(other)}")


def _check_offsets(offsets: Int64, length: int, name: str) -> None:
    if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != length or np.any(np.diff(offsets) < 0):
        raise SeriesError("series.offsets", f"{name}: must ascend from 0 to {length}")


def _check_times(time: Int64) -> None:
    if len(time) and (time.min() < 0 or time.max() > MAX_TIME_US):
        raise SeriesError("series.time", "times: an instant before 1970 or after 2200")


def _sorting(time: Int64, offsets: Int64) -> Int64 | None:
    """Positions that sort each series by time, None where all are sorted already."""
    falls = np.flatnonzero(np.diff(time) < 0) + 1
    if len(falls) == 0 or np.all(np.isin(falls, offsets)):
        return None
    owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    return np.lexsort((time, owner)).astype(np.int64)
