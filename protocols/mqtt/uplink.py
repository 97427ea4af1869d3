"""A LoRaWAN uplink as a network server reports it, whoever the server is: device, counter, port, bytes, decoded object.

Rules: the bytes are decoded here; the server's decoded object only stands in where no codec knows the bytes. A frame
without application payload (MAC commands only) is no reading and no error. Ports of the Lobaro bridge carry parts.
"""

import base64
import binascii
from datetime import datetime
from typing import Any

import msgspec

from protocols.errors import ContentError
from protocols.mqtt import lobaro
from protocols.mqtt.fields import records_from_values
from protocols.mqtt.message import FamilyState, MqttMessage
from protocols.telegram import MeterId, Telegram

MAX_PAYLOAD = 512


class Uplink(msgspec.Struct, frozen=True):
    """`device` is the devEui in lower case, or the server's device name; `decoded` the server's own reading of it."""

    family: str
    device: str
    data: bytes
    port: int | None
    counter: int
    key: str
    time: datetime | None = None
    decoded: dict[str, Any] | None = None
    name: str = ""


def bytes_from_base64(text: str | None, field: str) -> bytes:
    """Payload bytes. Raises ContentError "lorawan.base64" naming the field, "lorawan.too_long"."""
    if not text:
        return b""
    if len(text) > 2 * MAX_PAYLOAD:
        raise ContentError("lorawan.too_long", f"{field} holds {len(text)} characters, a radio frame can't")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ContentError("lorawan.base64", f"{field} is not base64") from error


def bytes_from_hex(text: str | None, field: str) -> bytes:
    """Payload bytes. Raises ContentError "lorawan.hex" naming the field, "lorawan.too_long"."""
    if not text:
        return b""
    if len(text) > 4 * MAX_PAYLOAD:
        raise ContentError("lorawan.too_long", f"{field} holds {len(text)} characters, a radio frame can't")
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise ContentError("lorawan.hex", f"{field} is not hexadecimal") from error


def messages_from_uplink(uplink: Uplink, state: FamilyState) -> tuple[MqttMessage, ...]:
    """The meter message of an uplink; none where it carries no application payload."""
    fallback = _fallback(uplink)
    if not uplink.data:
        return () if fallback is None else (_message(uplink, b"", "mqtt", fallback),)
    if lobaro.is_part(uplink.port, uplink.data):
        joined = lobaro.joined(uplink.device, uplink.port or 0, uplink.counter, uplink.data, state)
        if joined is None:
            return (MqttMessage(uplink.family, event="fragment", idempotency=uplink.key, time=uplink.time),)
        return (_message(uplink, joined, "wmbus", fallback),)
    return (_message(uplink, uplink.data, "lorawan", fallback),)


def _message(uplink: Uplink, data: bytes, protocol: str, fallback: Telegram | None) -> MqttMessage:
    return MqttMessage(
        uplink.family,
        protocol,
        data,
        fallback,
        MeterId(uplink.device, medium="heat") if uplink.device else None,
        uplink.port,
        uplink.key,
        uplink.time,
    )


def _fallback(uplink: Uplink) -> Telegram | None:
    if not uplink.decoded:
        return None
    records = records_from_values(_flat(uplink.decoded))
    if not any(record.unit for record in records):
        return None
    details = {"family": uplink.family, "source": "decoded object", "counter": str(uplink.counter)}
    return Telegram("mqtt", MeterId(uplink.device, medium="heat"), records, details=details)


def _flat(decoded: dict[str, Any]) -> dict[str, Any]:
    """Values of the object and of the objects in it, one level down: codecs wrap theirs in "data" or "values"."""
    flat: dict[str, Any] = {}
    for key, value in decoded.items():
        if isinstance(value, dict):
            if set(value) >= {"value"}:
                flat[key] = value["value"]
            else:
                flat.update(value)
        else:
            flat[key] = value
    return flat
