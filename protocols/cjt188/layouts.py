"""CJ/T 188 as tables: unit codes, meter types, data identifiers and the fields of their answers.

Rules: data only. A field is `size` BCD bytes with `decimals` decimal places; `dimension` says which unit codes it may
carry, "" means that the unit is fixed by the standard and no unit byte follows. Sources: CJ/T 188-2004, tables 7-13 and
annex; makers' papers where said.
"""

from dataclasses import dataclass

# code -> (unit, dimension, power of ten that the code itself adds)
UNITS: dict[int, tuple[str, str, int]] = {
    0x01: ("J", "energy", 0),
    0x02: ("Wh", "energy", 0),
    0x05: ("kWh", "energy", 0),
    0x08: ("MWh", "energy", 0),
    0x0A: ("MWh", "energy", 2),
    0x0B: ("kJ", "energy", 0),
    0x0E: ("MJ", "energy", 0),
    0x11: ("GJ", "energy", 0),
    0x13: ("GJ", "energy", 2),
    0x14: ("W", "power", 0),
    0x17: ("kW", "power", 0),
    0x1A: ("MW", "power", 0),
    0x29: ("L", "volume", 0),
    0x2C: ("m3", "volume", 0),
    0x32: ("L/h", "flow", 0),
    0x35: ("m3/h", "flow", 0),
}
UNIT_CODES: dict[tuple[str, int], int] = {(unit, power): code for code, (unit, _, power) in UNITS.items()}

# meter type T -> medium
MEDIA: dict[int, str] = {
    0x10: "cold_water",
    0x11: "hot_water",
    0x12: "water",
    0x13: "water",
    0x20: "heat",
    0x21: "cooling",
    0x22: "heat_cooling",
    0x25: "heat",
    0x26: "heat",
    0x27: "heat",
    0x30: "gas",
    0x40: "electricity",
}


def medium_of(kind: int) -> str:
    """Medium of a meter type; the tens digit decides where the type has no row of its own."""
    return MEDIA.get(kind) or {0x10: "water", 0x20: "heat", 0x30: "gas"}.get(kind & 0xF0, "other")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an answer. `part` is how its bytes read: "bcd", "clock", "status", "text" (digits as text),
    "valve".
    """

    quantity: str
    size: int
    decimals: int = 0
    dimension: str = ""
    unit: str = ""
    storage: int = 0
    part: str = "bcd"

    @property
    def length(self) -> int:
        """Bytes on the wire, the unit byte included."""
        return self.size + (1 if self.dimension else 0)


def _heat(quantity: str, dimension: str, decimals: int = 2, storage: int = 0) -> Field:
    return Field(quantity, 4, decimals, dimension, storage=storage)


CLOCK = Field("datetime", 7, part="clock")
STATUS = Field("status", 2, part="status")

CURRENT_HEAT: tuple[Field, ...] = (
    _heat("energy", "energy", storage=1),
    _heat("energy", "energy"),
    _heat("power", "power"),
    _heat("flow", "flow", 4),
    _heat("volume", "volume"),
    Field("supply_temperature", 3, 2, unit="°C"),
    Field("return_temperature", 3, 2, unit="°C"),
    Field("operating_time", 3, 0, unit="h"),
    CLOCK,
    STATUS,
)
# Water and gas: current total, total at the settlement day, clock, status.
CURRENT_VOLUME: tuple[Field, ...] = (
    _heat("volume", "volume"),
    _heat("volume", "volume", storage=1),
    CLOCK,
    STATUS,
)
# 2018 edition, EXPERIMENTAL (one source, never seen on hardware): no settlement slot, cooling total and pressures.
CURRENT_HEAT_2018: tuple[Field, ...] = (
    _heat("energy", "energy"),
    _heat("cooling_energy", "energy"),
    _heat("power", "power"),
    _heat("flow", "flow", 4),
    _heat("volume", "volume"),
    Field("supply_temperature", 3, 2, unit="°C"),
    Field("return_temperature", 3, 2, unit="°C"),
    Field("operating_time", 3, 0, unit="h"),
    Field("supply_pressure", 3, 4, unit="MPa"),
    Field("return_pressure", 3, 4, unit="MPa"),
    CLOCK,
    STATUS,
)
PRICES: tuple[Field, ...] = (
    Field("price", 3, 2, storage=0),
    Field("price_volume", 3, 0, unit="m3", storage=0),
    Field("price", 3, 2, storage=1),
    Field("price_volume", 3, 0, unit="m3", storage=1),
    Field("price", 3, 2, storage=2),
)


_SERVICE: dict[int, tuple[Field, ...]] = {
    0x8102: PRICES,
    0x8103: (Field("settlement_day", 1),),
    0x8104: (Field("reading_day", 1),),
    0x810A: (),
}
_WRITES: dict[int, tuple[Field, ...]] = {
    0xA015: (CLOCK,),
    0xA017: (Field("valve", 1, part="valve"),),
    0xA018: (Field("identification", 7, part="text"),),
}
_ACKNOWLEDGEMENTS: dict[int, tuple[Field, ...]] = {0xA015: (), 0xA017: (STATUS,), 0xA018: ()}
VALVE_WORDS: dict[int, str] = {0x55: "open", 0x99: "closed"}


def fields_of(di: int, kind: int, *, reply: bool) -> tuple[Field, ...] | None:
    """Fields that follow DI and SER in the message of a meter of type `kind`; None for an identifier without a
    table.
    """
    if di >= 0xA000 and di < 0xB000:
        return (_ACKNOWLEDGEMENTS if reply else _WRITES).get(di)
    if not reply:
        return ()
    heat = kind & 0xF0 == 0x20
    if di == 0x901F:
        return CURRENT_HEAT if heat else CURRENT_VOLUME
    if di == 0x911F and heat:
        return CURRENT_HEAT_2018
    if 0xD120 <= di <= 0xD12B:
        quantity = "energy" if heat else "volume"
        return (_heat(quantity, quantity, storage=di - 0xD120 + 2),)
    return _SERVICE.get(di)


# Control bytes: request -> what it asks. A reply sets bit 7, an error reply bits 7 and 6.
READ_DATA = 0x01
READ_ADDRESS = 0x03
WRITE_DATA = 0x04
READ_KEY_VERSION = 0x09
WRITE_ADDRESS = 0x15
WRITE_TOTALS = 0x16
REPLY = 0x80
REFUSED = 0x40

HIGH_BYTES = frozenset((0x81, 0x90, 0x91, 0xA0, 0xD1, 0xD2, 0xD3, 0xD4))
