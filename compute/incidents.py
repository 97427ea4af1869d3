"""Explain before alarming: one cause at a point instead of its symptoms, one incident instead of four hundred alerts.

A swapped sensor also shows as zero use, a dead gateway as a hundred silent meters: the symptom is kept back where its
cause is found at the same time.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from compute.days import Days
from compute.findings import Finding, Kind, Severity
from compute.kernels.compiled import Int64

DAY_US = 86_400_000_000
_USE = (Kind.ZERO_USE, Kind.LOW_USE, Kind.JUMP, Kind.NEIGHBOURS)

# cause -> symptoms that it explains at the same point and time
EXPLAINS: Mapping[Kind, tuple[Kind, ...]] = {
    Kind.UNIT_ERROR: (*_USE, Kind.DECREASE, Kind.GARBAGE, Kind.FACTOR_ERROR, Kind.UNDERCOOLING),
    Kind.DECREASE: (Kind.ZERO_USE, Kind.JUMP, Kind.FACTOR_ERROR),
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
    Kind.JUMP: (Kind.UNDERCOOLING,),
    Kind.LEAKAGE: (Kind.UNDERCOOLING, Kind.JUMP),
    Kind.UNDERCOOLING: (Kind.LEAKAGE,),
    Kind.COMMS_LOSS: (Kind.GARBAGE, Kind.DECREASE),
    Kind.LOW_USE: (Kind.NEIGHBOURS, Kind.UNDERCOOLING),
}
# Days by which a symptom may stand out before or after its cause.
SLACK_DAYS = 3
# Causes that last until somebody mends them, though the finding tells only of their beginning: days they explain
# afterwards.
STANDING_DAYS: Mapping[Kind, int] = {
    Kind.UNIT_ERROR: 4000,
    Kind.SWAPPED_SENSORS: 400,
    Kind.FACTOR_ERROR: 30,
    Kind.JUMP: 30,
    Kind.LEAKAGE: 60,
    Kind.UNDERCOOLING: 400,
    Kind.LOW_USE: 400,
}
# Share of the area's cooling, times the rise of use squared, below which warm water is the cause of the rise.
UNCOOLED = 0.65
# A jump of so few days is one of the index.
ONCE_DAYS = 3
# A meter that stays silent this long after a doubtful reading was read by eye meanwhile.
OUTLASTS_DAYS = 2
# A leak is proven only when the season is over, but it lifted use before.
LEADING_DAYS: Mapping[Kind, int] = {Kind.LEAKAGE: 60}
NEAR_DAYS = 10
# What at a flat throws its building's balance.
_UNBALANCES = (
    Kind.UNIT_ERROR, Kind.FACTOR_ERROR, Kind.LOW_USE, Kind.ZERO_USE, Kind.SWAPPED_SENSORS, Kind.SENSOR_FAULT,
    Kind.BEHIND, Kind.GARBAGE, Kind.NEIGHBOURS, Kind.USE_WHILE_INACTIVE, Kind.DECREASE,
)  # fmt: skip
# Those of them that count heat which the master never gave, for as long as nobody mends them.
_OVERCOUNTS = (Kind.UNIT_ERROR, Kind.FACTOR_ERROR, Kind.USE_WHILE_INACTIVE)
# Kinds that one event brings over many points at once.
SHARED = (Kind.COMMS_LOSS, Kind.ZERO_USE)
LEAST, SHARE = 4, 0.5


@dataclass(frozen=True, slots=True)
class Incident:
    """Many findings with one cause. `scope`: "gateway", "building" or "area" and its `number`; `members`: positions
    in the findings.
    """

    kind: str
    scope: str
    number: int
    from_us: int
    to_us: int
    members: tuple[int, ...]


def causes(findings: Sequence[Finding], parent: Int64) -> list[Finding]:
    """Findings without the symptoms of others: at the same point, or at a flat of a building. `parent`: (p,) or -1."""
    by_point: dict[int, list[Finding]] = defaultdict(list)
    below: dict[int, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_point[finding.point].append(finding)
        if finding.kind in _UNBALANCES:
            below[int(parent[finding.point])].append(finding)
    kept = [item for item in findings if not any(_explains(other, item) for other in by_point[item.point])]
    return [
        item
        for item in kept
        if item.kind is not Kind.BALANCE or not any(_unbalances(other, item) for other in below[item.point])
    ]


def _explains(cause: Finding, symptom: Finding) -> bool:
    # An open bypass also lifts use a little; a stuck valve also spoils the cooling: the stronger sign decides.
    if {cause.kind, symptom.kind} == {Kind.LEAKAGE, Kind.UNDERCOOLING}:
        # Water that runs all summer through an open bypass was badly cooled in winter: the first sign is the cause.
        return cause.from_us < symptom.from_us and _together(cause, symptom)
    if Kind.COMMS_LOSS in (cause.kind, symptom.kind) and {cause.kind, symptom.kind} & {Kind.GARBAGE, Kind.DECREASE}:
        silence, doubt = (cause, symptom) if cause.kind is Kind.COMMS_LOSS else (symptom, cause)
        outlasts = silence.to_us > doubt.to_us + OUTLASTS_DAYS * DAY_US and silence.from_us <= doubt.to_us
        return outlasts == (cause is silence) and symptom.kind in EXPLAINS[cause.kind] and _together(cause, symptom)
    if {cause.kind, symptom.kind} == {Kind.JUMP, Kind.FACTOR_ERROR}:
        # An index that jumped once spoils the sums of a month; a wrong factor lifts every day.
        jump = cause if cause.kind is Kind.JUMP else symptom
        once = jump.severity is Severity.CRITICAL and jump.to_us - jump.from_us <= ONCE_DAYS * DAY_US
        return once == (cause is jump) and _together(cause, symptom)
    if {cause.kind, symptom.kind} == {Kind.UNDERCOOLING, Kind.JUMP}:
        warm, jump = (cause, symptom) if cause.kind is Kind.UNDERCOOLING else (symptom, cause)
        return _uncooled(warm, jump) == (cause is warm) and _together(cause, symptom)
    return symptom.kind in EXPLAINS.get(cause.kind, ()) and _together(cause, symptom)


def _uncooled(warm: Finding, jump: Finding) -> bool:
    """Whether water that comes back warm explains a rise of use: it is hardly cooled, or it is cooled far less and the
    rise is small. A valve that is stuck open uses much more and still cools.
    """
    share = warm.observed / max(warm.details.get("area_difference_k", np.inf), 1e-9)
    rise = jump.observed / max(jump.details.get("expected_kwh", 0.0), 1e-9)
    return warm.severity is Severity.CRITICAL or share * rise * rise < UNCOOLED


def _unbalances(flat: Finding, house: Finding) -> bool:
    """Whether a flat's fault began with the house's imbalance, or stood before it, and is large enough to make it."""
    if flat.kind in _OVERCOUNTS and house.observed < 0 and flat.from_us <= house.to_us:
        return True
    near = abs(flat.from_us - house.from_us) <= NEAR_DAYS * DAY_US
    return near and flat.energy_at_stake_kwh >= 0.3 * house.energy_at_stake_kwh


def _together(cause: Finding, symptom: Finding) -> bool:
    """Whether a symptom falls into the time of its cause."""
    after = STANDING_DAYS.get(cause.kind, SLACK_DAYS) * DAY_US
    before = LEADING_DAYS.get(cause.kind, SLACK_DAYS) * DAY_US
    return cause.from_us - before <= symptom.to_us and symptom.from_us <= cause.to_us + after


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
