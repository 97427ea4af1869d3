"""What is stored already that the judgement of a zone looks at: weather, the days before a window, last year's days.

Rules: reads only; rows are laid into arrays over the places of the zone in one pass, never searched place by place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from compute.days import Days
from compute.estimation_beyond import YearAgo
from compute.scene import History
from compute.season import Season, degree_days
from compute.series import Grid
from compute.view import UNUSABLE
from ingest.assessment.loading import Place, grid_of
from ingest.store import series
from ingest.store.consumption import DAY, UNKNOWN, load_current, newest_hours
from ingest.store.packing import instant_of, microseconds

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

# Last year's same weekday.
YEAR = timedelta(weeks=52)


def weather_of(connection: Connection[Any], area_rows: Mapping[int, int], whole: Grid) -> NDArray[np.float32]:
    """(a, h) outside temperature by hour, NaN where unknown. `area_rows`: area id -> row."""
    result = np.full((len(area_rows), len(whole.hours) - 1), np.nan, np.float32)
    table = series.load_weather(connection, instant_of(int(whole.hours[0])), instant_of(int(whole.hours[-1])))
    if len(table):
        numbers, inverse = np.unique(table["area_id"], return_inverse=True)
        row = np.array([area_rows.get(int(number), -1) for number in numbers], np.int64)[inverse]
        column = np.searchsorted(whole.hours, table["ts"], side="right") - 1
        result[row[row >= 0], column[row >= 0]] = table["temperature_c"][row >= 0]
    return result


def history_of(connection: Connection[Any], places: Sequence[Place], whole: Grid) -> History:
    """The stored days of every place, and its newest stored hour."""
    stored = _days_of(connection, places, whole)
    own = [(place.point_id, place.service) for place in places]
    newest = newest_hours(connection, own)
    last = [microseconds(newest[key]) if key in newest else 0 for key in own]
    return History(stored.energy_kwh, stored.volume_m3, stored.usable, np.array(last, np.int64))


def last_years(
    connection: Connection[Any],
    zone: str,
    places: Sequence[Place],
    area_rows: Mapping[int, int],
    days: Days,
    rows: NDArray[np.int64],
) -> list[YearAgo | None]:
    """The days 52 weeks before those of the view for each place, None where nothing is known of them.

    `rows`: (p,) of the places in the view, which knows of days that are not stored yet.
    """
    own = ZoneInfo(zone)
    first, last = (instant_of(int(days.bounds[at])).astimezone(own).date() - YEAR for at in (0, -2))
    before = grid_of(zone, first, last)
    stored, weather = _days_of(connection, places, before), weather_of(connection, area_rows, before)
    degrees = [degree_days(outdoor, before.days, Season().base_c) for outdoor in weather]
    energy = np.where(stored.usable, stored.energy_kwh, np.nan)
    fresh = np.where(days.usable[rows], days.energy_kwh[rows], np.nan)[:, : -YEAR.days]
    if fresh.shape[1]:
        energy[:, YEAR.days :] = np.where(np.isfinite(fresh), fresh, energy[:, YEAR.days :])
    known = [bool(np.isfinite(own).any()) for own in energy]
    return [
        YearAgo(energy[at], degrees[area_rows[place.newest["area_id"]]]) if known[at] else None
        for at, place in enumerate(places)
    ]


@dataclass(frozen=True, slots=True)
class _StoredDays:
    """Stored days of p places, (p, d) each, NaN where unknown."""

    energy_kwh: Float64
    volume_m3: Float64
    usable: Bool


def _days_of(connection: Connection[Any], places: Sequence[Place], whole: Grid) -> _StoredDays:
    place_of = {(place.point_id, place.service): at for at, place in enumerate(places)}
    points, services = sorted({point for point, _ in place_of}), sorted({service for _, service in place_of})
    begin, end = instant_of(int(whole.hours[0])), instant_of(int(whole.hours[-1]))
    stored = load_current(connection, points, DAY, begin, end, services=services)
    shape = (len(places), len(whole.days) - 1)
    energy, volume, usable = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape, np.bool_)
    if len(stored):
        keys = stored["point_id"].astype(np.int64) * 8 + stored["service"]
        numbers, inverse = np.unique(keys, return_inverse=True)
        row = np.array([place_of.get((int(key) // 8, int(key) % 8), -1) for key in numbers], np.int64)[inverse]
        column = np.searchsorted(whole.day_bounds, stored["start_us"])
        fits = (row >= 0) & (whole.day_bounds[column] == stored["start_us"])
        row, column, stored = row[fits], column[fits], stored[fits]
        energy[row, column] = np.where(stored["energy_j"] == UNKNOWN, np.nan, stored["energy_j"] / 3.6e6)
        volume[row, column] = np.where(stored["volume_ml"] == UNKNOWN, np.nan, stored["volume_ml"] / 1e6)
        usable[row, column] = (stored["flags"] & UNUSABLE) == 0
    return _StoredDays(energy, volume, usable)
