"""Serial bytes that a DTU passes through (USR and alike): split, merged, with heartbeats between; one buffer a DTU.

Rules: the packet borders of MQTT mean nothing; a half frame waits for its other half, but not for ever and not without
bound; a heartbeat text is recognised and dropped, unless it turns out to be part of a frame; a frame that the master
sent (echo) is no reading.
"""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from protocols.errors import ContentError
from protocols.mqtt.dtu_frames import Scan, scan
from protocols.mqtt.message import FamilyState, MqttMessage, Publish, remember

FAMILY = "dtu"
MAX_BUFFER = 1024
MAX_MESSAGE = 16 * 1024
# Packet timeouts of DTUs are tens of milliseconds; a half frame this old lost its other half.
STALE = timedelta(seconds=30)
_MAX_DEVICES = 20_000

# USR-M100 "topic,qos,retain,payload" mode.
_CUSTOM = re.compile(rb"([^,\x00-\x1f]{1,200}),([0-2]),([01]),(.*)", re.DOTALL)
_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2}[ ]?){5,}[\r\n]*")
# Fewer printable bytes may well be the start of a frame ("h " is 68 20).
_SHORTEST_TEXT = 4
_TEXT = re.compile(rb"[\x20-\x7e\r\n\t]{2,128}")


class _Held(NamedTuple):
    """What waits for its other half: `bare` without what reads like a heartbeat, `whole` with it."""

    bare: bytes
    whole: bytes


_NONE_HELD = _Held(b"", b"")


def decode(publish: Publish, state: FamilyState) -> tuple[MqttMessage, ...]:
    """The frames that a publish completes.

    Raises
    ------
    FrameError, ContentError
        ``frame.*``, ``dtu.noise``: bytes that are no frame, no part of one and no heartbeat; ``dtu.too_long``.
    """
    device, data, details = _unwrapped(publish)
    if len(data) > MAX_MESSAGE:
        raise ContentError("dtu.too_long", f"{len(data)} bytes in one message, at most {MAX_MESSAGE} are read")
    slot = state.slot(FAMILY)
    held, dropped = _held(slot, device, publish.at)
    whole = scan(held.whole + data)
    if _TEXT.fullmatch(data) and not whole.cuts and (len(data) >= _SHORTEST_TEXT or not whole.rest):
        # A heartbeat between two halves must not cost the frame, and part of a frame may read like a text: both stay.
        _keep(slot, device, _Held(held.bare, whole.rest), publish.at)
        return (MqttMessage(FAMILY, event="heartbeat", details={"text": data.decode("ascii", "replace")[:64]}),)
    bare = whole if held.bare == held.whole else scan(held.bare + data)
    found = whole if whole.cuts or not bare.cuts else bare
    rests = _Held(found.rest, found.rest) if found.cuts else _Held(bare.rest, whole.rest)
    if not found.cuts and not any(rests) and held.bare:
        # The two don't belong together: the held half is lost, the new bytes count by themselves.
        dropped, found = len(held.bare), scan(data)
        rests = _Held(found.rest, found.rest)
    _keep(slot, device, rests, publish.at)
    return _messages(found, dropped, details)


def may_be_serial(payload: bytes) -> bool:
    """A cheap look before `looks_like_serial`: bytes or hex digits that begin a frame, or a topic in front."""
    return payload[:1] in b"h\xfe" or payload[:2] in (b"68", b"FE", b"fe") or b"," in payload[:200]


def looks_like_serial(payload: bytes) -> bool:
    """Whether a publish on an unknown topic holds at least one whole frame, plain or wrapped."""
    _, data, _ = _unwrapped(Publish("", payload))
    return data[:1] in (b"\x68", b"\xfe") and len(data) <= MAX_MESSAGE and bool(scan(data).cuts)


def _messages(found: Scan, dropped: int, details: dict[str, str]) -> tuple[MqttMessage, ...]:
    messages = [MqttMessage(FAMILY, cut.protocol, cut.frame, details=details) for cut in found.cuts if cut.is_reply]
    if dropped:
        messages.append(MqttMessage(FAMILY, event="fragment_dropped", details={"bytes": str(dropped)}))
    if messages or found.cuts:
        return tuple(messages)
    if found.rest:
        return (MqttMessage(FAMILY, event="fragment", details={"bytes": str(len(found.rest))}),)
    if found.error is not None:
        raise found.error
    if found.noise:
        raise ContentError("dtu.noise", f"{found.noise} bytes that start no frame", 0)
    return ()


def _held(slot: dict[str, Any], device: str, at: datetime | None) -> tuple[_Held, int]:
    """Bytes waiting for their other half, and how many were too old to wait longer."""
    entry = slot.get(device)
    if entry is None:
        return _NONE_HELD, 0
    held, since = _Held(bytes(entry[0]), bytes(entry[1])), entry[2]
    if at is not None and since is not None and at - datetime.fromtimestamp(since, UTC) > STALE:
        del slot[device]
        return _NONE_HELD, max(map(len, held))
    return held, 0


def _keep(slot: dict[str, Any], device: str, rests: _Held, at: datetime | None) -> None:
    if not any(rests):
        slot.pop(device, None)
        return
    since = None if at is None else at.timestamp()
    remember(slot, device, [rests.bare[-MAX_BUFFER:], rests.whole[-MAX_BUFFER:], since], _MAX_DEVICES)


def _unwrapped(publish: Publish) -> tuple[str, bytes, dict[str, str]]:
    """DTU, serial bytes and facts of a publish: plain, as hex text, or in a text with the topic in front."""
    device, data, details = publish.topic, publish.payload, {"family": FAMILY}
    custom = _CUSTOM.fullmatch(data)
    if custom is not None:
        device, data = custom.group(1).decode("utf-8", "replace"), custom.group(4)
        details |= {"inner_topic": device, "qos": custom.group(2).decode(), "retain": custom.group(3).decode()}
    if _HEX.fullmatch(data):
        data = bytes.fromhex(data.decode())
    return device, data, details


def pending(state: FamilyState, topic: str) -> bytes:
    """What waits for its other half on a topic."""
    entry = state.slot(FAMILY).get(topic)
    return b"" if entry is None else bytes(entry[0])


def encode(frames: list[bytes], cuts: list[int]) -> list[bytes]:
    """Payloads of a DTU that splits the frames' bytes at positions `cuts`."""
    stream = b"".join(b"\xfe\xfe" + frame for frame in frames)
    borders = [0, *sorted(cut for cut in cuts if 0 < cut < len(stream)), len(stream)]
    return [stream[first:last] for first, last in pairwise(borders)]
