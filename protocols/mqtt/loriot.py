"""LORIOT uplinks: ``{"cmd": "rx"|"gw", "EUI", "ts", "fcnt", "port", "data": hex}``.

"gw" is "rx" with the gateways that heard it; the same uplink may come as both. Time in Unix milliseconds.
"""

import msgspec

from protocols.errors import ContentError
from protocols.mqtt.encode import json_bytes
from protocols.mqtt.json_text import json_decoder, refuse_repeats, time_from_json
from protocols.mqtt.message import FamilyState, MqttMessage, Publish
from protocols.mqtt.uplink import Uplink, bytes_from_hex, messages_from_uplink

FAMILY = "loriot"
_UPLINKS = frozenset({"rx", "gw"})


class _Event(msgspec.Struct):
    cmd: str = ""
    EUI: str = ""
    ts: int | None = None
    fcnt: int = 0
    port: int | None = None
    data: str | None = None
    seqno: int = 0


_decode = json_decoder(_Event)


def decode(publish: Publish, state: FamilyState) -> tuple[MqttMessage, ...]:
    """The meter message of an uplink; none for other commands. Raises ContentError."""
    refuse_repeats(publish.payload, b'"EUI"', b'"fcnt"', b'"data"')
    event = _decode(publish.payload)
    if event.cmd not in _UPLINKS:
        return ()
    if not event.EUI:
        raise ContentError("lorawan.device", "EUI is missing")
    device = event.EUI.lower()[:64]
    uplink = Uplink(
        FAMILY,
        device,
        bytes_from_hex(event.data, "data"),
        event.port,
        event.fcnt,
        f"{device}/{event.fcnt}/{event.ts}",
        time_from_json(event.ts),
    )
    return messages_from_uplink(uplink, state)


def encode(device: str, data: bytes, *, port: int, counter: int, ts_ms: int, sequence: int = 0) -> bytes:
    """Payload of a "gw" uplink; `ts_ms` in Unix milliseconds."""
    gateways = [{"rssi": -103, "snr": -1, "ts": ts_ms, "gweui": "7076FFFFFF000000"}]
    return json_bytes(
        {
            "cmd": "gw",
            "seqno": sequence,
            "EUI": device.upper(),
            "ts": ts_ms,
            "fcnt": counter,
            "port": port,
            "freq": 868100000,
            "dr": "SF12 BW125 4/5",
            "ack": False,
            "gws": gateways,
            "bat": 255,
            "data": data.hex(),
        }
    )
