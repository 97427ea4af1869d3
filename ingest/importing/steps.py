"""How fine the values of a readings file are, meter by meter, over the whole file.

Rules: a register that nobody declared counts in the finest step that the file shows of it; its first rows alone would
not tell (a flat that stands empty shows whole cubic metres for weeks). CPU work only, one batch in memory.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from ingest.importing.columns import codes, values
from ingest.importing.files import batches

# Serial, manufacturer, quantity, unit, as the file writes them.
StepKey = tuple[str, str, str, str]
_COLUMNS = ("serial", "manufacturer", "quantity", "unit")


def finest_decimals(path: Path, required: Sequence[str], rows: int) -> dict[StepKey, int]:
    """Decimals that the finest value of each meter and quantity needs, at most six.

    Raises
    ------
    InvalidInputError
        The file cannot be read; see `importing_files.batches`.
    """
    finest: dict[StepKey, int] = {}
    for batch in batches(path, required=required, rows=rows):
        table, names = batch.table, batch.table.schema.names
        empty = pa.array([""] * table.num_rows)
        key = np.zeros(table.num_rows, dtype=np.int64)
        texts: list[list[str]] = []
        for name in _COLUMNS:
            numbers, words = codes(table.column(name) if name in names else empty)
            key = key * len(words) + numbers
            texts.append(words)
        keys, place = np.unique(key, return_inverse=True)
        column = values(table.column("value"))
        needed = np.where(column.bad, 0, column.decimals(np.arange(table.num_rows)))
        most = np.zeros(len(keys), dtype=np.int64)
        np.maximum.at(most, place, needed)
        for number, decimals in zip(keys.tolist(), most.tolist(), strict=True):
            parts: list[str] = []
            for words in reversed(texts):
                number, at = divmod(number, len(words))
                parts.append(words[at])
            unit, quantity, maker, serial = parts
            found = serial, maker, quantity, unit
            finest[found] = max(decimals, finest.get(found, 0))
    return finest
