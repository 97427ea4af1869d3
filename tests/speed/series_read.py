"""Reading series out of the store into NumPy beside `COPY ... TO '/dev/null'` of the same rows, in one run.

``python -m tests.speed.series_read [rounds]``. Arrival order: hour after hour, all meters mixed, as live readings come.
Clustered: the rows of a register lie together, as an import of history or a columnstore has them.
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
from ingest.store.database import migrate
from ingest.store.packing import copy_rows, microseconds
from ingest.store.reading_writes import COLUMNS, TYPES
from ingest.store.series import load_readings

REGISTERS = 1_500
HOURS = 24 * 60
T0 = datetime(2025, 11, 1, tzinfo=UTC)
END = T0 + timedelta(hours=HOURS)


def fill(connection: psycopg.Connection[Any], *, clustered: bool) -> None:
    """The same readings in one order or the other."""
    hour, register = np.divmod(np.arange(REGISTERS * HOURS), REGISTERS)
    if clustered:
        register, hour = np.divmod(np.arange(REGISTERS * HOURS), HOURS)
    ts_us = microseconds(T0) + hour * 3_600_000_000 + register * 1_000_000
    value = 100_000 + hour * 3 + register
    connection.execute("TRUNCATE reading")
    payload = copy_rows(TYPES, (ts_us, value, hour, register + 1, 0, 0), len(hour))
    with connection.cursor().copy(f"COPY reading ({COLUMNS}) FROM STDIN (FORMAT BINARY)") as stream:
        stream.write(payload)
    connection.execute("VACUUM ANALYZE reading")


def main(rounds: int = 5) -> None:
    """Print the shares."""
    numbers = list(range(1, REGISTERS + 1))
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPostgres(Path(folder)) as server,
    ):
        migrate(server.url())
        with psycopg.connect(server.url(), autocommit=True) as connection:
            for clustered in (False, True):
                fill(connection, clustered=clustered)
                shares, rates = [], []
                for _ in range(rounds):
                    started = time.perf_counter()
                    connection.execute(
                        "COPY (SELECT register_id, ts, value, version, flags FROM reading) TO '/dev/null'"
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
                    f"{'clustered by register' if clustered else 'arrival order':24}"
                    f"{statistics.median(rates):12,.0f} readings/s {statistics.median(shares):6.2f} of COPY"
                    " TO /dev/null"
                )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
