"""Notifications by apprise: a role is told what is new in its area, outside its quiet hours, in its language.

A rule remembers up to which alert it has told, so quiet hours delay and never lose; one message sums up what is new.
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
from ingest.store import audit, outbox
from ingest.store.database import Pool

_log = structlog.get_logger(__name__)

Send = Callable[[str, str, str], bool]
SEVERITIES: Final = ("info", "warning", "critical")
_LINES: Final = 10
_TITLES: Final = {"en": "Heatbook: {n} new alerts", "zh": "Heatbook:{n} 条新告警"}
_MORE: Final = {"en": "... and {n} more", "zh": "……另有 {n} 条"}


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
    role: str,
    url: str,
    *,
    area_id: int | None = None,
    min_severity: str = "critical",
    quiet: tuple[time, time] | None = None,
    language: str = "zh",
) -> int:
    """Who is told by which service; returns rule_id."""
    actor.require("admin")
    if role not in ROLES:
        raise InvalidInputError(f"role {role!r} is none of {', '.join(ROLES)}", field="role")
    if min_severity not in SEVERITIES:
        raise InvalidInputError(f"severity is one of {', '.join(SEVERITIES)}", field="min_severity")
    with _quirks_of_apprise():
        if not apprise.Apprise().add(url):
            raise InvalidInputError("this is no address that apprise knows", field="url")
    number = await outbox.add_rule(
        connection, role, area_id, url, ["alert.opened"], min_severity, quiet, language, actor.name
    )
    told = {"role": role, "area": area_id, "service": url.split(":", 1)[0], "min_severity": min_severity}
    await audit.record(connection, actor.name, "notification.add", f"notification/{number}", told)
    return number


async def end_rule(connection: AsyncConnection[Any], actor: Actor, rule_id: int) -> None:
    """Tell nobody by this rule any more."""
    actor.require("admin")
    if not await outbox.end_rule(connection, rule_id):
        raise NotFoundError("no such rule", field="rule_id")
    await audit.record(connection, actor.name, "notification.end", f"notification/{rule_id}")


def message(rows: Sequence[dict[str, Any]], language: str) -> tuple[str, str]:
    """Title and body of a message about new alerts, the weightiest first."""
    lines = [
        f"{row['severity']} {row['kind']}: {row['point']} {row['address']} ({row['energy_at_stake_kwh']:.0f} kWh)"
        for row in rows[:_LINES]
    ]
    if len(rows) > _LINES:
        lines.append(_MORE[language].format(n=len(rows) - _LINES))
    return _TITLES[language].format(n=len(rows)), "\n".join(lines)


async def tell(pool: Pool, *, now: datetime, send: Send = send_by_apprise) -> int:
    """Tell every rule its news; how many messages went out. A refused message is tried again next time."""
    sent = 0
    async with pool.connection() as connection, connection.transaction():
        newest = await outbox.newest_alert(connection)
        for rule in await outbox.rules(connection):
            if is_quiet(now, rule["time_zone"], rule["quiet_from"], rule["quiet_to"]):
                continue
            severities = SEVERITIES[SEVERITIES.index(rule["min_severity"]) :]
            rows = await outbox.news(connection, rule["told_until"], rule["area_id"], severities)
            if rows:
                title, body = message(rows, rule["language"])
                if not await asyncio.to_thread(send, rule["url"], title, body):
                    _log.warning("notification refused", rule=rule["rule_id"])
                    continue
                sent += 1
            await outbox.set_told(connection, rule["rule_id"], newest)
    return sent
