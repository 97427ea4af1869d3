"""A broker's message as deliveries: idempotency key, and half frames joined so that every delivery stands for itself.

A fragment (DTU passthrough, split LoRaWAN uplinks) is kept as it came; the frame it completes becomes a delivery of
its own, which can be decoded again at any time without what came before it. Heartbeats are no deliveries.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from ingest.model import Delivery
from ingest.sources.mqtt_settings import MqttSettings
from protocols.errors import ProtocolError
from protocols.mqtt import FamilyState, MqttMessage, Publish, messages_from_publish
from protocols.mqtt.dtu import FAMILY as DTU
from protocols.mqtt.dtu import pending
from protocols.mqtt.families import family_by_topic
from protocols.mqtt.idempotency import idempotency_key, minute_key
from protocols.mqtt.sparkplug import NAMESPACE
from protocols.mqtt.sparkplug_watch import SparkplugWatch

# Shorter link addresses are unit numbers and would be found in any topic.
_SHORTEST_ADDRESS = 6
_MAX_TOPICS = 50_000
# Ports of the Lobaro bridge: tens are the part, units their number.
_SPLIT_PORT = re.compile(rb'"(?:f_port|fPort|port)"\s*:\s*[1-9][1-9]\b')


@dataclass(frozen=True, slots=True)
class Taken:
    """What one message gives: deliveries, and a command to publish where a Sparkplug node must be reborn."""

    deliveries: tuple[Delivery, ...]
    command: tuple[str, bytes] | None = None


class MqttIntake:
    """Makes deliveries of messages; remembers what spans messages of one broker."""

    def __init__(
        self, settings: MqttSettings, gateway_id: int | None, addresses: Mapping[str, int] | None = None
    ) -> None:
        """`addresses`: topic, or a level of it such as a devEui -> meter_id."""
        self._settings, self._gateway_id = settings, gateway_id
        self._addresses = dict(addresses or {})
        self._asked: dict[str, int | None] = {}
        self._state = FamilyState()
        self._watch = SparkplugWatch()
        self._details = {} if settings.family is None else {"family": settings.family}

    def connection_lost(self) -> None:
        """Messages may be missing from here on; the next ones of a Sparkplug node tell."""

    def deliveries(
        self, topic: str, payload: bytes, arrived_at: datetime, read_at: datetime, *, redelivered: bool = False
    ) -> Taken:
        """The deliveries of a message, in the order they must be stored; none for a heartbeat.

        `redelivered`: the broker says that it has sent the message before. Whether that one was stored only the meter's
        last telegrams can tell (`ingest.heard`).
        """
        details = {**self._details, "redelivered": True} if redelivered else self._details

        def delivery(protocol: str, data: bytes, key: str) -> Delivery:
            return Delivery(
                protocol,
                data,
                arrived_at,
                read_at,
                channel=topic,
                gateway_id=self._gateway_id,
                meter_id=meter_id,
                profile=self._settings.profile,
                topic=topic,
                idempotency=key,
                details=details,
            )

        meter_id = self._meter_at(topic) if self._addresses else None
        family = self._settings.family or family_by_topic(topic)
        if family == DTU or (payload[:1] == b"{" and _SPLIT_PORT.search(payload)):
            parts = self._joined(Publish(topic, payload, arrived_at), family, delivery, minute_key(read_at))
            if parts is not None:
                return Taken(parts)
        command = self._watch.observe(topic, payload, arrived_at) if topic.startswith(NAMESPACE) else None
        key = idempotency_key(topic, payload, read_at)
        return Taken((delivery("mqtt", payload, key),), command)

    def _meter_at(self, topic: str) -> int | None:
        """The meter that the registry expects on a topic: by the whole of it, else by one of its levels."""
        if topic not in self._asked:
            if len(self._asked) >= _MAX_TOPICS:
                self._asked.clear()
            levels = [topic, *(level for level in topic.split("/") if len(level) >= _SHORTEST_ADDRESS)]
            self._asked[topic] = next((self._addresses[level] for level in levels if level in self._addresses), None)
        return self._asked[topic]

    def _joined(
        self, publish: Publish, family: str | None, delivery: Callable[[str, bytes, str], Delivery], key: str
    ) -> tuple[Delivery, ...] | None:
        """Fragment and completed frames; None where the message stands for itself or can't be understood."""
        waiting = bool(pending(self._state, publish.topic))
        try:
            messages = messages_from_publish(
                publish.topic, publish.payload, state=self._state, family=family, publish=publish
            )
        except ProtocolError:
            # Decoding will say the same, and quarantine keeps the bytes.
            return None
        events = {message.event for message in messages}
        if "heartbeat" in events:
            return ()
        split = waiting or "fragment" in events or bool(pending(self._state, publish.topic))
        if not split and not any(_was_split(message) for message in messages):
            return None
        frames = [delivery(message.protocol, message.payload, key) for message in messages if message.payload]
        return (delivery("fragment", publish.payload, key), *frames)


def _was_split(message: MqttMessage) -> bool:
    """Whether an uplink brought the last part of a telegram: a server's uplinks are "lorawan" otherwise."""
    return message.protocol == "wmbus" and message.port is not None and message.port > 11
