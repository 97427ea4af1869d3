"""MQTT payload families, one module each: a publish in, meter messages out; `families` finds which one it is.

Rules: the bytes a network server carries are decoded, its own decoded object is only a fall-back; hostile JSON
ends as a coded ProtocolError; what spans several publishes lives in a `FamilyState` the caller keeps.
"""

from protocols.mqtt.families import FAMILIES, family_of, messages_from_publish
from protocols.mqtt.message import FamilyState, MqttMessage, Publish

__all__ = ["FAMILIES", "FamilyState", "MqttMessage", "Publish", "family_of", "messages_from_publish"]
