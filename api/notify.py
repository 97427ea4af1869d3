"""Notifications by apprise: a role is told what is new in its area, outside its quiet hours, in its language.

Rules: a rule remembers up to where it has told, so quiet hours delay and never lose; one message sums up what is new.
Addresses often hold passwords: they are sealed at rest and shown to nobody, only the service's name is. An
administrator of some areas makes, sees and ends the rules of those areas alone.
"""

import asyncio
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

import apprise
import structlog
from psycopg import AsyncConnection

from api.access import ROLES, Actor
from ingest.errors import InvalidInputError, NotFoundError
from ingest.sealing import Sealer, SealError
from ingest.store import audit
from ingest.store import notifications as store
from ingest.store.database import Pool

_log = structlog.get_logger(__name__)

Row = dict[str, Any]
Send = Callable[[str, str, str], bool]
SEVERITIES: Final = ("info", "warning", "critical")
EVENTS: Final = ("alert.opened", "alert.overdue")
_LINES: Final = 10
_TITLES: Final = {
    ("alert.opened", "en"): "Heatbook: {n} new alerts",
    ("alert.opened", "zh"): "Heatbook:{n} 条新告警",
    ("alert.overdue", "en"): "Heatbook: {n} alerts are overdue",
    ("alert.overdue", "zh"): "Heatbook:{n} 条告警已超时",
    ("test", "en"): "Heatbook: a test",
    ("test", "zh"): "Heatbook:测试",
}
_MORE: Final = {"en": "... and {n} more", "zh": "……另有 {n} 条"}
_TEST: Final = {"en": "Messages of this rule arrive here.", "zh": "此规则的消息会发送到这里。"}


def send_by_apprise(url: str, title: str, body: str) -> bool:
    """Send one message; False where the service refused it."""
    with _quirks_of_apprise():
        sender = apprise.Apprise()
        return bool(sender.add(url)) and bool(sender.notify(title=title, body=body))


@contextmanager
def _quirks_of_apprise() -> Iterator[None]:
    # Its mail plugin imports imghdr, which Python 3.11 warns about (apprise 2.2).
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def is_quiet(now: datetime, zone: str, begins: time | None, ends: time | None) -> bool:
    """Whether an instant lies in the quiet hours, which may span midnight."""
    if begins is None or ends is None or begins == ends:
        return False
    local = now.astimezone(ZoneInfo(zone)).time()
    return begins <= local < ends if begins < ends else local >= begins or local < ends


async def add_rule(
    connection: AsyncConnection[Any],
    actor: Actor,
    sealer: Sealer,
    role: str,
    url: str,
    *,
    area_id: int | None = None,
    events: Sequence[str] = ("alert.opened",),
    min_severity: str = "critical",
    quiet: tuple[time, time] | None = None,
    language: str = "zh",
) -> int:
    """Who is told of what by which service; returns rule_id."""
    actor.require("admin")
    actor.require_within([] if area_id is None else [area_id])
    if role not in ROLES:
        raise InvalidInputError(f"role {role!r} is none of {', '.join(ROLES)}", field="role")
    if min_severity not in SEVERITIES:
        raise InvalidInputError(f"severity is one of {', '.join(SEVERITIES)}", field="min_severity")
    if not events or not set(events) <= set(EVENTS):
        raise InvalidInputError(f"events are of {', '.join(EVENTS)}", field="events")
    with _quirks_of_apprise():
        if not apprise.Apprise().add(url):
            raise InvalidInputError("this is no address that apprise knows", field="url")
    service = url.split(":", 1)[0].lower()
    number = await store.add_rule(connection, role, area_id, service, events, min_severity, quiet, language, actor.name)
    await store.set_sealed(connection, number, sealer.seal_text(url, _owner(number)))
    told = {"role": role, "area": area_id, "service": service, "events": list(events), "min_severity": min_severity}
    await audit.record(connection, actor.name, "notification.add", f"notification/{number}", told)
    return number


def _owner(rule_id: int) -> str:
    return f"notification/{rule_id}"


async def rules(connection: AsyncConnection[Any], actor: Actor) -> list[Row]:
    """Active rules; of an address only the service's name is shown."""
    actor.require("admin")
    return await store.listed(connection, actor.area_list)


