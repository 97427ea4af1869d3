"""Which readings are new, and which version of a register's instant they are.

Rules: the natural key is (register, instant): an equal value is dropped, another value is the next version, whether
the store has the first one or the same batch.
"""

import numpy as np

from ingest.store.reading_columns import Int64, Mask, ReadingColumns


def new_of(
    readings: ReadingColumns, stored_row: Int64, stored_value: Int64, stored_version: Int64
) -> tuple[Mask, Int64]:
    """Of readings in order of register and instant: which to keep, and their versions.

    Parameters
    ----------
    readings : ReadingColumns
        (n,) by register and instant, of one instant in the order of arrival.
    stored_row, stored_value, stored_version : (k,) int64
        What the store has under the keys of some rows; a row may occur several times.

    Returns
    -------
    (n,) mask of those that are neither stored nor said twice here, and (n,) versions of these.
    """
    count = len(readings)
    same = np.zeros(count, dtype=bool)
    same[1:] = (np.diff(readings.register_id) == 0) & (np.diff(readings.ts_us) == 0)
    keep = np.ones(count, dtype=bool)
    version = np.zeros(count, dtype=np.int64)
    keep[stored_row[stored_value == readings.value[stored_row]]] = False
    np.maximum.at(version, stored_row, stored_version + 1)
    if same.any():
        _count_versions(readings, same, stored_row, stored_value, keep, version)
    return keep, version


def _count_versions(
    readings: ReadingColumns, same: Mask, stored_row: Int64, stored_value: Int64, keep: Mask, version: Int64
) -> None:
    """Where several rows here share a key: in their order, equal values once, others as further versions."""
    stored: dict[int, set[int]] = {}
    for row, value in zip(stored_row.tolist(), stored_value.tolist(), strict=True):
        stored.setdefault(row, set()).add(value)
    starts = np.flatnonzero(same & ~np.append(False, same[:-1])) - 1
    for start in starts.tolist():
        said: set[int] = set(stored.get(start, ()))
        next_version = int(version[start])
        row = start
        while row == start or (row < len(same) and same[row]):
            value = int(readings.value[row])
            keep[row] = value not in said
            if keep[row]:
                version[row] = next_version
                next_version += 1
                said.add(value)
            row += 1
