"""What a binary COPY does, by ordinary statements: for servers that have none (PostgreSQL in WebAssembly).

Rules: the callers' tables and columns, the same arrays in and out; a statement stays below the 64 KiB that such a
server takes in one message. Synchronous, and much slower than COPY: nobody chooses it who has the other.
"""

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection, sql

from ingest.store.packing import (
    POSTGRES_EPOCH_US,
    Int2Array,
    Int4Array,
    Int8Array,
    PackedArray,
    TimestampArray,
)

Table = NDArray[np.void]

_ARRAYS: dict[str, type[PackedArray]] = {
    "int2": Int2Array,
    "int4": Int4Array,
    "int8": Int8Array,
    "timestamptz": TimestampArray,
}
_NATIVE = {"int2": "i2", "int4": "i4", "int8": "i8", "timestamptz": "i8", "float4": "f4", "float8": "f8"}
# Fifteen columns of sixteen bytes a row.
_ROWS = 250
_KNOWN: "WeakKeyDictionary[Connection[Any], bool]" = WeakKeyDictionary()


def has_copy(connection: Connection[Any]) -> bool:
    """Whether the server takes COPY; asked once a connection."""
    known = _KNOWN.get(connection)
    if known is None:
        row = connection.execute("SELECT version() !~* 'emscripten'").fetchone()
        known = _KNOWN[connection] = row is None or bool(row[0])
    return known


def selected(connection: Connection[Any], query: sql.Composable, columns: Sequence[tuple[str, str]]) -> Table:
    """Rows of a query without NULLs as a structured array: (name, PostgreSQL type) in the query's order."""
    cursor = connection.cursor(binary=True)
    cursor.execute(query.as_bytes(connection))
    result = cursor.pgresult
    count = 0 if result is None else result.ntuples
    table = np.empty(count, [(name, _NATIVE[kind]) for name, kind in columns])
    for number, (name, kind) in enumerate(columns):
        cells = [] if result is None else [result.get_value(row, number) or b"" for row in range(count)]
        table[name] = np.frombuffer(b"".join(cells), dtype=f">{_NATIVE[kind]}")
        if kind == "timestamptz":
            table[name] += POSTGRES_EPOCH_US
    return table


def inserted(connection: Connection[Any], table: str, columns: Sequence[tuple[str, str, Any]], rows: int) -> None:
    """Write rows given as columns of (name, PostgreSQL type, (rows,) integers or one for all of them)."""
    whole = [(kind, np.broadcast_to(np.asarray(values, dtype=np.int64), (rows,))) for _, kind, values in columns]
    statement = sql.SQL("INSERT INTO {} ({}) SELECT * FROM unnest({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(sql.Identifier(name) for name, _, _ in columns),
        sql.SQL(", ").join(sql.SQL("%b::" + kind + "[]") for _, kind, _ in columns),
    )
    for start in range(0, rows, _ROWS):
        connection.execute(statement, [_ARRAYS[kind](values[start : start + _ROWS]) for kind, values in whole])
