"""From a virtual meter's display to the bytes of its protocol, one function an encoding.

An encoder knows the speaker (identity, model, key) and the readout; nothing else goes into the bytes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from protocols.telegram import MeterId
from simulators.meter_models import MeterModel


@dataclass(frozen=True, slots=True)
class Readout:
    """What a meter shows at one instant: exact counts by register name, its own clock (naive, local), info bits."""

    at: datetime
    counts: dict[str, int]
    meter_time: datetime
    info: int
    access_number: int


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who speaks: identity, type, link settings, key, and a way to ask for month ends (local midnight, count)."""

    id: MeterId
    model: MeterModel
    settings: dict[str, Any]
    key: bytes | None
    history: Callable[[datetime, int], list[tuple[datetime, int]]]

    def value(self, readout: Readout, name: str) -> Decimal:
        """A register's displayed value in its own unit."""
        return self.model.register(name).value_of(readout.counts[name])


Encoder = Callable[[Speaker, Readout], bytes]


def json_bytes(speaker: Speaker, readout: Readout) -> bytes:
    """JSON of an IoT gateway: the values as they are shown, ISO time."""
    body: dict[str, Any] = {"meter": speaker.id.serial, "time": readout.at.isoformat().replace("+00:00", "Z")}
    for register in speaker.model.registers:
        body[JSON_KEYS.get(register.name, register.name)] = float(speaker.value(readout, register.name))
    body["error"] = readout.info
    return msgspec.json.encode(body)


JSON_KEYS = {
    "energy": "energy_kwh",
    "volume": "volume_m3",
    "power": "power_kw",
    "flow": "flow_m3h",
    "supply_temperature": "supply_c",
    "return_temperature": "return_c",
    "operating_time": "operating_h",
}

ENCODERS: dict[str, Encoder] = {"json": json_bytes}


def encoder_of(model: MeterModel) -> Encoder:
    """The encoder of a model. Raises KeyError where its encoding is not known."""
    return ENCODERS[model.encoding]
