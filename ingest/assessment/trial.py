"""Trying a rule set on history: what it would change in consumption, bills and alerts before anybody is woken by it.

Rules: nothing is written; the thresholds in force and those on trial judge the same readings, so the difference is
theirs alone. Points of other groups are computed as they are: they are the neighbours that detectors compare with.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from compute import engine
from compute.estimation_beyond import BeyondLimits
from compute.findings import Finding
from compute.first_stage import every_threshold
from compute.memory import give_back
from compute.rules import RuleSet, Settings
from compute.scene import Hourly
from ingest.assessment.beyond import Waiting, laid_over, needy, waiting_of
from ingest.assessment.bills import BillChange, Differences, Span, compare, spans_of
from ingest.assessment.loading import Place, places_of
from ingest.assessment.rows import Computed, computed
from ingest.assessment.zone import HISTORY, Zone
from ingest.errors import NotFoundError
from ingest.store import series
from ingest.store.consumption import HOUR
from ingest.store.database import connect_sync
from ingest.store.packing import microseconds

DAY_US = 86_400_000_000
Progress = Callable[[str, int, int], None]
# Changes that an answer carries in full; the counts tell of all.
SHOWN = 500


@dataclass(frozen=True, slots=True)
class Change:
    """A finding that only one of the rule sets makes. `gained`: on trial, but not in force."""

    gained: bool
    point_id: int
    kind: str
    rule: str
    from_us: int
    to_us: int
    energy_at_stake_kwh: float


@dataclass(frozen=True, slots=True)
class RuleTrial:
    """Differences between the rules in force and those on trial. `before`, `after`: findings by kind.

    `hours` were compared, `consumption_changed` of them differ in value, mark or method, `moved_kwh` lie elsewhere;
    `bills`: points and periods compared.
    """

    points: int
    before: dict[str, int]
    after: dict[str, int]
    changes: tuple[Change, ...]
    hours: int = 0
    consumption_changed: int = 0
    moved_kwh: float = 0.0
    bills: int = 0
    bill_changes: tuple[BillChange, ...] = ()

    @property
    def gained(self) -> int:
        """Findings that only the trial makes."""
        return sum(change.gained for change in self.changes)

    @property
    def lost(self) -> int:
        """Findings that the trial no longer makes."""
        return len(self.changes) - self.gained

    @property
    def bills_changed(self) -> int:
        """Bills with another energy, or another answer of the gate."""
        return len(self.bill_changes)

    def as_json(self, codes: dict[int, str]) -> dict[str, Any]:
        """For answers; `codes`: point id -> code. The largest changes are told in full."""
        return {
            "points": self.points,
            "alerts": {"before": self.before, "after": self.after, "gained": self.gained, "lost": self.lost},
            "consumption": {
                "hours": self.hours, "changed": self.consumption_changed, "moved_kwh": round(self.moved_kwh, 3)
            },
            "bills": {"compared": self.bills, "changed": self.bills_changed},
            "alert_changes": [
                {
                    "gained": change.gained, "point": codes.get(change.point_id), "kind": change.kind,
                    "rule": change.rule, "from": _text(change.from_us), "to": _text(change.to_us),
                    "energy_at_stake_kwh": round(change.energy_at_stake_kwh, 3),
                }
                for change in self.changes[:SHOWN]
            ],
            "bill_changes": [
                {**asdict(change), "point": codes.get(change.point_id)} for change in self.bill_changes[:SHOWN]
            ],
        }  # fmt: skip


def try_rules(
    database_url: str,
    settings: Settings,
    *,
    now: datetime,
    group: str = "default",
    start: datetime | None = None,
    end: datetime | None = None,
    progress: Progress | None = None,
) -> RuleTrial:
    """Judge the history of a rule group with other thresholds.

    Parameters
    ----------
    database_url
        Database to read; nothing is written.
    settings
        Thresholds on trial: rule -> name -> value, only what differs from the defaults.
    now
        The present, aware UTC.
    group
        Code of the group whose rule set would be replaced.
    start, end
        Span to compare, from the first to the last reading where None. What lies before is still learned from.
    progress
        Called with what is being done, how much of it is done, and how much there is.

    Raises
    ------
    RuleError
        A rule or threshold that does not exist.
    NotFoundError
        There is no such group.
    UnavailableError
        The database does not answer.
    """
    trial = RuleSet(0, settings)
    trial.check(every_threshold(engine.ORDER))
    with connect_sync(database_url) as connection:
        try:
            known = series.load_rule_groups(connection)
            if group not in known:
                raise NotFoundError(f"there is no rule group {group!r}", field="group")
            return _Tried(connection, trial, now, known[group], progress or _silent).over(start, end)
        finally:
            connection.rollback()
            give_back()


def _silent(what: str, done: int, whole: int) -> None:
    """No progress shown."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is compared in a zone: (p,) places, billing periods, and from when on."""

    mine: NDArray[np.bool_]
    spans: Sequence[Span]
    since_us: int


