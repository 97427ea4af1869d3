"""JSON text from strangers becomes typed values or one coded ProtocolError; numbers keep their digits.

Rules: NaN, bad UTF-8, depth, size, duplicate keys and wrong types are errors with a code and, where known, a byte;
a number is an int or a Decimal, never a float; nothing here knows a payload family.
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn, TypeVar

import msgspec

from protocols.errors import ContentError

T = TypeVar("T")

MAX_BYTES = 1 << 20
MAX_DEPTH = 64
# A display has at most 18 digits; 40 leaves room for noise of careless senders without letting 10**999999 in.
MAX_DIGITS = 40
_MAX_EXPONENT = 40
_PLAIN_DIGITS = 24
_BRACKET_OR_TEXT = re.compile(rb'[\[\]{}]|"(?:[^"\\]|\\.)*"?', re.DOTALL)
_BYTE_IN_MESSAGE = re.compile(r"\(byte (\d+)\)")
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d{1,2})?", re.ASCII)


def _decimal(text: str) -> Decimal:
    if len(text) <= _PLAIN_DIGITS and "e" not in text and "E" not in text:
        return Decimal(text)
    if len(text) > MAX_DIGITS + 8:
        raise ContentError("json.number", f"a number of {len(text)} characters")
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise ContentError("json.number", f"a number outside every range: {text[:20]}") from error
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > _MAX_EXPONENT:
        raise ContentError("json.number", f"a number outside every range: {text[:20]}")
    return value


def json_decoder(kind: type[T]) -> "Callable[[bytes], T]":
    """A decoder of `kind` that raises ContentError only: codes json.malformed, json.type, json.depth, json.number …

    Parameters
    ----------
    kind : type
        A msgspec.Struct, ``dict``, ``list`` or ``object``; untyped floats inside become Decimal.

    Returns
    -------
    callable
        bytes -> value of `kind`.
    """
    decode = msgspec.json.Decoder(kind, float_hook=_decimal).decode

    def decoded(payload: bytes) -> T:
        try:
            return decode(payload)
        except Exception as error:
            _refuse(payload, error)

    return decoded


def _refuse(payload: bytes, error: Exception) -> NoReturn:
    if isinstance(error, ContentError):
        raise error
    if isinstance(error.__cause__, ContentError):
        # msgspec wraps what the number hook raises.
        raise error.__cause__
    if isinstance(error, UnicodeDecodeError):
        raise ContentError("json.encoding", "the text is not UTF-8") from error
    if isinstance(error, RecursionError):
        raise ContentError("json.depth", "nested too deep") from error
    if isinstance(error, msgspec.ValidationError):
        raise ContentError("json.type", str(error)) from error
    if isinstance(error, msgspec.DecodeError):
        if _nested_too_deep(payload):
            # How deep the parser itself goes differs from one Python to the next.
            raise ContentError("json.depth", f"nested deeper than {MAX_DEPTH} levels") from error
        found = _BYTE_IN_MESSAGE.search(str(error))
        offset = min(int(found.group(1)), len(payload)) if found else len(payload)
        raise ContentError("json.malformed", str(error), offset) from error
    raise ContentError("json.malformed", f"unreadable JSON ({type(error).__name__})") from error


def _nested_too_deep(payload: bytes) -> bool:
    """Whether brackets open deeper than MAX_DEPTH, texts left out; for payloads that no parser read to the end."""
    depth = 0
    for found in _BRACKET_OR_TEXT.finditer(payload):
        if found[0] in (b"[", b"{"):
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif found[0] in (b"]", b"}"):
            depth -= 1
    return False


_decode_any = json_decoder(object)


def value_from_json(payload: bytes) -> Any:
    """Any JSON value, duplicates and depth checked. Raises ContentError."""
    if len(payload) > MAX_BYTES:
        raise ContentError("json.too_large", f"{len(payload)} bytes of JSON, at most {MAX_BYTES} are read")
    value = _decode_any(payload)
    check_structure(payload, value)
    return value


def object_from_json(payload: bytes) -> dict[str, Any]:
    """A JSON object. Raises ContentError "json.type" for anything else."""
    value = value_from_json(payload)
    if not isinstance(value, dict):
        raise ContentError("json.type", f"a JSON object is expected, this is {type(value).__name__}")
    return value


def _expected_colons(value: Any, depth: int) -> int:
    """Colons that the text of `value` must hold: one a key, and those inside keys and texts."""
    if depth > MAX_DEPTH:
        raise ContentError("json.depth", f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        return value.count(":")
    if isinstance(value, dict):
        total = len(value)
        for key, child in value.items():
            total += key.count(":")
            if isinstance(child, (str, dict, list)):
                total += _expected_colons(child, depth + 1)
        return total
    return sum(_expected_colons(child, depth + 1) for child in value if isinstance(child, (str, dict, list)))


def check_structure(payload: bytes, value: Any) -> None:
    """Raise ContentError "json.depth" for deep nesting, "json.duplicate" if an object names a key twice.

    Which of two values counts is anybody's guess. A parser drops one of them, and with it one colon: as many colons in
    the text as the value explains mean that nothing was dropped. Escapes hide colons; then the text is parsed again.
    """
    if not isinstance(value, (dict, list)):
        return
    expected = _expected_colons(value, 1)
    if payload.count(b":") != expected or b"\\u" in payload:
        check_duplicates_slowly(payload)


def check_duplicates_slowly(payload: bytes) -> None:
    """The exact check: one pass of the standard parser that sees every pair."""
    try:
        json.loads(payload, object_pairs_hook=_pairs_once, parse_int=str, parse_float=str)
    except RecursionError as error:
        raise ContentError("json.depth", "nested too deep") from error
    except ContentError:
        raise
    except ValueError as error:
        raise ContentError("json.malformed", str(error)) from error


def _pairs_once(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise ContentError("json.duplicate", f"the key {key[:60]!r} stands twice in one object")
        seen.add(key)


def refuse_repeats(payload: bytes, *keys: bytes) -> None:
    """For typed decoding, which hides repeats: check exactly if one of `keys` (with quotes) may stand twice."""
    if b"\\u" in payload or any(payload.count(key) > 1 for key in keys):
        check_duplicates_slowly(payload)


def number_from_json(value: Any) -> Decimal | None:
    """A number as Decimal with its digits; texts like "124638" or "12,5" count, "--", null and booleans give None."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, Decimal):
        return value
    if isinstance(value, int):
        return Decimal(value) if abs(value) < 10**MAX_DIGITS else None
    if isinstance(value, str) and len(value) <= MAX_DIGITS:
        text = value.strip()
        if _NUMBER.fullmatch(text):
            return Decimal(text.replace(",", "."))
    return None


