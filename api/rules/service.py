"""Rule sets for people: look, propose, try on history, switch on; callable without HTTP.

Rules: a version never changes; whoever switches one on is not its author; a trial writes nothing but its answer; what
verdicts propose is shown with its evidence and never applied by itself; thresholds and their trials cover every area,
so who sees some of them changes none. Every decision is in the audit log.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from psycopg import AsyncConnection

from api.access import Actor
from api.errors import SamePersonError
from compute.engine import ORDER
from compute.feedback import Judged, propose
from compute.first_stage import every_threshold
from compute.rules import RuleError, RuleSet, changed_settings, defaults_of
from ingest.alerting import CAUSES, Verdict
from ingest.assessment.trial import try_rules
from ingest.clock import wall_now
from ingest.errors import ConflictError, InvalidInputError, NotFoundError
from ingest.store import audit, estimates, jobs, rule_sets
from ingest.store.database import Pool, connect_sync

_log = structlog.get_logger(__name__)

Row = dict[str, Any]
TRIAL_TASK: Final = "try rules"
TRIAL_QUEUE: Final = "service"
# A trial that was not heard of for so long has lost its process.
LOST: Final = timedelta(minutes=10)
# Nobody carries a dead meter on for longer than a season.
LONGEST_EXTRAPOLATION: Final = timedelta(days=200)
_KNOWN: Final = every_threshold(ORDER)


def catalogue() -> list[Row]:
    """Every rule with its thresholds and their defaults, in the engine's order."""
    return [
        {
            "rule": item.name,
            "about": (item.thresholds.__doc__ or "").strip(),
            "thresholds": defaults_of(item.thresholds),
        }
        for item in _KNOWN
    ]


def checked(settings: Mapping[str, Any]) -> Row:
    """Settings as they are stored: only what differs from the defaults. InvalidInputError names what does not fit."""
    try:
        RuleSet(0, settings).check(_KNOWN)
    except RuleError as error:
        raise InvalidInputError(str(error), code="rules.invalid", field="settings") from error
    kept: Row = changed_settings(settings, _KNOWN)
    return kept


async def groups(connection: AsyncConnection[Any], actor: Actor) -> list[Row]:
    """Rule groups with their active version and number of points."""
    return await rule_sets.groups(connection)


async def group(connection: AsyncConnection[Any], code: str, *, lock: bool = False) -> Row:
    """One group. NotFoundError where there is none of that code."""
    row = await rule_sets.group(connection, code, lock=lock)
    if row is None:
        raise NotFoundError(f"there is no rule group {code!r}", field="group")
    return row


async def add_group(connection: AsyncConnection[Any], actor: Actor, code: str, name: str, *, now: datetime) -> Row:
    """A new group; it starts with the catalogue's defaults."""
    actor.require("lead")
    actor.require_everywhere()
    if await rule_sets.group(connection, code) is not None:
        raise ConflictError(f"there is a rule group {code!r}", code="rules.group_exists", field="code")
    await rule_sets.add_group(connection, code, name or code, actor.name, now)
    await audit.record(connection, actor.name, "rules.group", f"rules/{code}", {"name": name})
    return await group(connection, code)


async def assign(connection: AsyncConnection[Any], actor: Actor, code: str, points: list[str]) -> int:
    """Put points into a group; how many were found in the caller's areas."""
    actor.require("lead")
    row = await group(connection, code)
    found = await rule_sets.assign(connection, row["rule_group_id"], points, actor.area_list)
    await audit.record(connection, actor.name, "rules.assign", f"rules/{code}", {"points": points, "found": found})
    return found


async def versions(connection: AsyncConnection[Any], actor: Actor, code: str) -> list[Row]:
    """Versions of a group, newest first."""
    row = await group(connection, code)
    return await rule_sets.versions(connection, row["rule_group_id"])


async def version(connection: AsyncConnection[Any], actor: Actor, rule_set_id: int) -> Row:
    """One version with every threshold as it works: the default, or what the version says."""
    row = await rule_sets.version(connection, rule_set_id)
    if row is None:
        raise NotFoundError("there is no such rule set", field="rule_set_id")
    effective = {item.name: {**defaults_of(item.thresholds), **row["settings"].get(item.name, {})} for item in _KNOWN}
    return {**row, "effective": effective}


