"""Data identifiers of DL/T 645 as tables: what each value measures, its size, scale and unit.

Rules: data only. A 2007 identifier is four bytes DI3 DI2 DI1 DI0 whose parts mean quantity, tariff and settlement day;
a row of the table covers all of those. FF in a part asks for a block: the items follow each other. Sources: DL/T
645-2007 annex A, DL/T 645-1997 annex A.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Item:
    """One value: `size` BCD bytes with `decimals` places.

    `signed`: the top bit is a minus. `part`: "bcd", "clock", "text" or "bits".

    `clock` is the layout of a time, most significant first: Y M D h m s, w for the day of the week.
    """

    quantity: str
    unit: str
    size: int
    decimals: int = 0
    signed: bool = False
    part: str = "bcd"
    clock: str = ""
    tariff: int = 0
    storage: int = 0
    modifiers: tuple[str, ...] = ()
    function: str = "instantaneous"


def _energy(quantity: str, unit: str, *modifiers: str, signed: bool = False) -> Item:
    return Item(quantity, unit, 4, 2, signed, modifiers=modifiers)


# 2007, DI3 = 00: DI2 -> energy. DI1 is the tariff (0 total), DI0 the settlement day back (0 now).
ENERGIES_2007: dict[int, Item] = {
    0x00: _energy("energy", "kWh", "combined", signed=True),
    0x01: _energy("energy", "kWh"),
    0x02: _energy("energy", "kWh", "flow.backward"),
    0x03: _energy("reactive_energy", "kvarh", "combined.1", signed=True),
    0x04: _energy("reactive_energy", "kvarh", "combined.2", signed=True),
    0x05: _energy("reactive_energy", "kvarh", "quadrant.1"),
    0x06: _energy("reactive_energy", "kvarh", "quadrant.2"),
    0x07: _energy("reactive_energy", "kvarh", "quadrant.3"),
    0x08: _energy("reactive_energy", "kvarh", "quadrant.4"),
    0x09: _energy("apparent_energy", "kVAh"),
    0x0A: _energy("apparent_energy", "kVAh", "flow.backward"),
}
# 2007, DI3 = 01: DI2 -> maximum demand with the time it occurred.
DEMANDS_2007: dict[int, Item] = {
    0x01: Item("power", "kW", 3, 4, signed=True, function="maximum"),
    0x02: Item("power", "kW", 3, 4, signed=True, function="maximum", modifiers=("flow.backward",)),
    0x03: Item("reactive_power", "kvar", 3, 4, signed=True, function="maximum", modifiers=("combined.1",)),
    0x04: Item("reactive_power", "kvar", 3, 4, signed=True, function="maximum", modifiers=("combined.2",)),
}
DEMAND_TIME = Item("datetime", "", 5, part="clock", clock="YMDhm", function="maximum")
# 2007, DI3 = 02, DI0 = 00: DI2 -> (item, DI1 of the first phase); DI1 0 is the sum where phases start at 1 beside it.
MOMENTARY_2007: dict[int, tuple[Item, bool]] = {
    0x01: (Item("voltage", "V", 2, 1), False),
    0x02: (Item("current", "A", 3, 3, signed=True), False),
    0x03: (Item("power", "kW", 3, 4, signed=True), True),
    0x04: (Item("reactive_power", "kvar", 3, 4, signed=True), True),
    0x05: (Item("apparent_power", "kVA", 3, 4, signed=True), True),
    0x06: (Item("power_factor", "", 2, 3, signed=True), True),
    0x07: (Item("phase_angle", "°", 2, 1), False),
    0x08: (Item("voltage_distortion", "%", 2, 2), False),
    0x09: (Item("current_distortion", "%", 2, 2), False),
}
SINGLE_2007: dict[int, Item] = {
    0x02800001: Item("current", "A", 3, 3, signed=True, modifiers=("phase.n",)),
    0x02800002: Item("frequency", "Hz", 2, 2),
    0x02800003: Item("power", "kW", 3, 4, signed=True, modifiers=("average",)),
    0x02800007: Item("internal_temperature", "°C", 2, 1, signed=True),
    0x02800008: Item("battery_voltage", "V", 2, 2),
    0x02800009: Item("reading_battery_voltage", "V", 2, 2),
    0x0280000A: Item("battery_operating_time", "min", 4),
    0x04000101: Item("date", "", 4, part="clock", clock="YMDw"),
    0x04000102: Item("time", "", 3, part="clock", clock="hms"),
    0x0400010C: Item("datetime", "", 7, part="clock", clock="YMDwhms"),
    0x04000401: Item("identification", "", 6, part="text"),
    0x04000402: Item("fabrication_number", "", 6, part="text"),
    0x04000409: Item("pulse_constant", "imp/kWh", 3),
    **{0x04000501 + n: Item(f"status_word_{n + 1}", "", 2, part="bits") for n in range(7)},
}

# 1997, first nibbles: 9 energy, A demand, B momentary, C parameters. Second nibble 0 now, 4 last, 8 the month before.
_ENERGIES_1997: dict[int, Item] = {
    0x10: _energy("energy", "kWh"),
    0x20: _energy("energy", "kWh", "flow.backward"),
    0x110: _energy("reactive_energy", "kvarh"),
    0x120: _energy("reactive_energy", "kvarh", "flow.backward"),
    0x130: _energy("reactive_energy", "kvarh", "quadrant.1"),
    0x140: _energy("reactive_energy", "kvarh", "quadrant.4"),
    0x150: _energy("reactive_energy", "kvarh", "quadrant.2"),
    0x160: _energy("reactive_energy", "kvarh", "quadrant.3"),
}
_MOMENTARY_1997: dict[int, tuple[Item, bool]] = {
    0xB610: (Item("voltage", "V", 2, 0), False),
    0xB620: (Item("current", "A", 2, 2), False),
    0xB630: (Item("power", "kW", 3, 4), True),
    0xB640: (Item("reactive_power", "kvar", 2, 2), True),
    0xB650: (Item("power_factor", "", 2, 3), True),
}
_SINGLE_1997: dict[int, Item] = {
    0xC010: Item("date", "", 4, part="clock", clock="YMDw"),
    0xC011: Item("time", "", 3, part="clock", clock="hms"),
    0xC032: Item("fabrication_number", "", 6, part="text"),
    0xC033: Item("user_number", "", 6, part="text"),
    0xC034: Item("device_code", "", 6, part="text"),
}
_MONTHS_1997 = {0x9000: 0, 0x9400: 1, 0x9800: 2}
_PHASE = ("", "phase.l1", "phase.l2", "phase.l3")
_BLOCK = 0xFF


def _phased(item: Item, number: int, single: bool) -> Item:
    """Item of phase `number`; a meter with one phase names its only voltage or current phase 1, which needs no
    qualifier.
    """
    if not number or (single and number == 1):
        return item
    return replace(item, modifiers=(*item.modifiers, _PHASE[number]))


def is_block(di: int, edition: str) -> bool:
    """Whether an identifier asks for several items at once."""
    if edition == "1997":
        return di & 0x0F == 0x0F
    return _BLOCK in di.to_bytes(4, "big")[2:]


def items_2007(di: int, length: int) -> tuple[Item, ...] | None:
    """Items of a 2007 identifier that fill `length` bytes; None where the table has none."""
    di3, di2, di1, di0 = di.to_bytes(4, "big")
    if di in SINGLE_2007:
        return (SINGLE_2007[di],)
    if di3 == 0x00 and di2 in ENERGIES_2007:
        return _spread(ENERGIES_2007[di2], di1, di0, length)
    if di3 == 0x01 and di2 in DEMANDS_2007:
        pairs: list[Item] = []
        for item in _spread(DEMANDS_2007[di2], di1, di0, length * 3 // 8):
            pairs += [item, replace(DEMAND_TIME, tariff=item.tariff, storage=item.storage)]
        return tuple(pairs)
    if di3 == 0x02 and di2 in MOMENTARY_2007 and di0 == 0:
        item, with_sum = MOMENTARY_2007[di2]
        return _momentary(item, di1, length, with_sum=with_sum, block=di1 == _BLOCK)
    return None


def items_1997(di: int, length: int) -> tuple[Item, ...] | None:
    """Items of a 1997 identifier that fill `length` bytes; None where the table has none."""
    if di in _SINGLE_1997:
        return (_SINGLE_1997[di],)
    if di & 0xF200 == 0x9000:
        storage = _MONTHS_1997.get(di & 0xFC00)
        item = _ENERGIES_1997.get(di & 0x1F0)
        if storage is None or item is None:
            return None
        tariff = di & 0x0F
        return _spread(item, _BLOCK if tariff == 0x0F else tariff, storage, length)
    if di & 0xFFF0 in _MOMENTARY_1997:
        item, with_sum = _MOMENTARY_1997[di & 0xFFF0]
        phase = di & 0x0F
        return _momentary(item, phase, length, with_sum=with_sum, block=phase == 0x0F)
    return None


def _spread(item: Item, tariff: int, storage: int, length: int) -> tuple[Item, ...]:
    """Tariffs of a block, or the one item asked; settlement days of a block where DI0 is FF."""
    count = length // item.size
    if tariff == _BLOCK:
        return tuple(replace(item, tariff=number, storage=storage) for number in range(count))
    if storage == _BLOCK:
        return tuple(replace(item, tariff=tariff, storage=number) for number in range(count))
    return (replace(item, tariff=tariff, storage=storage),)


def _momentary(item: Item, phase: int, length: int, *, with_sum: bool, block: bool) -> tuple[Item, ...] | None:
    if block:
        first = 0 if with_sum else 1
        count = min(length // item.size, 4 - first)
        return tuple(_phased(item, first + number, single=False) for number in range(count))
    if phase > 3:
        return None
    return (_phased(item, phase, single=not with_sum),)
