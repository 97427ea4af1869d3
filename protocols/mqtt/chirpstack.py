"""ChirpStack v4 uplink events: ``application/{id}/device/{devEui}/event/up``, protojson, data in base64.

Source: chirpstack-api integration.proto, UplinkEvent. Fields of value zero may be missing. Key: deduplicationId.
"""

from typing import Any

import msgspec

from protocols.errors import ContentError
from protocols.mqtt.encode import json_bytes
from protocols.mqtt.json_text import json_decoder, refuse_repeats, time_from_json
from protocols.mqtt.message import FamilyState, MqttMessage, Publish
from protocols.mqtt.uplink import Uplink, bytes_from_base64, messages_from_uplink

FAMILY = "chirpstack"
TOPIC = "application/+/device/+/event/up"


class _DeviceInfo(msgspec.Struct):
    devEui: str = ""  # noqa: N815
    deviceName: str = ""  # noqa: N815


class _Event(msgspec.Struct):
    deduplicationId: str = ""  # noqa: N815
    time: str | None = None
    deviceInfo: _DeviceInfo | None = None  # noqa: N815
    devAddr: str = ""  # noqa: N815
    fCnt: int = 0  # noqa: N815
    fPort: int | None = None  # noqa: N815
    data: str | None = None
    object: dict[str, Any] | None = None


_decode = json_decoder(_Event)


def decode(publish: Publish, state: FamilyState) -> tuple[MqttMessage, ...]:
    """The meter message of an uplink event; none for a frame without payload. Raises ContentError."""
    refuse_repeats(publish.payload, b'"deduplicationId"', b'"fCnt"', b'"devEui"')
    event = _decode(publish.payload)
    device = event.deviceInfo.devEui if event.deviceInfo is not None else ""
    if not device:
        levels = publish.topic.split("/")
        device = levels[3] if len(levels) > 3 and levels[2] == "device" else ""
    if not device:
        raise ContentError("lorawan.device", "deviceInfo.devEui is missing")
    key = event.deduplicationId or f"{device}/{event.devAddr}/{event.fCnt}"
    uplink = Uplink(
        FAMILY,
        device.lower()[:64],
        bytes_from_base64(event.data, "data"),
        event.fPort,
        event.fCnt,
        key[:128],
        time_from_json(event.time),
        event.object,
        event.deviceInfo.deviceName if event.deviceInfo is not None else "",
    )
    return messages_from_uplink(uplink, state)


def encode(
    device: str, data: bytes, *, port: int, counter: int, deduplication_id: str, time: str, application: str = "heat"
) -> tuple[str, bytes]:
    """Topic and payload of an uplink event; `time` is ISO 8601 with a zone."""
    event = {
        "deduplicationId": deduplication_id,
        "time": time,
        "deviceInfo": {"tenantName": "heat", "applicationId": application, "devEui": device, "deviceName": device},
        "devAddr": "00189440",
        "adr": True,
        "dr": 5,
        "fCnt": counter,
        "fPort": port,
        "confirmed": False,
        "data": msgspec.to_builtins(data),
        "rxInfo": [{"gatewayId": "0016c001f153a14c", "rssi": -87, "snr": 7.5, "crcStatus": "CRC_OK"}],
        "txInfo": {"frequency": 868300000, "modulation": {"lora": {"bandwidth": 125000, "spreadingFactor": 7}}},
    }
    return f"application/{application}/device/{device}/event/up", json_bytes(event)
