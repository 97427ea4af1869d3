"""Which layout an answer is written in, told from the answer itself: a suggestion, used where nobody named a dialect.

Rules: every base layout is scored by what cannot be true by accident (unit codes of the right kind, a possible clock,
temperatures of water); the best one wins, ties go to the F-padded address, then to the fewest digits, then to the
standard.
"""

from collections.abc import Iterator

from protocols.cjt188.dialects import (
    BIG_ENDIAN,
    SHIFTED,
    SHIFTED_UNIT_FIRST,
    STANDARD,
    TWO_BYTE_TEMPERATURES,
    UNIT_FIRST,
    Dialect,
)
from protocols.cjt188.plan import Plan, plan_of

# A unit code of the right kind is rarer than a byte in range.
_UNIT_POINTS = 3

UNSHIFT = bytes((value - 0x33) & 0xFF for value in range(256))
SHIFT = bytes((value + 0x33) & 0xFF for value in range(256))


def unshifted(data: bytes) -> bytes:
    """`data` without the +33h offset."""
    return data.translate(UNSHIFT)


def shifted(data: bytes) -> bytes:
    """`data` with the +33h offset."""
    return data.translate(SHIFT)


def fits(body: bytes, plan: Plan) -> bool:
    """Whether every byte that this layout constrains (unit codes, clock, temperatures) can be what the layout says."""
    for at, allowed in plan.marks:  # a plain loop: three times as fast as all() over a generator
        if body[at] not in allowed:
            return False
    return bool(plan.marks)


def _score(body: bytes, plan: Plan) -> tuple[int, int]:
    """Constrained bytes that do not hold (negative, unit codes count most), and significant digits of the values."""
    text = (body[::-1] if plan.little else body).hex()
    points = -sum(body[at] not in allowed for at, allowed in plan.marks)
    digits = 0
    for step in plan.steps:
        if step.units:
            points -= 0 if body[step.unit_at] in step.units else _UNIT_POINTS
            digits += len(text[step.first : step.last].lstrip("0"))
    return points, digits


def _noisy_temperatures(body: bytes, plan: Plan) -> bool:
    """Whether the third byte of both temperatures is no BCD: one alone is a bad field, two are a habit."""
    tops = [body[step.raw_last // 2 - 1] for step in plan.steps if step.unit == "°C"]
    return len(tops) == 2 and all(top >> 4 > 9 or top & 15 > 9 for top in tops)


def padded_in_front(address: bytes) -> bool:
    """Whether F nibbles fill the front of the address as transmitted: then its high byte comes first."""
    return address[0] >> 4 == 0xF and address[-1] >> 4 != 0xF


def likely_dialect(
    di: int, kind: int, body: bytes, address: bytes, *, low_first: bool, offset: bool, reply: bool = True
) -> Dialect:
    """The base layout that fits `body` best.

    Parameters
    ----------
    di, kind : int
        Data identifier and meter type.
    body : bytes
        What follows DI and SER; without the offset where `offset` says that the identifier already carried +33h.
    address : bytes
        As transmitted.
    low_first : bool
        The identifier came low byte first; no big-endian maker does that.
    """
    length = len(body)
    plan = plan_of(di, kind, reply, STANDARD, length)
    if plan is None:
        return BIG_ENDIAN if padded_in_front(address) else STANDARD
    if not offset:
        certain = _certain(di, kind, body, plan, low_first=low_first, reply=reply)
        if certain is not None:
            return certain
    candidates = _candidates(di, kind, body, plan, low_first=low_first, offset=offset, reply=reply)
    padded = padded_in_front(address)
    chosen, best = STANDARD, (-len(body) * _UNIT_POINTS, False, 0)
    for dialect, data, other in candidates:
        points, digits = _score(data, other)
        rank = (points, (dialect is BIG_ENDIAN) == padded, -digits)
        if rank > best:
            chosen, best = dialect, rank
    return chosen


def _certain(di: int, kind: int, body: bytes, plan: Plan, *, low_first: bool, reply: bool) -> Dialect | None:
    """The only plain layout in which every constrained byte holds; None where there is none or more than one."""
    standard = fits(body, plan)
    if low_first:
        if standard:
            return STANDARD
    else:
        big_endian = plan_of(di, kind, reply, BIG_ENDIAN, len(body))
        if big_endian is not None and fits(body, big_endian):
            return None if standard else BIG_ENDIAN
        if standard:
            return STANDARD
    unit_first = plan_of(di, kind, reply, UNIT_FIRST, len(body))
    return UNIT_FIRST if unit_first is not None and fits(body, unit_first) else None


def _candidates(
    di: int, kind: int, body: bytes, plan: Plan, *, low_first: bool, offset: bool, reply: bool
) -> Iterator[tuple[Dialect, bytes, Plan]]:
    """Layouts that come into question, the standard first, each with the body as it would read it."""
    layouts = [(SHIFTED, body), (SHIFTED_UNIT_FIRST, body)] if offset else [(STANDARD, body), (UNIT_FIRST, body)]
    if not low_first and not offset:
        layouts.append((BIG_ENDIAN, body))
    if _noisy_temperatures(body, plan):
        layouts.append((TWO_BYTE_TEMPERATURES, body))
    if not offset:
        plain = unshifted(body)
        layouts += [(SHIFTED, plain), (SHIFTED_UNIT_FIRST, plain)]
    for dialect, data in layouts:
        other = plan_of(di, kind, reply, dialect, len(body))
        assert other is not None
        yield dialect, data, other