async def messages(
    connection: AsyncConnection[Any], actor: Actor, rule_id: int | None = None, limit: int = 200
) -> list[Row]:
    """What was told, newest first, and whether the service took it."""
    actor.require("admin")
    return await store.messages(connection, rule_id, limit, areas=actor.area_list)


async def end_rule(connection: AsyncConnection[Any], actor: Actor, rule_id: int) -> None:
    """Tell nobody by this rule any more."""
    await _own_rule(connection, actor, rule_id)
    await store.end_rule(connection, rule_id)
    await audit.record(connection, actor.name, "notification.end", f"notification/{rule_id}")


async def _own_rule(connection: AsyncConnection[Any], actor: Actor, rule_id: int) -> Row:
    """An active rule that the caller may change: one for every area belongs to who sees every area."""
    actor.require("admin")
    found = await store.rules(connection, rule_id)
    if not found or not actor.sees(found[0]["area_id"]):
        raise NotFoundError("no such rule", field="rule_id")
    return found[0]


async def send_test(
    connection: AsyncConnection[Any],
    actor: Actor,
    sealer: Sealer,
    rule_id: int,
    *,
    now: datetime,
    send: Send = send_by_apprise,
) -> bool:
    """Send a test message by a rule, also in its quiet hours; whether the service took it."""
    rule = await _own_rule(connection, actor, rule_id)
    title = _TITLES["test", rule["language"]]
    return await _send(connection, sealer, send, rule, "test", title, _TEST[rule["language"]], 0, now)


def message(rows: Sequence[Row], language: str, event: str = "alert.opened") -> tuple[str, str]:
    """Title and body of a message about alerts, the weightiest first."""
    lines = [
        f"{row['severity']} {row['kind']}: {row['point']} {row['address']} ({row['energy_at_stake_kwh']:.0f} kWh)"
        for row in rows[:_LINES]
    ]
    if len(rows) > _LINES:
        lines.append(_MORE[language].format(n=len(rows) - _LINES))
    return _TITLES[event, language].format(n=len(rows)), "\n".join(lines)


async def tell(pool: Pool, sealer: Sealer, *, now: datetime, send: Send = send_by_apprise) -> int:
    """Tell every rule its news; how many messages went out. A refused message is tried again next time."""
    sent = 0
    async with pool.connection() as connection, connection.transaction():
        newest = await store.newest_alert(connection)
        escalation = await store.newest_escalation(connection)
        for rule in await store.rules(connection):
            if is_quiet(now, rule["time_zone"], rule["quiet_from"], rule["quiet_to"]):
                continue
            severities = SEVERITIES[SEVERITIES.index(rule["min_severity"]) :]
            number, area = rule["rule_id"], rule["area_id"]
            if "alert.opened" in rule["events"]:
                rows = await store.opened(connection, rule["told_until"], area, severities)
                if await _told(connection, sealer, send, rule, "alert.opened", rows, now):
                    sent += bool(rows)
                    await store.set_told(connection, number, newest)
            if "alert.overdue" in rule["events"] and escalation is not None:
                rows = await store.escalated(connection, rule["overdue_until"], area, severities)
                if await _told(connection, sealer, send, rule, "alert.overdue", rows, now):
                    sent += bool(rows)
                    await store.set_overdue_told(connection, number, max(escalation, rule["overdue_until"]))
    return sent


async def _told(
    connection: AsyncConnection[Any], sealer: Sealer, send: Send, rule: Row, event: str, rows: list[Row], now: datetime
) -> bool:
    """Whether nothing of these is left to tell."""
    if not rows:
        return True
    title, body = message(rows, rule["language"], event)
    return await _send(connection, sealer, send, rule, event, title, body, len(rows), now)


async def _send(
    connection: AsyncConnection[Any],
    sealer: Sealer,
    send: Send,
    rule: Row,
    event: str,
    title: str,
    body: str,
    items: int,
    now: datetime,
) -> bool:
    number = rule["rule_id"]
    try:
        url = rule["url"] or sealer.open_text(bytes(rule["sealed"]), _owner(number))
        taken = await asyncio.to_thread(send, url, title, body)
    except SealError as error:
        _log.error("notification address does not open", rule=number, error=str(error))
        taken = False
    else:
        if rule["url"]:  # written in clear by an older version
            await store.set_sealed(connection, number, sealer.seal_text(url, _owner(number)))
        if not taken:
            _log.warning("notification refused", rule=number)
    await store.add_message(connection, number, now, event, title, items, taken=taken)
    return taken
