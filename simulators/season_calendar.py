"""When a fault can be seen: the heating seasons and the rests of a place within a simulated span.

A place whose network runs all year has its winter from October to April; elsewhere the network's own season counts.
"""

from datetime import UTC, datetime, timedelta

from simulators.weather import CLIMATES

DAY = timedelta(days=1)
_WINTER_FROM, _WINTER_TO = (10, 1), (4, 20)
Window = tuple[datetime, datetime]


def winters(climate: str, start: datetime, end: datetime) -> list[Window]:
    """Heating seasons that a span touches, the one it covers most first."""
    first, last = CLIMATES[climate].season or (_WINTER_FROM, _WINTER_TO)
    found = [
        (datetime(year, *first, tzinfo=UTC), datetime(year + 1, *last, tzinfo=UTC))
        for year in range(start.year - 1, end.year + 1)
    ]
    covered = [(min(end, over) - max(start, begun), begun, over) for begun, over in found]
    return [(begun, over) for share, begun, over in sorted(covered, reverse=True) if share > timedelta(0)]


def heating_window(climate: str, start: datetime, end: datetime, first_days: int, last_days: int) -> Window | None:
    """Instants in which a fault of the heating may begin: clear of the season's first and last days.

    None where the span has no heating to speak of. Where hot water is drawn all year the span's middle does.
    """
    middle = start + (end - start) * 0.3, start + (end - start) * 0.7
    seasons = winters(climate, start, end)
    if seasons:
        begun, over = seasons[0]
        first, last = max(start + 30 * DAY, begun + first_days * DAY), min(end - 10 * DAY, over - last_days * DAY)
        if last > first:
            return first, last
        first, last = max(middle[0], begun + 2 * DAY), min(middle[1], over - 2 * DAY)
        if last > first:
            return first, last
    return middle if CLIMATES[climate].season is None else None


def rest_window(climate: str, start: datetime, end: datetime) -> Window | None:
    """Instants in which a leak may begin and be seen at night: the network rests for two weeks after. None without."""
    season = CLIMATES[climate].season
    if season is None:
        return None
    first_day, last_day = season
    found = []
    for year in range(start.year, end.year + 1):
        over, again = datetime(year, *last_day, tzinfo=UTC), datetime(year, *first_day, tzinfo=UTC)
        latest = min(again, end) - 14 * DAY
        first = max(over + 5 * DAY, start + 5 * DAY)
        last = min(over + 80 * DAY, latest) if over + 80 * DAY > first else latest
        if last > first:
            found.append((last - first, first, last))
    return max(found)[1:] if found else None
