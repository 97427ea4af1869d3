"""JSON lines in, one JSON line out for each, in order: what `heatbook decode --batch` does.

Rules: a line that can't be read or decoded becomes an error line, never an end; lines are bounded; every answer is
flushed, so that a program may talk line by line. State spans the lines (split frames, aliases, layouts).
"""

import re
from typing import IO, Any

import msgspec

from ingest.decoding.state import DecodingState
from ingest.decoding.table import decode
from ingest.model import Decoded
from ingest.profiles import known_profiles
from protocols.errors import ContentError, ProtocolError
from protocols.modbus import image_from_blocks
from protocols.mqtt.encode import json_bytes
from protocols.mqtt.json_text import json_decoder
from protocols.mqtt.message import FamilyState
from protocols.telegram import telegram_as_json

MAX_LINE_BYTES = 4 << 20
_parse = json_decoder(dict[str, Any])
_encode = msgspec.json.Encoder(decimal_format="string").encode

# What a line may call its parts; the first name present counts.
_BYTES_KEYS = ("hex", "payload_hex", "frame", "telegram", "response")
# What people put between and before hexadecimal digits.
_SEPARATORS = re.compile(r"[\s:,;-]+|0[xX]|\\x")
# A line that is a frame in hexadecimal instead of JSON: five bytes or more, so that no number is taken for one.
_BARE_HEX = re.compile(rb"\s*(?:(?:0[xX]|\\x)?[0-9A-Fa-f]{2}[\s:,;-]*){5,}")
_BOM = b"\xef\xbb\xbf"
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")
_PORT_KEYS = ("port", "f_port", "fPort", "fport")


def json_line(value: Any) -> bytes:
    """`value` as one line of JSON."""
    return _encode(value) + b"\n"


def error_as_json(error: ProtocolError) -> dict[str, Any]:
    """code, message and, where known, offset."""
    shape: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.offset is not None:
        shape["offset"] = error.offset
    return shape


def telegrams_as_json(found: list[Decoded]) -> list[dict[str, Any]]:
    """The public shape of telegrams, with what their profiles made of them in `registers`."""
    shapes: list[dict[str, Any]] = []
    for decoded in found:
        shape = telegram_as_json(decoded.telegram)
        shape["registers"] = [reading.as_json() for reading in decoded.readings]
        shape["profile"] = decoded.profile
        shape["meter_time"] = None if decoded.meter_time is None else decoded.meter_time.isoformat()
        shape["info_code"] = decoded.info_code
        shape["flags"] = list(decoded.flags)
        shapes.append(shape)
    return shapes


def decode_lines(source: IO[bytes], sink: IO[bytes]) -> tuple[int, int]:
    """Decode every line of `source` into `sink`; returns (lines, errors). Raises nothing but OSError."""
    state = DecodingState(families=FamilyState(lenient=True))
    lines = errors = 0
    while True:
        line = source.readline(MAX_LINE_BYTES)
        if not line:
            return lines, errors
        if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            _skip_line(source)
            answer = _failed(None, ContentError("line.too_long", f"more than {MAX_LINE_BYTES} bytes in one line"))
        elif not line.strip():
            continue
        else:
            answer = answer_to_line(line, state)
        lines += 1
        errors += "error" in answer
        sink.write(json_line(answer))
        sink.flush()


def _skip_line(source: IO[bytes]) -> None:
    while True:
        piece = source.readline(MAX_LINE_BYTES)
        if not piece or piece.endswith(b"\n"):
            return


def answer_to_line(line: bytes, state: DecodingState) -> dict[str, Any]:
    """``{"id", "telegrams"}`` or ``{"id", "error"}`` for one line of JSON, or of hexadecimal digits alone."""
    identity: Any = None
    try:
        fields = {"hex": line.decode("ascii")} if _BARE_HEX.fullmatch(line) else _parse(line.removeprefix(_BOM))
        identity = fields.get("id")
        # Lines repeat telegrams; refusing a counter that stands still is for a running service.
        state.counters.clear()
        return {"id": identity, "telegrams": telegrams_as_json(_decoded(fields, state))}
    except ProtocolError as error:
        return _failed(identity, error)
    except Exception as error:
        # The promise is one answer a line; a fault of ours must not cost the lines behind it.
        return _failed(identity, ProtocolError("internal", f"{type(error).__name__}: {error}"))


