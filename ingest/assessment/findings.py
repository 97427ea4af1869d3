"""From the engine's findings to alerts: names instead of positions, money instead of energy alone, incidents above
many.

Rules: an incident explains its findings, so that an outage is one thing to look at and not four hundred; what an open
alert of the point explains is not raised beside it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from compute.days import Days
from compute.findings import Finding, Kind, Severity
from compute.incidents import EXPLAINS, STANDING_DAYS, incidents
from compute.validation import long_estimation
from ingest.assessment.loading import Place
from ingest.store.findings import AlertBook, StoredFinding
from ingest.store.incidents import record_incident
from ingest.store.packing import instant_of

Int64 = NDArray[np.int64]

# Conditions that are over when the meter is well again: nobody has to decide on them.
SELF_CLOSING = (Kind.COMMS_LOSS, Kind.CLOCK)
SETTLED = timedelta(days=1)
# Time that a work order of the engine gives.
ORDER_WITHIN = timedelta(days=5)
# Causes that explain longer than this outlast the history that a run looks at.
LASTING_DAYS = 365


@dataclass(frozen=True, slots=True)
class Published:
    """Counts for the report."""

    opened: int
    closed: int
    incidents: int


def publish(
    connection: Connection[Any],
    places: Sequence[Place],
    days: Days,
    findings: Sequence[Finding],
    assessed: Int64,
    rule_set: Int64,
    run_id: int,
    now: datetime,
) -> Published:
    """Write findings, alerts and incidents of the places that were assessed from `assessed` (p,) microseconds on.

    `rule_set`: (p,) the version of the thresholds that judged each place.
    """
    rows = np.flatnonzero(assessed < 2**62)
    points = sorted({places[int(at)].point_id for at in rows})
    since = instant_of(int(assessed[rows].min()))
    book = AlertBook(connection, points, since, run_id, now)
    above = _incidents(connection, places, days, findings, now)
    for at in sorted(range(len(findings)), key=lambda at: findings[at].from_us):
        incident, raised = above.get(at, (None, "open"))
        finding = findings[at]
        if _standing(book, places[finding.point], finding):
            continue
        stored = stored_finding(finding, places[finding.point], int(rule_set[finding.point]))
        if finding.severity is Severity.INFO:
            raised = ""  # noted for whoever looks, nobody is woken
        book.record(replace(stored, incident_id=incident, raised=raised))
        if finding.rule == long_estimation.RULE:
            book.order_work(stored.key, now + ORDER_WITHIN, "not read for too long: somebody must go there")
    # The first days of a window lack what stands before them: only what began well inside can be taken back.
    book.withdraw([kind.value for kind in Kind], since + timedelta(days=3), points)
    # Where nobody is read any more, as after an import, the last reading of the fleet is the present.
    present = min(now, instant_of(int(days.last_us.max(initial=0))))
    book.close_ended([kind.value for kind in SELF_CLOSING], present - SETTLED, points)
    return Published(book.counts.opened, book.counts.closed, len({number for number, _ in above.values()}))


def _standing(book: AlertBook, place: Place, finding: Finding) -> bool:
    """Whether an open alert of the same point already says why: its cause began before the days that a run looks at."""
    if (place.point_id, place.service, finding.kind.value) in book.open:
        return False
    return any(
        finding.kind in EXPLAINS.get(cause, ())
        and row["from_ts"] <= instant_of(finding.from_us) <= row["to_ts"] + timedelta(days=days)
        for cause, days in STANDING_DAYS.items()
        if days >= LASTING_DAYS and (row := book.open.get((place.point_id, place.service, cause.value))) is not None
    )


def _incidents(
    connection: Connection[Any], places: Sequence[Place], days: Days, findings: Sequence[Finding], now: datetime
) -> dict[int, tuple[int, str]]:
    """Position of a finding -> its incident and how it is raised: one alert for a silent gateway, none for an
    outage.
    """
    above: dict[int, tuple[int, str]] = {}
    for incident in incidents(findings, days):
        members = [findings[at] for at in incident.members]
        row = places[members[0].point].newest
        scope = f"{incident.scope} {row['building'] if incident.scope == 'building' else incident.number}"
        codes = sorted({places[item.point].point_id for item in members})
        number = record_incident(
            connection,
            incident.kind,
            scope,
            (instant_of(incident.from_us), instant_of(incident.to_us)),
            f"{len(codes)} points of {scope} together",
            {"points": codes, "findings": len(members)},
            now,
        )
        silent = members[0].kind is Kind.COMMS_LOSS
        first = max(incident.members, key=lambda at: (findings[at].energy_at_stake_kwh, -findings[at].point))
        for at in incident.members:
            above[at] = (number, "open" if silent and at == first else "suppressed" if silent else "")
    return above


def stored_finding(finding: Finding, place: Place, rule_set_id: int) -> StoredFinding:
    """A finding with the names of the registry and its explanation in numbers."""
    price = float(place.newest["price_per_kwh"])
    explanation: dict[str, Any] = {
        "observed": _rounded(finding.observed),
        "expected_low": _rounded(finding.expected_low),
        "expected_high": _rounded(finding.expected_high),
        "unit": finding.unit,
        "money_at_stake": round(finding.energy_at_stake_kwh * price, 2),
        **{name: _rounded(value) for name, value in finding.details.items()},
    }
    return StoredFinding(
        place.point_id, place.newest["meter_id"], place.service, finding.kind.value, finding.rule,
        rule_set_id, finding.severity.value, instant_of(finding.from_us), instant_of(finding.to_us),
        _known(finding.observed), _known(finding.expected_low), _known(finding.expected_high),
        round(finding.energy_at_stake_kwh, 3), finding.confidence, explanation,
        noticed_at=instant_of(finding.noticed_us) if finding.noticed_us else None,
    )  # fmt: skip


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _rounded(value: float) -> float | None:
    return round(float(value), 4) if math.isfinite(value) else None
