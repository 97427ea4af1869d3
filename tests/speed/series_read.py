"""Reading series out of the store into NumPy beside `COPY ... TO '/dev/null'` of the same rows, in one run.

``python -m tests.speed.series_read [rounds]``. The limit is a table with one row a reading and no index, written in the
same order. Arrival order: hour after hour, all meters mixed, as live readings come. Clustered: the rows of a meter (in
the limit's table: of a register) lie together, as an import of history or a columnstore has them.
"""

import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from api.embedded import EmbeddedPostgres
from ingest.store import reading_rows
from ingest.store.database import migrate
from ingest.store.packing import copy_rows, microseconds
from ingest.store.reading_rows import ABSENT, ReadingRows
from ingest.store.series import load_readings

METERS = 250
A_METER = 6
REGISTERS = METERS * A_METER
HOURS = 24 * 60
T0 = datetime(2025, 11, 1, tzinfo=UTC)
END = T0 + timedelta(hours=HOURS)
LIMIT = (
    "CREATE TABLE limit_reading (ts timestamptz NOT NULL, value int8 NOT NULL, delivery_id int8 NOT NULL,"
    " register_id int NOT NULL, version smallint NOT NULL, flags smallint NOT NULL)"
)
LIMIT_TYPES = ("timestamptz", "int8", "int8", "int4", "int2", "int2")


def register(connection: psycopg.Connection[Any]) -> None:
    """Meter m has the registers 6m-5 to 6m."""
    connection.execute("INSERT INTO meter (serial) SELECT g::text FROM generate_series(1, %s) g", (METERS,))
    connection.execute(
        "INSERT INTO register (meter_id, name, quantity, unit, scale) SELECT m, 'r' || k, 'power', 'kW', 0"
        " FROM generate_series(1, %s) m, generate_series(1, %s) k ORDER BY 1, 2",
        (METERS, A_METER),
    )
    connection.execute(LIMIT)


def copy(connection: psycopg.Connection[Any], table: str, payload: bytes) -> None:
    """Everything at once."""
    connection.execute(f"TRUNCATE {table.partition(' ')[0]}")  # type: ignore[arg-type]
    with connection.cursor().copy(f"COPY {table} FROM STDIN (FORMAT BINARY)") as stream:  # type: ignore[arg-type]
        stream.write(payload)
    connection.execute(f"VACUUM ANALYZE {table.partition(' ')[0]}")  # type: ignore[arg-type]


def fill(connection: psycopg.Connection[Any], *, clustered: bool) -> None:
    """The same readings in one order or the other, as the store has them and one row a reading."""
    count = METERS * HOURS
    hour, meter = np.divmod(np.arange(count), METERS)
    if clustered:
        meter, hour = np.divmod(np.arange(count), HOURS)
    ts_us = microseconds(T0) + hour * 3_600_000_000 + meter * 1_000_000
    values = np.full((count, 8), ABSENT)
    values[:, :A_METER] = (100_000 + hour * 3 + meter)[:, None] + np.arange(A_METER)
    nothing = np.zeros(count, dtype=np.int64)
    rows = ReadingRows(ts_us, hour, meter + 1, nothing, nothing, nothing, nothing, values)
    copy(connection, f"meter_reading ({reading_rows.COLUMNS})", reading_rows.packed(rows))
    # One row a reading: the registers of an hour side by side, or each register's hours.
    which = np.arange(count * A_METER)
    row, at = np.divmod(which, A_METER)
    if clustered:
        register_at, hour_at = np.divmod(which, HOURS)
        row, at = register_at // A_METER * HOURS + hour_at, register_at % A_METER
    columns = (ts_us[row], values[row, at], hour[row], meter[row] * A_METER + at + 1, 0, 0)
    copy(connection, "limit_reading", copy_rows(LIMIT_TYPES, columns, len(which)))


def main(rounds: int = 5) -> None:
    """Print the shares."""
    numbers = list(range(1, REGISTERS + 1))
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPostgres(Path(folder)) as server,
    ):
        migrate(server.url())
        with psycopg.connect(server.url(), autocommit=True) as connection:
            register(connection)
            for clustered in (False, True):
                fill(connection, clustered=clustered)
                shares, rates = [], []
                for _ in range(rounds):
                    started = time.perf_counter()
                    connection.execute(
                        "COPY (SELECT register_id, ts, value, version, flags FROM limit_reading) TO '/dev/null'"
                        " (FORMAT BINARY)"
                    )
                    limit = time.perf_counter() - started
                    started = time.perf_counter()
                    with connection.transaction():
                        table = load_readings(connection, numbers, T0, END + timedelta(days=1))
                    seconds = time.perf_counter() - started
                    assert len(table) == REGISTERS * HOURS
                    shares.append(limit / seconds)
                    rates.append(len(table) / seconds)
                print(
                    f"{'clustered' if clustered else 'arrival order':24}"
                    f"{statistics.median(rates):12,.0f} readings/s {statistics.median(shares):6.2f} of COPY"
                    " TO /dev/null"
                )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
