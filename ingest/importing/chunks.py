"""A batch of a readings file as arrays, and what its words mean: quantities, units, names of registers.

Rules: CPU work only, safe in a thread; nothing here knows the database.
"""

from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

import numpy as np
import pyarrow as pa

from ingest.directory import MeterEntry
from ingest.importing.columns import Int64, Mask, Values, codes, times, values
from ingest.importing.files import Batch
from protocols.units import CANONICAL_UNIT, Quantity, dimension, is_unit

# What a meter says about itself: statements, not registers.
SAID = (Quantity.INFO_CODE, Quantity.METER_TIME)
_NAME = {Quantity.HEAT_ENERGY: "energy"}


@dataclass(frozen=True, slots=True)
class Chunk:
    """A batch as arrays: row numbers, codes of meter, quantity and unit with texts, instants, values, bytes kept."""

    numbers: Int64
    who: Int64
    meters: list[tuple[str, str]]
    what: Int64
    quantities: list[tuple[str, str]]
    ts_us: Int64
    untimed: Mask
    values: Values
    payload: bytes

    @property
    def first_row(self) -> int:
        """Number of the first row."""
        return int(self.numbers[0])


def chunk_of(batch: Batch, zone: tzinfo) -> Chunk:
    """The arrays of a batch; CPU work, safe in a thread."""
    table = batch.table
    names = table.schema.names
    empty = pa.array([""] * table.num_rows)
    serial_codes, serials = codes(table.column("serial"))
    maker_codes, makers = codes(table.column("manufacturer") if "manufacturer" in names else empty)
    quantity_codes, quantities = codes(table.column("quantity"))
    unit_codes, units = codes(table.column("unit") if "unit" in names else empty)
    meter_keys, who = np.unique(serial_codes * len(makers) + maker_codes, return_inverse=True)
    what_keys, what = np.unique(quantity_codes * len(units) + unit_codes, return_inverse=True)
    ts_us, untimed = times(table.column("time"), zone)
    return Chunk(
        numbers=batch.numbers,
        who=who.astype(np.int64),
        meters=[(serials[key // len(makers)], makers[key % len(makers)]) for key in meter_keys.tolist()],
        what=what.astype(np.int64),
        quantities=[(quantities[key // len(units)], units[key % len(units)]) for key in what_keys.tolist()],
        ts_us=ts_us,
        untimed=untimed,
        values=values(table.column("value")),
        payload=_kept(table),
    )


def _kept(table: Any) -> bytes:
    """The rows as they came, as a compressed Arrow stream: a tenth of the text."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_batch(table)
    return bytes(sink.getvalue())


def quantity_of(name: str) -> Quantity | None:
    try:
        return Quantity(name)
    except ValueError:
        return None


def measures(unit: str, quantity: Quantity) -> bool:
    if quantity in SAID:
        return True
    unit = unit or CANONICAL_UNIT[quantity]
    return is_unit(unit) and dimension(unit) == dimension(CANONICAL_UNIT[quantity])


def register_name_of(quantity: Quantity, entry: MeterEntry) -> str:
    """The meter's register of that quantity: its only or first one, else the name that profiles give it."""
    name = _NAME.get(quantity, str(quantity))
    if name in entry.registers:
        return name
    for known in entry.registers.values():
        if known.register.quantity is quantity and known.register.tariff == 0 and known.register.storage == 0:
            return known.register.name
    return name
