"""Virtual CJ/T 188 heat meters: the 901F answer in each maker's dialect."""

from decimal import Decimal

from protocols.cjt188 import frame_from_telegram
from protocols.telegram import DataRecord, Telegram
from simulators.faults_sensor import INFO_AIR, INFO_BATTERY, INFO_FLOW, INFO_SENSOR_RETURN, INFO_SENSOR_SUPPLY
from simulators.meter_mbus import mapped_bits
from simulators.readout import Readout, Speaker

_BATTERY_LOW = 0x0400  # ST1, D2
_ST2: dict[str, tuple[tuple[int, int], ...]] = {
    "tiangang": ((INFO_SENSOR_SUPPLY, 0x02), (INFO_SENSOR_RETURN, 0x04), (INFO_AIR | INFO_FLOW, 0x08)),
    "maituo": ((INFO_SENSOR_SUPPLY | INFO_SENSOR_RETURN, 0x02), (INFO_AIR | INFO_FLOW, 0x04)),
    "huizhong": ((INFO_SENSOR_SUPPLY, 0x10), (INFO_SENSOR_RETURN, 0x20), (INFO_AIR | INFO_FLOW, 0x02)),
}
_RECORDS = ("energy", "power", "flow", "volume", "supply_temperature", "return_temperature", "operating_time")
FIRST_MONTH, MONTHS = 0xD120, 12
_DAYS = {0x8103: "settlement_day", 0x8104: "reading_day"}
_KIND = {"huizhong": "25", "tiangang": "25", "maituo": "20", "lichuang": "20"}


def answer_bytes(speaker: Speaker, readout: Readout) -> bytes:
    """The answer to a read of 901F: settlement slot, totals, momentary values, hours, clock, status."""
    dialect = speaker.model.dialect
    records = [DataRecord(name, speaker.model.register(name).unit, speaker.value(readout, name)) for name in _RECORDS]
    if dialect not in ("tiangang", "maituo"):
        last_month = speaker.history(readout.at, 1)[0][1]
        energy = speaker.model.register("energy")
        records.append(DataRecord("energy", energy.unit, energy.value_of(last_month), storage=1))
    else:
        records.append(DataRecord("cooling_energy", "kWh", Decimal(0)))
    records.append(DataRecord("datetime", "", readout.meter_time.replace(microsecond=0).isoformat()))
    status = mapped_bits(readout.info, _ST2.get(dialect, _ST2["tiangang"]))
    if readout.info & INFO_BATTERY:
        status |= _BATTERY_LOW
    details = {"di": "901F", "type": _KIND.get(dialect, "20"), "ser": str(readout.access_number % 100)}
    telegram = Telegram("cjt188", speaker.id, tuple(records), status=status, details=details)
    return frame_from_telegram(telegram, dialect)


def identifier_bytes(speaker: Speaker, readout: Readout, identifier: int) -> bytes:
    """The answer to a read of another identifier: D120-D12B the index at the last twelve month ends, newest first, 8103
    and 8104 the settlement and reading day (the first). Empty for one that the meter does not have.
    """
    dialect, energy = speaker.model.dialect, speaker.model.register("energy")
    if FIRST_MONTH <= identifier < FIRST_MONTH + MONTHS:
        number = identifier - FIRST_MONTH
        _, count = speaker.history(readout.at, MONTHS)[number]
        record = DataRecord("energy", energy.unit, energy.value_of(count), storage=number + 2)
    elif identifier in _DAYS:
        record = DataRecord(_DAYS[identifier], "", Decimal(1))
    else:
        return b""
    details = {"di": f"{identifier:04X}", "type": _KIND.get(dialect, "20"), "ser": str(readout.access_number % 100)}
    return frame_from_telegram(Telegram("cjt188", speaker.id, (record,), details=details), dialect)
