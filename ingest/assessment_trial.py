"""Trying a rule set on history: what would be found with other thresholds, before anybody is woken by them.

Rules: nothing is written; the thresholds in force and those on trial judge the same days, so the difference is theirs
alone. Thresholds of detectors do not touch consumption: its difference and that of the bills is computed all the
same, and is zero.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from psycopg import Connection

from compute import engine
from compute.findings import Finding
from compute.rules import RuleSet, Settings
from ingest.assessment_loading import places_of
from ingest.assessment_zone import Zone
from ingest.store import series
from ingest.store.database import connect_sync

DAY_US = 86_400_000_000


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
    """Differences between the rules in force and those on trial. `before`, `after`: findings by kind."""

    points: int
    before: dict[str, int]
    after: dict[str, int]
    changes: tuple[Change, ...]
    consumption_changed: int = 0
    bills_changed: int = 0

    @property
    def gained(self) -> int:
        """Findings that only the trial makes."""
        return sum(change.gained for change in self.changes)

    @property
    def lost(self) -> int:
        """Findings that the trial no longer makes."""
        return len(self.changes) - self.gained


def try_rules(database_url: str, settings: Settings, *, now: datetime, group_id: int = 1) -> RuleTrial:
    """Judge the whole history of a rule group with other thresholds.

    Parameters
    ----------
    database_url
        Database to read; nothing is written.
    settings
        Thresholds on trial: rule -> name -> value, only what differs from the defaults.
    now
        The present, aware UTC.
    group_id
        The group whose rule set would be replaced.

    Raises
    ------
    RuleError
        A rule or threshold that does not exist.
    UnavailableError
        The database does not answer.
    """
    trial = RuleSet(0, settings)
    trial.check(engine.ORDER)
    with connect_sync(database_url) as connection:
        try:
            return _tried(connection, trial, now, group_id)
        finally:
            connection.rollback()


def _tried(connection: Connection[Any], trial: RuleSet, now: datetime, group_id: int) -> RuleTrial:
    zones: dict[str, list[Any]] = {}
    for place in places_of(series.load_installations(connection)):
        zones.setdefault(place.newest["time_zone"], []).append(place)
    points, changes = 0, list[Change]()
    before, after = Counter[str](), Counter[str]()
    for name, places in zones.items():
        zone = Zone(connection, name, places, 0, now, lambda *_: None)
        days = zone.history_days()
        rows = [at for at, place in enumerate(places) if place.newest["rule_group_id"] == group_id]
        own = days.select(np.array(rows, np.int64))
        force = zone.rule_sets[group_id]
        old = engine.judge(own, {0: RuleSet(force[0], force[1])}, None)
        new = engine.judge(own, {0: trial}, None)
        ids = [places[at].point_id for at in rows]
        points += len(rows)
        before.update(item.kind.value for item in old)
        after.update(item.kind.value for item in new)
        changes += [_change(True, item, ids) for item in _without(new, old)]
        changes += [_change(False, item, ids) for item in _without(old, new)]
    changes.sort(key=lambda change: -change.energy_at_stake_kwh)
    return RuleTrial(points, dict(before), dict(after), tuple(changes))


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
