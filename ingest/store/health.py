"""Counters of the comms board: how gateways and meters answer.

Rules: callers hand in what happened since the last time; sums live in the database, so workers may change.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection


@dataclass(frozen=True, slots=True)
class GatewayNews:
    """What happened on a gateway since the last report."""

    gateway_id: int
    worker: str
    connected: bool
    last_attempt_at: datetime | None = None
    last_success_at: datetime | None = None
    attempts: int = 0
    successes: int = 0
    timeouts: int = 0
    checksum_errors: int = 0
    collisions: int = 0
    refusals: int = 0
    latency_ms: float | None = None
    last_error: str | None = None


@dataclass(frozen=True, slots=True)
class MeterNews:
    """What happened with a meter since the last report; `consecutive_failures` is absolute, 0 after a success."""

    meter_id: int
    last_attempt_at: datetime | None = None
    last_success_at: datetime | None = None
    attempts: int = 0
    successes: int = 0
    consecutive_failures: int = 0
    timeouts: int = 0
    checksum_errors: int = 0
    collisions: int = 0
    latency_ms: float | None = None
    last_error: str | None = None
    clock_drift_s: float | None = None


# Column -> type, and how news meets what stands there: counters add up, the latest known stays, the rest is replaced.
_Columns = dict[str, tuple[str, str]]
_ADD, _LATEST, _SET = "h.{0} + excluded.{0}", "coalesce(excluded.{0}, h.{0})", "excluded.{0}"
_ANSWERS: _Columns = {
    "last_attempt_at": ("timestamptz", _LATEST),
    "last_success_at": ("timestamptz", _LATEST),
    "attempts": ("int8", _ADD),
    "successes": ("int8", _ADD),
    "timeouts": ("int8", _ADD),
    "checksum_errors": ("int8", _ADD),
    "collisions": ("int8", _ADD),
    "latency_ms": ("real", _LATEST),
    "last_error": ("text", _SET),
}
_OF_GATEWAY: _Columns = {
    "worker": ("text", _SET),
    "connected": ("boolean", _SET),
    "refusals": ("int8", _ADD),
    **_ANSWERS,
}
_OF_METER: _Columns = {
    "consecutive_failures": ("int", _SET),
    "clock_drift_s": ("real", _LATEST),
    **_ANSWERS,
}


async def report_gateways(connection: AsyncConnection[Any], news: Sequence[GatewayNews]) -> None:
    """Add counters of gateways; those that were unregistered meanwhile are passed over."""
    await _report(connection, "gateway", _OF_GATEWAY, news)


async def report_meters(connection: AsyncConnection[Any], news: Sequence[MeterNews]) -> None:
    """Add counters of meters; those that were unregistered meanwhile are passed over."""
    await _report(connection, "meter", _OF_METER, news)


async def _report(
    connection: AsyncConnection[Any], what: str, columns: _Columns, news: Sequence[GatewayNews] | Sequence[MeterNews]
) -> None:
    if not news:
        return
    key = f"{what}_id"
    # By number, so that two workers never wait for each other in a circle.
    rows: list[GatewayNews | MeterNews] = sorted(news, key=lambda item: int(getattr(item, key)))
    names = [key, *columns]
    arrays = ", ".join(f"%s::{kind}[]" for kind in ("int", *(kind for kind, _ in columns.values())))
    changes = ", ".join(f"{name} = {how.format(name)}" for name, (_, how) in columns.items())
    values = [[getattr(item, name) for item in rows] for name in names]
    values[names.index("last_error")] = [item.last_error or "" for item in rows]
    await connection.execute(
        f"INSERT INTO {what}_health AS h ({', '.join(names)})"
        f" SELECT {', '.join(f'n.{name}' for name in names)} FROM unnest({arrays}) AS n ({', '.join(names)})"
        f" JOIN {what} USING ({key}) ON CONFLICT ({key}) DO UPDATE SET {changes}, updated_at = now()",
        values,
    )
