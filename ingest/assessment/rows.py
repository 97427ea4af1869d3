"""Which intervals are new or changed: computed consumption against what is stored, array against array.

Rules: an interval before a place's first reading or after its last has no row; between them a missing one is a row
without values, never zero. Rows before `write_from` were computed without what stands before the window and are left
alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from compute.consumption import Rows, day_rows, hour_rows
from compute.quality import Quality
from compute.scene import Hourly
from ingest.assessment.loading import Place
from ingest.store.consumption import HOUR, UNKNOWN, NewRows, load_current
from ingest.store.packing import instant_of
from ingest.store.series import Table

Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

MISSING = int(Quality.MISSING)
# Share of an estimated interval that its true value may differ by, where the method has no better measure.
DOUBT = {0: 0.0, 1: 0.25, 2: 0.15, 3: 0.35, 4: 0.30, 5: 0.75, 6: 0.4, 7: 0.5, 8: 0.6, 9: 0.5, 10: 0.1, 11: 0.35}


@dataclass(frozen=True, slots=True)
class Computed:
    """Intervals of one resolution, (p, n) each; `UNKNOWN` where there is no value; `inside`: between first and last
    reading; `doubt_j`: standard uncertainty of estimates without an index, None where there are none.
    """

    bounds: Int64
    energy_j: Int64
    volume_ml: Int64
    flags: Int64
    method: Int64
    inside: Bool
    doubt_j: Int64 | None = None


def computed(hourly: Hourly, resolution: int) -> Computed:
    """Rows of the places of a first stage, hours or days."""
    days = hourly.grid.days
    if resolution == HOUR:
        bounds, energy, volume = hourly.grid.hours, hour_rows(hourly.energy), hour_rows(hourly.volume)
    else:
        bounds, energy, volume = hourly.grid.day_bounds, day_rows(hourly.energy, days), day_rows(hourly.volume, days)
    # A place without an energy index (water) is judged by its volume.
    leads: Bool = np.any(energy.known, axis=1)
    flags = np.where(leads[:, None], energy.bits, volume.bits).astype(np.int64)
    method = np.where(leads[:, None], energy.method, volume.method).astype(np.int64)
    known: Bool = np.logical_or(energy.known, volume.known)
    return Computed(bounds, _values(energy), _values(volume), flags, method, _between(known))


def _values(rows: Rows) -> Int64:
    return np.where(rows.known, rows.values, UNKNOWN)


def _between(known: Bool) -> Bool:
    """Positions from the first to the last known one of each row."""
    opened = np.maximum.accumulate(known, axis=1)
    closed = np.maximum.accumulate(known[:, ::-1], axis=1)[:, ::-1]
    return opened & closed


def changes(
    connection: Connection[object],
    places: Sequence[Place],
    new: Computed,
    resolution: int,
    write_from: Int64,
    rule_set: Int64,
) -> NewRows:
    """New versions of the intervals of `places` that differ from what is stored; `new`: what was computed.

    `write_from`: (p,) microseconds; earlier intervals are left alone. `rule_set`: (p,) rule set of each place.
    """
    starts, n = new.bounds[:-1], len(new.bounds) - 1
    begin = instant_of(int(starts[0]))
    points, services = sorted({place.point_id for place in places}), sorted({place.service for place in places})
    stored = load_current(connection, points, resolution, begin, instant_of(int(new.bounds[-1])), services=services)
    old = _matrices(stored, places, starts)
    first = np.searchsorted(new.bounds, write_from, side="right") - 1
    writable = np.arange(n)[None, :] >= np.maximum(first, 0)[:, None]
    same = (
        (old.energy == new.energy_j)
        & (old.volume == new.volume_ml)
        & (old.flags == new.flags)
        & (old.method == new.method)
    )
    wanted = writable & new.inside & ~(same & (old.version > 0))
    gone = writable & ~new.inside & (old.version > 0) & ~((old.flags & MISSING) != 0)
    row, column = np.nonzero(wanted | gone)
    lost = gone[row, column]
    energy = np.where(lost, UNKNOWN, new.energy_j[row, column])
    method = np.where(lost, 0, new.method[row, column])
    return NewRows(
        point_id=np.array([place.point_id for place in places], np.int64)[row],
        service=np.array([place.service for place in places], np.int64)[row],
        resolution=np.full(len(row), resolution, np.int64),
        start_us=starts[column],
        duration_s=np.diff(new.bounds)[column] // 1_000_000,
        energy_j=energy,
        volume_ml=np.where(lost, UNKNOWN, new.volume_ml[row, column]),
        uncertainty_j=_uncertainty(energy, method, None if new.doubt_j is None else new.doubt_j[row, column]),
        flags=np.where(lost, MISSING, new.flags[row, column]),
        method=method,
        rule_set_id=rule_set[row],
        version=old.version[row, column] + 1,
    )


def _uncertainty(energy: Int64, method: Int64, told: Int64 | None) -> Int64:
    doubt = np.array([DOUBT[number] for number in range(len(DOUBT))])[method]
    known = (energy != UNKNOWN) & (method > 0)
    usual = np.where(known, np.rint(np.where(known, energy, 0) * doubt).astype(np.int64), UNKNOWN)
    return usual if told is None else np.where(told == UNKNOWN, usual, told)


@dataclass(frozen=True, slots=True)
class _Stored:
    energy: Int64
    volume: Int64
    flags: Int64
    method: Int64
    version: Int64


def _matrices(stored: Table, places: Sequence[Place], starts: Int64) -> _Stored:
    """Stored rows as (p, n) matrices; version 0 where there is none."""
    shape = (len(places), len(starts))
    out = _Stored(*(np.full(shape, value, np.int64) for value in (UNKNOWN, UNKNOWN, 0, 0, 0)))
    if len(stored) == 0:
        return out
    keys = np.array([place.point_id * 8 + place.service for place in places], np.int64)
    order = np.argsort(keys)
    key = stored["point_id"].astype(np.int64) * 8 + stored["service"]
    at = np.minimum(np.searchsorted(keys[order], key), len(keys) - 1)
    column = np.minimum(np.searchsorted(starts, stored["start_us"]), len(starts) - 1)
    fits = (keys[order][at] == key) & (starts[column] == stored["start_us"])
    row, column = order[at[fits]], column[fits]
    for target, name in (
        (out.energy, "energy_j"),
        (out.volume, "volume_ml"),
        (out.flags, "flags"),
        (out.method, "method"),
    ):
        target[row, column] = stored[name][fits]
    out.version[row, column] = stored["version"][fits]
    return out
