"""Readings of meters as Arrow tables in the import format: meter by meter, register by register, in time order.

A value is a count divided by a power of ten in the register's unit, so its shortest decimal is exact. A table holds
about `ROWS` readings: enough to write well, little enough to build in memory that is used again and again.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from protocols.registers import Register
from protocols.units import Quantity
from simulators.display import HOUR_US, micros
from simulators.meter import VirtualMeter
from simulators.series import MeterSeries

DAY_US = 24 * HOUR_US
ROWS = 1_000_000
# What is written at every reading and what once a day; other quantities are left out.
EVERY_TIME = frozenset({
    Quantity.HEAT_ENERGY, Quantity.VOLUME, Quantity.ELECTRIC_ENERGY, Quantity.SUPPLY_TEMPERATURE,
    Quantity.RETURN_TEMPERATURE,
})  # fmt: skip
DAILY = frozenset({
    Quantity.FLOW, Quantity.POWER, Quantity.OPERATING_TIME, Quantity.ON_TIME, Quantity.SUPPLY_TEMPERATURE_VOLUME,
    Quantity.RETURN_TEMPERATURE_VOLUME,
})  # fmt: skip
_NAMES = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        ("serial", _NAMES),
        ("manufacturer", _NAMES),
        ("time", pa.timestamp("us", tz="UTC")),
        ("quantity", _NAMES),
        ("value", pa.float64()),
        ("unit", _NAMES),
    ]
)

Column = tuple[str, str, NDArray[np.int64], NDArray[np.float64]]


@dataclass(slots=True)
class _Parts:
    """Columns collected for a table: `meters` and `kinds` number the series and the (quantity, unit) of each."""

    series: list[MeterSeries] = field(default_factory=list)
    times: list[NDArray[np.int64]] = field(default_factory=list)
    values: list[NDArray[np.float64]] = field(default_factory=list)
    meters: list[int] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    units: dict[tuple[str, str], int] = field(default_factory=dict)
    rows: int = 0

    def add(self, item: MeterSeries) -> None:
        """All columns of one meter."""
        for name, unit, at, value in _columns(item):
            self.times.append(at)
            self.values.append(value)
            self.meters.append(len(self.series))
            self.kinds.append(self.units.setdefault((name, unit), len(self.units)))
            self.rows += len(at)
        self.series.append(item)

    def table(self) -> pa.Table:
        """What was collected."""
        lengths = [len(part) for part in self.times]
        who, what = (pa.array(np.repeat(np.array(x, dtype=np.int32), lengths)) for x in (self.meters, self.kinds))
        times = np.concatenate(self.times) if self.times else np.empty(0, np.int64)
        values = np.concatenate(self.values) if self.values else np.empty(0)

        def named(codes: Any, names: Iterable[str]) -> Any:
            return pa.DictionaryArray.from_arrays(codes, pa.array(list(names), pa.string()))

        return pa.Table.from_arrays(
            [
                named(who, (item.meter.id.serial for item in self.series)),
                named(who, (item.meter.id.manufacturer for item in self.series)),
                pa.array(times, type=pa.timestamp("us", tz="UTC")),
                named(what, (name for name, _ in self.units)),
                pa.array(values),
                named(what, (unit for _, unit in self.units)),
            ],
            schema=SCHEMA,
        )


def reading_tables(block: Iterable[MeterSeries], rows: int = ROWS) -> Iterator[pa.Table]:
    """Tables of about `rows` readings; a meter is never divided."""
    parts = _Parts()
    for item in block:
        parts.add(item)
        if parts.rows >= rows:
            yield parts.table()
            parts = _Parts()
    if parts.rows:
        yield parts.table()


def _columns(item: MeterSeries) -> Iterator[Column]:
    again = item.repeated
    daily = np.flatnonzero(item.times_us % DAY_US == 0)
    for register in item.meter.registers:
        counts = item.counts[register.name]
        if register.quantity in DAILY:
            yield str(register.quantity), register.unit, item.times_us[daily], _shown(counts[daily], register)
        elif register.quantity in EVERY_TIME:
            at = item.times_us
            if len(again):
                at, counts = np.concatenate([at, at[again]]), np.concatenate([counts, counts[again]])
            yield str(register.quantity), register.unit, at, _shown(counts, register)
    yield from _status_columns(item, daily)
    yield from _read_by_eye(item.meter)


def _shown(counts: NDArray[np.int64], register: Register) -> NDArray[np.float64]:
    if register.scale >= 0:
        return np.asarray(counts * float(10**register.scale))
    return np.asarray(counts / float(10**-register.scale))


def _status_columns(item: MeterSeries, daily: NDArray[np.intp]) -> Iterator[Column]:
    """Info code where it is set, and the meter's clock once a day (seconds since 1970, as it reckons)."""
    told = np.flatnonzero(item.info)
    if len(told):
        yield str(Quantity.INFO_CODE), "", item.times_us[told], item.info[told].astype(np.float64)
    if item.meter.model.clocked:
        at = item.times_us[daily]
        yield str(Quantity.METER_TIME), "s", at, at / 1e6 + item.clock_error_s[daily]


def _read_by_eye(meter: VirtualMeter) -> Iterator[Column]:
    """Weekly readings at round figures while a meter is read by hand."""
    for fault in meter.faults:
        if fault.name == "hand_estimates":
            step = 7 * DAY_US
            at = np.arange(micros(fault.start) + step // 2, micros(fault.end), step, dtype=np.int64)
            counts = meter.counts_at(at)[meter.index.name]
            rounding = max(round(fault.magnitude / float(meter.index.count_size("kWh"))), 1)
            yield str(meter.index.quantity), meter.index.unit, at, _shown(counts // rounding * rounding, meter.index)
