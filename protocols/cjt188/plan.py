"""Where the fields of one message lie in one dialect, worked out once per (identifier, meter type, dialect, length).

Rules: positions only, no values. Digits are slices of a hexadecimal text of the whole body, written forwards for
big-endian dialects and backwards for little-endian ones, so that every slice has its most significant digit first.
"""

from functools import lru_cache
from typing import NamedTuple

from protocols.cjt188.dialects import Dialect
from protocols.cjt188.layouts import Field, fields_of


class Step(NamedTuple):
    """One field placed. `first`/`last` slice the ordered text, `raw_first`/`raw_last` the wire text; `unit_at` is -1
    without unit.
    """

    part: str
    quantity: str
    storage: int
    unit: str
    dimension: str
    decimals: int
    unit_at: int
    first: int
    last: int
    raw_first: int
    raw_last: int


class Plan(NamedTuple):
    """All fields of one message. `missing` names fields that the body is too short for; `covered` counts bytes used."""

    steps: tuple[Step, ...]
    little: bool
    covered: int
    missing: tuple[str, ...]


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
    return Step(
        item.part,
        quantity,
        storage,
        item.unit,
        item.dimension,
        dict(dialect.decimals).get(quantity, item.decimals),
        unit_at,
        2 * first,
        2 * (first + size),
        2 * at,
        2 * (at + item.length),
    )


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
    return Plan(tuple(steps), dialect.byte_order == "little", at, tuple(missing))
