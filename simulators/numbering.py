"""Numbers as people and makers give them: flats on doors, serial numbers on meters."""

from simulators.meter_models import MeterModel


def door_of(kind: str, unit: int) -> str:
    """Flat numbers as on doors: floor and place, four a floor."""
    return f"{unit // 4 + 1}{unit % 4 + 1:02d}" if kind == "flats" else f"{unit + 1:02d}"


def serial_of(model: MeterModel, number: int, seed: int) -> str:
    """Serial number of the usual length: unique within a fleet, different between seeds."""
    base = 60_000_000 + (seed % 97) * 100_003 + number
    if model.protocol == "cjt188":
        return model.manufacturer + str(base).zfill(10)  # the address begins with the maker's code
    return str(base).zfill(model.serial_digits)[-model.serial_digits :]
