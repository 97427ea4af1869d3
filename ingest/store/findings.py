"""Findings and the alerts above them: one open alert a point, service and kind; occurrences under it.

Rules: synchronous. An occurrence that was stored before is carried on, not stored again; what a person decided
stands; every state that the engine changes leaves an event of the actor "engine".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

Row = dict[str, Any]
ACTOR = "engine"
SEVERITIES = ("info", "warning", "critical")
# Two spans of one kind closer than this are one occurrence.
BRIDGE = timedelta(days=2)
# A condition that goes on this long after a person resolved its alert is raised again.
AGAIN = timedelta(days=7)

_FINDINGS = """
SELECT f.finding_id, f.alert_id, f.point_id, f.service, f.kind, f.rule, f.severity, f.from_ts, f.to_ts, f.observed,
       f.energy_at_stake_kwh, a.state, a.closed_at
FROM finding f LEFT JOIN alert a USING (alert_id)
WHERE f.point_id = ANY(%(points)s) AND f.to_ts >= %(since)s ORDER BY f.from_ts
"""
_OPEN = """
SELECT alert_id, point_id, service, kind, severity, from_ts, to_ts, state, snoozed_until, energy_at_stake_kwh,
confidence FROM alert WHERE state <> 'resolved' AND point_id = ANY(%s)
"""
_SUPPRESSIONS = "SELECT point_id, kind FROM suppression WHERE expires_at > %s AND point_id = ANY(%s)"
_INSERT_FINDING = """
INSERT INTO finding (alert_id, run_id, point_id, meter_id, service, kind, rule, severity, from_ts, to_ts, observed,
                     expected_low, expected_high, energy_at_stake_kwh, confidence, details, rule_set_id)
VALUES (%(alert_id)s, %(run_id)s, %(point_id)s, %(meter_id)s, %(service)s, %(kind)s, %(rule)s, %(severity)s,
%(from_ts)s, %(to_ts)s, %(observed)s, %(expected_low)s, %(expected_high)s, %(energy_at_stake_kwh)s, %(confidence)s,
%(details)s, %(rule_set_id)s) ON CONFLICT (point_id, service, kind, rule, from_ts) DO NOTHING
"""
_CARRY_ON = """
UPDATE finding SET to_ts = %(to_ts)s, severity = %(severity)s, observed = %(observed)s, expected_low = %(expected_low)s,
       expected_high = %(expected_high)s, energy_at_stake_kwh = %(energy_at_stake_kwh)s, confidence = %(confidence)s,
       details = %(details)s, run_id = %(run_id)s, rule_set_id = %(rule_set_id)s
WHERE finding_id = %(finding_id)s
"""
_INSERT_ALERT = """
INSERT INTO alert (point_id, meter_id, service, kind, severity, from_ts, to_ts, state, explanation, energy_at_stake_kwh,
                   confidence, incident_id, rule, rule_set_id, opened_at, updated_at)
VALUES (%(point_id)s, %(meter_id)s, %(service)s, %(kind)s, %(severity)s, %(from_ts)s, %(to_ts)s, %(state)s,
%(explanation)s, %(energy_at_stake_kwh)s, %(confidence)s, %(incident_id)s, %(rule)s, %(rule_set_id)s, %(now)s, %(now)s)
RETURNING alert_id
"""
_UPDATE_ALERT = """
UPDATE alert SET severity = %(severity)s, from_ts = least(from_ts, %(from_ts)s), to_ts = greatest(to_ts, %(to_ts)s),
       explanation = %(explanation)s, energy_at_stake_kwh = %(energy_at_stake_kwh)s, confidence = %(confidence)s,
       incident_id = coalesce(incident_id, %(incident_id)s), updated_at = %(now)s, revision = revision + 1
