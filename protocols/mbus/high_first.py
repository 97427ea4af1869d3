"""Wired answers with the high byte first (CI 76 and 77, mode 2 of EN 1434-3), turned into those with the low one first.

Rules: only numbers of several bytes and texts are turned, DIF and VIF stay; the units of the fixed structure come low
byte first in either mode. Meters are about that send 76 and mean 72, so the bytes have a say: letters of the
manufacturer, impossible digits and dates, and that the high bytes of a count are zero more often than its low ones. In
doubt the CI counts.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from protocols.errors import ContentError
from protocols.mbus.plan import fields_of
from protocols.mbus.records import RecordError, records_from_bytes
from protocols.telegram import DataRecord

CI_RECORDS: Final = 0x76
CI_FIXED: Final = 0x77
_LONG: Final = 12


def _letters(code: int) -> bool:
    return all(1 <= code >> shift & 31 <= 26 for shift in (10, 5, 0))


def _faults(data: bytes) -> int:
    """Records whose bytes are no value."""
    try:
        records, _ = records_from_bytes(data)
    except RecordError as error:
        records = error.records
    return sum(record.error is not None for record in records)


def _zeros_last(data: bytes) -> int:
    """Numbers that end with a zero byte, less those that begin with one."""
    try:
        fields = fields_of(data)
    except (IndexError, ContentError):
        return 0
    numbers = [data[field.start : field.stop] for field in fields if field.head is not None and field.lvar is None]
    return sum((raw[-1] == 0) - (raw[0] == 0) for raw in numbers if len(raw) > 1)


def _means_low_first(data: bytes) -> bool:
    """Whether the bytes contradict their CI; `data` begin with the long header."""
    records = data[_LONG:]
    low = _letters(data[4] | data[5] << 8), -_faults(records), _zeros_last(records)
    high = _letters(data[4] << 8 | data[5]), -_faults(records_low_first(records)[0]), 0
    return low > high


def header_low_first(ci: int, data: bytes) -> bytes:
    """Data behind a CI with their long header low byte first, where it is not; everything else as it came."""
    if ci != CI_RECORDS or len(data) < _LONG:
        return data
    if _means_low_first(data):
        return data
    return data[3::-1] + data[5:3:-1] + data[6:10] + data[11:9:-1] + data[_LONG:]


def records_low_first(data: bytes) -> tuple[bytes, list[str]]:
    """Records low byte first, and the data of each as they came, in hex. Records that cannot be delimited stay."""
    try:
        fields = fields_of(data)
    except (IndexError, ContentError):
        return data, []
    turned, raws = bytearray(data), []
    for field in fields:
        raws.append(data[field.start : field.stop].hex())
        if field.head is not None:
            start = field.start + (field.lvar is not None)
            turned[start : field.stop] = data[start : field.stop][::-1]
    return bytes(turned), raws


def fixed_low_first(data: bytes) -> bytes:
    """The sixteen bytes of a fixed structure, low byte first."""
    return data[3::-1] + data[4:8] + data[11:7:-1] + data[15:11:-1]


def with_raw(records: Sequence[DataRecord], raws: Sequence[str]) -> tuple[DataRecord, ...]:
    """The records with their bytes as they came; those without a raw text here keep theirs."""
    first = tuple(msgspec.structs.replace(record, raw=raw) for record, raw in zip(records, raws, strict=False))
    return first + tuple(records[len(first) :])
