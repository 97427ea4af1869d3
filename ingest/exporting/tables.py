"""What can be exported: consumption, alerts, readings and the registry, as lines in the order of point and time.

Rules: instants in UTC; energies in kWh and volumes in m3, exact to the last printed digit and therefore texts; what is
unknown is None, never zero.
"""

import contextlib
from collections.abc import Callable, Generator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import pyarrow as pa
from psycopg import Connection

from compute.quality import Method, Quality
from ingest.errors import InvalidInputError
from ingest.exporting.exact import exact_texts, shown_counts
from ingest.store import exporting as store

_TIME = pa.timestamp("us", tz="UTC")
_NAMES = pa.list_(pa.string())
# A batch of lines, column by column.
Columns = list[Sequence[Any]]
Batches = Generator[Columns, None, None]


class Table:
    """A kind of export: its columns with their Arrow types, and how stored columns become those.

    Floating columns hold exact numbers as texts, or floats where the store has floats.
    """

    def __init__(self, columns: Sequence[tuple[str, Any]], made: Callable[[Columns], Columns]) -> None:
        self.names = [name for name, _ in columns]
        self.schema = pa.schema(list(columns))
        self.made = made


@lru_cache(4096)
def flag_names(flags: int) -> tuple[str, ...]:
    """Names of quality flags, as exports and the API spell them."""
    return tuple((flag.name or "").lower() for flag in Quality if flag and flags & flag)


@lru_cache(64)
def _method(number: int) -> str:
    return Method(number).name.lower()


def _kwh(energy_j: Sequence[int | None]) -> Sequence[str | None]:
    """To nine places: a kWh has 3.6 million joules, and a ninth is never half a unit."""
    return exact_texts([None if joules is None else (joules * 5_000 + 9) // 18 for joules in energy_j], 9)


def _consumption(stored: Columns) -> Columns:
    point, start, end, energy_j, volume_ml, flags, method, version, service = stored
    names = list(map(flag_names, flags)), list(map(_method, method))
    return [point, start, end, _kwh(energy_j), exact_texts(volume_ml, 6), *names, version, service]


def _alerts(stored: Columns) -> Columns:
    return [*stored[:9], [round(value, 4) for value in stored[9]], stored[10]]


def _readings(stored: Columns) -> Columns:
    serial, maker, ts, quantity, count, scale, unit, name, version, flags, delivery = stored
    shown = shown_counts(count, scale)
    return [serial, maker, ts, quantity, shown, unit, name, version, list(map(flag_names, flags)), delivery]


def _meters(stored: Columns) -> Columns:
    initial, final = (shown_counts(stored[column], stored[9]) for column in (6, 12))
    return [*stored[:6], initial, *stored[7:12], final, *stored[13:]]


TABLES: dict[str, Table] = {
    "consumption": Table(
        (
            ("point", pa.string()), ("start", _TIME), ("end", _TIME), ("energy_kwh", pa.float64()),
            ("volume_m3", pa.float64()), ("flags", _NAMES), ("method", pa.string()), ("version", pa.int32()),
            ("service", pa.int32()),
        ),
        _consumption,
    ),
    "alerts": Table(
        (
            ("point", pa.string()), ("serial", pa.string()), ("kind", pa.string()), ("severity", pa.string()),
            ("from", _TIME), ("to", _TIME), ("state", pa.string()), ("explanation", pa.string()),
            ("energy_at_stake_kwh", pa.float64()), ("confidence", pa.float64()), ("incident", pa.int64()),
        ),
        _alerts,
    ),
    "readings": Table(
        (
            ("serial", pa.string()), ("manufacturer", pa.string()), ("time", _TIME), ("quantity", pa.string()),
            ("value", pa.float64()), ("unit", pa.string()), ("register", pa.string()), ("version", pa.int32()),
            ("flags", _NAMES), ("delivery", pa.int64()),
        ),
        _readings,
    ),
    "points": Table(
        (
            ("point", pa.string()), ("area", pa.string()), ("address", pa.string()), ("kind", pa.string()),
            ("state", pa.string()), ("heated_area_m2", pa.float64()), ("design_load_kw", pa.float64()),
            ("building", pa.string()), ("account", pa.string()), ("route", pa.string()), ("latitude", pa.float64()),
            ("longitude", pa.float64()), ("contract", pa.string()), ("parent", pa.string()),
        ),
        lambda stored: stored,
    ),
    "meters": Table(
        (
            ("serial", pa.string()), ("manufacturer", pa.string()), ("medium", pa.string()), ("model", pa.string()),
            ("point", pa.string()), ("installed_at", _TIME), ("initial_index", pa.float64()),
            ("energy_unit", pa.string()), ("energy_digits", pa.int32()), ("energy_scale", pa.int32()),
            ("qp_m3h", pa.float64()), ("removed_at", _TIME), ("final_index", pa.float64()), ("factor", pa.float64()),
            ("service", pa.int32()),
            ("profile", pa.string()), ("mounting_side", pa.string()), ("version", pa.int32()),
        ),
        _meters,
    ),
}  # fmt: skip


def lines_of(
    connection: Connection[Any],
    what: str,
    *,
    start: datetime,
    end: datetime,
    interval: str = "hour",
    known_at: datetime | None = None,
    points: Sequence[str] | None = None,
) -> Batches:
    """Batches of lines of one kind of export, values as `TABLES` names them.

    Raises
    ------
    InvalidInputError
        No such kind or interval, or `end` is not after `start`.
    """
    if what not in TABLES:
        raise InvalidInputError(f"{what!r} is none of {', '.join(TABLES)}", field="what")
    if interval not in store.INTERVALS:
        raise InvalidInputError(f"{interval!r} is none of {', '.join(store.INTERVALS)}", field="interval")
    if start >= end:
        raise InvalidInputError("the end is not after the start", field="to")
    if what == "consumption":
        known = known_at or datetime.now(UTC)
        stored = store.consumption(connection, start, end, interval=interval, known_at=known, points=points)
    elif what == "alerts":
        stored = store.alerts(connection, start, end, points=points)
    elif what == "readings":
        stored = store.readings(connection, start, end, points=points)
    else:
        stored = store.registry(connection, what)
    return _lines(stored, TABLES[what].made)


def _lines(stored: store.Batches, made: Callable[[Columns], Columns]) -> Batches:
    # Closing this one, or leaving it on an error, closes the cursor inside before its connection goes.
    with contextlib.closing(stored):
        for batch in stored:
            yield made(list(zip(*batch, strict=True)))
