"""What every payload family takes and gives: a Publish in, MqttMessages out, a FamilyState for what spans publishes.

This file knows no family. A message is either a finished Telegram or embedded bytes that name their protocol.
"""

from datetime import datetime
from typing import Any

import msgspec

from protocols.telegram import MeterId, Telegram


class Publish(msgspec.Struct, frozen=True, gc=False):
    """One MQTT message as received. `at` is the arrival (aware UTC) where known: it ages half-received frames."""

    topic: str
    payload: bytes
    at: datetime | None = None


class MqttMessage(msgspec.Struct, frozen=True, gc=False):
    """One meter's part of a publish.

    family: the payload family, as in `families.FAMILIES`.
    protocol: of `payload` ("wmbus", "lorawan", "cjt188", ...), "mqtt" for a finished telegram, "" for a mere event.
    payload: the embedded bytes; empty where `telegram` is finished.
    telegram: the finished telegram; with a payload it is the fall-back for bytes nobody here can read.
    meter: identity from the envelope (devEui, device name), for telegrams that carry none.
    idempotency: the sender's own message key; empty where it has none. time: aware UTC, given by the sender.
    event: what happened beside readings ("birth", "death", "sequence_gap", "heartbeat", "fragment", "discovery").
    """

    family: str
    protocol: str = ""
    payload: bytes = b""
    telegram: Telegram | None = None
    meter: MeterId | None = None
    port: int | None = None
    idempotency: str = ""
    time: datetime | None = None
    event: str = ""
    details: dict[str, str] = {}


class FamilyState(msgspec.Struct):
    """What families remember between publishes; plain data, so that msgspec can store and restore it.

    Each family owns one slot and keeps it bounded: `slots["dtu"]["860000000000001"]`.
    """

    slots: dict[str, dict[str, Any]] = {}
    # Whether what a missing birth would have named is shown unnamed instead of refused: for people, not for books.
    lenient: bool = False

    def slot(self, family: str) -> dict[str, Any]:
        """The family's own dictionary, made on first use."""
        return self.slots.setdefault(family, {})


def remember(slot: dict[str, Any], key: str, value: Any, limit: int) -> None:
    """Keep `value` under `key`, dropping the oldest above `limit`: a hostile sender can't fill memory."""
    slot.pop(key, None)
    while len(slot) >= limit:
        del slot[next(iter(slot))]
    slot[key] = value
