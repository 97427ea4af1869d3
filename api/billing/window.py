"""The span of a billing period in a zone: local midnights as instants, never beyond the running hour."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Window:
    """The cut-off instants of a period in one zone. `end` is not beyond `now`: what has not happened is not missing."""

    start: datetime
    end: datetime
    planned_end: datetime

    @property
    def seconds(self) -> float:
        """Length in seconds, 0 for a period that has not begun."""
        return max(0.0, (self.end - self.start).total_seconds())


def local_midnight(day: date, zone: str) -> datetime:
    """The instant at which a day begins in a zone."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def window_of(start: date, end: date, zone: str, now: datetime) -> Window:
    """Local midnights of the zone as instants; a day may have 23 or 25 hours."""
    first, last = local_midnight(start, zone), local_midnight(end, zone)
    # Intervals are whole hours: a running hour is not counted.
    running = now.replace(minute=0, second=0, microsecond=0)
    return Window(first, max(first, min(last, running)), last)