def _failed(identity: Any, error: ProtocolError) -> dict[str, Any]:
    return {"id": identity, "error": error_as_json(error)}


def _decoded(fields: dict[str, Any], state: DecodingState) -> list[Decoded]:
    topic = _text(fields, "topic")
    protocol = _text(fields, "protocol")
    profile = _text(fields, "profile")
    if profile is None and _is_profile(fields.get("map")):
        profile = fields["map"]
    registers = fields.get("registers")
    if isinstance(registers, list) and profile is not None:
        protocol = "modbus"
    port = next((fields[name] for name in _PORT_KEYS if fields.get(name) is not None), None)
    if port is not None and (isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 255):
        raise ContentError("line.port", "port is no number from 0 to 255")
    return decode(
        "mqtt" if topic is not None and protocol is None else protocol,
        _payload(fields, topic),
        key=_key(fields),
        profile=profile,
        port=port,
        topic=topic,
        state=state,
        dialect=_text(fields, "dialect"),
        family=_text(fields, "family"),
    )


def _payload(fields: dict[str, Any], topic: str | None) -> bytes:
    payload = fields.get("payload")
    if isinstance(payload, str) and (topic is not None or not fields.get("hex")):
        return payload.encode("utf-8", "surrogatepass")
    if isinstance(payload, (dict, list)):
        return json_bytes(payload)
    if isinstance(fields.get("registers"), list):
        return _image(fields, fields["registers"])
    if fields.get("request") and fields.get("response"):
        # A Modbus exchange: the request says which registers the answer brings.
        return _hex(fields, "request") + _hex(fields, "response")
    for name in ("payload_hex", *_BYTES_KEYS) if topic is not None else _BYTES_KEYS:
        if fields.get(name) is not None:
            return _hex(fields, name)
    raise ContentError("line.hex", "the line has neither hex nor payload")


def _image(fields: dict[str, Any], words: list[Any]) -> bytes:
    """Registers as somebody noted them, `start` being the wire address of the first."""
    start, function = fields.get("start"), fields.get("function", 3)
    if not isinstance(start, int) or not 0 <= start <= 0xFFFF or function not in (3, 4):
        raise ContentError("line.start", "registers need start, their first address, and function 3 or 4")
    if not 0 < len(words) <= 0x10000 - start:
        raise ContentError("line.registers", f"{len(words)} registers from {start} on are no read")
    for place, word in enumerate(words):
        if isinstance(word, bool) or not isinstance(word, int) or not 0 <= word <= 0xFFFF:
            raise ContentError("line.registers", f"register {place} is no number from 0 to 65535")
    return image_from_blocks([(function, start, words)])


def _hex(fields: dict[str, Any], name: str) -> bytes:
    text = fields[name]
    if not isinstance(text, str):
        raise ContentError("line.hex", f"{name} is no text")
    digits = _SEPARATORS.sub("", text)
    at = next((place for place, digit in enumerate(digits) if digit not in _HEX_DIGITS), len(digits))
    if at < len(digits):
        message = f"{name} is not hexadecimal at digit {at + 1} of {len(digits)}: {digits[at]!r}"
        raise ContentError("line.hex", message, at // 2)
    if len(digits) % 2:
        raise ContentError("line.hex", f"{name} has {len(digits)} digits, half a byte is missing", len(digits) // 2)
    return bytes.fromhex(digits)


def _is_profile(name: Any) -> bool:
    try:
        known_profiles().get(name)
    except (KeyError, TypeError):
        return False
    return True


def _text(fields: dict[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is None or isinstance(value, str):
        return value
    raise ContentError(f"line.{name}", f"{name} is no text")


def _key(fields: dict[str, Any]) -> bytes | None:
    text = _text(fields, "key")
    if not text:
        return None
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != 16:
        raise ContentError("line.key", "key needs 32 hexadecimal digits")
    return key
