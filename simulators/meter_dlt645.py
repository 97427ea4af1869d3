"""Virtual DL/T 645-2007 electricity meters: the answer to a read of the total active energy."""

from protocols.dlt645 import frame_from_telegram
from protocols.telegram import DataRecord, Telegram
from simulators.readout import Readout, Speaker

TOTAL_ACTIVE_ENERGY = "00010000"


def energy_bytes(speaker: Speaker, readout: Readout) -> bytes:
    """Answer frame (control 91) with the index in 0.01 kWh."""
    value = speaker.value(readout, "energy")
    records = (DataRecord("energy", "kWh", value, code=TOTAL_ACTIVE_ENERGY),)
    details = {"edition": "2007", "di": TOTAL_ACTIVE_ENERGY}
    return frame_from_telegram(Telegram("dlt645", speaker.id, records, details=details))
