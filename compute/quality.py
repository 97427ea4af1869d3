"""Quality flags of readings and intervals: one bit field, near the ESPI (IEEE 2030.5) list.

Precedence when values compete: actual > check meter > edited > estimated.
"""

from enum import IntEnum, IntFlag


class Quality(IntFlag):
    """Bits of `reading.flags` (low 15 bits) and `consumption.flags` (all)."""

    NONE = 0
    FIRST = 1 << 0  # nothing before it
    MISSING = 1 << 1  # no value: never zero
    ROLLOVER = 1 << 2
    RESET = 1 << 3  # a decrease that needs a person
    JITTER = 1 << 4  # one display step back, clamped
    GARBAGE = 1 << 5  # transient garbage, kept out of the series
    DUPLICATE = 1 << 6
    CONFLICT = 1 << 7  # another value for the same instant exists
    STALE = 1 << 8  # same payload and meter time again
    CLOCK = 1 << 9  # meter clock off
    UNIT = 1 << 10  # unit or decimal place differs from the registry
    MANUAL = 1 << 11  # read by a person
    CHECK_METER = 1 << 12
    EXCHANGE = 1 << 13  # meter exchanged inside the interval
    RESCALED = 1 << 14  # the unit changed for certain: counted in its own
    ESTIMATED = 1 << 15
    EDITED = 1 << 16
    INTERPOLATED = 1 << 17  # total measured, distribution linear
    QUESTIONABLE = 1 << 18  # a WARN
    FAILED = 1 << 19  # a FAIL
    VALIDATED = 1 << 20
    DERIVED = 1 << 21
    REFERENCE_DAY = 1 << 22
    WEATHER = 1 << 23  # weather-normalised or weather-scaled
    SPIKE = 1 << 24
    ZERO = 1 << 25
    RANGE = 1 << 26
    INACTIVE_USE = 1 << 27
    DEVICE = 1 << 28  # the device itself reported a fault
    PARTIAL = 1 << 29  # readings cover only a part of the interval: it will be completed


class Method(IntEnum):
    """How the value of an interval came about: `consumption.method`, the estimation ladder of the catalogue."""

    MEASURED = 0
    LINEAR = 1  # total measured, linear between neighbours of at most 2 h
    CHECK_METER = 2  # total measured or estimated, shape of a check meter or balance
    LIKE_DAYS = 3  # total measured, shape of the nearest like days
    SIGNATURE = 4  # total measured, shape of like days by temperature
    FLAT = 5  # total measured, nothing known of its shape
    LAST_YEAR = 6  # no index at the end: the same period of last year by degree days
    NEIGHBOURS = 7  # no index at the end: neighbours in kWh/m2
    CONTRACT = 8  # no index at the end: the contract's profile
    EXTRAPOLATED = 9  # past the last reading, by the point's own switch
    EDITED = 10  # bounded by an approved edit
    BALANCE = 11  # no index at the end: check meter, or the balance of the building


# ESPI quality-of-reading codes, most telling first.
ESPI_CODES: tuple[tuple[Quality, int], ...] = (
    (Quality.EDITED, 7),
    (Quality.REFERENCE_DAY, 8),
    (Quality.INTERPOLATED, 9),
    (Quality.FAILED, 10),
    (Quality.QUESTIONABLE, 10),
    (Quality.DERIVED, 11),
    (Quality.WEATHER, 15),
    (Quality.VALIDATED, 17),
)


def espi_code(flags: int) -> int:
    """ESPI code of a flag field: 14 raw, where nothing else is known; 13 mixed is for sums."""
    for flag, code in ESPI_CODES:
        if flags & flag:
            return code
    return 14
