"""What the weather lets one expect of a point, day by day: its own signature, as the detectors learn it.

Rules: only heat; a day's expectation comes from the weeks before it; days before the first `WINDOW_DAYS` of the span
are loaded for that and not shown; where the signature has seen too few days, or the weather is unknown, a day has none.
The season is told from the area's weather alone, with the thresholds of the catalogue.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
from psycopg import AsyncConnection

from compute.kernels.signatures import WINDOW_DAYS, block_expectations
from compute.season import Season
from compute.view import UNUSABLE
from ingest.store import evidence, registry
from ingest.store.evidence import Series

# Spreads around the expectation that the band reaches.
BAND_SIGMA: Final = 3.0
# A residual below it weighs no more than one of this size; displays of heat meters show at least so much.
_FLOOR_KWH: Final = 0.1
_DAY_S: Final = 86_400

Columns = dict[str, list[Any]]


# Bands that nobody waits for any more; a task that is held nowhere may vanish.
_late: set[asyncio.Task[Columns]] = set()


async def expected_band(
    connection: AsyncConnection[Any],
    *,
    point_id: int,
    area_id: int,
    start: datetime,
    end: datetime,
    patience_s: float | None = None,
) -> Columns:
    """Band of [start, end): start_at, low and high in kWh per day; columns of days that have one, oldest first.

    `patience_s`: how long to wait before going on without a band. It takes milliseconds, save where a fresh install
    still compiles the kernel.
    """
    before = start - timedelta(days=WINDOW_DAYS + 7)
    days = await evidence.consumption_columns(connection, point_id=point_id, start=before, end=end)
    outside = await evidence.weather_columns(connection, area_id=area_id, start=before, end=end)
    states = await registry.states(connection, point_id)
    none: Columns = {"start_at": [], "low": [], "high": []}
    if not days["start_at"] or not outside.times:
        return none
    spans = [(one.start, one.end) for one in states if one.state != "active"]
    # The first call loads the compiled kernel: not in the loop that serves everybody.
    work = asyncio.create_task(asyncio.to_thread(band_of, days, outside, spans))
    await asyncio.wait({work}, timeout=patience_s)
    if not work.done():
        _late.add(work)
        work.add_done_callback(_late.discard)
        return none
    found = work.result()
    kept = [at for at, day in enumerate(found["start_at"]) if day >= start]
    return {name: [values[at] for at in kept] for name, values in found.items()}


def band_of(
    days: Mapping[str, Sequence[Any]],
    outside: Series,
    inactive: Sequence[tuple[datetime | None, datetime | None]],
) -> Columns:
    """Band of every day that has a signature.

    Parameters
    ----------
    days : daily consumption, oldest first: `start_at`, `energy_kwh`, `flags`.
    outside : temperatures in °C at instants, in order.
    inactive : spans in which the point was suspended, vacant or closed; those days teach nothing.
    """
    starts = np.array([day.timestamp() for day in days["start_at"]])
    numbers = (starts // _DAY_S).astype(np.int64)
    at = numbers - numbers[0]
    count = int(at[-1]) + 1
    bounds = numbers[0] * _DAY_S + (starts[0] % _DAY_S) + np.arange(count + 1.0) * _DAY_S
    bounds[at] = starts
    use, usable = np.zeros(count), np.zeros(count, np.bool_)
    values = np.array([np.nan if value is None else float(value) for value in days["energy_kwh"]])
    flags = np.array(days["flags"], dtype=np.int64)
    use[at] = np.nan_to_num(values)
    usable[at] = np.isfinite(values) & ((flags & UNUSABLE) == 0)
    for first, last in inactive:
        after = -np.inf if first is None else first.timestamp()
        until = np.inf if last is None else last.timestamp()
        usable &= ~((bounds[1:] > after) & (bounds[:-1] < until))
    season = Season()
    hdd = np.maximum(0.0, season.base_c - _daily_mean(outside, bounds))
    cold = np.where(np.isfinite(hdd), hdd > season.heating_hdd_k, True)
    expected, sigma = np.empty((1, count)), np.empty((1, count))
    block_expectations(
        use[None], hdd[None], usable[None], cold[None], numbers[0] + np.arange(count), np.array([_FLOOR_KWH]),
        expected, sigma,
    )  # fmt: skip
    low = np.maximum(0.0, expected[0] - BAND_SIGMA * sigma[0])
    high = expected[0] + BAND_SIGMA * sigma[0]
    known = np.flatnonzero(np.isfinite(high))
    return {
        "start_at": [datetime.fromtimestamp(bounds[day], UTC) for day in known],
        "low": low[known].tolist(),
        "high": high[known].tolist(),
    }


def _daily_mean(outside: Series, bounds: "np.ndarray[Any, np.dtype[np.float64]]") -> Any:
    """(d,) mean temperature of each day, NaN where none is known."""
    times = np.array([time.timestamp() for time in outside.times])
    values = np.array([np.nan if value is None else float(value) for value in outside.values])
    known = np.isfinite(values)
    sums, _ = np.histogram(times[known], bounds, weights=values[known])
    counts, _ = np.histogram(times[known], bounds)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(counts > 0, sums / counts, np.nan)
