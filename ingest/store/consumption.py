"""Consumption in versions: what is stored, what changed, what was known on a date.

Rules: nothing is overwritten; a changed interval gets a new version and the old one the instant up to which it was
known. Synchronous and bulk.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection, sql
from psycopg.rows import dict_row

from ingest.store import without_copy
from ingest.store.packing import (
    POSTGRES_EPOCH_US,
    Int2Array,
    Int4Array,
    TimestampArray,
    copy_rows,
    int_array_from_binary,
)
from ingest.store.series import Table

HOUR, DAY = 1, 2
# Stands for NULL while rows travel as arrays.
UNKNOWN = np.int64(-(2**63))

Int64 = NDArray[np.int64]
_TABLE = np.dtype(
    [
        ("point_id", np.int32), ("service", np.int16), ("start_us", np.int64), ("version", np.int16),
        ("energy_j", np.int64), ("volume_ml", np.int64), ("flags", np.int64), ("method", np.int16),
    ]
)  # fmt: skip
# An array a column and series instead of a message a row (as in `series_arrays`). With the service the key leads
# straight to the span; without it, each point is read from its first year on.
_CURRENT = (
    "SELECT point_id, service, array_agg(start_at), array_agg(version::int8),"
    f" array_agg(coalesce(energy_j, {UNKNOWN})), array_agg(coalesce(volume_ml, {UNKNOWN})), array_agg(flags),"
    " array_agg(method::int8) FROM consumption WHERE known_to = 'infinity' AND resolution = %s AND start_at >= %s"
    " AND start_at < %s AND point_id = ANY(%s::int[]) AND service = ANY(%s::int2[])"
    " GROUP BY point_id, service ORDER BY point_id, service"
)


@dataclass(frozen=True, slots=True)
class NewRows:
    """Intervals to store, (n,) int64 each; `UNKNOWN` stands for NULL; `version` is the one to write."""

    point_id: Int64
    service: Int64
    resolution: Int64
    start_us: Int64
    duration_s: Int64
    energy_j: Int64
    volume_ml: Int64
    uncertainty_j: Int64
    flags: Int64
    method: Int64
    rule_set_id: Int64
    version: Int64

    def __len__(self) -> int:
        return len(self.point_id)


def load_current(
    connection: Connection[Any],
    points: Sequence[int],
    resolution: int,
    start: datetime,
    end: datetime,
    *,
    services: Sequence[int] = range(7),
) -> Table:
    """Current intervals of points that start in [start, end), in order of point, service and start.

    Columns: `point_id`, `service`, `start_us`, `version`, `energy_j`, `volume_ml` (`UNKNOWN` for NULL), `flags`,
    `method`.
    """
    parts: list[Table] = []
    with connection.cursor(binary=True) as cursor:
        cursor.execute(_CURRENT, (resolution, start, end, list(points), sorted(set(services))))
        result = cursor.pgresult
        for row in range(result.ntuples if result is not None else 0):
            cells = [result.get_value(row, column) for column in range(8)] if result is not None else []
            point, service = (int.from_bytes(cell or b"", "big") for cell in cells[:2])
            parts.append(_of_series(point, service, [int_array_from_binary(cell) for cell in cells[2:]]))
    return np.concatenate(parts) if parts else np.empty(0, dtype=_TABLE)


def _of_series(point_id: int, service: int, columns: Sequence[Int64]) -> Table:
    table = np.empty(len(columns[0]), dtype=_TABLE)
    table["point_id"], table["service"] = point_id, service
    for name, column in zip(("start_us", "version", "energy_j", "volume_ml", "flags", "method"), columns, strict=True):
        table[name] = column
    table["start_us"] += POSTGRES_EPOCH_US
    # A columnstore or another plan may hand them over in another order.
    return np.sort(table, order="start_us") if (np.diff(table["start_us"]) < 0).any() else table


def write_versions(connection: Connection[Any], rows: NewRows, *, run_id: int, known_from: datetime) -> int:
    """Store new versions and end the ones they replace; the number of rows written."""
    replaced = np.flatnonzero(rows.version > 1)
    if len(replaced):
        connection.execute(
            "UPDATE consumption c SET known_to = %b FROM unnest(%b::int[], %b::int2[], %b::int2[], %b::timestamptz[])"
            " AS item (point_id, service, resolution, start_at) WHERE c.point_id = item.point_id AND"
            " c.service = item.service AND c.resolution = item.resolution AND c.start_at = item.start_at"
            " AND c.known_to = 'infinity'",
            (
                known_from,
                Int4Array(rows.point_id[replaced]),
                Int2Array(rows.service[replaced]),
                Int2Array(rows.resolution[replaced]),
                TimestampArray(rows.start_us[replaced]),
            ),
        )
    _copy(connection, rows, run_id, known_from)
    return len(rows)


def _copy(connection: Connection[Any], rows: NewRows, run_id: int, known_from: datetime) -> None:
    """One statement for each combination of NULLs: a column that is NULL throughout is left out."""
    since = int(known_from.timestamp()) * 1_000_000 + known_from.microsecond
    fixed: list[tuple[str, str, Any]] = [
        ("start_at", "timestamptz", rows.start_us), ("flags", "int8", rows.flags), ("point_id", "int4", rows.point_id),
        ("rule_set_id", "int4", rows.rule_set_id), ("duration_s", "int4", rows.duration_s), ("version", "int2",
        rows.version), ("service", "int2", rows.service), ("resolution", "int2", rows.resolution), ("method", "int2",
        rows.method),
    ]  # fmt: skip
    nullable = [("energy_j", rows.energy_j), ("volume_ml", rows.volume_ml), ("uncertainty_j", rows.uncertainty_j)]
    pattern = sum(
        ((values != UNKNOWN).astype(np.int64) << bit for bit, (_, values) in enumerate(nullable)), np.int64(0)
    )
    pattern = np.broadcast_to(pattern, (len(rows),))
    for number in np.unique(pattern):
        own = np.flatnonzero(pattern == number)
        columns = [(name, kind, values[own]) for name, kind, values in fixed]
        columns += [(name, "int8", values[own]) for bit, (name, values) in enumerate(nullable) if number >> bit & 1]
        columns += [("known_from", "timestamptz", np.int64(since)), ("run_id", "int4", np.int64(run_id))]
        if not without_copy.has_copy(connection):
            without_copy.inserted(connection, "consumption", columns, len(own))
            continue
        target = sql.SQL("COPY consumption ({}) FROM STDIN (FORMAT BINARY)").format(
            sql.SQL(", ").join(sql.Identifier(name) for name, _, _ in columns)
        )
        payload = copy_rows([kind for _, kind, _ in columns], [values for _, _, values in columns], len(own))
        with connection.cursor().copy(target) as stream:
            stream.write(payload)


_AS_KNOWN = """
SELECT start_at, duration_s, energy_j, volume_ml, flags, method, version, known_from, rule_set_id, run_id FROM
consumption WHERE point_id = %(point)s AND service = %(service)s AND resolution = %(resolution)s AND start_at >=
%(start)s AND start_at < %(end)s AND known_from <= %(on)s AND known_to > %(on)s ORDER BY start_at
"""


def consumption_as_known(
    connection: Connection[Any],
    point_id: int,
    service: int,
    resolution: int,
    start: datetime,
    end: datetime,
    on: datetime,
) -> list[dict[str, Any]]:
    """Intervals of a point in [start, end) as they were known at the instant `on`."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            _AS_KNOWN,
            {"point": point_id, "service": service, "resolution": resolution, "start": start, "end": end, "on": on},
        ).fetchall()


