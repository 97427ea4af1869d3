"""Explain before alarming: one cause at a point instead of its symptoms, one incident instead of four hundred alerts.

A swapped sensor also shows as zero use, a dead gateway as a hundred silent meters: the symptom is kept back where its cause
is found at the same time.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from compute.days import Days
from compute.findings import Finding, Kind

DAY_US = 86_400_000_000
_USE = (Kind.ZERO_USE, Kind.LOW_USE, Kind.JUMP, Kind.NEIGHBOURS)

# cause -> symptoms that it explains at the same point and time
EXPLAINS: Mapping[Kind, tuple[Kind, ...]] = {
    Kind.UNIT_ERROR: (*_USE, Kind.DECREASE, Kind.GARBAGE, Kind.FACTOR_ERROR, Kind.UNDERCOOLING),
    Kind.DECREASE: (Kind.ZERO_USE, Kind.JUMP),
    Kind.SWAPPED_SENSORS: (*_USE, Kind.SENSOR_FAULT, Kind.UNDERCOOLING, Kind.FACTOR_ERROR),
    Kind.STATIC: (
        *_USE,
        Kind.CLOCK,
        Kind.BEHIND,
        Kind.GARBAGE,
        Kind.SENSOR_FAULT,
        Kind.UNDERCOOLING,
        Kind.FACTOR_ERROR,
        Kind.COMMS_LOSS,
    ),
    Kind.SENSOR_FAULT: (*_USE, Kind.UNDERCOOLING, Kind.FACTOR_ERROR),
    Kind.BEHIND: (Kind.ZERO_USE, Kind.LOW_USE, Kind.NEIGHBOURS),
    Kind.FACTOR_ERROR: (*_USE, Kind.UNDERCOOLING),
    Kind.GARBAGE: (*_USE, Kind.COMMS_LOSS, Kind.DECREASE),
    Kind.ZERO_USE: (Kind.LOW_USE, Kind.NEIGHBOURS),
    Kind.LOW_USE: (Kind.NEIGHBOURS, Kind.UNDERCOOLING),
}
# Days by which a symptom may stand out before or after its cause.
SLACK_DAYS = 3
# Kinds that one event brings over many points at once.
SHARED = (Kind.COMMS_LOSS, Kind.ZERO_USE)
LEAST, SHARE = 4, 0.5


@dataclass(frozen=True, slots=True)
class Incident:
    """Many findings with one cause. `scope`: "gateway", "building" or "area" and its `number`; `members`: positions in the findings."""

    kind: str
    scope: str
    number: int
    from_us: int
    to_us: int
    members: tuple[int, ...]


def causes(findings: Sequence[Finding]) -> list[Finding]:
    """Findings without the symptoms of others at the same point and time."""
    by_point: dict[int, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_point[finding.point].append(finding)
    return [item for item in findings if not any(_explains(other, item) for other in by_point[item.point])]


def _explains(cause: Finding, symptom: Finding) -> bool:
    slack = SLACK_DAYS * DAY_US
    return (
        symptom.kind in EXPLAINS.get(cause.kind, ())
        and cause.from_us - slack <= symptom.to_us
        and symptom.from_us <= cause.to_us + slack
    )


def incidents(findings: Sequence[Finding], days: Days) -> list[Incident]:
    """Findings of one kind that began together at most points of a gateway, a building or an area."""
    found: list[Incident] = []
    taken: set[int] = set()
    for scope, groups in (
        ("gateway", days.points.gateway),
        ("building", days.points.building),
        ("area", days.points.area),
    ):
        sizes = dict(zip(*(part.tolist() for part in np.unique(groups, return_counts=True)), strict=True))
        if scope == "area" and len(sizes) == 0:
            continue
        for kind in SHARED:
            buckets: dict[tuple[int, int], list[int]] = defaultdict(list)
            for at, item in enumerate(findings):
                number = int(groups[item.point])
                if item.kind is kind and number >= 0 and at not in taken:
                    buckets[number, (item.from_us + DAY_US // 2) // DAY_US].append(at)
            for (number, _), members in sorted(buckets.items()):
                points = {findings[at].point for at in members}
                if len(points) >= max(LEAST, SHARE * sizes[number]):
                    taken.update(members)
                    start, stop = min(findings[at].from_us for at in members), max(findings[at].to_us for at in members)
                    name = f"{scope}_{'silence' if kind is Kind.COMMS_LOSS else 'outage'}"
                    found.append(Incident(name, scope, number, start, stop, tuple(members)))
    return found