# Seconds from 2000 to 2100; everything above counts milliseconds.
_EARLIEST_S, _LATEST_S = 946_684_800, 4_102_444_800


def time_from_json(value: Any) -> datetime | None:
    """Aware UTC from a Unix time in s, ms, µs or ns, or from ISO 8601 with a zone; None for anything else."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        if value.isascii() and value.isdigit() and len(value) <= 20:
            return time_from_json(int(value))
        return _time_from_text(value)
    if not isinstance(value, (int, Decimal)):
        return None
    for unit in (1, 10**3, 10**6, 10**9):
        if _EARLIEST_S <= value / unit < _LATEST_S:
            micros = int(Decimal(value) * 10**6 / unit)
            return datetime.fromtimestamp(micros // 10**6, UTC).replace(microsecond=micros % 10**6)
    return None


def _time_from_text(text: str) -> datetime | None:
    # Go servers send nanoseconds, datetime takes at most six digits.
    trimmed = re.sub(r"(\.\d{6})\d+", r"\1", text.strip()) if len(text) < 64 else ""
    try:
        parsed = datetime.fromisoformat(trimmed)
    except ValueError:
        return None
    if parsed.tzinfo is None or not 2000 <= parsed.year < 2100:
        return None
    return parsed.astimezone(UTC)
