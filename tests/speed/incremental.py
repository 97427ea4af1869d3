"""One new day beside the whole year, database to database: what `heatbook assess` costs each morning.

``python -m tests.speed.incremental [meters] [days]``. Every meter has two indexes and two temperatures, read hourly.
The year is assessed once from nothing; then a day comes in for every meter and is assessed; then nothing has come in
and it runs again. Prints wall and processor seconds of this process and of the server, stage by stage, and the day's
share of the year. Arrival of the day's readings is not counted.
"""

import resource
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from api.embedded import EmbeddedPostgres
from ingest.assessment import run as assessment
from ingest.store import reading_rows
from ingest.store.database import migrate
from ingest.store.packing import instant_of
from ingest.store.reading_rows import ABSENT, COLUMNS, ReadingRows
from tests.speed.engine_year import DAYS, START, chunk

ROLES = (
    ("energy", "heat_energy", "kWh", -2),
    ("volume", "volume", "m3", -3),
    ("supply_temperature", "supply_temperature", "°C", -1),
    ("return_temperature", "return_temperature", "°C", -1),
)
HOUR_US, BATCH = 3_600_000_000, 50


def registry(connection: psycopg.Connection[Any], meters: int) -> None:
    """One area, forty flats a building; meter m has the registers 4m+1 to 4m+4 in its slots 0 to 3."""
    connection.execute("INSERT INTO area (code, name, time_zone) VALUES ('north', 'North', 'UTC')")
    connection.execute(
        "INSERT INTO metering_point (code, area_id, building, heated_area_m2, design_load_kw)"
        " SELECT 'P' || n, 1, 'B' || n / 40, 80, 6 FROM generate_series(0, %s) n ORDER BY n",
        (meters - 1,),
    )
    connection.execute(
        "INSERT INTO meter (serial, qp_m3h) SELECT 'M' || n, 0.6 FROM generate_series(0, %s) n ORDER BY n",
        (meters - 1,),
    )
    for at, (name, quantity, unit, scale) in enumerate(ROLES):
        connection.execute(
            "INSERT INTO register (register_id, meter_id, name, quantity, unit, scale, digits) OVERRIDING SYSTEM VALUE"
            " SELECT 4 * meter_id - 3 + %s, meter_id, %s, %s, %s, %s, 8 FROM meter",
            (at, name, quantity, unit, scale),
        )
    connection.execute(
        "INSERT INTO installation (point_id, meter_id, period) SELECT p.point_id, m.meter_id, tstzrange(%s, NULL)"
        " FROM metering_point p JOIN meter m ON substr(p.code, 2) = substr(m.serial, 2)",
        (instant_of(START),),
    )


def readings(connection: psycopg.Connection[Any], meters: int, days: int) -> None:
    """Stage the readings of a year and a day; `arrive` hands them over."""
    connection.execute("CREATE UNLOGGED TABLE staged (LIKE meter_reading)")
    for first in range(0, meters, BATCH):
        count = min(BATCH, meters - first)
        _, inputs, _ = chunk(count, days, first)
        width = 24 * days + 1
        meter = np.repeat(np.arange(first, first + count), width)
        values = np.full((len(meter), 8), ABSENT)
        values[:, 0], values[:, 1] = inputs.energy.counts, inputs.volume.counts
        for place, samples in ((2, inputs.supply_c), (3, inputs.return_c)):
            values[:, place] = np.rint(samples.values.astype(np.float64) * 10)
        nothing = np.zeros(len(meter), dtype=np.int64)
        rows = ReadingRows(inputs.energy.times, nothing, meter + 1, nothing, nothing, nothing, nothing, values)
        with connection.cursor().copy(f"COPY staged ({COLUMNS}) FROM STDIN (FORMAT BINARY)") as stream:
            stream.write(reading_rows.packed(rows))
    connection.execute("INSERT INTO weather (area_id, ts, temperature_c) SELECT 1, ts, 8 FROM "
                       "generate_series(%s, %s, interval '1 hour') ts",
                       (instant_of(START), instant_of(START + 24 * HOUR_US * days)))  # fmt: skip


def arrive(connection: psycopg.Connection[Any], since: datetime, until: datetime) -> None:
    """Readings of [since, until) into the store, their meters touched."""
    connection.execute(
        f"INSERT INTO meter_reading ({COLUMNS}) SELECT {COLUMNS} FROM staged WHERE ts >= %s AND ts < %s"
        " ORDER BY meter_id, ts",
        (since, until),
    )
    connection.execute("INSERT INTO touched (from_ts, meter_id) SELECT %s, meter_id FROM meter", (since,))
    connection.execute("VACUUM ANALYZE meter_reading")


class Stages:
    """Seconds spent in functions, by name; wraps them while it measures."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def of(self, *targets: tuple[Any, str]) -> Iterator[None]:
        kept = [(owner, name, getattr(owner, name)) for owner, name in targets]
        for owner, name, function in kept:
            setattr(owner, name, self._timed(name, function))
        try:
            yield
        finally:
            for owner, name, function in kept:
                setattr(owner, name, function)

    def _timed(self, name: str, function: Any) -> Any:
        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[name] += time.perf_counter() - began

        return timed


def targets() -> list[tuple[Any, str]]:
    """What a run spends its time in."""
    from compute import engine
    from ingest.assessment import rows as assessment_rows
    from ingest.assessment import zone as assessment_zone
    from ingest.store import series

    return [
        (series, "load_readings"), (assessment_zone, "inputs_of"), (engine, "hourly"),
        (assessment_rows, "load_current"), (assessment_zone, "changes"), (assessment_zone, "write_versions"),
        (engine, "days_of"), (engine, "judge"), (assessment_zone, "publish"),
    ]  # fmt: skip


def timed(url: str, label: str, now: datetime) -> float:
    """Run an assessment and print what it cost; processor seconds of this process."""
    stages = Stages()
    wall, processor = time.perf_counter(), time.process_time()
    with stages.of(*targets()):
        report = assessment.assess(url, now=now)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    print(
        f"{label:10} {wall:7.2f} s, processor here {processor:7.2f} s; {report.points} points,"
        f" {report.intervals:,} intervals, {report.changed:,} new versions, {report.findings} findings"
    )
    print("           " + ", ".join(f"{name} {seconds:.2f}" for name, seconds in stages.seconds.items()), flush=True)
    return wall


def main(meters: int = 250, days: int = DAYS) -> None:
    """Print the year, the day and the share."""
    first, whole = instant_of(START), instant_of(START + 24 * HOUR_US * days + 1)
    last_day = whole - timedelta(days=1)
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)) as server:
        migrate(server.url())
        with psycopg.connect(server.url(), autocommit=True) as connection:
            registry(connection, meters)
            readings(connection, meters, days)
            arrive(connection, first, last_day)
            warm(server.url())
            year = timed(server.url(), "the year", last_day)
            connection.execute("VACUUM ANALYZE consumption")
            arrive(connection, last_day, whole)
            day = timed(server.url(), "one day", whole)
            timed(server.url(), "nothing", whole)
            size = connection.execute(
                "SELECT pg_total_relation_size('consumption') / (SELECT count(*) FROM consumption)"
            ).fetchone()
    print(f"{meters} meters, {days} days: a day costs {100 * day / year:.1f} % of the year")
    print(f"bytes a version, indexes included: {size[0] if size else 0}")
    print(f"peak memory here {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB, {datetime.now(UTC):%F}")


def warm(url: str) -> None:
    """Kernels into memory, so that the year does not pay for them."""
    from compute.warming import warm as run_kernels

    run_kernels()


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
