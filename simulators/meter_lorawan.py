"""Virtual heat meters with an Elvaco module: the standard uplink on port 2, and the event around it."""

from datetime import datetime
from uuid import NAMESPACE_OID, uuid5

from protocols.mbus.encoding import Coding, vib_for
from protocols.mqtt import chirpstack
from simulators.meter_mbus import header_bytes, records_of
from simulators.readout import Readout, Speaker

PORT = 2
FORMAT_STANDARD_KAMSTRUP = 0x15  # CMi4140
_IDENTIFICATION = bytes((Coding.INT64,)) + vib_for("identification", "")
APPLICATION = "7f0c1a52-0000-4000-8000-6865617462b0"


def uplink_bytes(speaker: Speaker, readout: Readout) -> bytes:
    """FRMPayload of message format "standard": records, identification, error flags."""
    identification = _IDENTIFICATION + header_bytes(speaker, readout)[:8]
    return bytes((FORMAT_STANDARD_KAMSTRUP,)) + records_of(speaker, readout, "elvaco") + identification


def device_eui(serial: str) -> str:
    """devEui of the module at a meter: the maker's block, then the meter's number."""
    return f"94193a{int(serial) & 0xFFFFFFFFFF:010x}"


def uplink_event(serial: str, payload: bytes, at: datetime) -> tuple[str, bytes]:
    """Topic and JSON of a ChirpStack uplink event. A repeated instant gives the same deduplication id."""
    device, seconds = device_eui(serial), int(at.timestamp())
    return chirpstack.encode(
        device,
        payload,
        port=PORT,
        counter=seconds // 3600 % 65536,
        deduplication_id=str(uuid5(NAMESPACE_OID, f"{device}/{seconds}")),
        time=at.isoformat(),
        application=APPLICATION,
    )
