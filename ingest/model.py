"""The nouns of the stream between the wire and the store: deliveries, resolved readings, outcomes.

Frozen, checked at construction; every datetime is aware UTC. What is made for every telegram on its way to the store is
a msgspec structure: built in a fifth of the time of a frozen dataclass, and left alone by the garbage collector.
"""

from datetime import datetime
from typing import Any, Literal

import msgspec

from protocols.registers import RegisterReading
from protocols.telegram import MeterId, Telegram


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """Raw bytes as a source got them.

    `arrived_at` is the wall clock of arrival; `read_at` the instant that the readings without a time of their own
    belong to (equal to `arrived_at` for a live read, earlier for a backfill or a store-and-forward push).
    `channel` names the way: "gateway-7/12", an MQTT topic, "push:billing". `meter_id` is set by a source that knows
    whom it asked; an answer of another meter is then refused. `idempotency` is the sender's own message key, empty
    where it has none.
    """

    protocol: str
    payload: bytes
    arrived_at: datetime
    read_at: datetime
    channel: str = ""
    gateway_id: int | None = None
    meter_id: int | None = None
    profile: str | None = None
    port: int | None = None
    topic: str | None = None
    idempotency: str = ""
    details: dict[str, Any] = {}

    def __post_init__(self) -> None:
        if self.arrived_at.tzinfo is None or self.read_at.tzinfo is None:
            raise ValueError("arrived_at and read_at must be aware")


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """Why a delivery yields no readings: goes to quarantine with its bytes."""

    code: str
    message: str
    offset: int | None = None
    field: str | None = None
    meter: MeterId | None = None
    # What an unknown meter said, for the list of discovered meters: profile and readings in their public JSON shape.
    profile: str = ""
    seen: tuple[dict[str, Any], ...] = ()


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """One telegram of a delivery with what its profile made of it. `meter_time` is naive: the meter's own clock.

    `sent` is the instant that the sender gave the present values; `remarks` are the flags of the decoding itself.
    """

    telegram: Telegram
    profile: str
    readings: tuple[RegisterReading, ...]
    meter_time: datetime | None = None
    info_code: int | None = None
    flags: tuple[str, ...] = ()
    sent: datetime | None = None
    remarks: tuple[str, ...] = ()


class MeterStatus(msgspec.Struct, frozen=True, gc=False):
    """What a meter said about itself: info-code bits and its clock (aware, resolved by the meter's zone)."""

    meter_id: int
    ts_us: int
    info_code: int | None = None
    meter_time: datetime | None = None
    flags: tuple[str, ...] = ()


class Resolved(msgspec.Struct, frozen=True, gc=False):
    """The readings of one delivery as columns of equal length: no object a reading on the way to the store.

    register_ids; ts_us: epoch microseconds; values: exact counts; flags: compute.quality bits (low 15). `meter_ids` are
    the meters they belong to. `rejected` holds why a part of the delivery was refused (a second meter nobody knows):
    the rest is stored, the delivery stands in quarantine too.
    """

    meter_ids: tuple[int, ...]
    register_ids: tuple[int, ...]
    ts_us: tuple[int, ...]
    values: tuple[int, ...]
    flags: tuple[int, ...]
    statuses: tuple[MeterStatus, ...] = ()
    rejected: Rejected | None = None

    def __post_init__(self) -> None:
        if not len(self.register_ids) == len(self.ts_us) == len(self.values) == len(self.flags):
            raise ValueError("register_ids, ts_us, values and flags differ in length")


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What became of one delivery. `duplicate`: these bytes were stored before, under `delivery_id`."""

    state: Literal["stored", "duplicate", "quarantined"]
    delivery_id: int
    readings: int = 0
    meter_ids: tuple[int, ...] = ()
    code: str | None = None
    message: str | None = None
    quarantine_id: int | None = None
