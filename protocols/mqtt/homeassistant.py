"""Home Assistant discovery: no reading, but it tells the unit of a key in another topic's JSON.

``homeassistant/sensor/.../config``: state_topic, value_template, unit_of_measurement. What it tells is remembered by
topic.
"""

import re
from typing import Any

import msgspec

from protocols.mqtt.json_text import json_decoder
from protocols.mqtt.message import FamilyState, MqttMessage, Publish, remember

FAMILY = "homeassistant"
TOPIC = "homeassistant/#"
_MAX_TOPICS = 20_000
_MAX_KEYS = 64
_KEY = re.compile(r"value_json\.([A-Za-z0-9_]+)|value_json\[['\"]([^'\"]+)['\"]\]")


class _Config(msgspec.Struct):
    state_topic: str = ""
    value_template: str = ""
    unit_of_measurement: str | None = None
    stat_t: str = ""
    val_tpl: str = ""
    unit_of_meas: str | None = None


_decode = json_decoder(_Config)


def decode(publish: Publish, state: FamilyState) -> tuple[MqttMessage, ...]:
    """An event "discovery" that names topic, key and unit; other messages of the prefix give nothing."""
    if not publish.topic.endswith("/config"):
        return ()
    config = _decode(publish.payload)
    topic = (config.state_topic or config.stat_t)[:256]
    found = _KEY.search(config.value_template or config.val_tpl)
    key = (found.group(1) or found.group(2))[:80] if found else ""
    unit = (config.unit_of_measurement or config.unit_of_meas or "")[:16]
    if topic and key and unit:
        slot = state.slot(FAMILY)
        units: dict[str, Any] = slot.get(topic, {})
        remember(units, key, unit, _MAX_KEYS)
        remember(slot, topic, units, _MAX_TOPICS)
    return (MqttMessage(FAMILY, event="discovery", details={"state_topic": topic, "field": key, "unit": unit}),)


def units_of(topic: str, state: FamilyState) -> dict[str, str]:
    """Key -> unit that discovery told about a topic."""
    units: dict[str, str] = state.slots.get(FAMILY, {}).get(topic, {})
    return units
