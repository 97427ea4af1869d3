"""From a virtual meter's display to the bytes of its protocol: one function an encoding.

An encoder gets the speaker and the readout; nothing else goes into the bytes.
"""

from collections.abc import Callable
from typing import Any

from protocols.mqtt.encode import json_bytes
from simulators.meter_cjt188 import answer_bytes
from simulators.meter_dlt645 import energy_bytes
from simulators.meter_lorawan import uplink_bytes
from simulators.meter_mbus import wired_bytes
from simulators.meter_modbus import image_bytes
from simulators.meter_models import MeterModel
from simulators.meter_wmbus import wireless_bytes
from simulators.readout import Readout, Speaker

Encoder = Callable[[Speaker, Readout], bytes]

JSON_KEYS = {
    "energy": "energy_kwh",
    "volume": "volume_m3",
    "power": "power_kw",
    "flow": "flow_m3h",
    "supply_temperature": "supply_c",
    "return_temperature": "return_c",
    "operating_time": "operating_time_h",
}


def reading_json_bytes(speaker: Speaker, readout: Readout) -> bytes:
    """The project's own JSON: serial, time, values digit for digit."""
    body: dict[str, Any] = {"serial": speaker.id.serial, "time": readout.at.isoformat().replace("+00:00", "Z")}
    for register in speaker.model.registers:
        body[JSON_KEYS[register.name]] = register.value_of(readout.counts[register.name])
    body["info_code"] = readout.info
    return json_bytes(body)


ENCODERS: dict[str, Encoder] = {
    "json": reading_json_bytes,
    "mbus": wired_bytes,
    "wmbus": wireless_bytes,
    "cjt188": answer_bytes,
    "dlt645": energy_bytes,
    "modbus": image_bytes,
    "lorawan": uplink_bytes,
}


def encoder_of(model: MeterModel) -> Encoder:
    """The encoder of a model. Raises KeyError where its encoding is not known."""
    return ENCODERS[model.encoding]
