"""Readings of many registers as one array, an array a register on the wire instead of a message a row.

Rules: the key (register, ts) hands the rows over in order, so the server only strings them together; the seldom
registers with a version or a flag are asked again, with these. Six to ten times as fast as a COPY row by row
(tests/speed/series_read.py).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from ingest.store.packing import POSTGRES_EPOCH_US, int_array_from_binary

Table = NDArray[np.void]
READING = np.dtype(
    [("register_id", np.int32), ("ts", np.int64), ("value", np.int64), ("version", np.int16), ("flags", np.int16)]
)
# So many registers a question: a year of hourly values of each is about 200 MB on the wire.
_SLICE = 1_000
_FROM = (
    " FROM reading WHERE register_id = ANY(%s::int[]) AND ts >= %s AND ts < %s"
    " GROUP BY register_id ORDER BY register_id"
)
_MARKS = "version::int8 << 16 | flags"
_ARRAYS = f"SELECT register_id, array_agg(ts), array_agg(value), bit_or(version | flags){_FROM}"
_MARKED_ARRAYS = f"SELECT register_id, array_agg(ts), array_agg(value), array_agg({_MARKS}){_FROM}"


def reading_arrays(connection: Connection[Any], register_ids: Sequence[int], start: datetime, end: datetime) -> Table:
    """Readings of registers in [start, end), in order of register, time and version.

    Returns
    -------
    (n,) structured: `register_id` int32, `ts` int64 epoch microseconds, `value` int64, `version`, `flags` int16.
    """
    ordered = sorted(set(register_ids))
    parts: list[Table] = []
    for first in range(0, len(ordered), _SLICE):
        plain = _asked(connection, _ARRAYS, ordered[first : first + _SLICE], start, end)
        marked = {number for number, (_, _, marks) in plain.items() if any(marks or b"")}
        if marked:
            plain |= _asked(connection, _MARKED_ARRAYS, sorted(marked), start, end)
        parts += [_of_register(number, cells, number in marked) for number, cells in plain.items()]
    return np.concatenate(parts) if parts else np.empty(0, dtype=READING)


def _asked(
    connection: Connection[Any], query: str, registers: Sequence[int], start: datetime, end: datetime
) -> dict[int, tuple[Any, Any, Any]]:
    """Register -> its cells as the server sent them, in order of registers."""
    with connection.cursor(binary=True) as cursor:
        cursor.execute(query, (list(registers), start, end))
        result = cursor.pgresult
        if result is None:
            return {}
        return {
            int.from_bytes(result.get_value(row, 0) or b"", "big"): (
                result.get_value(row, 1), result.get_value(row, 2), result.get_value(row, 3)
            )
            for row in range(result.ntuples)
        }  # fmt: skip


def _of_register(register_id: int, cells: tuple[Any, Any, Any], marked: bool) -> Table:
    times = int_array_from_binary(cells[0])
    table = np.empty(len(times), dtype=READING)
    table["register_id"] = register_id
    table["ts"], table["value"] = times, int_array_from_binary(cells[1])
    table["ts"] += POSTGRES_EPOCH_US
    marks = int_array_from_binary(cells[2]) if marked else np.int64(0)
    table["version"], table["flags"] = marks >> 16, marks & 0xFFFF
    if marked or (np.diff(times) < 0).any():
        # A columnstore or another plan may hand them over in another order.
        return table[np.lexsort((table["version"], table["ts"]))]
    return table
