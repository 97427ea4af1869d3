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


async def report_gateways(connection: AsyncConnection[Any], news: Sequence[GatewayNews]) -> None:
    """Add counters of gateways."""
    rows = sorted(news, key=lambda item: item.gateway_id)
    if not rows:
        return
    await connection.execute(
        "INSERT INTO gateway_health AS h (gateway_id, worker, connected, last_attempt_at, last_success_at, attempts,"
        " successes, timeouts, checksum_errors, collisions, refusals, latency_ms, last_error)"
        " SELECT n.id, n.worker, n.connected, n.attempt_at, n.success_at, n.attempts, n.successes,"
        " n.timeouts, n.checksums,"
        " n.collisions, n.refusals, n.latency, coalesce(n.error, '') FROM unnest(%s::int[], %s::text[], %s::boolean[],"
        " %s::timestamptz[], %s::timestamptz[], %s::int8[], %s::int8[], %s::int8[], %s::int8[], %s::int8[], %s::int8[],"
        " %s::real[], %s::text[]) AS n (id, worker, connected, attempt_at, success_at, attempts, successes, timeouts,"
        " checksums, collisions, refusals, latency, error) JOIN gateway g ON g.gateway_id = n.id"
        " ON CONFLICT (gateway_id) DO UPDATE SET worker = excluded.worker, connected = excluded.connected,"
        " last_attempt_at = coalesce(excluded.last_attempt_at, h.last_attempt_at),"
        " last_success_at = coalesce(excluded.last_success_at, h.last_success_at),"
        " attempts = h.attempts + excluded.attempts, successes = h.successes + excluded.successes,"
        " timeouts = h.timeouts + excluded.timeouts, checksum_errors = h.checksum_errors + excluded.checksum_errors,"
        " collisions = h.collisions + excluded.collisions, refusals = h.refusals + excluded.refusals,"
        " latency_ms = coalesce(excluded.latency_ms, h.latency_ms), last_error = excluded.last_error,"
        " updated_at = now()",
        [
            [item.gateway_id for item in rows],
            [item.worker for item in rows],
            [item.connected for item in rows],
            [item.last_attempt_at for item in rows],
            [item.last_success_at for item in rows],
            [item.attempts for item in rows],
            [item.successes for item in rows],
            [item.timeouts for item in rows],
            [item.checksum_errors for item in rows],
            [item.collisions for item in rows],
            [item.refusals for item in rows],
            [item.latency_ms for item in rows],
            [item.last_error for item in rows],
        ],
    )


async def report_meters(connection: AsyncConnection[Any], news: Sequence[MeterNews]) -> None:
    """Add counters of meters; those that were unregistered meanwhile are passed over."""
    rows = sorted(news, key=lambda item: item.meter_id)
    if not rows:
        return
    await connection.execute(
        "INSERT INTO meter_health AS h (meter_id, last_attempt_at, last_success_at, attempts, successes,"
        " consecutive_failures, timeouts, checksum_errors, collisions, latency_ms, last_error, clock_drift_s)"
        " SELECT n.id, n.attempt_at, n.success_at, n.attempts, n.successes, n.failures, n.timeouts, n.checksums,"
        " n.collisions, n.latency, coalesce(n.error, ''), n.drift FROM unnest(%s::int[], %s::timestamptz[],"
        " %s::timestamptz[], %s::int8[], %s::int8[], %s::int[], %s::int8[], %s::int8[], %s::int8[],"
        " %s::real[], %s::text[],"
        " %s::real[]) AS n (id, attempt_at, success_at, attempts, successes, failures, timeouts, checksums, collisions,"
        " latency, error, drift) JOIN meter m ON m.meter_id = n.id"
        " ON CONFLICT (meter_id) DO UPDATE SET"
        " last_attempt_at = coalesce(excluded.last_attempt_at, h.last_attempt_at),"
        " last_success_at = coalesce(excluded.last_success_at, h.last_success_at),"
        " attempts = h.attempts + excluded.attempts, successes = h.successes + excluded.successes,"
        " consecutive_failures = excluded.consecutive_failures, timeouts = h.timeouts + excluded.timeouts,"
        " checksum_errors = h.checksum_errors + excluded.checksum_errors, collisions = h.collisions +"
        " excluded.collisions,"
        " latency_ms = coalesce(excluded.latency_ms, h.latency_ms), last_error = excluded.last_error,"
        " clock_drift_s = coalesce(excluded.clock_drift_s, h.clock_drift_s), updated_at = now()",
        [
            [item.meter_id for item in rows],
            [item.last_attempt_at for item in rows],
            [item.last_success_at for item in rows],
            [item.attempts for item in rows],
            [item.successes for item in rows],
            [item.consecutive_failures for item in rows],
            [item.timeouts for item in rows],
            [item.checksum_errors for item in rows],
            [item.collisions for item in rows],
            [item.latency_ms for item in rows],
            [item.last_error for item in rows],
            [item.clock_drift_s for item in rows],
        ],
    )
