"""A fleet as files in the import formats: points, meters, readings, weather, and the labels that only a grader may see.

Readings are written block by block, so memory stays bounded; computing and writing share the machine's cores. Values
are what the display shows in the register's unit: a count divided by a power of ten, so the shortest decimal of the
number is exact.
"""

import csv
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from simulators.display import micros
from simulators.fleet import Fleet
from simulators.meter import VirtualMeter
from simulators.reading_tables import SCHEMA, reading_tables
from simulators.series import fleet_series

READING_COLUMNS = tuple(SCHEMA.names)


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: the folder and the number of readings."""

    folder: Path
    readings: int


def write_fleet(
    fleet: Fleet, folder: Path, *, readings_format: str = "parquet", progress: Callable[[int, int], None] | None = None
) -> Written:
    """Write a fleet into a folder.

    Parameters
    ----------
    readings_format : {"parquet", "csv"}
    progress : callable, optional
        Called with (blocks done, blocks).

    Raises
    ------
    ValueError
        Another format.
    """
    if readings_format not in ("parquet", "csv"):
        raise ValueError(f"readings can be written as parquet or csv, not {readings_format!r}")
    folder.mkdir(parents=True, exist_ok=True)
    _write_points(fleet, folder / "points.csv")
    _write_labels(fleet, folder / "labels.csv")
    _write_weather(fleet, folder / "weather.csv")
    readings = _write_readings(fleet, folder / f"readings.{readings_format}", progress)
    return Written(folder, readings)


def _rows(path: Path, header: tuple[str, ...], rows: Iterator[tuple[object, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _write_points(fleet: Fleet, path: Path) -> None:
    header = ("point", "area", "address", "kind", "state", "heated_area_m2", "design_load_kw")
    rows = (
        (p.code, p.area, p.address, p.kind, p.state, f"{p.heated_area_m2:.1f}", f"{p.design_load_kw:.2f}")
        for p in fleet.points
    )
    _rows(path, header, rows)


def _write_labels(fleet: Fleet, path: Path) -> None:
    header = ("meter", "point", "kind", "from", "to", "magnitude", "verdict", "fault")
    rows = (
        (x.serial, x.point, x.kind, _iso(x.start), _iso(x.end), f"{x.magnitude:g}", x.verdict, x.fault)
        for x in sorted(fleet.labels, key=lambda label: (label.start, label.serial, label.kind))
    )
    _rows(path, header, rows)


def _write_weather(fleet: Fleet, path: Path) -> None:
    hour = timedelta(hours=1)
    rows = (
        (area, _iso(fleet.start + hour * number), f"{value:.1f}")
        for area, weather in fleet.weather.items()
        for number, value in enumerate(weather.temperature_c.tolist())
    )
    _rows(path, ("area", "time", "temperature_c"), rows)


METER_COLUMNS = (
    "serial", "manufacturer", "medium", "model", "point", "installed_at", "initial_index", "energy_unit",
    "energy_digits", "energy_scale", "qp_m3h",
)  # fmt: skip


def meter_row(meter: VirtualMeter) -> tuple[object, ...]:
    """The meter's row of `meters.csv`; the initial index is what the display showed when it was installed."""
    index = meter.index
    at = np.array([micros(meter.installed_at)], dtype=np.int64)
    shown = index.value_of(int(meter.counts_at(at, faulty=False)[index.name][0] % (index.capacity or 10**18)))
    return (
        meter.id.serial, meter.id.manufacturer, meter.id.medium, meter.model.name, meter.point,
        _iso(meter.installed_at), f"{shown:f}", index.unit, index.digits, index.scale, f"{meter.qp_m3h:g}",
    )  # fmt: skip


def _write_readings(fleet: Fleet, path: Path, progress: Callable[[int, int], None] | None) -> int:
    written, blocks = 0, len(fleet.blocks)
    rows: list[tuple[object, ...]] = []
    sink = pq.ParquetWriter(path, SCHEMA, **_PARQUET) if path.suffix == ".parquet" else pa.csv.CSVWriter(path, _CSV)
    with sink, ThreadPoolExecutor(1, "write") as writer:
        pending = None
        for number, block in enumerate(fleet_series(fleet), start=1):
            # A meter that nobody told the registry about would be refused by an import; its absence is the symptom.
            known = [item for item in block if item.meter.registered]
            rows.extend(meter_row(item.meter) for item in known)
            for table in reading_tables(known):
                if pending is not None:
                    pending.result()
                pending = writer.submit(sink.write_table, table if path.suffix == ".parquet" else _as_text(table))
                written += table.num_rows
            if progress is not None:
                progress(number, blocks)
        if pending is not None:
            pending.result()
    _rows(path.parent / "meters.csv", METER_COLUMNS, iter(rows))
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
