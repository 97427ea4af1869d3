"""Virtual Modbus meters: the register image that a device with a packaged map shows."""

from collections.abc import Mapping
from decimal import Decimal

from protocols.catalogue import catalogue
from protocols.modbus import ReadRequest, image_from_blocks, read_plan, registers_from_values
from protocols.modbus.simulation import Given
from protocols.profile import MeterProfile
from simulators.faults_sensor import INFO_AIR, INFO_BATTERY, INFO_FLOW, INFO_SENSOR_RETURN, INFO_SENSOR_SUPPLY
from simulators.meter_mbus import mapped_bits
from simulators.readout import Readout, Speaker

# Bits of the error word, where a map has one: point name and the maker's bits.
_ERROR_WORDS: dict[str, tuple[str, tuple[tuple[int, int], ...]]] = {
    "modbus-a": (
        "error_flags",
        ((INFO_BATTERY, 1), (INFO_SENSOR_SUPPLY, 2), (INFO_SENSOR_RETURN, 4), (INFO_FLOW, 8), (INFO_AIR, 16)),
    ),
    "tuf-2000": ("error_bits", ((INFO_AIR | INFO_FLOW, 0x08), (INFO_SENSOR_SUPPLY | INFO_SENSOR_RETURN, 0x10))),
}
_CLOCKS = {"tuf-2000": "clock_bcd"}
# Registers that say how the totals are to be read, as their makers set them.
_SETTINGS: dict[str, dict[str, Given]] = {
    "diehl-sharky-775-modbus": {
        "volume_factor": Decimal(-2),
        "power_factor": Decimal(-1),
        "flow_factor": Decimal(-3),
        "supply_temp_factor": Decimal(-1),
        "return_temp_factor": Decimal(-1),
    },
}


def image_bytes(speaker: Speaker, readout: Readout) -> bytes:
    """All readable registers, block by block as the map's read plan asks for them."""
    profile = catalogue().get(speaker.model.profile)
    words = registers_of(speaker, readout, profile)
    blocks = [
        (request.function, request.address, [words.get((request.function, at), 0) for at in _addresses(request)])
        for request in read_plan(profile)
    ]
    return image_from_blocks(blocks)


def _addresses(request: ReadRequest) -> range:
    return range(request.address, request.address + request.count)


def registers_of(speaker: Speaker, readout: Readout, profile: MeterProfile) -> Mapping[tuple[int, int], int]:
    """(function, address) -> word of everything the device shows."""
    values: dict[str, Given] = {
        register.name: (register.value_of(readout.counts[register.name]), register.unit)
        for register in speaker.model.registers
    }
    values |= _SETTINGS.get(profile.name, {})
    map_ = profile.modbus
    if map_ is not None and map_.serial_point:
        values[map_.serial_point] = Decimal(speaker.id.serial)
    clock = _CLOCKS.get(profile.name)
    if clock is not None:
        values[clock] = readout.meter_time.replace(microsecond=0).isoformat()
    error = _ERROR_WORDS.get(profile.name)
    if error is not None:
        values[error[0]] = Decimal(mapped_bits(readout.info, error[1]))
    return registers_from_values(profile, values)
