"""ThingsBoard telemetry: the device form (flat, ts + values, or a list) and the gateway form (devices by name).

Key names are free, so values are read through the name table or a mapping; without "ts" the time of receipt counts.
Source: ThingsBoard MQTT device API and gateway API.
"""

import re
from typing import Any

from protocols.errors import ContentError
from protocols.mqtt.encode import json_bytes
from protocols.mqtt.fields import records_from_values, value_text_of
from protocols.mqtt.json_text import object_from_json, time_from_json, value_from_json
from protocols.mqtt.message import FamilyState, MqttMessage, Publish
from protocols.telegram import MeterId, Telegram

DEVICE_FAMILY = "thingsboard_device"
GATEWAY_FAMILY = "thingsboard_gateway"
MAX_SAMPLES = 4096
_SERIAL_IN_NAME = re.compile(r"(?<![0-9A-Za-z])(\d{8}|\d{12}|\d{14})(?![0-9A-Za-z])")
_SERIAL_KEYS = ("serial", "serial_number", "serialNumber", "meter_id", "meterId", "id", "sn")


def decode_device(publish: Publish, state: FamilyState) -> tuple[MqttMessage, ...]:
    """``v1/devices/me/telemetry``: one telegram a sample; the device is whoever owns the access token."""
    value = value_from_json(publish.payload)
    return tuple(_message(DEVICE_FAMILY, "", sample) for sample in _samples(value))


def decode_gateway(publish: Publish, state: FamilyState) -> tuple[MqttMessage, ...]:
    """``v1/gateway/telemetry``: {"device name": [samples]}. Raises ContentError."""
    devices = object_from_json(publish.payload)
    messages: list[MqttMessage] = []
    for name, value in devices.items():
        messages.extend(_message(GATEWAY_FAMILY, name, sample) for sample in _samples(value))
        if len(messages) > MAX_SAMPLES:
            raise ContentError("mqtt.too_many", f"more than {MAX_SAMPLES} samples in one publish")
    return tuple(messages)


def _samples(value: Any) -> list[tuple[Any, dict[str, Any]]]:
    items = value if isinstance(value, list) else [value]
    if len(items) > MAX_SAMPLES:
        raise ContentError("mqtt.too_many", f"{len(items)} samples in one publish, at most {MAX_SAMPLES} are read")
    samples: list[tuple[Any, dict[str, Any]]] = []
    for item in items:
        if not isinstance(item, dict):
            raise ContentError("json.type", f"a telemetry object is expected, this is {type(item).__name__}")
        values = item.get("values", item)
        if not isinstance(values, dict):
            raise ContentError("json.type", "`values` is not an object")
        samples.append((item.get("ts"), values))
    return samples


def serial_from_name(name: str) -> str:
    """The meter number inside a device name ("Heat meter 68824789"), else the name itself."""
    found = _SERIAL_IN_NAME.findall(name)
    return found[0] if len(found) == 1 else name.strip()[:128]


def _message(family: str, device: str, sample: tuple[Any, dict[str, Any]]) -> MqttMessage:
    ts, values = sample
    serial_key = next((key for key in _SERIAL_KEYS if value_text_of(values.get(key))), None)
    serial = value_text_of(values[serial_key]) if serial_key else serial_from_name(device)
    details = {"family": family}
    if device:
        details["device"] = device[:128]
    moment = time_from_json(ts)
    if moment is not None:
        details["time"] = moment.isoformat()
    skip = frozenset({"ts"}) | ({serial_key} if serial_key else frozenset())
    telegram = Telegram("mqtt", MeterId(serial), records_from_values(values, skip), details=details)
    return MqttMessage(family, "mqtt", telegram=telegram, time=moment)


def encode_device(values: dict[str, Any], ts_ms: int | None = None) -> bytes:
    """A device's telemetry; `ts_ms` in Unix milliseconds."""
    return json_bytes(values if ts_ms is None else {"ts": ts_ms, "values": values})


def encode_gateway(devices: dict[str, list[tuple[int, dict[str, Any]]]]) -> bytes:
    """A gateway's telemetry: device name -> [(Unix milliseconds, values)]."""
    return json_bytes(
        {name: [{"ts": ts, "values": values} for ts, values in samples] for name, samples in devices.items()}
    )
