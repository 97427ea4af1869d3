"""Rows of `meter_reading`: what a meter showed at one instant, up to eight registers of a bank in one row.

Rules: rows are columns here too, values a matrix with `ABSENT` where a register was not said; all readings of a row
share delivery, version and flags; a row is packed with the columns it has.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ingest.store.packing import (
    COPY_HEADER,
    COPY_TRAILER,
    Int2Array,
    Int4Array,
    Int8Array,
    PackedArray,
    TimestampArray,
    fitting,
)
from ingest.store.register_slots import BANK

Int64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
# No count of a display: seventeen digits more than any has.
ABSENT = -(2**63)
VALUES = tuple(f"v{place}" for place in range(BANK))
COLUMNS: Final = f"ts, delivery_id, meter_id, bank, part, version, flags, {', '.join(VALUES)}"
_HEAD = (
    ("ts", "timestamptz", 8), ("delivery_id", "int8", 8), ("meter_id", "int4", 4), ("bank", "int2", 2),
    ("part", "int2", 2), ("version", "int2", 2), ("flags", "int2", 2),
)  # fmt: skip
_BITS = 1 << np.arange(BANK)
# A server without COPY takes 64 KiB a message: fifteen columns, some 170 bytes a row.
_SQL_ROWS = 300
COPY: Final = f"COPY meter_reading ({COLUMNS}) FROM STDIN (FORMAT BINARY)"
INSERT = (
    f"INSERT INTO meter_reading ({COLUMNS}) SELECT ts, delivery_id, meter_id, bank, part, version, flags,"
    f" {', '.join(f'nullif({name}, {ABSENT})' for name in VALUES)} FROM unnest(%b::timestamptz[], %b::int8[],"
    f" %b::int4[], %b::int2[], %b::int2[], %b::int2[], %b::int2[]{', %b::int8[]' * BANK}) AS item ({COLUMNS})"
)


@dataclass(frozen=True, slots=True)
class ReadingRows:
    """Rows as columns, each (n,) int64; `ts_us` in epoch microseconds, `values` (n, 8) with ABSENT."""

    ts_us: Int64
    delivery_id: Int64
    meter_id: Int64
    bank: Int64
    part: Int64
    version: Int64
    flags: Int64
    values: Int64

    def __len__(self) -> int:
        return len(self.ts_us)

    def take(self, rows: npt.NDArray[Any] | slice) -> "ReadingRows":
        """The rows that an index, mask or slice selects."""
        return ReadingRows(
            self.ts_us[rows], self.delivery_id[rows], self.meter_id[rows], self.bank[rows], self.part[rows],
            self.version[rows], self.flags[rows], self.values[rows],
        )  # fmt: skip


def joined(parts: Sequence[ReadingRows]) -> ReadingRows:
    """All rows of several, in their order."""
    return ReadingRows(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ReadingRows.__dataclass_fields__)
    )


@functools.lru_cache(256)
def _layout(pattern: int) -> np.dtype[np.void]:
    """A row of a binary COPY with the values of a bit pattern; one that is not there is a size of -1 alone."""
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for name, _, width in _HEAD:
        fields += [(f"size_{name}", ">i4"), (name, f">i{width}")]
    for place, name in enumerate(VALUES):
        fields += [(f"size_{name}", ">i4"), *([(name, ">i8")] if pattern >> place & 1 else [])]
    return np.dtype(fields)


def packed(rows: ReadingRows) -> bytes:
    """Rows as a binary COPY; those with the same registers are packed together, for their order means nothing."""
    pattern = (rows.values != ABSENT) @ _BITS
    kinds = np.unique(pattern).tolist()
    parts = [COPY_HEADER]
    parts += [_alike(rows if len(kinds) == 1 else rows.take(pattern == kind), kind) for kind in kinds]
    return b"".join([*parts, COPY_TRAILER])


def _alike(rows: ReadingRows, pattern: int) -> bytes:
    table = np.empty(len(rows), dtype=_layout(pattern))
    table["fields"] = len(_HEAD) + BANK
    columns = (rows.ts_us, rows.delivery_id, rows.meter_id, rows.bank, rows.part, rows.version, rows.flags)
    for (name, kind, width), column in zip(_HEAD, columns, strict=True):
        table[f"size_{name}"] = width
        table[name] = fitting(kind, column)
    for place, name in enumerate(VALUES):
        present = pattern >> place & 1
        table[f"size_{name}"] = 8 if present else -1
        if present:
            table[name] = rows.values[:, place]
    return table.tobytes()


def statements(rows: ReadingRows) -> list[tuple[PackedArray, ...]]:
    """Parameters of `INSERT`, one tuple a statement."""
    said = []
    for start in range(0, len(rows), _SQL_ROWS):
        part = rows.take(slice(start, start + _SQL_ROWS))
        said.append(
            (
                TimestampArray(part.ts_us),
                Int8Array(part.delivery_id),
                Int4Array(part.meter_id),
                Int2Array(part.bank),
                Int2Array(part.part),
                Int2Array(part.version),
                Int2Array(part.flags),
                *(Int8Array(part.values[:, place]) for place in range(BANK)),
            )
        )
    return said