async def add_version(
    connection: AsyncConnection[Any], actor: Actor, code: str, settings: Mapping[str, Any], note: str, *, now: datetime
) -> Row:
    """Propose a version: a draft that changes nothing until another person switches it on."""
    actor.require("approver")
    actor.require_everywhere()
    kept = checked(settings)
    row = await group(connection, code, lock=True)
    number = await rule_sets.propose(connection, row["rule_group_id"], kept, actor.name, note, now)
    await audit.record(connection, actor.name, "rules.propose", f"rules/{code}/{number}", {"settings": kept})
    return await version(connection, actor, number)


async def activate(connection: AsyncConnection[Any], actor: Actor, rule_set_id: int, *, now: datetime) -> Row:
    """Switch a version on for all later assessments; the one before retires. Also the way back to a retired version.

    Raises
    ------
    SamePersonError
        The caller wrote it.
    ConflictError
        ``rules.active``: it is in force already.
    """
    actor.require("approver")
    actor.require_everywhere()
    row = await version(connection, actor, rule_set_id)
    await group(connection, row["group_code"], lock=True)
    if row["state"] == "active":
        raise ConflictError("this version is in force already", code="rules.active", field="rule_set_id")
    if row["created_by"] == actor.name:
        raise SamePersonError("another person than its author switches a rule set on", field="rule_set_id")
    await rule_sets.activate(connection, row["rule_group_id"], rule_set_id, actor.name, now)
    told = {"version": row["version"], "author": row["created_by"]}
    await audit.record(connection, actor.name, "rules.activate", f"rules/{row['group_code']}/{rule_set_id}", told)
    return await version(connection, actor, rule_set_id)


async def start_trial(
    connection: AsyncConnection[Any],
    actor: Actor,
    code: str,
    settings: Mapping[str, Any],
    span: tuple[datetime | None, datetime | None],
    *,
    now: datetime,
) -> Row:
    """Have a worker try thresholds on history; `trial` tells how far it is."""
    actor.require("reviewer")
    actor.require_everywhere()
    kept = checked(settings)
    if span[0] is not None and span[1] is not None and span[0] >= span[1]:
        raise InvalidInputError("the span ends before it begins", field="to")
    row = await group(connection, code)
    number = await rule_sets.add_trial(connection, row["rule_group_id"], kept, span, actor.name, now)
    await jobs.defer(connection, TRIAL_TASK, TRIAL_QUEUE, {"trial_id": number})
    return await trial(connection, actor, number)


async def trials(connection: AsyncConnection[Any], actor: Actor) -> list[Row]:
    """The newest trials, without their details."""
    actor.require("reviewer")
    actor.require_everywhere()
    return await rule_sets.trials(connection)


async def trial(connection: AsyncConnection[Any], actor: Actor, trial_id: int) -> Row:
    """One trial: its progress, and its result once it is done."""
    actor.require("reviewer")
    actor.require_everywhere()
    row = await rule_sets.trial(connection, trial_id)
    if row is None:
        raise NotFoundError("there is no such trial", field="trial_id")
    return row


async def run_trial(pool: Pool, url: str, trial_id: int, *, now: datetime) -> bool:
    """Work on a trial that waits; False where somebody else has taken it. A job runs this."""
    async with pool.connection() as connection:
        row = await rule_sets.take_trial(connection, trial_id, now)
    if row is None:
        return False
    async with pool.connection() as connection:
        known = {item["rule_group_id"]: item["code"] for item in await rule_sets.groups(connection)}
        codes = await rule_sets.point_codes(connection, row["rule_group_id"])
    result, message = None, ""
    try:
        made = await asyncio.to_thread(_tried, url, row, known[row["rule_group_id"]], now)
        result = made.as_json(codes)
    except Exception as error:  # whatever it was: a trial that fails says so, instead of waiting for ever
        _log.warning("trial failed", trial=trial_id, reason=repr(error))
        message = f"{type(error).__name__}: {error}"
    async with pool.connection() as connection:
        await rule_sets.finish_trial(connection, trial_id, result, message, wall_now())
    return True


