"""What a pushed delivery looks like, read strictly: an unknown or missing field is named, nothing is guessed."""

import base64
import binascii
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from api.errors import TooLargeError
from ingest.errors import InvalidInputError
from ingest.model import Delivery

MAX_ITEMS: Final = 10_000


class PushedMeter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose telegram the sender says it is; an answer of another meter is then refused."""

    serial: str
    manufacturer: str = ""
    medium: str = ""


class Pushed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One pushed delivery. Exactly one of hex, base64 and payload (text or a JSON value) carries the bytes."""

    hex: str | None = None
    base64: str | None = None
    payload: Any = None
    protocol: str | None = None
    meter: str | int | PushedMeter | None = None
    time: str | None = None
    topic: str | None = None
    port: int | None = None
    profile: str | None = None
    id: str | None = None


_one = msgspec.json.Decoder(Pushed)
_many = msgspec.json.Decoder(list[Pushed])


def pushed_from_body(body: bytes, content_type: str) -> tuple[list[Pushed], bool]:
    """Items of a request body and whether it was a list: an object, a list, or JSON lines (application/x-ndjson).

    Raises
    ------
    InvalidInputError
        Not JSON, or not of the shape; `field` says where (``[3].hex``).
    TooLargeError
        More than MAX_ITEMS items.
    """
    try:
        if "ndjson" in content_type or "jsonl" in content_type:
            items = [_line(number, line) for number, line in enumerate(body.split(b"\n")) if line.strip()]
        elif body.lstrip()[:1] == b"[":
            items = _many.decode(body)
        else:
            return [_one.decode(body)], False
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        raise InvalidInputError(message, field=path.rstrip("`").lstrip(".") or "body") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"the body is not JSON: {error}", code="request.malformed", field="body") from error
    if len(items) > MAX_ITEMS:
        raise TooLargeError(f"{len(items)} deliveries where {MAX_ITEMS} are taken at once", field="body")
    return items, True


def _line(number: int, line: bytes) -> Pushed:
    try:
        return _one.decode(line)
    except msgspec.DecodeError as error:
        raise InvalidInputError(f"line {number + 1}: {error}", field=f"[{number}]") from error


def delivery_from_pushed(item: Pushed, where: str, channel: str, now: datetime, known: frozenset[str]) -> Delivery:
    """The delivery that a pushed item describes. `where` prefixes the field of an error; `known`: protocol names.

    Raises
    ------
    InvalidInputError
        A field is missing, contradicts another, or can't be read.
    """
    if item.protocol is not None and item.protocol not in known:
        raise InvalidInputError(
            f"protocol {item.protocol!r} is none of {', '.join(sorted(known))}",
            code="protocol.unknown",
            field=f"{where}protocol",
        )
    if item.port is not None and not 0 <= item.port <= 255:
        raise InvalidInputError("port is a LoRaWAN port, 0-255", field=f"{where}port")
    for name in ("topic", "profile", "id"):
        text = getattr(item, name)
        if text is not None and (len(text) > 500 or "\0" in text):
            raise InvalidInputError(f"{name} must have at most 500 characters and no NUL", field=f"{where}{name}")
    return Delivery(
        protocol=item.protocol or "",
        payload=_payload(item, where),
        arrived_at=now,
        read_at=_time(item, where) or now,
        channel=channel,
        profile=item.profile,
        port=item.port,
        topic=item.topic,
        idempotency=item.id or "",
    )


def _payload(item: Pushed, where: str) -> bytes:
    given = [name for name in ("hex", "base64", "payload") if getattr(item, name) is not None]
    if len(given) != 1:
        said = "none of them" if not given else " and ".join(given)
        raise InvalidInputError(
            f"one of hex, base64 and payload must carry the bytes; given: {said}",
            field=f"{where}{(given or ['hex'])[-1]}",
        )
    if item.hex is not None:
        try:
            return bytes.fromhex(item.hex)
        except ValueError as error:
            raise InvalidInputError(f"hex: {error}", field=f"{where}hex") from error
    if item.base64 is not None:
        try:
            return base64.b64decode(item.base64, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidInputError(f"base64: {error}", field=f"{where}base64") from error
    text = item.payload if isinstance(item.payload, str) else msgspec.json.encode(item.payload).decode()
    return text.encode()


def _time(item: Pushed, where: str) -> datetime | None:
    if item.time is None:
        return None
    try:
        instant = datetime.fromisoformat(item.time)
        if instant.tzinfo is None:
            raise InvalidInputError("time needs a zone, like 2026-01-31T08:00:00+08:00", field=f"{where}time")
        return instant.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInputError(f"time: {error}", field=f"{where}time") from error


class DeliveryResult(BaseModel):
    """What became of one pushed delivery."""

    model_config = ConfigDict(extra="allow")
    state: Literal["stored", "duplicate", "quarantined"]
    delivery_id: int
    readings: int = Field(description="readings written; -1 while the delivery waits in the local spool")
    meter_ids: list[int] = []
    code: str | None = None
    message: str | None = None
    quarantine_id: int | None = None


class DeliveryResults(BaseModel):
    """What became of a list."""

    stored: int
    duplicate: int
    quarantined: int
    results: list[DeliveryResult]


PUSH_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "oneOf": [
                        {"$ref": "#/components/schemas/PushedDelivery"},
                        {
                            "type": "array",
                            "maxItems": MAX_ITEMS,
                            "items": {"$ref": "#/components/schemas/PushedDelivery"},
                        },
                    ]
                }
            },
            "application/x-ndjson": {"schema": {"type": "string", "description": "one delivery a line"}},
        },
    }
}
PUSHED_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "description": "One raw delivery. Exactly one of hex, base64 and payload carries the bytes.",
    "properties": {
        "hex": {"type": "string", "description": "the bytes as hexadecimal digits"},
        "base64": {"type": "string", "description": "the bytes in base64"},
        "payload": {"description": "a text or JSON value, for MQTT payloads and the JSON reading form"},
        "protocol": {
            "type": "string",
            "description": "mbus, wmbus, cjt188, dlt645, modbus, lorawan, mqtt, reading; left out: found by trying",
        },
        "meter": {
            "description": "meter id (integer), serial (text) or identity: an answer of another meter is refused",
            "oneOf": [
                {"type": "integer"},
                {"type": "string"},
                {
                    "type": "object",
                    "required": ["serial"],
                    "additionalProperties": False,
                    "properties": {
                        "serial": {"type": "string"},
                        "manufacturer": {"type": "string"},
                        "medium": {"type": "string"},
                    },
                },
            ],
        },
        "time": {"type": "string", "format": "date-time", "description": "when it was read; left out: now"},
        "topic": {"type": "string", "maxLength": 500},
        "port": {"type": "integer", "minimum": 0, "maximum": 255},
        "profile": {"type": "string", "maxLength": 500},
        "id": {"type": "string", "maxLength": 500, "description": "the sender's own message key"},
    },
}
