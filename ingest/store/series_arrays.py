"""Readings of many registers as one array, an array a column of a meter on the wire instead of a message a row.

Rules: the key (meter, bank, time) hands the rows over in order, so the server only strings them together; the seldom
meters with a version or a flag are asked again, with these. Six to ten times as fast as a COPY row by row
(tests/speed/series_read.py).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from ingest.store.packing import POSTGRES_EPOCH_US, int_array_from_binary
from ingest.store.reading_rows import ABSENT
from ingest.store.register_slots import BANK

Table = NDArray[np.void]
READING = np.dtype(
    [("register_id", np.int32), ("ts", np.int64), ("value", np.int64), ("version", np.int16), ("flags", np.int16)]
)
# So many meters a question: a year of hourly values of four registers each is about 200 MB on the wire.
_SLICE = 250
_SLOTS = "SELECT meter_id, slot, register_id FROM register WHERE register_id = ANY(%s::int[])"
_MARKS = "array_agg(version::int8 << 16 | flags)"
# Register of each place of a bank: place -> register.
Places = dict[int, int]


def reading_arrays(connection: Connection[Any], register_ids: Sequence[int], start: datetime, end: datetime) -> Table:
    """Readings of registers in [start, end), in order of register, time and version.

    Returns
    -------
    (n,) structured: `register_id` int32, `ts` int64 epoch microseconds, `value` int64, `version`, `flags` int16.
    """
    banks: dict[int, dict[int, Places]] = defaultdict(lambda: defaultdict(dict))
    for meter, slot, register in connection.execute(_SLOTS, (list(register_ids),)).fetchall():
        banks[slot // BANK][meter][slot % BANK] = register
    parts: list[Table] = []
    for bank, meters in sorted(banks.items()):
        ordered = sorted(meters)
        for first in range(0, len(ordered), _SLICE):
            asked = {meter: meters[meter] for meter in ordered[first : first + _SLICE]}
            parts += _of_bank(connection, bank, asked, start, end)
    parts.sort(key=lambda part: int(part["register_id"][0]))
    return np.concatenate(parts) if parts else np.empty(0, dtype=READING)


def _of_bank(
    connection: Connection[Any], bank: int, meters: Mapping[int, Places], start: datetime, end: datetime
) -> list[Table]:
    """A table a register that has readings."""
    places = sorted({place for of_meter in meters.values() for place in of_meter})
    found = _asked(connection, bank, places, "bit_or(version | flags)", list(meters), start, end)
    marked = [meter for meter, cells in found.items() if any(cells[1] or b"")]
    if marked:
        found |= _asked(connection, bank, places, _MARKS, marked, start, end)
    tables = []
    for meter, cells in found.items():
        times = int_array_from_binary(cells[0])
        times += POSTGRES_EPOCH_US
        marks = int_array_from_binary(cells[1]) if meter in marked else None
        for place, register in meters[meter].items():
            table = _of_register(register, times, int_array_from_binary(cells[2 + places.index(place)]), marks)
            if len(table):
                tables.append(table)
    return tables


def _asked(
    connection: Connection[Any],
    bank: int,
    places: Sequence[int],
    marks: str,
    meters: Sequence[int],
    start: datetime,
    end: datetime,
) -> dict[int, list[Any]]:
    """Meter -> its cells as the server sent them: times, marks, values of each place."""
    values = ", ".join(f"array_agg(coalesce(v{place}, {ABSENT}))" for place in places)
    query = (
        f"SELECT meter_id, array_agg(ts), {marks}, {values} FROM meter_reading WHERE meter_id = ANY(%s::int[])"
        " AND bank = %s AND ts >= %s AND ts < %s GROUP BY meter_id ORDER BY meter_id"
    )
    with connection.cursor(binary=True) as cursor:
        cursor.execute(query, (list(meters), bank, start, end))
        result = cursor.pgresult
        if result is None:
            return {}
        return {
            int.from_bytes(result.get_value(row, 0) or b"", "big"): [
                result.get_value(row, column) for column in range(1, 3 + len(places))
            ]
            for row in range(result.ntuples)
        }


def _of_register(
    register_id: int, times: NDArray[np.int64], values: NDArray[np.int64], marks: NDArray[np.int64] | None
) -> Table:
    there = values != ABSENT
    if not there.all():
        times, values = times[there], values[there]
        marks = None if marks is None else marks[there]
    table = np.empty(len(times), dtype=READING)
    table["register_id"] = register_id
    table["ts"], table["value"] = times, values
    table["version"] = 0 if marks is None else marks >> 16
    table["flags"] = 0 if marks is None else marks & 0xFFFF
    if marks is not None or (np.diff(times) < 0).any():
        # A columnstore or another plan may hand them over in another order.
        return table[np.lexsort((table["version"], table["ts"]))]
    return table
