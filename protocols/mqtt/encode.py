"""JSON bytes of outgoing messages: Decimal becomes a bare number with its digits, nothing becomes a float."""

from typing import Any

import msgspec

_encode = msgspec.json.Encoder(decimal_format="number").encode


def json_bytes(value: Any) -> bytes:
    """`value` as compact JSON; Decimals as numbers, digit for digit."""
    return _encode(value)
