"""The Things Stack v3 uplinks: ``v3/{application}@{tenant}/devices/{device}/up``; fields equal to zero are left out.

Source: The Things Stack data formats. No device key of its own: devEui, session and frame counter make one.
"""

from typing import Any

import msgspec

from protocols.errors import ContentError
from protocols.mqtt.encode import json_bytes
from protocols.mqtt.json_text import json_decoder, refuse_repeats, time_from_json
from protocols.mqtt.message import FamilyState, MqttMessage, Publish
from protocols.mqtt.uplink import Uplink, bytes_from_base64, messages_from_uplink

FAMILY = "things_stack"
TOPIC = "v3/+/devices/+/up"


class _Ids(msgspec.Struct):
    device_id: str = ""
    dev_eui: str = ""


class _Message(msgspec.Struct):
    session_key_id: str = ""
    f_port: int | None = None
    f_cnt: int = 0
    frm_payload: str | None = None
    decoded_payload: dict[str, Any] | None = None
    received_at: str | None = None


class _Up(msgspec.Struct):
    end_device_ids: _Ids = msgspec.field(default_factory=_Ids)
    received_at: str | None = None
    uplink_message: _Message | None = None


_decode = json_decoder(_Up)


def decode(publish: Publish, state: FamilyState) -> tuple[MqttMessage, ...]:
    """The meter message of an uplink; none for other events and frames without payload. Raises ContentError."""
    refuse_repeats(publish.payload, b'"uplink_message"', b'"frm_payload"', b'"f_cnt"')
    up = _decode(publish.payload)
    message = up.uplink_message
    if message is None:
        return ()
    device = up.end_device_ids.dev_eui.lower() or up.end_device_ids.device_id or _device_of(publish.topic)
    if not device:
        raise ContentError("lorawan.device", "end_device_ids names no device")
    key = f"{device}/{message.session_key_id}/{message.f_cnt}"
    uplink = Uplink(
        FAMILY,
        device[:64],
        bytes_from_base64(message.frm_payload, "uplink_message.frm_payload"),
        message.f_port,
        message.f_cnt,
        key[:128],
        time_from_json(message.received_at) or time_from_json(up.received_at),
        message.decoded_payload,
        up.end_device_ids.device_id,
    )
    return messages_from_uplink(uplink, state)


def _device_of(topic: str) -> str:
    levels = topic.split("/")
    return levels[3] if len(levels) > 4 and levels[2] == "devices" else ""


def encode(
    device: str, data: bytes, *, port: int, counter: int, time: str, session: str = "AYfg8rhha5n+FWx0ZaAprA=="
) -> tuple[str, bytes]:
    """Topic and payload of an uplink, zero fields left out as the server does."""
    message: dict[str, Any] = {
        "session_key_id": session,
        "f_port": port,
        "f_cnt": counter,
        "frm_payload": msgspec.to_builtins(data),
        "rx_metadata": [{"gateway_ids": {"gateway_id": "gw-1"}, "rssi": -92, "snr": 6.5}],
        "received_at": time,
    }
    up = {
        "end_device_ids": {"device_id": f"eui-{device}", "dev_eui": device.upper()},
        "received_at": time,
        "uplink_message": {key: value for key, value in message.items() if value not in (0, "")},
    }
    return f"v3/heat@ttn/devices/eui-{device}/up", json_bytes(up)
