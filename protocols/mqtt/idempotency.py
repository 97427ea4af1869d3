"""The sender's own key of a message, so that a repeat is known and a new reading is never taken for a repeat.

ChirpStack: deduplicationId. Other LoRaWAN: devEui, session and fCnt. Messages that carry their time: their bytes.
All others (raw telegrams, flat JSON): bytes and minute of arrival; equal values an hour apart are two readings.
"""

import functools
import re
from datetime import UTC, datetime

import msgspec

_STAMPED = re.compile(
    rb'"(?:ts|t|time|timestamp|received_at|receivedAt|read_at|datetime|date)"\s*:\s*"?(?:20\d\d-\d\d-\d\d|1\d{9}|2\d{9})'
)


class _Device(msgspec.Struct):
    devEui: str = ""  # noqa: N815


class _Ids(msgspec.Struct):
    device_id: str = ""
    dev_eui: str = ""


class _Uplink(msgspec.Struct):
    session_key_id: str = ""
    f_cnt: int = 0


class _Envelope(msgspec.Struct):
    """The key fields of ChirpStack v4, The Things Stack v3 and LORIOT in one."""

    deduplicationId: str = ""  # noqa: N815
    deviceInfo: _Device | None = None  # noqa: N815
    devAddr: str = ""  # noqa: N815
    fCnt: int = 0  # noqa: N815
    end_device_ids: _Ids | None = None
    uplink_message: _Uplink | None = None
    EUI: str = ""
    fcnt: int = 0
    seqno: int = 0


_decode = msgspec.json.Decoder(_Envelope).decode


def idempotency_key(topic: str, payload: bytes, at: datetime) -> str:
    """The key of a publish, never empty. `at`: the instant its readings belong to, aware UTC.

    Equal keys with equal bytes are one message; a key alone is not compared across devices.
    """
    if payload[:1] == b"{":
        head = payload[:2048]
        if b'"deduplicationId"' in head or b'"end_device_ids"' in head or b'"EUI"' in head:
            key = _envelope_key(payload)
            if key:
                return key
    if payload[:1] in (b"{", b"[") and _STAMPED.search(payload):
        return "stamped"
    if topic.startswith("spBv1.0/"):
        return "stamped"
    return minute_key(at)


def minute_key(at: datetime) -> str:
    """The key of a message without any of its own: the minute of `at`, aware UTC."""
    return _minute(int(at.timestamp()) // 60)


@functools.lru_cache(64)
def _minute(since_1970: int) -> str:
    """Messages come by the thousand within one."""
    return datetime.fromtimestamp(since_1970 * 60, UTC).strftime("%Y-%m-%dT%H:%MZ")


def _envelope_key(payload: bytes) -> str:
    try:
        found = _decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if found.deduplicationId:
        return f"cs/{found.deduplicationId[:64]}"
    if found.end_device_ids is not None and found.uplink_message is not None:
        ids, uplink = found.end_device_ids, found.uplink_message
        return f"tts/{(ids.dev_eui or ids.device_id)[:64]}/{uplink.session_key_id[:64]}/{uplink.f_cnt}"
    if found.EUI:
        return f"loriot/{found.EUI[:32]}/{found.seqno}/{found.fcnt}"
    return ""