class _Tried:
    """One trial over all zones."""

    def __init__(
        self, connection: Connection[Any], trial: RuleSet, now: datetime, group_id: int, progress: Progress
    ) -> None:
        self.connection, self.trial, self.now, self.group, self.progress = connection, trial, now, group_id, progress
        self.points = 0
        self.before, self.after = Counter[str](), Counter[str]()
        self.changes: list[Change] = []
        self.sums = Differences()

    def over(self, start: datetime | None, end: datetime | None) -> RuleTrial:
        """The differences over a span."""
        zones: dict[str, list[Place]] = {}
        for place in places_of(series.load_installations(self.connection)):
            zones.setdefault(place.newest["time_zone"], []).append(place)
        for name, places in zones.items():
            self._zone(name, places, start, end)
        self.changes.sort(key=lambda change: -change.energy_at_stake_kwh)
        bills = sorted(self.sums.changed_bills, key=lambda bill: (bill.period, bill.point_id))
        return RuleTrial(
            self.points, dict(self.before), dict(self.after), tuple(self.changes), self.sums.hours,
            self.sums.intervals_changed, self.sums.moved_kwh, self.sums.bills, tuple(bills),
        )  # fmt: skip

    def _zone(self, name: str, places: list[Place], start: datetime | None, end: datetime | None) -> None:
        rows = [at for at, place in enumerate(places) if place.newest["rule_group_id"] == self.group]
        if not rows:
            return
        zone = Zone(self.connection, name, places, 0, min(self.now, end or self.now), self.progress)
        begin = max(zone.beginning, start or zone.beginning)
        spans = spans_of(series.load_periods(self.connection), name, begin, zone.now)
        force = zone.rule_sets[self.group][0]
        variants = [zone.sets, {**zone.sets, force: RuleSet(force, self.trial.settings)}]
        mine = np.zeros(len(places), np.bool_)
        mine[rows] = True

        asked = _Asked(mine, _within(spans, begin), microseconds(begin))
        held: list[tuple[Waiting, Waiting]] = []
        least = min(sets[int(number)].of("beyond", BeyondLimits).least_h for sets in variants for number in sets)

        def watch(results: Sequence[Hourly]) -> None:
            old, new = results
            own = [places[at] for at in old.rows]
            needs = needy(own, old, zone.switches, least) | needy(own, new, zone.switches, least)
            if (needs & mine[old.rows]).any():
                # What no index covers needs the days of the others: compared when they are known.
                since = np.zeros(len(own), np.int64)
                held.append((waiting_of(own, old, since, needs), waiting_of(own, new, since, needs)))
            before = computed(old, HOUR)
            after = before if new is old else computed(new, HOUR)
            self._compare(own, before, after, asked, mine[old.rows] & ~needs)

        old_days, new_days = zone.replay(begin - HISTORY, variants, watch)
        for pair in held:
            old_rows, new_rows = (
                laid_over(computed(one.hourly, HOUR), HOUR, one.hourly.grid.days, zone.beyond(one, days, sets)[0])
                for one, days, sets in zip(pair, (old_days, new_days), variants, strict=True)
            )
            self._compare(pair[0].places, old_rows, new_rows, asked, mine[pair[0].hourly.rows])
        self.progress("judging", len(places), len(places))
        judged = []
        for days, sets in zip((old_days, new_days), variants, strict=True):
            found = engine.judge(days, sets, zone.rule_set_of)
            judged.append([item for item in found if mine[item.point] and item.to_us > microseconds(begin)])
        self._collect(judged[0], judged[1], [place.point_id for place in places])
        self.points += len(rows)

    def _compare(
        self, places: Sequence[Place], before: Computed, after: Computed, asked: "_Asked", mine: NDArray[np.bool_]
    ) -> None:
        ids = [place.point_id for place in places]
        compare(ids, before, after, mine, asked.spans, asked.since_us, self.sums)

    def _collect(self, old: Sequence[Finding], new: Sequence[Finding], ids: Sequence[int]) -> None:
        self.before.update(item.kind.value for item in old)
        self.after.update(item.kind.value for item in new)
        self.changes += [_change(True, item, ids) for item in _without(new, old)]
        self.changes += [_change(False, item, ids) for item in _without(old, new)]


def _within(spans: Sequence[Span], begin: datetime) -> list[Span]:
    """Spans that end after the beginning."""
    return [span for span in spans if span.end_us > microseconds(begin)]


def _without(findings: Sequence[Finding], others: Sequence[Finding]) -> list[Finding]:
    """Findings that no other of the same point and kind overlaps."""
    spans: dict[tuple[int, str], list[tuple[int, int]]] = {}
    for other in others:
        spans.setdefault((other.point, other.kind.value), []).append((other.from_us - DAY_US, other.to_us + DAY_US))
    return [
        item
        for item in findings
        if not any(a < item.to_us and item.from_us < b for a, b in spans.get((item.point, item.kind.value), []))
    ]


def _change(gained: bool, finding: Finding, ids: Sequence[int]) -> Change:
    return Change(
        gained,
        ids[finding.point],
        finding.kind.value,
        finding.rule,
        finding.from_us,
        finding.to_us,
        finding.energy_at_stake_kwh,
    )


def _text(us: int) -> str:
    return datetime.fromtimestamp(us // 1_000_000, tz=UTC).isoformat()
