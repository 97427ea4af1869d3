"""Record batches as lines of text, CSV or JSON: whole columns are turned into text and joined by Arrow.

Rules: decimals are strings in JSON, so that no reader makes floats of them; a missing value is `null` in JSON and
nothing in CSV, where an empty text is `""`; instants are ISO 8601 in UTC.
"""

from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from api.billing.columns import SCHEMA

# What JSON must escape, and what CSV must quote.
_UNSAFE_JSON: Final = r'["\\\x00-\x1f]'
_UNSAFE_CSV: Final = r'[",\r\n]'
_FEW: Final = 4


def csv_header() -> bytes:
    """The first line."""
    return (",".join(SCHEMA.names) + "\r\n").encode()


def csv_lines(batch: pa.RecordBatch) -> bytes:
    """One line of CSV a row (RFC 4180)."""
    parts: list[pa.Array | pa.Scalar] = []
    for number, column in enumerate(batch.columns):
        text = _quoted_csv(column) if pa.types.is_string(column.type) else _text(column)
        parts += [pa.scalar("," if number else ""), pc.fill_null(text, "")]
    return _joined([*parts, pa.scalar("\r\n")])


def json_lines(batch: pa.RecordBatch) -> bytes:
    """One JSON object a row, each with its newline."""
    parts: list[pa.Array | pa.Scalar] = []
    for number, (item, column) in enumerate(zip(SCHEMA, batch.columns, strict=True)):
        parts.append(pa.scalar(f'{"," if number else "{"}"{item.name}":'))
        if pa.types.is_string(item.type):
            text = _quoted_json(column)
        elif pa.types.is_decimal(item.type) or pa.types.is_timestamp(item.type):
            text = _in_quotes(_text(column))
        else:
            text = _text(column)
        parts.append(pc.fill_null(text, "null"))
    return _joined([*parts, pa.scalar("}\n")])


def _joined(parts: list[pa.Array | pa.Scalar]) -> bytes:
    # A column of strings keeps its bytes one after the other: joined row by row, they are the lines.
    joined = pc.binary_join_element_wise(*parts, pa.scalar(""))
    data: bytes = joined.buffers()[2].to_pybytes()
    return data


def _in_quotes(text: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(pa.scalar('"'), text, pa.scalar('"'), pa.scalar(""))


def _text(column: pa.Array) -> pa.Array:
    # Instants and shares repeat: each distinct value is written once. Decimals and counters do not.
    if pa.types.is_timestamp(column.type) or pa.types.is_floating(column.type):
        encoded = column.dictionary_encode()
        if len(encoded.dictionary) * _FEW < len(column):
            return _plain_text(encoded.dictionary).take(encoded.indices)
    return _plain_text(column)


def _plain_text(column: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(column.type):
        return pc.strftime(column, "%Y-%m-%dT%H:%M:%SZ")
    return column.cast(pa.string())


def _has(column: pa.Array, pattern: str) -> bool:
    found = pc.any(pc.match_substring_regex(column, pattern))
    return bool(found.as_py())


def _quoted_json(column: pa.Array) -> pa.Array:
    encoded = column.dictionary_encode()
    distinct = encoded.dictionary
    if _has(distinct, _UNSAFE_JSON):
        encoder = msgspec.json.Encoder()
        return pa.array([encoder.encode(value).decode() for value in distinct.to_pylist()]).take(encoded.indices)
    return _in_quotes(column)


def _quoted_csv(column: pa.Array) -> pa.Array:
    # A text that is empty, or holds a separator, stands in quotes.
    encoded = column.dictionary_encode()
    distinct = encoded.dictionary
    if not _has(distinct, _UNSAFE_CSV + "|^$"):
        return column
    quoted = pc.binary_join_element_wise(
        pa.scalar('"'), pc.replace_substring(distinct, '"', '""'), pa.scalar('"'), pa.scalar("")
    )
    needs = pc.match_substring_regex(distinct, _UNSAFE_CSV + "|^$")
    return pc.if_else(needs, quoted, distinct).take(encoded.indices)
