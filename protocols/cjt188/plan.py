"""Where the fields of one message lie in one dialect, worked out once per (identifier, meter type, dialect, length).

Rules: positions only, no values. Digits are slices of a hexadecimal text of the whole body, written forwards for
big-endian dialects and backwards for little-endian ones, so that every slice has its most significant digit first.
"""

from functools import lru_cache
from typing import NamedTuple

from protocols.cjt188.dialects import Dialect
from protocols.cjt188.layouts import UNITS, Field, fields_of


class Step(NamedTuple):
    """One field placed.

    `units` maps each unit code that the field may carry to its unit and exponent text ("E-2"); it is empty where no
    unit byte follows, then `unit` and `exponent` hold. `first`/`last` slice the ordered text, `raw_first`/`raw_last`
    the wire text; `unit_at` is the unit byte's position.
    """

    part: str
    quantity: str
    storage: int
    unit: str
    exponent: str
    units: dict[int, tuple[str, str]]
    unit_at: int
    first: int
    last: int
    raw_first: int
    raw_last: int


class Plan(NamedTuple):
    """All fields of one message.

    `missing` names fields that the body is too short for; `covered` counts bytes used; `marks` are the byte positions
    and the values that they can have where this layout is the right one.
    """

    steps: tuple[Step, ...]
    little: bool
    covered: int
    missing: tuple[str, ...]
    marks: tuple[tuple[int, frozenset[int]], ...]


def _place(item: Field, at: int, length: int, dialect: Dialect) -> Step:
    before = bool(item.dimension) and dialect.unit_position == "before"
    value_at = at + 1 if before else at
    unit_at = -1 if not item.dimension else at if before else at + item.size
    size = dialect.temperature_bytes if item.quantity.endswith("_temperature") else item.size
    quantity, storage = item.quantity, item.storage
    if quantity == "energy" and storage == 1 and dialect.settlement == "cooling":
        quantity, storage = "cooling_energy", 0
    little = dialect.byte_order == "little"
    first = length - value_at - size if little else value_at
    decimals = dict(dialect.decimals).get(quantity, item.decimals)
    return Step(
        item.part,
        quantity,
        storage,
        item.unit,
        f"E{-decimals}",
        {code: (unit, f"E{power - decimals}") for code, (unit, of, power) in UNITS.items() if of == item.dimension},
        unit_at,
        2 * first,
        2 * (first + size),
        2 * at,
        2 * (at + item.length),
    )


_BCD = frozenset(high << 4 | low for high in range(10) for low in range(10))
# What the bytes of a clock can be, most significant first: century, year, month, day, hour, minute, second.
_CLOCK = (
    frozenset((0x00, 0x20)),
    _BCD,
    *(frozenset(byte for byte in _BCD if low <= byte <= high) for low, high in (
        (0x01, 0x12), (0x01, 0x31), (0x00, 0x23), (0x00, 0x59), (0x00, 0x59))),
)  # fmt: skip
# A temperature below 300 °C.
_TEMPERATURE = (frozenset((0x00, 0x01, 0x02)), _BCD, _BCD)


def _marks(step: Step, length: int, *, little: bool) -> list[tuple[int, frozenset[int]]]:
    if step.units:
        return [(step.unit_at, frozenset(step.units))]
    allowed = _CLOCK if step.part == "clock" else _TEMPERATURE if step.unit == "°C" else ()
    count = (step.last - step.first) // 2
    places = [step.first // 2 + number for number in range(count)]
    if little:
        places = [length - 1 - place for place in places]
    return list(zip(places, allowed[-count:], strict=False))


@lru_cache(maxsize=1024)
def plan_of(di: int, kind: int, reply: bool, dialect: Dialect, length: int) -> Plan | None:
    """Plan of the `length` bytes after DI and SER; None where the identifier has no table."""
    fields = fields_of(di, kind, reply=reply)
    if fields is None:
        return None
    steps: list[Step] = []
    missing: list[str] = []
    at = 0
    for item in fields:
        if missing or at + item.length > length:
            missing.append(item.quantity)
            continue
        steps.append(_place(item, at, length, dialect))
        at += item.length
    little = dialect.byte_order == "little"
    marks = tuple(mark for step in steps for mark in _marks(step, length, little=little))
    return Plan(tuple(steps), little, at, tuple(missing), marks)
