"""Which layout an answer is written in, told from the answer itself: a suggestion, used where nobody named a dialect.

Rules: every base layout is scored by what cannot be true by accident (unit codes of the right kind, a possible clock,
temperatures of water); the best one wins, ties go to the F-padded address, then to the fewest digits, then to the
standard.
"""

from protocols.cjt188.dialects import (
    BIG_ENDIAN,
    SHIFTED,
    SHIFTED_UNIT_FIRST,
    STANDARD,
    TWO_BYTE_TEMPERATURES,
    UNIT_FIRST,
    Dialect,
)
from protocols.cjt188.layouts import UNITS
from protocols.cjt188.plan import Plan, plan_of

# Hottest water of a heating network, hundredths of a degree.
_HOTTEST = 25000
_UNIT_POINTS = 4
_CLOCK_POINTS = 6
_TEMPERATURE_POINTS = 2

UNSHIFT = bytes((value - 0x33) & 0xFF for value in range(256))
SHIFT = bytes((value + 0x33) & 0xFF for value in range(256))


def unshifted(data: bytes) -> bytes:
    """`data` without the +33h offset."""
    return data.translate(UNSHIFT)


def shifted(data: bytes) -> bytes:
    """`data` with the +33h offset."""
    return data.translate(SHIFT)


def _is_clock(digits: str) -> bool:
    return (
        digits.isdigit()
        and digits[:2] in ("20", "00")
        and "01" <= digits[4:6] <= "12"
        and "01" <= digits[6:8] <= "31"
        and digits[8:10] < "24"
        and digits[10:12] < "60"
        and digits[12:14] < "60"
    )


def _score(body: bytes, plan: Plan) -> tuple[int, int, int]:
    """Points, the most points possible, and significant digits of the values."""
    text = (body[::-1] if plan.little else body).hex()
    points = best = digits = 0
    for step in plan.steps:
        value = text[step.first : step.last]
        if step.dimension:
            best += _UNIT_POINTS
            entry = UNITS.get(body[step.unit_at])
            points += _UNIT_POINTS if entry is not None and entry[1] == step.dimension else 0
            digits += len(value.lstrip("0"))
        elif step.part == "clock":
            best += _CLOCK_POINTS
            points += _CLOCK_POINTS if _is_clock(value) else 0
        elif step.unit == "°C":
            best += _TEMPERATURE_POINTS
            points += _TEMPERATURE_POINTS if value.isdigit() and int(value) <= _HOTTEST else 0
    return points, best, digits


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
    points, best, digits = _score(body, plan)
    if points == best and low_first and not offset:
        return STANDARD
    padded = padded_in_front(address)
    chosen = SHIFTED if offset else STANDARD
    rank = (points, not padded, -digits)
    candidates = [(SHIFTED_UNIT_FIRST if offset else UNIT_FIRST, body)]
    if not low_first and not offset:
        candidates.append((BIG_ENDIAN, body))
    if _noisy_temperatures(body, plan):
        candidates.append((TWO_BYTE_TEMPERATURES, body))
    if not offset and points < best:
        plain = unshifted(body)
        candidates += [(SHIFTED, plain), (SHIFTED_UNIT_FIRST, plain)]
    for dialect, data in candidates:
        other = plan_of(di, kind, reply, dialect, length)
        assert other is not None
        points, _, digits = _score(data, other)
        contender = (points, padded if dialect is BIG_ENDIAN else not padded, -digits)
        if contender > rank:
            chosen, rank = dialect, contender
    return chosen
