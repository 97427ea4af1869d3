"""How good the alerts are: alerts against what really happened, by kind, in season and off.

Rules: an event is a labelled fault at a point; an alert is right where it names the kind of an event at its point and
their times touch. Events that a detector missed lower recall, alerts without an event lower precision; a look-alike
(kind "none") is no event, so that an alert about it is false. Nothing here knows a detector.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

DAY_US = 86_400_000_000
# An alert may stand out a little before the labelled instant (a day's figure holds it), and be proven some time after.
EARLY_DAYS, LATE_DAYS = 1, 7
NO_FAULT = "none"
OVERALL = "all kinds"


@dataclass(frozen=True, slots=True)
class Event:
    """What really happened at a point. Times in epoch microseconds, half-open; `season`: the network heated."""

    point: str
    kind: str
    from_us: int
    to_us: int
    season: bool
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alert. `noticed_us`: instants from which its occurrences could be told, in order of time."""

    point: str
    kind: str
    from_us: int
    to_us: int
    season: bool
    noticed_us: tuple[int, ...] = ()
    told: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """Counts of a kind. `delays_days`: from the beginning of each found event to the instant at which it was told;
    `beside`: false alerts at a point that had another fault at the time.
    """

    events: int = 0
    found: int = 0
    alarms: int = 0
    right: int = 0
    beside: int = 0
    delays_days: tuple[float, ...] = ()

    @property
    def precision(self) -> float:
        """Share of the alerts that were right, NaN without any."""
        return self.right / self.alarms if self.alarms else float("nan")

    @property
    def recall(self) -> float:
        """Share of the events that were found, NaN without any."""
        return self.found / self.events if self.events else float("nan")

    @property
    def false_alarms(self) -> int:
        """Alerts without an event."""
        return self.alarms - self.right

    @property
    def delay_days(self) -> float:
        """Median delay, NaN where nothing was found."""
        return float(np.median(self.delays_days)) if self.delays_days else float("nan")

    def __add__(self, other: "Score") -> "Score":
        return Score(
            self.events + other.events,
            self.found + other.found,
            self.alarms + other.alarms,
            self.right + other.right,
            self.beside + other.beside,
            self.delays_days + other.delays_days,
        )


@dataclass(frozen=True, slots=True)
class Scorecard:
    """Scores by kind; `in_season` and `off_season` are parts of `kinds`, by the beginning of event and alert.

    `meter_days`: what the false alerts are counted against. `missed`, `false_alarms`: the cases to look at.
    """

    kinds: dict[str, Score]
    in_season: dict[str, Score]
    off_season: dict[str, Score]
    meter_days: float
    missed: tuple[Event, ...] = ()
    false_alarms: tuple[Alarm, ...] = ()
    false_zero: int = 0

    @property
    def total(self) -> Score:
        """All kinds together."""
        return total(self.kinds)

    @property
    def false_per_1000_meter_days(self) -> float:
        """False alerts per 1,000 meters and day."""
        return 1000.0 * self.total.false_alarms / self.meter_days if self.meter_days else float("nan")

    def __add__(self, other: "Scorecard") -> "Scorecard":
        parts = [
            {kind: one.get(kind, Score()) + two.get(kind, Score()) for kind in sorted({*one, *two})}
            for one, two in (
                (self.kinds, other.kinds),
                (self.in_season, other.in_season),
                (self.off_season, other.off_season),
            )
        ]
        return Scorecard(
            parts[0],
            parts[1],
            parts[2],
            self.meter_days + other.meter_days,
            self.missed + other.missed,
            self.false_alarms + other.false_alarms,
            self.false_zero + other.false_zero,
        )


def total(scores: dict[str, Score]) -> Score:
    """Sum of the scores of all kinds."""
    return sum(scores.values(), Score())


@dataclass(slots=True)
class _Tally:
    """Counts in the making."""

    events: int = 0
    found: int = 0
    alarms: int = 0
    right: int = 0
    beside: int = 0
    delays: list[float] = field(default_factory=list)

    def score(self) -> Score:
        return Score(self.events, self.found, self.alarms, self.right, self.beside, tuple(self.delays))


def score(events: Iterable[Event], alarms: Iterable[Alarm], *, meter_days: float) -> Scorecard:
    """Alerts against events.

    Parameters
    ----------
    events
        Labels, look-alikes (kind "none") among them.
    alarms
        Every alert, whoever explained or closed it since.
    meter_days
        Meters times days that were judged.
    """
    at_point: dict[str, list[Event]] = {}
    look_alikes: dict[str, list[Event]] = {}
    for event in events:
        (look_alikes if event.kind == NO_FAULT else at_point).setdefault(event.point, []).append(event)
    heard: dict[str, list[Alarm]] = {}
    for alarm in alarms:
        heard.setdefault(alarm.point, []).append(alarm)
    tallies: dict[tuple[str, bool], _Tally] = {}

    def tally(kind: str, season: bool) -> _Tally:
        return tallies.setdefault((kind, season), _Tally())

    missed = [
        event
        for own in at_point.values()
        for event in own
        if not _count_event(event, heard.get(event.point, ()), tally(event.kind, event.season))
    ]
    false = [
        alarm
        for own_alarms in heard.values()
        for alarm in own_alarms
        if not _count_alarm(alarm, at_point.get(alarm.point, ()), tally(alarm.kind, alarm.season))
    ]
    parts = [{kind: item.score() for (kind, own), item in sorted(tallies.items()) if own is on} for on in (True, False)]
    kinds = {kind: parts[0].get(kind, Score()) + parts[1].get(kind, Score()) for kind in sorted({*parts[0], *parts[1]})}
    zero = sum(
        alarm.kind == "zero_use" and any(_touch(alarm, other) for other in look_alikes.get(alarm.point, ()))
        for alarm in false
    )
    return Scorecard(kinds, parts[0], parts[1], meter_days, tuple(missed), tuple(false), zero)


def _count_event(event: Event, alarms: Sequence[Alarm], into: _Tally) -> bool:
    """Count an event; whether an alert told of it."""
    into.events += 1
    told = [alarm for alarm in alarms if alarm.kind == event.kind and _touch(alarm, event)]
    if not told:
        return False
    into.found += 1
    noticed = [at for alarm in told for at in alarm.noticed_us if at >= event.from_us]
    if noticed:
        into.delays.append((min(noticed) - event.from_us) / DAY_US)
    return True


def _count_alarm(alarm: Alarm, events: Sequence[Event], into: _Tally) -> bool:
    """Count an alert; whether there was an event of its kind."""
    into.alarms += 1
    near = [event for event in events if _touch(alarm, event)]
    if any(event.kind == alarm.kind for event in near):
        into.right += 1
        return True
    into.beside += bool(near)
    return False


def _touch(alarm: Alarm, event: Event) -> bool:
    return alarm.to_us > event.from_us - EARLY_DAYS * DAY_US and alarm.from_us < event.to_us + LATE_DAYS * DAY_US