def _tried(url: str, row: Row, code: str, now: datetime) -> Any:
    """The trial itself, on a thread; its progress goes to the database on a connection of its own."""
    with connect_sync(url) as told:
        told.autocommit = True

        def beat(stage: str, done: int, whole: int) -> None:
            rule_sets.beat(told, row["trial_id"], stage, done, whole, wall_now())

        return try_rules(
            url, row["settings"], now=now, group=code, start=row["from_ts"], end=row["to_ts"], progress=beat
        )


async def resume_lost(pool: Pool, *, now: datetime) -> int:
    """Trials whose process has died wait for a worker again; how many. A job runs this."""
    async with pool.connection() as connection, connection.transaction():
        lost = await rule_sets.lost_trials(connection, now - LOST)
        for trial_id in lost:
            await jobs.defer(connection, TRIAL_TASK, TRIAL_QUEUE, {"trial_id": trial_id})
    return len(lost)


async def proposals(connection: AsyncConnection[Any], actor: Actor, code: str, *, since: datetime) -> list[Row]:
    """Tighter thresholds that the reviewers' verdicts since an instant speak for, with their evidence."""
    actor.require("reviewer")
    row = await group(connection, code)
    active = await rule_sets.version(connection, row["rule_set_id"])
    rules = RuleSet(row["rule_set_id"], {} if active is None else active["settings"])
    thresholds = {item.name: item.thresholds for item in _KNOWN}
    judged = []
    for item in await rule_sets.decided(connection, row["rule_group_id"], since, actor.area_list):
        verdict = CAUSES.get(item["cause"], (Verdict.UNDECIDED, False))[0]
        if verdict is not Verdict.UNDECIDED:
            observed, details = _number(item["observed"]), _numbers(item["details"])
            judged.append(Judged(item["kind"], item["rule"], observed, details, verdict is Verdict.TRUE))
    return [
        {
            "kind": found.kind, "rule": found.rule, "threshold": f"{found.name}.{found.threshold}",
            "current": found.current, "proposed": found.proposed,
            "right": found.right, "wrong": found.wrong,
            "right_kept": found.right_kept, "wrong_kept": found.wrong_kept,
            "precision_before": found.precision_before, "precision_after": found.precision_after,
            "settings": found.as_settings(),
        }
        for found in propose(judged, lambda name: rules.of(name, thresholds[name]))
    ]  # fmt: skip


async def extrapolations(connection: AsyncConnection[Any], actor: Actor) -> list[Row]:
    """Meters whose use is carried on past their last reading, and until when."""
    return await estimates.switches(connection, actor.area_list)


async def set_extrapolation(
    connection: AsyncConnection[Any], actor: Actor, meter_id: int, until: datetime, reason: str, *, now: datetime
) -> Row:
    """Switch extrapolation on for a meter; it ends by itself."""
    actor.require("approver")
    actor.require_everywhere()
    if not now < until <= now + LONGEST_EXTRAPOLATION:
        raise InvalidInputError(f"until lies between now and {LONGEST_EXTRAPOLATION.days} days from now", field="until")
    if not reason.strip():
        raise InvalidInputError("a switch needs a reason", field="reason")
    if not await estimates.set_switch(connection, meter_id, until, reason, actor.name):
        raise NotFoundError("there is no such meter", field="meter_id")
    told = {"until": until.isoformat(), "reason": reason}
    await audit.record(connection, actor.name, "rules.extrapolate", f"meter/{meter_id}", told)
    return next(row for row in await estimates.switches(connection) if row["meter_id"] == meter_id)


async def end_extrapolation(connection: AsyncConnection[Any], actor: Actor, meter_id: int) -> None:
    """Switch it off. NotFoundError where it was not on."""
    actor.require("approver")
    actor.require_everywhere()
    if not await estimates.drop_switch(connection, meter_id):
        raise NotFoundError("extrapolation is not on for this meter", field="meter_id")
    await audit.record(connection, actor.name, "rules.extrapolate_end", f"meter/{meter_id}", {})


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _numbers(details: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in details.items() if isinstance(value, int | float)}
