"""A broker's message as deliveries: idempotency key, and half frames joined so that every delivery stands for itself.

A fragment (DTU passthrough, split LoRaWAN uplinks) is kept as it came; the frame it completes becomes a delivery of
its own, which can be decoded again at any time without what came before it.
"""

from dataclasses import dataclass
from datetime import datetime

from ingest.model import Delivery
from ingest.sources.mqtt_settings import MqttSettings
from protocols.mqtt.idempotency import idempotency_key


@dataclass(frozen=True, slots=True)
class Taken:
    """What one message gives: deliveries, and a command to publish where a Sparkplug node must be reborn."""

    deliveries: tuple[Delivery, ...]
    command: tuple[str, bytes] | None = None


class MqttIntake:
    """Makes deliveries of messages; remembers what spans messages of one broker."""

    def __init__(self, settings: MqttSettings, gateway_id: int | None) -> None:
        self._settings, self._gateway_id = settings, gateway_id

    def connection_lost(self) -> None:
        """Messages may be missing from here on."""

    def deliveries(self, topic: str, payload: bytes, arrived_at: datetime, read_at: datetime) -> Taken:
        """The deliveries of a message, in the order they must be stored."""
        details = {} if self._settings.family is None else {"family": self._settings.family}
        delivery = Delivery(
            "mqtt",
            payload,
            arrived_at,
            read_at,
            channel=topic,
            gateway_id=self._gateway_id,
            profile=self._settings.profile,
            topic=topic,
            idempotency=idempotency_key(topic, payload, read_at, self._settings.family),
            details=details,
        )
        return Taken((delivery,))
