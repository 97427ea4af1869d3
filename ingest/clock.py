"""What time it is, as a thing that is passed in: the wall clock, or a clock that catches up with it.

A demo starts some days in the past and runs faster than the wall until it has caught up; from then on it *is* the
wall clock. It never shows a future instant, so every figure of a demo is one that a real fleet could have given.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the instant that readings without a time of their own belong to."""

    def now(self) -> datetime:
        """The present, aware UTC."""
        ...

    def wall_seconds(self, virtual_s: float) -> float:
        """How many seconds of the wall clock pass while this clock moves on by `virtual_s`."""
        ...


def wall_now() -> datetime:
    """The wall clock, aware UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The wall clock."""

    def now(self) -> datetime:
        """The wall clock's present."""
        return wall_now()

    def wall_seconds(self, virtual_s: float) -> float:
        """One to one."""
        return virtual_s


@dataclass(frozen=True, slots=True)
class CatchUpClock:
    """Virtual time: `origin_virtual` at the wall's `origin_wall`, `speed` times as fast until it meets the wall."""

    origin_wall: datetime
    origin_virtual: datetime
    speed: float
    wall: Callable[[], datetime] = wall_now

    def __post_init__(self) -> None:
        if self.origin_wall.tzinfo is None or self.origin_virtual.tzinfo is None:
            raise ValueError("both origins must be aware")
        if self.origin_virtual > self.origin_wall:
            raise ValueError("a catch-up clock starts in the past")
        if self.speed < 1:
            raise ValueError(f"speed {self.speed} is below 1")

    def now(self) -> datetime:
        """Virtual present; the wall's once it has caught up."""
        wall = self.wall()
        passed_s = max(0.0, (wall - self.origin_wall).total_seconds())
        return min(wall, self.origin_virtual + timedelta(seconds=passed_s * self.speed))

    def wall_seconds(self, virtual_s: float) -> float:
        """Wall seconds of a virtual span: shorter by `speed` until the clocks have met."""
        behind_s = (self.wall() - self.now()).total_seconds()
        if behind_s <= 0:
            return virtual_s
        return max(virtual_s / self.speed, virtual_s - behind_s)

    def as_text(self) -> str:
        """The form that `clock_from_text` reads (environment variable HEATBOOK_CLOCK)."""
        return f"catchup/{self.origin_wall.isoformat()}/{self.origin_virtual.isoformat()}/{self.speed:g}"


def clock_from_text(text: str) -> Clock:
    """Clock named by HEATBOOK_CLOCK: empty or "system" for the wall, or what `CatchUpClock.as_text` gave.

    Raises
    ------
    ValueError
        The text is neither.
    """
    if text in ("", "system"):
        return SystemClock()
    parts = text.split("/")
    if len(parts) != 4 or parts[0] != "catchup":
        raise ValueError(f"HEATBOOK_CLOCK: {text!r} is not 'system' or 'catchup/WALL/VIRTUAL/SPEED'")
    return CatchUpClock(datetime.fromisoformat(parts[1]), datetime.fromisoformat(parts[2]), float(parts[3]))