def start_run(connection: Connection[Any], engine: str, now: datetime) -> int:
    """A new assessment run; its number."""
    row = connection.execute(
        "INSERT INTO assessment_run (started_at, engine) VALUES (%s, %s) RETURNING run_id", (now, engine)
    ).fetchone()
    assert row is not None
    return int(row[0])


def finish_run(
    connection: Connection[Any],
    run_id: int,
    state: str,
    finished_at: datetime,
    *,
    points: int,
    intervals: int,
    changed: int,
    message: str,
) -> None:
    """What became of a run."""
    connection.execute(
        "UPDATE assessment_run SET state = %s, finished_at = %s, points = %s, intervals = %s, changed = %s,"
        " message = %s WHERE run_id = %s",
        (state, finished_at, points, intervals, changed, message, run_id),
    )


def newest_hours(connection: Connection[Any], places: Sequence[tuple[int, int]]) -> dict[tuple[int, int], datetime]:
    """Start of the newest hour with a value of each (point, service); nothing for one without."""
    points, services = [point for point, _ in places], [service for _, service in places]
    rows = connection.execute(
        "SELECT p.point_id, p.service, c.start_at FROM unnest(%b::int[], %b::int2[]) AS p (point_id, service)"
        " CROSS JOIN LATERAL (SELECT start_at FROM consumption c WHERE c.point_id = p.point_id"
        " AND c.service = p.service AND c.resolution = 1 AND coalesce(c.energy_j, c.volume_ml) IS NOT NULL"
        " ORDER BY c.start_at DESC LIMIT 1 OFFSET 0) c",
        (Int4Array(points), Int2Array(services)),
    ).fetchall()
    return {(point, service): start for point, service, start in rows}
