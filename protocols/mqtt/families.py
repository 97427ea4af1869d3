"""Which payload family a publish belongs to, by topic first and by its content where the topic says nothing.

The table is the whole knowledge: family name -> decoder; topic filter -> family.
A family named in a gateway's settings wins.
"""

from collections.abc import Callable
from functools import lru_cache

from protocols.errors import ProtocolError, UnsupportedError
from protocols.mqtt import (
    chirpstack,
    dtu,
    generic_json,
    homeassistant,
    loriot,
    raw_wmbus,
    sparkplug,
    things_stack,
    thingsboard,
    wmbusmeters,
)
from protocols.mqtt.json_text import MAX_BYTES
from protocols.mqtt.mapping import JsonMapping, packaged_mappings, topic_matches
from protocols.mqtt.message import FamilyState, MqttMessage, Publish

Decoder = Callable[[Publish, FamilyState], tuple[MqttMessage, ...]]

FAMILIES: dict[str, Decoder] = {
    raw_wmbus.FAMILY: raw_wmbus.decode,
    wmbusmeters.FAMILY: wmbusmeters.decode,
    thingsboard.DEVICE_FAMILY: thingsboard.decode_device,
    thingsboard.GATEWAY_FAMILY: thingsboard.decode_gateway,
    chirpstack.FAMILY: chirpstack.decode,
    things_stack.FAMILY: things_stack.decode,
    loriot.FAMILY: loriot.decode,
    sparkplug.FAMILY: sparkplug.decode,
    dtu.FAMILY: dtu.decode,
    homeassistant.FAMILY: homeassistant.decode,
    generic_json.FAMILY: generic_json.decode,
}

_TOPICS: tuple[tuple[str, str], ...] = (
    ("v1/devices/me/telemetry", thingsboard.DEVICE_FAMILY),
    ("v1/gateway/telemetry", thingsboard.GATEWAY_FAMILY),
    ("wmbusmeters/#", wmbusmeters.FAMILY),
    (chirpstack.TOPIC, chirpstack.FAMILY),
    (things_stack.TOPIC, things_stack.FAMILY),
    (f"{sparkplug.NAMESPACE}/#", sparkplug.FAMILY),
    (homeassistant.TOPIC, homeassistant.FAMILY),
    ("dtu/#", dtu.FAMILY),
    ("usr/#", dtu.FAMILY),
)


def family_of(topic: str, payload: bytes) -> str:
    """The family of a publish. Raises UnsupportedError "mqtt.family" where neither topic nor content fits any."""
    family = family_by_topic(topic) or _family_by_content(payload)
    if family is None:
        raise UnsupportedError(
            "mqtt.family", f"no payload family fits topic {topic[:80]!r} and {len(payload)} bytes", 0
        )
    return family


@lru_cache(maxsize=8192)
def family_by_topic(topic: str) -> str | None:
    """The family that a topic names by itself."""
    return next((family for pattern, family in _TOPICS if topic_matches(pattern, topic)), None)


# Words in the first bytes of a JSON text that give a family away; all of a row must be there.
_WORDS: tuple[tuple[str, tuple[bytes, ...]], ...] = (
    (chirpstack.FAMILY, (b'"deviceInfo"', b'"fCnt"')),
    (chirpstack.FAMILY, (b'"deduplicationId"', b'"devEui"')),
    (things_stack.FAMILY, (b'"end_device_ids"',)),
    (loriot.FAMILY, (b'"cmd"', b'"EUI"')),
    (wmbusmeters.FAMILY, (b'"media"', b'"id"')),
)


def _family_by_content(payload: bytes) -> str | None:
    start = payload[:64].lstrip()[:1]
    if start in (b"{", b"["):
        head = payload[:4096]
        for family, words in _WORDS:
            if all(word in head for word in words):
                return family
        return generic_json.FAMILY
    if dtu.may_be_serial(payload) and dtu.looks_like_serial(payload):
        return dtu.FAMILY
    return raw_wmbus.FAMILY if raw_wmbus.telegrams_from_payload(payload) else None


def messages_from_publish(
    topic: str,
    payload: bytes,
    *,
    state: FamilyState | None = None,
    family: str | None = None,
    mapping: JsonMapping | str | None = None,
    publish: Publish | None = None,
) -> tuple[MqttMessage, ...]:
    """The meter messages of one MQTT publish.

    Parameters
    ----------
    topic, payload
        As received.
    state : FamilyState, optional
        What spans publishes (DTU buffers, Sparkplug aliases, split telegrams); without it nothing is joined.
    family : str, optional
        A name of `FAMILIES` from the gateway's settings; found by topic and content otherwise.
    mapping : JsonMapping or str, optional
        Reads generic JSON by this mapping or the packaged one of this name.

    Raises
    ------
    ProtocolError
        mqtt.family, mqtt.empty, json.* and the families' own codes.
    """
    message = publish or Publish(topic, payload)
    if not payload:
        raise ProtocolError("payload.empty", "an MQTT message without a payload", 0)
    if len(payload) > MAX_BYTES:
        raise ProtocolError("payload.too_large", f"{len(payload)} bytes, at most {MAX_BYTES} are read")
    memory = FamilyState() if state is None else state
    if isinstance(mapping, str):
        mapping = packaged_mappings().get(mapping)
    if mapping is not None:
        return generic_json.decode(message, memory, mapping)
    name = family or family_of(topic, payload)
    decoder = FAMILIES.get(name)
    if decoder is None:
        raise UnsupportedError("mqtt.family", f"no payload family is called {name[:40]!r}")
    return decoder(message, memory)
