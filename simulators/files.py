"""A fleet as files in the import formats: points, meters, readings, weather, and the labels that only a grader may see.

Readings are written block by block, so memory stays bounded; computing and writing share the machine's cores. Values
are what the display shows in the register's unit: a count divided by a power of ten, so the shortest decimal of the
number is exact.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from simulators.display import HOUR_US
from simulators.fleet import Fleet
from simulators.labels import Label
from simulators.reading_tables import DAY_US, SCHEMA, reading_tables
from simulators.registry_files import METER_COLUMNS, Row, iso, meter_row, write_points, write_rows
from simulators.series import fleet_series

READING_COLUMNS = tuple(SCHEMA.names)
LABEL_COLUMNS = ("meter", "point", "kind", "from", "to", "magnitude", "verdict", "fault")
EVENT_COLUMNS = ("area", *LABEL_COLUMNS[2:])
# How often registers are read.
INTERVALS_US = {"15min": HOUR_US // 4, "hour": HOUR_US, "day": DAY_US}
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: the folder and the number of readings."""

    folder: Path
    readings: int


def write_fleet(
    fleet: Fleet,
    folder: Path,
    *,
    readings_format: str = "parquet",
    interval: str = "hour",
    progress: Progress | None = None,
) -> Written:
    """Write a fleet into a folder.

    Parameters
    ----------
    readings_format : {"parquet", "csv"}
    interval : {"15min", "hour", "day"}
        How often counters and temperatures are read; the other quantities are daily.
    progress : callable, optional
        Called with (blocks done, blocks).

    Raises
    ------
    ValueError
        Another format or interval.
    """
    if readings_format not in ("parquet", "csv"):
        raise ValueError(f"readings can be written as parquet or csv, not {readings_format!r}")
    if interval not in INTERVALS_US:
        raise ValueError(f"readings can be written every {', '.join(INTERVALS_US)}, not {interval!r}")
    folder.mkdir(parents=True, exist_ok=True)
    write_points(fleet, folder)
    write_truth(fleet, folder)
    write_weather(fleet, folder)
    readings = _write_readings(fleet, folder / f"readings.{readings_format}", INTERVALS_US[interval], progress)
    return Written(folder, readings)


def write_truth(fleet: Fleet, folder: Path) -> None:
    """`labels.csv`, a line a fault and meter, and `events.csv`, what happened to whole areas."""
    labels = sorted(fleet.labels, key=lambda label: (label.start, label.serial, label.kind))
    rows = ((x.serial, x.point, *_truth(x)) for x in labels if x.serial)
    write_rows(folder / "labels.csv", LABEL_COLUMNS, rows)
    write_rows(folder / "events.csv", EVENT_COLUMNS, ((x.point, *_truth(x)) for x in labels if not x.serial))


# Faults that garble whole telegrams leave no rows: in files they are silence, as they are to whoever imports them.
SEEN_AS = dict.fromkeys(("rubbish", "desynchronised", "collision"), "comms_loss")


def _truth(label: Label) -> Row:
    return (
        SEEN_AS.get(label.fault, label.kind),
        iso(label.start),
        iso(label.end),
        f"{label.magnitude:g}",
        label.verdict,
        label.fault,
    )


def write_weather(fleet: Fleet, folder: Path) -> None:
    """`weather.csv`, hourly outside temperatures of each area."""
    hour = timedelta(hours=1)
    rows = (
        (area, iso(fleet.start + hour * number), f"{value:.1f}")
        for area, weather in fleet.weather.items()
        for number, value in enumerate(weather.temperature_c.tolist())
    )
    write_rows(folder / "weather.csv", ("area", "time", "temperature_c"), rows)


def _write_readings(fleet: Fleet, path: Path, step_us: int, progress: Progress | None) -> int:
    written, blocks = 0, len(fleet.blocks)
    rows: list[Row] = []
    binary = path.suffix == ".parquet"
    sink = pq.ParquetWriter(path, SCHEMA, **_PARQUET) if binary else pa.csv.CSVWriter(path, _CSV)
    with sink, ThreadPoolExecutor(1, "write") as writer:
        pending: Future[None] | None = None
        for number, block in enumerate(fleet_series(fleet, step_us), start=1):
            # A meter that nobody told the registry about would be refused by an import; its absence is the symptom.
            known = [item for item in block if item.meter.registered]
            rows.extend(meter_row(item.meter) for item in known)
            for table in reading_tables(known):
                if pending is not None:
                    pending.result()
                pending = writer.submit(sink.write_table, table if binary else _as_text(table))
                written += table.num_rows
            if progress is not None:
                progress(number, blocks)
        if pending is not None:
            pending.result()
    write_rows(path.parent / "meters.csv", METER_COLUMNS, rows)
    return written


_PARQUET = {
    "compression": "zstd",
    "compression_level": 1,
    "use_dictionary": ["serial", "manufacturer", "quantity", "unit"],
    "column_encoding": {"time": "DELTA_BINARY_PACKED", "value": "BYTE_STREAM_SPLIT"},
    "write_statistics": ["serial", "time"],
}
_CSV = pa.schema([(name, pa.string() if name != "value" else pa.float64()) for name in READING_COLUMNS])


def _as_text(table: pa.Table) -> pa.Table:
    times = pa.compute.strftime(table["time"], format="%Y-%m-%dT%H:%M:%SZ")
    columns = [times if name == "time" else table[name].cast(_CSV.field(name).type) for name in READING_COLUMNS]
    return pa.Table.from_arrays(columns, schema=_CSV)
