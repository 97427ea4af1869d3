"""Readings as columns, from the decoder to the store."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ReadingColumns:
    """Readings as columns, each (n,) int64; `ts_us` in epoch microseconds."""

    ts_us: Int64
    value: Int64
    delivery_id: Int64
    register_id: Int64
    flags: Int64

    def __len__(self) -> int:
        return len(self.ts_us)

    def take(self, rows: npt.NDArray[Any]) -> "ReadingColumns":
        """The rows that an index or mask array selects."""
        return ReadingColumns(
            self.ts_us[rows], self.value[rows], self.delivery_id[rows], self.register_id[rows], self.flags[rows]
        )


def joined(first: ReadingColumns, second: ReadingColumns) -> ReadingColumns:
    """The readings of both, one after the other."""
    return ReadingColumns(
        *(np.concatenate([getattr(first, name), getattr(second, name)]) for name in ReadingColumns.__dataclass_fields__)
    )
