"""Generic JSON: by a mapping profile where one fits, else through the name table.

A mapping (TOML, `mapping.py`) says where serial, time and values stand; this file applies it to a message.
"""

from typing import Any

from protocols.errors import ContentError
from protocols.mqtt.encode import json_bytes
from protocols.mqtt.fields import records_from_values, value_text_of
from protocols.mqtt.homeassistant import units_of
from protocols.mqtt.json_text import time_from_json, value_from_json
from protocols.mqtt.mapping import JsonMapping, mapping_for, message_from_mapping
from protocols.mqtt.message import FamilyState, MqttMessage, Publish
from protocols.mqtt.thingsboard import MAX_SAMPLES, serial_from_name
from protocols.telegram import MeterId, Telegram

FAMILY = "json"
_SERIALS = (
    "serial",
    "serial_number",
    "serialNumber",
    "meter_id",
    "meterId",
    "meter",
    "id",
    "sn",
    "device",
    "deviceId",
    "device_id",
    "name",
)
_TIMES = ("time", "timestamp", "ts", "datetime", "read_at", "date")


def decode(publish: Publish, state: FamilyState, mapping: JsonMapping | None = None) -> tuple[MqttMessage, ...]:
    """A JSON object, or a list of them, as finished telegrams.

    Parameters
    ----------
    mapping : JsonMapping, optional
        Used whatever its match rules say; without it the first packaged mapping that fits the topic.

    Raises
    ------
    ContentError
        Malformed JSON (json.*), or a message without a single object (json.type).
    """
    chosen = mapping or mapping_for(publish.topic)
    if chosen is not None:
        return message_from_mapping(chosen, publish)
    value = value_from_json(publish.payload)
    items = value if isinstance(value, list) else [value]
    if len(items) > MAX_SAMPLES:
        raise ContentError("mqtt.too_many", f"{len(items)} objects in one publish, at most {MAX_SAMPLES} are read")
    units = units_of(publish.topic, state)
    return tuple(_message(publish.topic, item, units) for item in items)


def _message(topic: str, values: Any, units: dict[str, str]) -> MqttMessage:
    if not isinstance(values, dict):
        raise ContentError("json.type", f"a JSON object is expected, this is {type(values).__name__}")
    serial_key = next((key for key in _SERIALS if value_text_of(values.get(key))), None)
    time_key = next((key for key in _TIMES if key in values), None)
    inner = next((values[key] for key in ("values", "data", "readings") if isinstance(values.get(key), dict)), values)
    serial = value_text_of(values[serial_key]) if serial_key else _serial_from_topic(topic)
    skip = frozenset(key for key in (serial_key, time_key) if key)
    moment = time_from_json(values[time_key]) if time_key else None
    details = {"family": FAMILY, "topic": topic[:128]}
    if moment is not None:
        details["time"] = moment.isoformat()
    medium = value_text_of(values.get("medium") or values.get("media")).lower()
    telegram = Telegram(
        "mqtt", MeterId(serial, medium=medium[:32]), records_from_values(inner, skip, units), details=details
    )
    return MqttMessage(FAMILY, "mqtt", telegram=telegram, time=moment)


def _serial_from_topic(topic: str) -> str:
    """The topic level that looks like a meter number, from the right; empty where none does."""
    for level in reversed(topic.split("/")):
        if any(character.isdigit() for character in level):
            return serial_from_name(level)
    return ""


def encode(serial: str, values: dict[str, Any], time: str | None = None) -> bytes:
    """A message in the form the name table reads: {"serial", "time", names with units}."""
    head: dict[str, Any] = {"serial": serial}
    if time is not None:
        head["time"] = time
    return json_bytes({**head, **values})