WHERE alert_id = %(alert_id)s
"""
_SUM = "SELECT coalesce(sum(energy_at_stake_kwh), 0) FROM finding WHERE alert_id = %s"
_MOVE = """
UPDATE alert SET state = %(to_state)s, closed_at = %(closed_at)s, cause = coalesce(%(cause)s, cause), updated_at =
%(now)s, revision = revision + 1
WHERE alert_id = %(alert_id)s AND state = %(from_state)s
"""
_EVENT = """
INSERT INTO alert_event (alert_id, action, actor, at, from_state, to_state, cause, comment)
VALUES (%(alert_id)s, %(action)s, %(actor)s, %(now)s, %(from_state)s, %(to_state)s, %(cause)s, %(comment)s)
"""
_WITHDRAW = "DELETE FROM finding WHERE finding_id = ANY(%s)"
_BARE = """
SELECT a.alert_id, a.state FROM alert a
WHERE a.alert_id = ANY(%s) AND NOT EXISTS (SELECT FROM finding f WHERE f.alert_id = a.alert_id)
"""


@dataclass(frozen=True, slots=True)
class StoredFinding:
    """A finding with the names of the registry. `explanation`: what a person is shown; `incident_id`: what explains
    it. `raised`: "open" for an alert of its own, "suppressed" where an incident's alert stands for it, "" for none at
    all. `noticed_at`: when the evidence sufficed.
    """

    point_id: int
    meter_id: int | None
    service: int
    kind: str
    rule: str
    rule_set_id: int
    severity: str
    from_ts: datetime
    to_ts: datetime
    observed: float | None
    expected_low: float | None
    expected_high: float | None
    energy_at_stake_kwh: float
    confidence: float
    explanation: dict[str, Any]
    incident_id: int | None = None
    raised: str = "open"
    noticed_at: datetime | None = None

    @property
    def key(self) -> tuple[int, int, str]:
        """What has at most one open alert."""
        return self.point_id, self.service, self.kind


@dataclass(slots=True)
class Counts:
    """What became of the findings of a run."""

    opened: int = 0
    extended: int = 0
    unchanged: int = 0
    withdrawn: int = 0
    closed: int = 0
    ordered: int = 0


class AlertBook:
    """Alerts and occurrences of some points, as stored, and the changes that new findings make to them."""

    def __init__(
        self, connection: Connection[Any], points: Sequence[int], since: datetime, run_id: int, now: datetime
    ) -> None:
        self.connection, self.run_id, self.now = connection, run_id, now
        with connection.cursor(row_factory=dict_row) as cursor:
            self.stored = cursor.execute(_FINDINGS, {"points": list(points), "since": since - BRIDGE}).fetchall()
            self.open = {
                (row["point_id"], row["service"], row["kind"]): row
                for row in cursor.execute(_OPEN, (list(points),)).fetchall()
            }
        self.suppressed = set(connection.execute(_SUPPRESSIONS, (now, list(points))).fetchall())
        self.by_key: dict[tuple[int, int, str], list[Row]] = {}
        for row in self.stored:
            self.by_key.setdefault((row["point_id"], row["service"], row["kind"]), []).append(row)
        self.seen: set[int] = set()
        self.fresh: dict[tuple[int, int, str], list[Row]] = {}
        self.counts = Counts()

    def record(self, finding: StoredFinding) -> None:
        """Carry an occurrence on, or store a new one under the open alert or a new alert."""
        row = self._stored(finding)
        if row is None:
            self._insert(finding)
            return
        self.seen.add(row["finding_id"])
        closed = row["closed_at"] if row["state"] == "resolved" else None
        if closed is not None and finding.to_ts > closed + AGAIN:
            self._insert(finding, from_ts=max(closed, finding.from_ts))
        elif row["to_ts"] != finding.to_ts or row["severity"] != finding.severity or _moved(row, finding):
            self._carry_on(row, finding)
        else:
            self.counts.unchanged += 1

    def _stored(self, finding: StoredFinding) -> Row | None:
        for row in reversed(self.by_key.get(finding.key, [])):
            near = row["from_ts"] <= finding.to_ts + BRIDGE and row["to_ts"] >= finding.from_ts - BRIDGE
            if row["rule"] == finding.rule and near:
                return row
        return None

    def _insert(self, finding: StoredFinding, from_ts: datetime | None = None) -> None:
        start = from_ts or finding.from_ts
        alert = self.open.get(finding.key)
        values = self._values(finding) | {"from_ts": start}
        if alert is None and not finding.raised:
            self.connection.execute(_INSERT_FINDING, values | {"alert_id": None})
            return
        if alert is None:
            state = "suppressed" if finding.key[::2] in self.suppressed else finding.raised
            row = self.connection.execute(_INSERT_ALERT, values | {"state": state}).fetchone()
            assert row is not None
            alert = {**values, "alert_id": row[0], "state": state, "snoozed_until": None}
            self.open[finding.key] = alert
            action = "suppress" if state == "suppressed" else "open"
            self._event(row[0], action, "none", state, f"raised by {finding.rule}")
            self.counts.opened += 1
            self.connection.execute(_INSERT_FINDING, values | {"alert_id": row[0]})
            self._remember(values, row[0])
            return
        self.connection.execute(_INSERT_FINDING, values | {"alert_id": alert["alert_id"]})
        self._remember(values, alert["alert_id"])
        self._update_alert(alert, finding)
        self.counts.extended += 1

    def _remember(self, values: Row, alert_id: int) -> None:
        """A new occurrence counts when it is asked whether its alert's condition has ended."""
        key = values["point_id"], values["service"], values["kind"]
        fresh = {"alert_id": alert_id, "to_ts": values["to_ts"]}
        self.fresh.setdefault(key, []).append(fresh)

    def _carry_on(self, row: Row, finding: StoredFinding) -> None:
        values = self._values(finding) | {"finding_id": row["finding_id"]}
        # A later window may not see the beginning: the occurrence's own start and its largest stake stay.
        values["energy_at_stake_kwh"] = max(finding.energy_at_stake_kwh, row["energy_at_stake_kwh"])
        values["to_ts"] = max(finding.to_ts, row["from_ts"])
        self.connection.execute(_CARRY_ON, values)
        row.update(to_ts=values["to_ts"], severity=finding.severity, observed=finding.observed)
        alert = self.open.get(finding.key)
        if alert is not None and alert["alert_id"] == row["alert_id"]:
            self._update_alert(alert, finding)
        self.counts.extended += 1

    def _update_alert(self, alert: Row, finding: StoredFinding) -> None:
        if alert["state"] == "snoozed" and alert["snoozed_until"] is not None and alert["snoozed_until"] <= self.now:
            self._move(alert, "wake", "open", "the snooze is over")
        total = self.connection.execute(_SUM, (alert["alert_id"],)).fetchone()
        values = self._values(finding) | {"alert_id": alert["alert_id"]}
        values["energy_at_stake_kwh"] = 0.0 if total is None else total[0]
        values["severity"] = max(alert["severity"], finding.severity, key=SEVERITIES.index)
        self.connection.execute(_UPDATE_ALERT, values)
        alert["severity"] = values["severity"]

    def order_work(self, key: tuple[int, int, str], due_at: datetime, comment: str) -> None:
        """Send somebody there: an alert that waits for a decision becomes a field check, once."""
        alert = self.open.get(key)
        if alert is None or alert["state"] not in ("open", "acknowledged"):
            return
        self._move(alert, "field_check", "field_check", comment)
        self.connection.execute("UPDATE alert SET due_at = %s WHERE alert_id = %s", (due_at, alert["alert_id"]))
        self.counts.ordered += 1

    def withdraw(self, kinds: Sequence[str], since: datetime, points: Sequence[int]) -> None:
        """Take back what the same rules no longer see: occurrences that began after `since` and nobody acted on.

        An alert left without any occurrence is resolved with an event: new data have explained it.
        """
        gone = [
            row
            for row in self.stored
            if row["finding_id"] not in self.seen
            and row["from_ts"] >= since
            and row["kind"] in kinds
            and row["point_id"] in set(points)
            and row["state"] == "open"
        ]
        if not gone:
            return
        self.connection.execute(_WITHDRAW, ([row["finding_id"] for row in gone],))
        self.counts.withdrawn += len(gone)
        bare = self.connection.execute(_BARE, (sorted({row["alert_id"] for row in gone}),)).fetchall()
        for alert_id, state in bare:
            self._move({"alert_id": alert_id, "state": state}, "resolve", "resolved", "later readings explain it")
            self.counts.closed += 1

    def close_ended(self, kinds: Sequence[str], ended_before: datetime, points: Sequence[int]) -> None:
        """Resolve open alerts of `kinds` whose condition has ended of itself before an instant."""
        own = set(points)
        for (point, _, kind), alert in list(self.open.items()):
            key = (point, alert["service"], kind)
            known = [*self.by_key.get(key, []), *self.fresh.get(key, [])]
            rows = [row for row in known if row["alert_id"] == alert["alert_id"]]
            last = max((row["to_ts"] for row in rows), default=None)
            if (
                kind in kinds
                and point in own
                and alert["state"] in ("open", "suppressed")
                and last is not None
                and last < ended_before
            ):
                self._move(alert, "resolve", "resolved", "the condition has ended")
                self.counts.closed += 1

    def _move(self, alert: Row, action: str, state: str, comment: str) -> None:
        closed = self.now if state == "resolved" else None
        values = {"alert_id": alert["alert_id"], "from_state": alert["state"], "to_state": state, "closed_at": closed}
        cause = "recovered" if state == "resolved" else None
        self.connection.execute(_MOVE, values | {"cause": cause, "now": self.now})
        self._event(alert["alert_id"], action, alert["state"], state, comment)
        alert["state"] = state

    def _event(self, alert_id: int, action: str, before: str, after: str, comment: str) -> None:
        self.connection.execute(
            _EVENT,
            {"alert_id": alert_id, "action": action, "actor": ACTOR, "now": self.now, "from_state": before,
             "to_state": after, "cause": None, "comment": comment},
        )  # fmt: skip

    def _values(self, finding: StoredFinding) -> Row:
        names = (name for name in StoredFinding.__slots__ if name != "explanation")
        values: Row = {name: getattr(finding, name) for name in names}
        noticed = finding.noticed_at
        return values | {
            "explanation": Jsonb(finding.explanation),
            "details": Jsonb(finding.explanation | ({} if noticed is None else {"noticed_at": noticed.isoformat()})),
            "run_id": self.run_id,
            "now": self.now,
        }


def _moved(row: Row, finding: StoredFinding) -> bool:
    """Whether the figures of an occurrence changed by more than rounding."""
    before, after = row["energy_at_stake_kwh"], finding.energy_at_stake_kwh
    return bool(after > before * 1.000001 + 1e-6)
