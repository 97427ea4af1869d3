"""Checks of a hand-entered index before it is taken: pure, so that the page can show them while somebody types.

Rules: a check warns or blocks and says why, with the number that it compared with. An index is an exact count of the
display's last digit; a value with more decimals than the display has is no value of this meter.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final, Literal

from protocols.registers import Register

# 1.16 kWh per m3 and K over the widest difference a heat meter sees; volume may run a quarter above qs.
_KW_PER_M3H: Final = Decimal("1.16") * 120
_VOLUME_MARGIN: Final = Decimal("1.25")
_MUCH: Final = 3


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is wrong with an entry. `level` block: not taken; warn: taken after the operator confirms."""

    code: str
    level: Literal["warn", "block"]
    message: str


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Readings next to the entry as (instant, count); `month` is one from about a month before."""

    before: tuple[datetime, int] | None = None
    same: tuple[datetime, int] | None = None
    after: tuple[datetime, int] | None = None
    month: tuple[datetime, int] | None = None


def count_from_display(text: str, register: Register) -> int:
    """Exact count of a typed display value.

    Raises
    ------
    ValueError
        Not a number, negative, or finer than the display.
    """
    try:
        value = Decimal(text.strip().replace(",", "."))
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is not a number") from error
    if not value.is_finite() or value < 0 or value.adjusted() > 17:
        raise ValueError(f"{text!r} is not an index")
    count = value.scaleb(-register.scale)
    if count != count.to_integral_value():
        raise ValueError(f"the display shows {max(0, -register.scale)} decimals, {text!r} has more")
    return int(count)


def checks_of_entry(
    register: Register, count: int, at: datetime, near: Neighbours, *, now: datetime, qs_m3h: Decimal | None
) -> list[Check]:
    """Everything that speaks against an entry, blocks first."""
    found: list[Check] = []
    if at > now + timedelta(minutes=15):
        found.append(Check("entry.future", "block", "the time of reading lies in the future"))
    elif at < now - timedelta(days=366):
        found.append(Check("entry.old", "warn", "the reading is more than a year old"))
    if register.capacity is not None and count >= register.capacity:
        found.append(Check("entry.digits", "block", f"the display has {register.digits} digits"))
    if register.cumulative:
        found += _order(register, count, near)
        found += _capacity(register, count, at, near, qs_m3h)
        found += _habit(register, count, at, near)
    if near.same is not None:
        same = near.same[1] == count
        message = (
            "this reading is there already" if same else f"at that time {_shown(register, near.same[1])} is stored"
        )
        found.append(Check("entry.duplicate" if same else "entry.conflict", "block" if same else "warn", message))
    return sorted(found, key=lambda check: check.level != "block")


def _order(register: Register, count: int, near: Neighbours) -> list[Check]:
    found = []
    if near.before is not None and count < near.before[1]:
        message = f"below the last reading, {_shown(register, near.before[1])} of {near.before[0]:%Y-%m-%d %H:%M} UTC"
        found.append(Check("entry.below_last", "block", message))
    if near.after is not None and count > near.after[1]:
        message = f"above the next reading, {_shown(register, near.after[1])} of {near.after[0]:%Y-%m-%d %H:%M} UTC"
        found.append(Check("entry.above_next", "block", message))
    return found


def _capacity(register: Register, count: int, at: datetime, near: Neighbours, qs_m3h: Decimal | None) -> list[Check]:
    if near.before is None or qs_m3h is None or count <= near.before[1]:
        return []
    unit = "m3" if register.quantity == "volume" else "kWh"
    try:
        size = register.count_size(unit)
    except ValueError:
        return []
    advance = (count - near.before[1]) * size
    hours = Decimal((at - near.before[0]).total_seconds()) / 3600
    most = qs_m3h * hours * (_VOLUME_MARGIN if unit == "m3" else _KW_PER_M3H)
    if advance <= most + 2 * size.numerator / Decimal(size.denominator):
        return []
    told = float(advance)
    message = f"{told:.1f} {unit} since the last reading; the pipe delivers at most {most:.1f} {unit} in that time"
    return [Check("entry.beyond_pipe", "block", message)]


def _habit(register: Register, count: int, at: datetime, near: Neighbours) -> list[Check]:
    if near.before is None or near.month is None or near.before[0] <= near.month[0]:
        return []
    days = (at - near.before[0]).total_seconds() / 86_400
    usual = (near.before[1] - near.month[1]) / ((near.before[0] - near.month[0]).total_seconds() / 86_400)
    if days < 0.5 or usual <= 0:
        return []
    rate = (count - near.before[1]) / days
    if rate > _MUCH * usual:
        return [Check("entry.much", "warn", f"{rate / usual:.1f} times the use of the last month")]
    return [Check("entry.zero", "warn", "no use since the last reading")] if count == near.before[1] else []


def _shown(register: Register, count: int) -> str:
    return f"{register.value_of(count):f} {register.unit}"
